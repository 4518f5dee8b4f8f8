#ifndef PONTOON_STORAGE_BATCH_BUILDER_H_
#define PONTOON_STORAGE_BATCH_BUILDER_H_

#include <rocksdb/write_batch.h>

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "raft/core/log_store.h"
#include "storage/database.h"

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

// What a group's log spans on the disk, as the writer knows it.
struct GroupLog {
  raft::Index first{1};  // Of the headers that are there; `first == last + 1` if there are none.
  raft::Index last{0};
  base::RecoveryEpoch epoch;
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
  };

  BatchBuilder(const Database* database, absl::btree_map<base::GroupId, GroupLog> groups,
               StorageCounters* counters)
      : database_(database), counters_(counters), groups_(std::move(groups)) {}

  void Add(const raft::StorageTask& task);
  void Add(raft::StateTask task);
  void Add(const CutResult& result);

  // Adds the batch's number; then it can be written.
  rocksdb::WriteBatch* Finish(uint64_t batch_number);
  bool must_sync() const { return must_sync_; }
  Report TakeReport() { return std::exchange(report_, Report()); }
  // Empties the batch for the next one.
  void Clear();

  size_t bytes() const { return batch_.GetDataSize(); }

 private:
  GroupLog& LogOf(base::GroupId group);
  void AddEntry(base::GroupId group, const GroupLog& log, const raft::Entry& entry);
  void PutMeta(absl::string_view key, const std::string& value);
  void Put(rocksdb::ColumnFamilyHandle* family, absl::string_view key, absl::string_view prefix,
           const base::SliceChain& bytes);
  void DropBody(base::GroupId group, raft::Index index);

  const Database* const database_;
  StorageCounters* const counters_;
  rocksdb::WriteBatch batch_;
  Report report_;
  bool must_sync_ = false;
  absl::btree_map<base::GroupId, GroupLog> groups_;
  // Cuts that are under way: (group, index) -> the token of the newest.
  std::map<std::pair<base::GroupId, raft::Index>, uint64_t> cuts_;
  uint64_t next_token_ = 1;
  std::vector<rocksdb::Slice> parts_;  // Reused.
};

}  // namespace pontoon::storage

#endif  // PONTOON_STORAGE_BATCH_BUILDER_H_
