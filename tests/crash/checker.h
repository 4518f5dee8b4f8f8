#ifndef PONTOON_TESTS_CRASH_CHECKER_H_
#define PONTOON_TESTS_CRASH_CHECKER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "tests/crash/history.h"

namespace pontoon::crash {

// What a run must have done to mean anything.
struct Floors {
  uint64_t confirmed = 0;      // messages, of which
  uint64_t share_percent = 0;  // so many in a hundred between the first and the last fault
  uint64_t outcomes_unknown = 0;
  uint64_t faults = 0;
};

// pass: everything was looked at and is right. fail: a promise was broken. unknown: the run does
// not tell (a history is cut off, a queue was not drained, a floor was not reached).
enum class Verdict { kPass, kFail, kUnknown };
absl::string_view VerdictName(Verdict verdict);

// Counts of (message, queue) pairs where a message goes to several queues.
struct Report {
  // How it went.
  uint64_t attempted = 0, confirmed = 0, outcome_unknown = 0, unrouted = 0;  // messages
  uint64_t confirmed_between_faults = 0;                                     // messages
  uint64_t delivered = 0;                                                    // first deliveries
  uint64_t recovered = 0;              // of these, of messages with an unknown outcome
  uint64_t redelivered = 0;            // all others, and first ones that say so
  uint64_t redelivered_after_ack = 0;  // because a crash came too soon after the acknowledgement
  uint64_t faults = 0, starts = 0;
  int64_t longest_confirm_gap_nanos = 0, longest_start_to_confirm_nanos = 0;

  // What must be 0.
  uint64_t lost = 0;        // confirmed, its queue drained, never delivered
  uint64_t unexpected = 0;  // delivered where it was never sent to
  uint64_t damaged = 0;     // the content is not what was published
  uint64_t duplicated = 0;  // delivered again without `redelivered`
  uint64_t redelivered_unexplained = 0;
  uint64_t out_of_order = 0;
  uint64_t returns_missing = 0;  // mandatory, to no queue, and yet only confirmed
  uint64_t queues_lost = 0;      // declared, never deleted, gone

  std::vector<std::string> broken;      // The first of these, in words.
  std::vector<std::string> incomplete;  // Why the run does not tell.

  Verdict verdict() const;
  std::string ToJson() const;
  std::string ToLine() const;
};

struct CheckOptions {
  Floors floors;
  // An acknowledgement older than this when the broker was killed must have been recorded. AMQP has
  // no answer to it, so the last ones may be lost.
  int64_t ack_grace_nanos = 2'000'000'000;
};

// `events` of all processes together, in any order; those of one process in theirs.
Report Check(std::vector<Event> events, const CheckOptions& options);

}  // namespace pontoon::crash

#endif  // PONTOON_TESTS_CRASH_CHECKER_H_
