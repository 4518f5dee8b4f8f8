#ifndef PONTOON_SERVER_APP_FLOOD_GUARD_H_
#define PONTOON_SERVER_APP_FLOOD_GUARD_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/strings/string_view.h"
#include "base/logger.h"
#include "base/time.h"

namespace pontoon::app {

// Lets the first lines of a kind through and counts the rest, so that a client that fails a
// thousand times a second neither fills the disk nor hides what else happens. Two lines are of a
// kind if they differ only in numbers and in what is quoted. Not thread-safe.
class FloodGuard {
 public:
  // Lines of one kind that are printed per window; a burst of a few dozen clients stays whole.
  static constexpr uint32_t kLinesPerWindow = 50;
  static constexpr base::Duration kWindow = base::Seconds(1);
  // Kinds that are told apart at once; more than these pass unchecked. Costs at most 2,000 * (2 *
  // kShapeBytesMax + ~100) B.
  static constexpr size_t kShapesMax = 2000;
  static constexpr size_t kShapeBytesMax = 400;

  struct Held {
    base::LogLevel level;
    uint64_t count;      // Lines that were not printed.
    std::string sample;  // The first of them.
  };

  // True if the line is to be printed.
  bool Admit(base::MonotonicTime now, base::LogLevel level, absl::string_view text);
  // What was held back in windows that are over, by kind. Call it about once a second and before
  // the end.
  std::vector<Held> TakeHeld(base::MonotonicTime now, bool all = false);

  static std::string ShapeOf(absl::string_view text);

 private:
  struct Kind {
    base::MonotonicTime since;
    base::LogLevel level = base::LogLevel::kInfo;
    uint64_t lines = 0;
    std::string sample;
  };
  absl::btree_map<std::string, Kind> kinds_;
};

}  // namespace pontoon::app

#endif  // PONTOON_SERVER_APP_FLOOD_GUARD_H_
