#ifndef PONTOON_SERVER_NET_TIMER_QUEUE_H_
#define PONTOON_SERVER_NET_TIMER_QUEUE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include "absl/container/btree_map.h"
#include "base/time.h"
#include "server/net/event_loop.h"

namespace pontoon::net {

// The timers of one loop, by deadline. One thread.
class TimerQueue {
 public:
  // Deadlines are rounded up by at most 1/64 of the delay and 100 ms, so that timers that were set
  // apart fire together.
  TimerId Add(base::MonotonicTime now, base::MonotonicTime when, EventLoop::Task task);
  void Cancel(TimerId timer);
  std::optional<base::MonotonicTime> Next() const;
  // Runs what is due at `now`, earliest first; not what these tasks themselves add.
  void RunDue(base::MonotonicTime now);
  void Clear() { timers_.clear(); }
  size_t size() const { return timers_.size(); }

 private:
  absl::btree_map<std::pair<int64_t, uint64_t>, EventLoop::Task> timers_;
  uint64_t last_number_ = 0;
};

}  // namespace pontoon::net

#endif  // PONTOON_SERVER_NET_TIMER_QUEUE_H_
