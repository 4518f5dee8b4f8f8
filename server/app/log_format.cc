#include "server/app/log_format.h"

#include <boost/json/serialize.hpp>
#include <boost/json/string_view.hpp>
#include <cstdlib>
#include <ctime>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"

namespace pontoon::app {
namespace {

std::string FormatTime(base::WallTime time) {
  const std::time_t seconds = time.seconds();
  std::tm local{};
  localtime_r(&seconds, &local);
  const long offset = local.tm_gmtoff / 60;
  return absl::StrFormat("%04d-%02d-%02d %02d:%02d:%02d.%06d%c%02d:%02d", local.tm_year + 1900,
                         local.tm_mon + 1, local.tm_mday, local.tm_hour, local.tm_min, local.tm_sec,
                         time.nanos % 1'000'000'000 / 1000, offset < 0 ? '-' : '+',
                         std::labs(offset) / 60, std::labs(offset) % 60);
}

absl::string_view Domain(LogCategory category) {
  switch (category) {
    case LogCategory::kConnection:
      return "rabbitmq.connection";
    case LogCategory::kChannel:
      return "rabbitmq.channel";
    case LogCategory::kQueue:
      return "rabbitmq.queue";
    case LogCategory::kDefault:
      break;
  }
  return "rabbitmq";
}

// Length of the UTF-8 sequence at the front of `text`, 0 if it is none.
size_t Utf8Length(absl::string_view text) {
  const auto byte = [&](size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u;
  };
  const auto tail = [&](size_t i) { return (byte(i) & 0xC0) == 0x80; };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF && tail(1)) return 2;
  if ((first & 0xF0) == 0xE0 && tail(1) && tail(2)) {
    const unsigned second = byte(1);
    if ((first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F)) return 0;
    return 3;
  }
  if (first >= 0xF0 && first <= 0xF4 && tail(1) && tail(2) && tail(3)) {
    const unsigned second = byte(1);
    if ((first == 0xF0 && second < 0x90) || (first == 0xF4 && second > 0x8F)) return 0;
    return 4;
  }
  return 0;
}

std::string ValidUtf8(absl::string_view text) {
  std::string valid;
  valid.reserve(text.size());
  while (!text.empty()) {
    const size_t size = Utf8Length(text);
    if (size == 0) {
      valid.append("\xEF\xBF\xBD");
      text.remove_prefix(1);
    } else {
      valid.append(text.data(), size);
      text.remove_prefix(size);
    }
  }
  return valid;
}

// A client's bytes must not steer the operator's terminal, nor look like a line of ours.
void AppendPrintable(absl::string_view text, std::string* out) {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      if (c == '\t') {
        out->push_back(c);
      } else {
        absl::StrAppend(out, absl::StrFormat("\\x%02x", static_cast<unsigned char>(c)));
      }
    } else {
      out->push_back(c);
    }
  }
}

}  // namespace

absl::string_view LevelName(base::LogLevel level) {
  constexpr absl::string_view kNames[] = {"debug",   "info",  "notice",
                                          "warning", "error", "critical"};
  return kNames[static_cast<int>(level)];
}

std::string FormatPlain(const LogLine& line) {
  const std::string prefix = absl::StrCat(FormatTime(line.time), " [", LevelName(line.level),
                                          "] <0.", line.origin, ".0> ");
  std::string out;
  for (absl::string_view part : absl::StrSplit(line.text, '\n')) {
    out += prefix;
    AppendPrintable(part, &out);
    out += '\n';
  }
  return out;
}

std::string FormatJson(const LogLine& line) {
  const std::string text = ValidUtf8(line.text);
  return absl::StrCat(
      "{\"time\":\"", FormatTime(line.time), "\",\"level\":\"", LevelName(line.level),
      "\",\"msg\":", boost::json::serialize(boost::json::string_view(text)), ",\"domain\":\"",
      Domain(line.category), "\",\"pid\":\"<0.", line.origin, ".0>\"}\n");
}

}  // namespace pontoon::app
