#include "server/session/confirms.h"

#include <algorithm>

#include "base/check.h"

namespace pontoon::session {

void Confirms::Grow() {
  std::vector<Fate> bigger(std::max<size_t>(64, ring_.size() * 2), Fate::kPending);
  for (uint64_t n = low_; n < next_; ++n) bigger[n & (bigger.size() - 1)] = At(n);
  ring_.swap(bigger);
}

uint64_t Confirms::Begin() {
  if (next_ - low_ == ring_.size()) Grow();
  At(next_) = Fate::kPending;
  ++unfinished_;
  return next_++;
}

void Confirms::Finish(uint64_t sequence, bool refused) {
  PONTOON_CHECK(sequence >= low_ && sequence < next_);
  Fate& fate = At(sequence);
  PONTOON_CHECK(fate == Fate::kPending);
  fate = refused ? Fate::kRefused : Fate::kStored;
  --unfinished_;
  has_answers_ = true;
  // In order is the rule: then nothing has to be remembered beside the fate.
  if (sequence != low_ &&
      (finished_.size() || At(sequence - 1) == Fate::kPending || At(sequence - 1) == Fate::kTold)) {
    finished_.push_back(sequence);
  }
}

void Confirms::Take(std::vector<Answer>* answers) {
  if (!has_answers_) return;
  has_answers_ = false;
  // From the low end: a run of equal fates is one answer. What was told earlier belongs to any run.
  Fate run = Fate::kTold;
  uint64_t first = 0, last = 0;
  const auto close_run = [&] {
    if (run == Fate::kTold) return;
    answers->push_back({last, last != first, run == Fate::kRefused});
  };
  for (; low_ < next_; ++low_) {
    const Fate fate = At(low_);
    if (fate == Fate::kPending) break;
    if (fate == Fate::kTold) continue;
    if (fate != run) {
      close_run();
      run = fate;
      first = low_;
    }
    last = low_;
  }
  close_run();
  std::sort(finished_.begin(), finished_.end());
  for (uint64_t sequence : finished_) {
    if (sequence < low_) continue;
    Fate& fate = At(sequence);
    answers->push_back({sequence, false, fate == Fate::kRefused});
    fate = Fate::kTold;
  }
  finished_.clear();
  if (low_ == next_ && ring_.size() > 4096) ring_.clear();
}

}  // namespace pontoon::session
