#include "server/session/unacked.h"

#include "base/check.h"

namespace pontoon::session {
namespace {

// The part of `run` from its `skip`-th message on, `count` messages long.
UnackedRun Part(const UnackedRun& run, uint32_t skip, uint32_t count) {
  UnackedRun part = run;
  part.first_tag += skip;
  part.run.first.value += skip;
  part.run.first_delivery.value += skip;
  part.run.count = count;
  return part;
}

}  // namespace

void Unacked::Add(uint64_t tag, const cluster::ShardRef& shard, const broker::Delivery& delivery) {
  ++size_;
  if (!runs_.empty()) {
    UnackedRun& last = runs_.rbegin()->second;
    const uint32_t count = last.run.count;
    PONTOON_CHECK(tag >= last.first_tag + count);
    if (tag == last.first_tag + count && last.consumer == delivery.consumer &&
        last.run.queue == delivery.queue &&
        last.run.first.value + count == delivery.position.value &&
        last.run.first_delivery.value + count == delivery.delivery.value && last.shard == shard &&
        count < UINT32_MAX) {
      ++last.run.count;
      return;
    }
  }
  UnackedRun run;
  run.first_tag = tag;
  run.shard = shard;
  run.run = {delivery.queue, delivery.position, delivery.delivery, 1};
  run.consumer = delivery.consumer;
  runs_.emplace_hint(runs_.end(), tag, run);
}

Unacked::Runs::iterator Unacked::Holding(uint64_t tag) {
  auto it = runs_.upper_bound(tag);
  if (it == runs_.begin()) return runs_.end();
  --it;
  return tag - it->first < it->second.run.count ? it : runs_.end();
}

bool Unacked::TakeOne(uint64_t tag, std::vector<UnackedRun>* taken) {
  auto it = Holding(tag);
  if (it == runs_.end()) return false;
  const UnackedRun whole = it->second;
  const auto skip = static_cast<uint32_t>(tag - whole.first_tag);
  taken->push_back(Part(whole, skip, 1));
  --size_;
  if (whole.run.count == 1) {
    runs_.erase(it);
    return true;
  }
  const uint32_t behind = whole.run.count - skip - 1;
  if (skip == 0) {
    runs_.erase(it);
  } else {
    it->second.run.count = skip;
  }
  if (behind > 0) runs_.emplace(tag + 1, Part(whole, skip + 1, behind));
  return true;
}

bool Unacked::TakeUpTo(uint64_t tag, std::vector<UnackedRun>* taken) {
  auto last = Holding(tag);
  if (last == runs_.end()) return false;
  for (auto it = runs_.begin(); it != last; ++it) {
    size_ -= it->second.run.count;
    taken->push_back(it->second);
  }
  const UnackedRun whole = last->second;
  const auto count = static_cast<uint32_t>(tag - whole.first_tag + 1);
  taken->push_back(Part(whole, 0, count));
  size_ -= count;
  runs_.erase(runs_.begin(), ++last);
  if (count < whole.run.count) runs_.emplace(tag + 1, Part(whole, count, whole.run.count - count));
  return true;
}

void Unacked::TakeAll(std::vector<UnackedRun>* taken) {
  for (auto& [tag, run] : runs_) taken->push_back(run);
  runs_.clear();
  size_ = 0;
}

void Unacked::PutBack(const UnackedRun& run) {
  size_ += run.run.count;
  const bool fresh = runs_.emplace(run.first_tag, run).second;
  PONTOON_CHECK(fresh);
}

}  // namespace pontoon::session
