#ifndef PONTOON_STORAGE_NEGATIVE_CONTROLS_H_
#define PONTOON_STORAGE_NEGATIVE_CONTROLS_H_

#ifdef PONTOON_NEGATIVE_CONTROLS
#include <chrono>
#include <cstdlib>
#include <thread>

#include "absl/strings/string_view.h"
#endif

// Faults that the crash tests must notice, or they prove nothing: a store that reports before it
// has synced, and one that skips the sync. Compiled in only with -DPONTOON_NEGATIVE_CONTROLS=ON;
// then the environment variable PONTOON_NEGATIVE_CONTROL picks one. In every other build both are
// constantly false.

namespace pontoon::storage::negative_controls {

#ifdef PONTOON_NEGATIVE_CONTROLS
inline bool Picked(absl::string_view name) {
  const char* const picked = std::getenv("PONTOON_NEGATIVE_CONTROL");
  return picked != nullptr && picked == name;
}
inline bool ReportBeforeSync() {
  static const bool on = Picked("report-before-sync");
  return on;
}
// So that what was reported is not synced by the time that somebody has heard of it.
inline void DawdleBeforeSync() { std::this_thread::sleep_for(std::chrono::milliseconds(20)); }
inline bool SkipSync() {
  static const bool on = Picked("skip-sync");
  return on;
}
#else
constexpr bool ReportBeforeSync() { return false; }
inline void DawdleBeforeSync() {}
constexpr bool SkipSync() { return false; }
#endif

}  // namespace pontoon::storage::negative_controls

#endif  // PONTOON_STORAGE_NEGATIVE_CONTROLS_H_
