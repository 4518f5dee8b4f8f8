#include "raft/script/disk.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/check.h"
#include "base/crc32c.h"
#include "raft/core/entry.h"

namespace pontoon::raft::script {

std::optional<Disk::Item> Disk::SyncOne() {
  if (queue_.empty()) return std::nullopt;
  Item item = std::move(queue_.front());
  queue_.pop_front();
  if (const auto* task = std::get_if<StorageTask>(&item)) {
    Write(*task);
  } else {
    checkpoint_ = std::get<Checkpoint>(item);
    PONTOON_CHECK_MSG(Has(checkpoint_->applied), "a checkpoint is never ahead of the log");
  }
  return item;
}

void Disk::Crash(size_t keep) {
  while (keep-- > 0 && SyncOne().has_value()) {
  }
  queue_.clear();
}

void Disk::Write(const StorageTask& task) {
  if (task.hard_state.has_value()) hard_state_ = *task.hard_state;
  if (task.epoch.has_value()) epoch_ = *task.epoch;
  quarantined_ = quarantined_ || task.quarantine;
  ended_through_ = std::max(ended_through_, task.ended_through);
  if (task.install != nullptr) {
    ended_through_ = std::max(ended_through_, task.install->ended_through);
    checkpoint_ = task.install->checkpoint;
    entries_.clear();
  }
  if (task.truncate_from.has_value()) LoseFrom(*task.truncate_from);
  for (const Entry& entry : task.append) {
    Index last = checkpoint_.has_value() ? checkpoint_->applied.index : Index{0};
    if (!entries_.empty()) last = std::prev(entries_.end())->first;
    PONTOON_CHECK_MSG(entry.id.index == last + 1, "S2: the log has no holes");
    entries_.emplace(entry.id.index, entry);
    ever_.insert(entry.id);
  }
  if (task.compact_to.has_value()) {
    PONTOON_CHECK_MSG(checkpoint_.has_value() && checkpoint_->applied.index >= *task.compact_to,
                      "headers go only where a durable checkpoint covers them");
    entries_.erase(entries_.begin(), entries_.upper_bound(*task.compact_to));
  }
}

RecoveredGroup Disk::Recover() const {
  RecoveredGroup recovered;
  recovered.hard_state = hard_state_;
  recovered.checkpoint = checkpoint_;
  recovered.epoch = epoch_;
  recovered.quarantined = quarantined_;
  recovered.ended_through = ended_through_;
  const Index covered = checkpoint_.has_value() ? checkpoint_->applied.index : Index{0};
  for (auto it = entries_.upper_bound(covered); it != entries_.end(); ++it) {
    Entry header = it->second;
    header.body.Clear();
    header.remains.reset();
    recovered.entries.push_back(std::move(header));
  }
  return recovered;
}

absl::StatusOr<std::vector<Entry>> Disk::Read(Index from, Index to, uint64_t bytes_max) const {
  std::vector<Entry> read;
  uint64_t bytes = 0;
  for (auto it = entries_.find(from); it != entries_.end() && it->first <= to; ++it) {
    bytes += EntryCost(it->second);
    if (!read.empty() && bytes > bytes_max) break;
    Entry entry = it->second;
    if (entry.remains != nullptr) {
      auto remains = std::make_shared<BodyRemains>(*entry.remains);
      remains->ended = {};
      entry.remains = std::move(remains);
    }
    read.push_back(std::move(entry));
  }
  if (read.empty()) return absl::NotFoundError("compacted");
  return read;
}

void Disk::Preset(HardState hard_state, std::vector<Entry> entries) {
  *this = Disk();
  hard_state_ = hard_state;
  for (Entry& entry : entries) {
    ever_.insert(entry.id);
    entries_.emplace(entry.id.index, std::move(entry));
  }
}

void Disk::DropBody(Index index, Index ended) { CutBody(index, {0, 0}, ended); }

void Disk::CutBody(Index index, BodyExtent keep, Index ended) {
  Entry& entry = entries_.at(index);
  auto remains = std::make_shared<BodyRemains>();
  remains->ended = ended;
  entry.body = entry.body.Sub(keep.offset, keep.size);
  if (keep.size > 0) remains->kept.push_back(keep);
  remains->crc = base::Crc32c(entry.body);
  entry.remains = std::move(remains);
  ended_through_ = std::max(ended_through_, ended);
}

bool Disk::Has(EntryId id) const {
  const auto it = entries_.find(id.index);
  if (it != entries_.end()) return it->second.id == id;
  return checkpoint_.has_value() && id.index <= checkpoint_->applied.index;
}

}  // namespace pontoon::raft::script
