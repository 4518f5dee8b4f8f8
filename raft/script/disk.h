#ifndef PONTOON_RAFT_SCRIPT_DISK_H_
#define PONTOON_RAFT_SCRIPT_DISK_H_

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <variant>

#include "absl/status/statusor.h"
#include "raft/core/log_store.h"

namespace pontoon::raft::script {

// The disk of one replica in a script: what is submitted waits in order until the script has it
// synced, or loses it in a crash. For tests.
class Disk {
 public:
  using Item = std::variant<StorageTask, Checkpoint>;

  void Submit(Item item) { queue_.push_back(std::move(item)); }
  // Writes and syncs what waits first; nullopt: nothing does.
  std::optional<Item> SyncOne();
  // Of what waits, the first `keep` are on the disk and the rest never was.
  void Crash(size_t keep);
  RecoveredGroup Recover() const;
  // As LogStore::ReadEntries does it.
  absl::StatusOr<std::vector<Entry>> Read(Index from, Index to, uint64_t bytes_max) const;

  // What the disk does by itself, or has done to it.
  void Preset(HardState hard_state, std::vector<Entry> entries);
  void DropBody(Index index, Index ended);
  void CutBody(Index index, BodyExtent keep, Index ended);
  void LoseAt(Index index) { entries_.erase(index); }
  void LoseFrom(Index index) { entries_.erase(entries_.lower_bound(index), entries_.end()); }

  const HardState& hard_state() const { return hard_state_; }
  const std::optional<Checkpoint>& checkpoint() const { return checkpoint_; }
  const std::map<Index, Entry>& entries() const { return entries_; }
  bool Has(EntryId id) const;
  // Was it ever synced here, or covered by a checkpoint?
  bool EverHad(EntryId id) const { return ever_.contains(id) || Has(id); }
  bool quarantined() const { return quarantined_; }
  size_t waiting() const { return queue_.size(); }

 private:
  void Write(const StorageTask& task);

  std::deque<Item> queue_;
  HardState hard_state_;
  std::optional<Checkpoint> checkpoint_;
  std::map<Index, Entry> entries_;
  std::set<EntryId> ever_;
  base::RecoveryEpoch epoch_;
  bool quarantined_ = false;
  Index ended_through_;
};

}  // namespace pontoon::raft::script

#endif  // PONTOON_RAFT_SCRIPT_DISK_H_
