#include "server/net/timer_queue.h"

#include <algorithm>

namespace pontoon::net {
namespace {

constexpr int64_t kLatenessMaxNanos = 100'000'000;

// The next multiple of the largest power of two that is no more than the allowed lateness.
int64_t Coarse(int64_t now, int64_t when) {
  const int64_t lateness = std::min((when - now) / 64, kLatenessMaxNanos);
  if (lateness < 1024) return when;
  const int64_t grain = int64_t{1} << (63 - __builtin_clzll(static_cast<uint64_t>(lateness)));
  return (when + grain - 1) / grain * grain;
}

}  // namespace

TimerId TimerQueue::Add(base::MonotonicTime now, base::MonotonicTime when, EventLoop::Task task) {
  const TimerId id{Coarse(now.nanos, std::max(now, when).nanos), ++last_number_};
  timers_.emplace(std::make_pair(id.deadline_nanos, id.number), std::move(task));
  return id;
}

void TimerQueue::Cancel(TimerId timer) {
  timers_.erase(std::make_pair(timer.deadline_nanos, timer.number));
}

std::optional<base::MonotonicTime> TimerQueue::Next() const {
  if (timers_.empty()) return std::nullopt;
  return base::MonotonicTime{timers_.begin()->first.first};
}

void TimerQueue::RunDue(base::MonotonicTime now) {
  const uint64_t last = last_number_;
  // A task may cancel or add any timer, so the place is looked up anew each time.
  auto it = timers_.begin();
  while (it != timers_.end() && it->first.first <= now.nanos) {
    if (it->first.second > last) {
      ++it;
      continue;
    }
    const auto key = it->first;
    EventLoop::Task task = std::move(it->second);
    timers_.erase(it);
    task();
    it = timers_.upper_bound(key);
  }
}

}  // namespace pontoon::net
