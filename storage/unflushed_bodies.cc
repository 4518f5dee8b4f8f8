#include "storage/unflushed_bodies.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <optional>
#include <string>

#include "storage/database.h"
#include "storage/keys.h"

namespace pontoon::storage {
namespace {

// Of one flush. Keys come in ascending order, so the stretch that was found last mostly answers for
// the next key as well. It stays good: whatever is put under its indexes from now on lies in other
// buffers than those that are being flushed.
class DroppedFilter final : public rocksdb::CompactionFilter {
 public:
  DroppedFilter(UnflushedBodies* bodies, StorageCounters* counters)
      : bodies_(bodies), counters_(counters) {}
  const char* Name() const override { return "pontoon.dropped-bodies"; }

  Decision FilterV2(int, const rocksdb::Slice& key, ValueType, const rocksdb::Slice&, std::string*,
                    std::string* skip_until) const override {
    const std::optional<ParsedItemKey> item = ParseItemKey(FromRocks(key));
    if (!item) return Decision::kKeep;
    const bool known = item->group == group_ && item->number >= from_ && item->number <= to_;
    if (!known) {
      if (!bodies_->IsDropped(item->group, item->number, &from_, &to_)) {
        to_ = 0;
        from_ = 1;
        return Decision::kKeep;
      }
      group_ = item->group;
    }
    // Past this key and no further: a deletion of the next one may end a body in an older file. No
    // deletion takes the body's place, for the one that ended it lies in a newer buffer.
    skip_until->assign(key.data(), key.size());
    skip_until->push_back('\0');
    if (counters_ != nullptr) ++counters_->bodies_left_out;
    return Decision::kRemoveAndSkipUntil;
  }

 private:
  UnflushedBodies* const bodies_;
  StorageCounters* const counters_;
  mutable base::GroupId group_;
  mutable uint64_t from_ = 1;
  mutable uint64_t to_ = 0;
};

class DroppedFilterFactory final : public rocksdb::CompactionFilterFactory {
 public:
  DroppedFilterFactory(UnflushedBodies* bodies, StorageCounters* counters)
      : bodies_(bodies), counters_(counters) {}
  const char* Name() const override { return "pontoon.dropped-bodies"; }
  // What a compaction reads is older than what is known here.
  bool ShouldFilterTableFileCreation(rocksdb::TableFileCreationReason reason) const override {
    return reason == rocksdb::TableFileCreationReason::kFlush;
  }
  // RocksDB calls this when it has chosen the buffers to flush, and holds no lock.
  std::unique_ptr<rocksdb::CompactionFilter> CreateCompactionFilter(
      const rocksdb::CompactionFilter::Context&) override {
    bodies_->AwaitSettlingBlocking();
    return std::make_unique<DroppedFilter>(bodies_, counters_);
  }

