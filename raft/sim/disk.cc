#include "raft/sim/disk.h"

#include <iterator>
#include <utility>

#include "base/check.h"
#include "raft/core/entry.h"

namespace pontoon::raft::sim {

std::optional<IoSeq> Disk::Sync(size_t count) {
  std::optional<IoSeq> done;
  for (; count > 0 && !queue_.empty(); --count) {
    Write(queue_.front());
    done = queue_.front().seq;
    queue_.pop_front();
  }
  return done;
}

void Disk::Crash(base::Random* random) {
  Sync(random->Below(queue_.size() + 1));
  queue_.clear();
}

void Disk::Write(const StorageTask& task) {
  if (task.hard_state.has_value()) {
    PONTOON_CHECK(task.hard_state->term >= hard_state_.term);
    hard_state_ = *task.hard_state;
  }
  if (task.truncate_from.has_value())
    entries_.erase(entries_.lower_bound(*task.truncate_from), entries_.end());
  for (const Entry& entry : task.append) {
    Index last = checkpoint_.has_value() ? checkpoint_->applied.index : Index{0};
    if (!entries_.empty()) last = std::prev(entries_.end())->first;
    PONTOON_CHECK_MSG(entry.id.index == last + 1, "S2: the log has no holes");
    entries_.emplace(entry.id.index, entry);
  }
  if (task.compact_to.has_value()) {
    PONTOON_CHECK(checkpoint_.has_value() && checkpoint_->applied.index >= *task.compact_to);
    entries_.erase(entries_.begin(), entries_.upper_bound(*task.compact_to));
  }
}

void Disk::SaveCheckpoint(Checkpoint checkpoint) {
  PONTOON_CHECK_MSG(Has(checkpoint.applied), "a checkpoint is never ahead of the log");
  checkpoint_ = std::move(checkpoint);
}

RecoveredGroup Disk::Recover() const {
  RecoveredGroup recovered{.hard_state = hard_state_, .checkpoint = checkpoint_, .entries = {}};
  const Index covered = checkpoint_.has_value() ? checkpoint_->applied.index : Index{0};
  for (auto it = entries_.upper_bound(covered); it != entries_.end(); ++it) {
    Entry header = it->second;
    header.body.Clear();
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
    read.push_back(it->second);
  }
  if (read.empty()) return absl::NotFoundError("compacted");
  return read;
}

bool Disk::Has(EntryId id) const {
  const auto it = entries_.find(id.index);
  if (it != entries_.end()) return it->second.id == id;
  return checkpoint_.has_value() && id.index <= checkpoint_->applied.index;
}

}  // namespace pontoon::raft::sim
