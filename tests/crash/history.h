#ifndef PONTOON_TESTS_CRASH_HISTORY_H_
#define PONTOON_TESTS_CRASH_HISTORY_H_

#include <compare>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace pontoon::crash {

// A message of a run: who published it, on which of its channels (each reconnect is a new one), and
// its number there, from 1. Text: "2.1.17".
struct MessageId {
  uint32_t publisher = 0;
  uint32_t channel = 0;
  uint32_t sequence = 0;
  friend constexpr auto operator<=>(const MessageId&, const MessageId&) = default;
  std::string ToString() const;
  static absl::StatusOr<MessageId> Parse(absl::string_view text);
};

// What happened, as a client or the script that makes the faults saw it. A line is the nanoseconds
// of CLOCK_MONOTONIC, the kind and the fields below it, with single blanks between them.
struct Event {
  enum class Kind {
    kInvoke,    // id queues: about to be published to these queues ("-": to none, mandatory)
    kOk,        // id: the broker confirmed it
    kUnrouted,  // id: it came back as unroutable; its confirmation proves nothing
    kInfo,      // id: refused, or the channel was lost first: it may be in its queues
    kOpened,    // session queue: about to consume it
    kDeliver,   // session tag queue id redelivered(0, 1) content(good, bad)
    kAck,       // session tag multiple(0, 1): about to be acknowledged
    kRequeue,   // session tag: about to be given back
    kClosed,    // session how(clean, lost): nothing comes from it any more
    kDeclared,  // queue: the broker said declare-ok
    kMissing,   // queue: the broker says that there is no such queue
    kDrained,   // queue: it is empty, seen from a fresh connection
    kFault,     // what: the broker is about to be killed
    kDead,      // that has been done: nothing comes from the broker any more
    kStarted,   // the broker serves again
    kEnd,       // last line of a file: its process ended in order
  };
  int64_t nanos = 0;
  Kind kind = Kind::kEnd;
  MessageId id;
  std::string queue;    // Of kInvoke: several, with commas between them.
  std::string session;  // One consumer on one channel.
  std::string text;     // Of kFault and kClosed.
  uint64_t tag = 0;
  bool flag = false;  // redelivered or multiple
  bool good = true;   // content

  std::vector<std::string> Queues() const;
  std::string ToLine() const;  // Without the newline.
  // InvalidArgument: not a line of a history.
  static absl::StatusOr<Event> Parse(absl::string_view line);
};

int64_t MonotonicNanos();

// One append-only file per process. Each line is one write(2), done before Write returns: what a
// client did next cannot have happened without its line. Any thread.
class HistoryWriter {
 public:
  // Fails if the file exists already.
  static absl::StatusOr<HistoryWriter> Create(const std::string& path);
  HistoryWriter(HistoryWriter&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  ~HistoryWriter();
  // Stamps the time. Ends the process if the line cannot be written: a history with holes is worse
  // than none.
  void Write(Event event);

 private:
  explicit HistoryWriter(int fd) : fd_(fd) {}
  int fd_;
};

// The events of a whole file. DataLoss: a line that is none, or the last one is not kEnd.
absl::StatusOr<std::vector<Event>> ReadHistory(const std::string& path);

}  // namespace pontoon::crash

#endif  // PONTOON_TESTS_CRASH_HISTORY_H_
