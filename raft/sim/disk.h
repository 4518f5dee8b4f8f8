#ifndef PONTOON_RAFT_SIM_DISK_H_
#define PONTOON_RAFT_SIM_DISK_H_

#include <deque>
#include <map>
#include <optional>

#include "base/random.h"
#include "raft/core/log_store.h"

namespace pontoon::raft::sim {

// The disk of one replica: tasks wait in order, the first of them are written and synced when the
// simulation says so, and a crash loses all of the rest but as much of its beginning as chance
// leaves.
class Disk {
 public:
  void Submit(StorageTask task) { queue_.push_back(std::move(task)); }
  // Syncs up to `count` tasks; the number of the last of them, if any.
  std::optional<IoSeq> Sync(size_t count);
  void Crash(base::Random* random);
  RecoveredGroup Recover() const;

  // Only of what is submitted and applied: that is durable, or the next to be.
  void SaveCheckpoint(Checkpoint checkpoint);
  // As LogStore will read them: with their bodies, from `from` on.
  absl::StatusOr<std::vector<Entry>> Read(Index from, Index to, uint64_t bytes_max) const;

  bool Has(EntryId id) const;
  size_t waiting() const { return queue_.size(); }

 private:
  void Write(const StorageTask& task);

  std::deque<StorageTask> queue_;
  HardState hard_state_;
  std::optional<Checkpoint> checkpoint_;
  std::map<Index, Entry> entries_;
};

}  // namespace pontoon::raft::sim

#endif  // PONTOON_RAFT_SIM_DISK_H_
