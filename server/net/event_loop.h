#ifndef PONTOON_SERVER_NET_EVENT_LOOP_H_
#define PONTOON_SERVER_NET_EVENT_LOOP_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "base/ids.h"
#include "base/time.h"

namespace pontoon::net {

class LoopCore;
class MailboxBase;

// Names a timer until it has fired or was cancelled; a default one names none.
struct TimerId {
  int64_t deadline_nanos = 0;
  uint64_t number = 0;
  explicit operator bool() const { return number != 0; }
};

// One thread and all that belongs to it (design section 7). It works in turns, so that batches form
// by themselves:
//   1. wait for sockets, timers or mail, only if nothing is left to do;
//   2. mailboxes of high priority (ticks, Raft, storage completions), then due timers, then other
//   mailboxes;
//   3. ready sockets in the order in which they became ready, for at most Options::turn_budget;
//   4. the turn's end: every OnTurnEnd hook hands on what it gathered; mail that this loop thereby
//   sent to itself is
//      taken in the same turn, a bounded number of times;
//   5. one gathered write per socket that has something queued.
// Everything not marked "any thread" is called on the loop's thread, or before Start() or after
// Stop().
class EventLoop {
 public:
  using Task = absl::AnyInvocable<void()>;

  struct Options {
    base::LoopId id;
    const base::Clock* clock = nullptr;  // Outlives the loop; null: the machine's.
    base::Duration turn_budget = base::Millis(2);
  };

  struct Metrics {
    uint64_t turns = 0;
    uint64_t sleeps = 0;      // Turns that began by waiting.
    uint64_t wakeups = 0;     // Times another thread had to wake the loop.
    uint64_t busy_nanos = 0;  // Time spent in turns, without the waiting.
    uint64_t longest_turn_nanos = 0;
  };

  explicit EventLoop(Options options);
  // Stops. Sockets and mailboxes of this loop must be gone by then.
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // Starts the thread. Once.
  void Start();
  // Ends the thread after its current turn and waits for it. Not from the loop itself. Tasks that
  // were posted and not yet run are destroyed with the loop.
  void Stop();

  // Any thread. `task` runs on the loop, after what this thread posted before.
  void Post(Task task);

  // Runs `task` once at (a little after) the given time. Coarse on purpose: a deadline may be late
  // by 1/64 of the delay, at most 100 ms, so that thousands of heartbeat timers share few wake-ups.
  TimerId RunAt(base::MonotonicTime when, Task task);
  TimerId RunAfter(base::Duration delay, Task task);
  // Nothing happens if it has fired already. Resets `*timer`.
  void CancelTimer(TimerId* timer);

  // `hook` runs at the end of every turn, hooks in the order of registration. Returns the number
  // for RemoveTurnEnd.
  uint64_t OnTurnEnd(Task hook);
  void RemoveTurnEnd(uint64_t hook);

  // The time at which the turn began.
  base::MonotonicTime now() const;
  base::LoopId id() const;
  // Any thread.
  const base::Clock& clock() const;
  Metrics metrics() const;
  bool IsHere() const;
  // Stops the process if called elsewhere than on the loop while it runs.
  void AssertHere() const;

  // For this room's own classes.
  LoopCore& core() { return *core_; }

 private:
  const std::unique_ptr<LoopCore> core_;
};

}  // namespace pontoon::net

#endif  // PONTOON_SERVER_NET_EVENT_LOOP_H_