 private:
  UnflushedBodies* const bodies_;
  StorageCounters* const counters_;
};

}  // namespace

UnflushedBodies::UnflushedBodies(Options options, StorageCounters* counters)
    : options_(options), counters_(counters) {}

void UnflushedBodies::OnBatch(uint64_t number, absl::Span<const BodyNote> notes) {
  base::MutexLock lock(&mutex_);
  for (const auto& [group, last] : newest_puts_) {
    uint64_t& last_put = groups_[group].last_put;
    last_put = std::max(last_put, last);
  }
  newest_puts_.clear();
  TakeMarked();
  for (const BodyNote& note : notes) {
    Group* const group = &groups_[note.group];
    if (note.kind == BodyNote::Kind::kPut) {
      NotePut(group, note);
    } else {
      NoteDropped(number, group, note);
    }
  }
}

void UnflushedBodies::NotePut(Group* group, const BodyNote& note) {
  newest_puts_.emplace_back(note.group, note.to);
  if (note.from > group->highest_dropped) return;
  // Rare: the log was cut off and goes on, or a body took the place of another.
  RemoveStretch(group, note.from, note.to);
  std::deque<Drop> kept;
  for (const Drop& drop : waiting_) {
    if (drop.group != note.group || drop.to < note.from || drop.from > note.to) {
      kept.push_back(drop);
      continue;
    }
    if (drop.from < note.from) kept.push_back({drop.batch, drop.group, drop.from, note.from - 1});
    if (drop.to > note.to) kept.push_back({drop.batch, drop.group, note.to + 1, drop.to});
  }
  waiting_.swap(kept);
}

void UnflushedBodies::NoteDropped(uint64_t batch, Group* group, const BodyNote& note) {
  if (note.to <= group->flushed_through) return;
  group->highest_dropped = std::max(group->highest_dropped, note.to);
  if (waiting_.size() >= options_.stretches_max) return;
  waiting_.push_back({batch, note.group, std::max(note.from, group->flushed_through + 1), note.to});
}

void UnflushedBodies::TakeMarked() {
  const uint64_t marked = counters_ == nullptr ? 0 : counters_->marked_batch.load();
  for (; !waiting_.empty() && waiting_.front().batch <= marked; waiting_.pop_front()) {
    const Drop& drop = waiting_.front();
    Group* const group = &groups_[drop.group];
    const uint64_t from = std::max(drop.from, group->flushed_through + 1);
    if (from <= drop.to) AddStretch(group, from, drop.to);
  }
}

void UnflushedBodies::AddStretch(Group* group, uint64_t from, uint64_t to) {
  std::map<uint64_t, uint64_t>* const dropped = &group->dropped;
  auto next = dropped->upper_bound(from);
  if (next != dropped->begin()) {
    const auto before = std::prev(next);
    if (before->second >= from - 1) {
      from = before->first;
      to = std::max(to, before->second);
      dropped->erase(before);
      --stretches_;
    }
  }
  while (next != dropped->end() && next->first - 1 <= to) {
    to = std::max(to, next->second);
    next = dropped->erase(next);
    --stretches_;
  }
  if (stretches_ >= options_.stretches_max) return;
  dropped->emplace_hint(next, from, to);
  ++stretches_;
}

void UnflushedBodies::RemoveStretch(Group* group, uint64_t from, uint64_t to) {
  std::map<uint64_t, uint64_t>* const dropped = &group->dropped;
  auto it = dropped->upper_bound(from);
  if (it != dropped->begin() && std::prev(it)->second >= from) --it;
  while (it != dropped->end() && it->first <= to) {
    const auto [first, last] = *it;
    it = dropped->erase(it);
    --stretches_;
    if (first < from) {
      dropped->emplace(first, from - 1);
      ++stretches_;
    }
    if (last > to) {
      dropped->emplace(to + 1, last);
      ++stretches_;
    }
  }
}

void UnflushedBodies::OnFull() {
  base::MutexLock lock(&mutex_);
  FullBuffer full{base::SystemClock().Now(), {}};
  for (auto& [id, group] : groups_) {
    if (group.last_put != 0) full.last_puts.emplace_back(id, std::exchange(group.last_put, 0));
  }
  full_.push_back(std::move(full));
  changed_.NotifyAll();
}

void UnflushedBodies::OnFlushed(uint64_t full_buffers_left) {
  base::MutexLock lock(&mutex_);
  for (; full_.size() > full_buffers_left; full_.pop_front()) {
    for (const auto& [id, last] : full_.front().last_puts) {
      Group* const group = &groups_[id];
      group->flushed_through = std::max(group->flushed_through, last);
      RemoveStretch(group, 0, group->flushed_through);
    }
  }
}

void UnflushedBodies::AwaitSettlingBlocking() {
  base::MutexLock lock(&mutex_);
  if (full_.empty()) return;
  const base::MonotonicTime due = full_.back().since + options_.settle_wait;
  while (hurries_ == 0 && full_.size() < options_.full_buffers_max) {
    const base::Duration left = due - base::SystemClock().Now();
    if (left.nanos <= 0) return;
    changed_.WaitFor(&mutex_, std::chrono::nanoseconds(left.nanos));
  }
}

void UnflushedBodies::Hurry() {
  base::MutexLock lock(&mutex_);
  ++hurries_;
  changed_.NotifyAll();
}

void UnflushedBodies::Unhurry() {
  base::MutexLock lock(&mutex_);
  --hurries_;
}

bool UnflushedBodies::IsDropped(base::GroupId group, uint64_t index, uint64_t* from, uint64_t* to) {
  base::MutexLock lock(&mutex_);
  TakeMarked();
  const auto found = groups_.find(group);
  if (found == groups_.end()) return false;
  const std::map<uint64_t, uint64_t>& dropped = found->second.dropped;
  const auto next = dropped.upper_bound(index);
  if (next == dropped.begin()) return false;
  const auto& [first, last] = *std::prev(next);
  if (last < index) return false;
  *from = first;
  *to = last;
  return true;
}

std::shared_ptr<rocksdb::CompactionFilterFactory> UnflushedBodies::MakeFilterFactory() {
  return std::make_shared<DroppedFilterFactory>(this, counters_);
}

}  // namespace pontoon::storage
