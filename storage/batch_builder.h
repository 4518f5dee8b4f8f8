#ifndef PONTOON_STORAGE_BATCH_BUILDER_H_
#define PONTOON_STORAGE_BATCH_BUILDER_H_

#include <rocksdb/write_batch.h>

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/types/span.h"
#include "raft/core/log_store.h"
#include "storage/database.h"
#include "storage/keys.h"
#include "storage/records.h"
#include "storage/unflushed_bodies.h"

namespace pontoon::storage {

// A body to be cut down, away from the writer: read it, keep what is still wanted, hand in a
// CutResult.
struct CutJob {
  base::GroupId group;
  raft::BodyCut cut;
  uint64_t token;  // Unique; a result whose job was overtaken (dropped, truncated, cut again) is
                   // thrown away.
};
struct CutResult {
  base::GroupId group;
  raft::Index index;
  uint64_t token;
  std::string value;  // The new value; empty if there is nothing to write.
};

// What a group has on the disk, as the writer knows it.
struct GroupLog {
  raft::Index first{1};  // Of the headers that are there; `first == last + 1` if there are none.
  raft::Index last{0};
  base::RecoveryEpoch epoch;
  raft::Index ended_through;
  // No body lies behind this index, nor behind `last`: those of a snapshot that is on its way in
  // may lie behind the log.
  raft::Index last_body;
  bool staging = false;
  uint16_t page_generation = 0;  // Of the checkpoint.
  // Generations that nothing refers to: of a snapshot that was given up. Found at a start.
  std::vector<uint16_t> stray_generations = {};
};

// Removes what a snapshot left that was given up; handed in once, after the start.
struct Sweep {
  base::GroupId group;
};

// Turns tasks into one write batch, and knows what to report once that batch is written. Not
// thread-safe: belongs to the writer's thread.
class BatchBuilder {
 public:
  struct Report {
    std::vector<std::pair<base::GroupId, raft::IoSeq>>
        done;  // Per group the last one, in order of first appearance.
    std::vector<std::pair<base::GroupId, raft::EntryId>> checkpoints;
    std::vector<CutJob> cuts;  // To be begun once the batch is written.
    std::vector<std::pair<base::GroupId, uint64_t>> tickets;  // Of StateTasks.
    std::vector<base::GroupId> cleared;  // Much of these was removed at one stroke.
  };

  BatchBuilder(const Database* database, absl::btree_map<base::GroupId, GroupLog> groups,
               StorageCounters* counters)
      : database_(database), counters_(counters), groups_(std::move(groups)) {}

  void Add(const raft::StorageTask& task);
  void Add(raft::StateTask task);
  void Add(const CutResult& result);
  void Add(const Sweep& sweep);

  // Adds the batch's mark; then it can be written.
  rocksdb::WriteBatch* Finish(const BatchMark& mark);
  bool must_sync() const { return must_sync_; }
  Report TakeReport() { return std::exchange(report_, Report()); }
  // What the batch does to bodies, in order.
  absl::Span<const BodyNote> body_notes() const { return notes_; }
  // Empties the batch for the next one.
  void Clear();

  size_t bytes() const { return batch_.GetDataSize(); }

 private:
  GroupLog& LogOf(base::GroupId group);
  void AddEntry(base::GroupId group, const GroupLog& log, const raft::Entry& entry);
  void AddInstall(base::GroupId group, GroupLog* log, const raft::Install& install);
  void AddBody(base::GroupId group, raft::Index index, uint32_t body_bytes,
               absl::Span<const StoredExtent> extents, const base::SliceChain& bytes);
  void NoteEnded(base::GroupId group, GroupLog* log, raft::Index ended_through);
  void PutMeta(absl::string_view key, const std::string& value);
  void PutNumber(base::GroupId group, MetaKind kind, uint64_t number);
  void DeleteMeta(base::GroupId group, MetaKind kind);
  void Put(rocksdb::ColumnFamilyHandle* family, absl::string_view key, absl::string_view prefix,
           const base::SliceChain& bytes);
  void DropBody(base::GroupId group, raft::Index index);
  // Of the keys [from, to] of the group; up to `point_deletes_max` are deleted one by one.
  void DropRange(rocksdb::ColumnFamilyHandle* family, base::GroupId group, uint64_t from,
                 uint64_t to, uint64_t point_deletes_max);
  void DropBodies(base::GroupId group, raft::Index from, raft::Index to);
  void DropGeneration(base::GroupId group, uint16_t generation);
  void Note(BodyNote::Kind kind, base::GroupId group, raft::Index from, raft::Index to);

  const Database* const database_;
  StorageCounters* const counters_;
  rocksdb::WriteBatch batch_;
  Report report_;
  bool must_sync_ = false;
  absl::btree_map<base::GroupId, GroupLog> groups_;
  // Cuts that are under way: (group, index) -> the token of the newest.
  std::map<std::pair<base::GroupId, raft::Index>, uint64_t> cuts_;
  uint64_t next_token_ = 1;
  std::vector<BodyNote> notes_;
  std::vector<rocksdb::Slice> parts_;  // Reused.
};

}  // namespace pontoon::storage

#endif  // PONTOON_STORAGE_BATCH_BUILDER_H_
