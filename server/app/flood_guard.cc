#include "server/app/flood_guard.h"

#include <utility>

#include "absl/strings/ascii.h"

namespace pontoon::app {

std::string FloodGuard::ShapeOf(absl::string_view text) {
  std::string shape;
  for (size_t i = 0; i < text.size() && shape.size() < kShapeBytesMax; ++i) {
    const char c = text[i];
    if (absl::ascii_isdigit(static_cast<unsigned char>(c))) {
      if (shape.empty() || shape.back() != '#') shape.push_back('#');
    } else if (c == '\'' && text.find('\'', i + 1) != absl::string_view::npos) {
      shape.append("''");
      i = text.find('\'', i + 1);
    } else {
      shape.push_back(c);
    }
  }
  return shape;
}

bool FloodGuard::Admit(base::MonotonicTime now, base::LogLevel level, absl::string_view text) {
  std::string shape = ShapeOf(text);
  auto it = kinds_.find(shape);
  if (it == kinds_.end()) {
    if (kinds_.size() >= kShapesMax) return true;
    it = kinds_.emplace(std::move(shape), Kind{now, level, 0, ""}).first;
  }
  Kind& kind = it->second;
  if (kind.lines <= kLinesPerWindow && now - kind.since >= kWindow) {
    // The window is over and nothing was held back.
    kind.since = now;
    kind.lines = 0;
  }
  if (++kind.lines <= kLinesPerWindow) return true;
  if (kind.lines == kLinesPerWindow + 1) {
    kind.level = level;
    kind.sample = std::string(text);
  }
  return false;
}

std::vector<FloodGuard::Held> FloodGuard::TakeHeld(base::MonotonicTime now, bool all) {
  std::vector<Held> held;
  for (auto it = kinds_.begin(); it != kinds_.end();) {
    Kind& kind = it->second;
    if (!all && now - kind.since < kWindow) {
      ++it;
      continue;
    }
    if (kind.lines > kLinesPerWindow)
      held.push_back({kind.level, kind.lines - kLinesPerWindow, std::move(kind.sample)});
    it = kinds_.erase(it);
  }
  return held;
}

}  // namespace pontoon::app
