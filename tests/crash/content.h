#ifndef PONTOON_TESTS_CRASH_CONTENT_H_
#define PONTOON_TESTS_CRASH_CONTENT_H_

#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "base/random.h"
#include "base/slice.h"
#include "tests/crash/history.h"

namespace pontoon::crash {

// What the load declares and publishes to. All durable; `fan` is a fanout exchange bound to the two
// fan queues; from `cold` nobody consumes until the drain.
inline constexpr absl::string_view kFanout = "crash.fan";
inline constexpr absl::string_view kFanQueues = "fan1,fan2";
inline constexpr absl::string_view kAllQueues[] = {"direct1", "direct2", "fan1", "fan2", "cold"};
inline constexpr absl::string_view kConsumedQueues[] = {"direct1", "direct2", "fan1", "fan2"};

inline constexpr uint32_t kBodyBytesMax = 300'000;

// A body and the property `message_id` that lets whoever gets it judge it alone: run, id, size and
// a checksum over these and the body.
struct Content {
  std::string body;
  std::string message_id;
};

// Most small, some empty, a few of 100 KB and more, none above `bytes_max` (at most kBodyBytesMax).
Content MakeContent(const std::string& run, MessageId id, uint32_t bytes_max, base::Random* random);

struct Judged {
  MessageId id;
  bool good = false;
};
// nullopt: not a message of any run of this suite, or of another run.
std::optional<Judged> JudgeContent(const std::string& run, absl::string_view message_id,
                                   const base::SliceChain& body);

}  // namespace pontoon::crash

#endif  // PONTOON_TESTS_CRASH_CONTENT_H_
