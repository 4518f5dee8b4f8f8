#include "raft/node/disk_watchdog.h"

#include <algorithm>

namespace pontoon::raft {

void DiskWatchdog::OnSubmit(GroupId group, IoSeq seq) { waiting_.push_back({group, seq, clock_}); }

void DiskWatchdog::OnDone(GroupId group, IoSeq seq) {
  IoSeq& done = done_[group];
  done = std::max(done, seq);
  // Here too, so that what is done at once costs no memory until the next tick.
  while (!waiting_.empty() && clock_ == waiting_.front().since && IsDone(waiting_.front()))
    waiting_.pop_front();
}

bool DiskWatchdog::IsDone(const Waiting& task) const {
  const auto done = done_.find(task.group);
  return done != done_.end() && task.seq <= done->second;
}

base::Duration DiskWatchdog::oldest_wait() const {
  for (const Waiting& task : waiting_) {
    if (!IsDone(task)) return clock_ - task.since;
  }
  return {};
}

DiskWatchdog::State DiskWatchdog::Tick(base::MonotonicTime now) {
  if (last_tick_ > base::MonotonicTime{}) clock_ = clock_ + std::min(now - last_tick_, kTickMax);
  last_tick_ = now;
  // Since the last tick it may have waited for less; a tick more or less does not matter.
  while (!waiting_.empty() && IsDone(waiting_.front())) {
    if (clock_ - waiting_.front().since >= options_.healthy_within) healthy_since_ = clock_;
    waiting_.pop_front();
  }
  const base::Duration wait = oldest_wait();
  if (wait >= options_.healthy_within) healthy_since_ = clock_;
  if (state_ == State::kDead || wait >= options_.dead) {
    state_ = State::kDead;
  } else if (wait >= options_.stalled) {
    state_ = State::kStalled;
  } else if (state_ == State::kStalled && clock_ - healthy_since_ >= options_.recovered_after) {
    state_ = State::kGood;
  }
  return state_;
}

}  // namespace pontoon::raft
