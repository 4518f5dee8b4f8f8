#ifndef PONTOON_STORAGE_ROCKS_LOG_STORE_H_
#define PONTOON_STORAGE_ROCKS_LOG_STORE_H_

#include <functional>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "base/logger.h"
#include "raft/core/log_store.h"
#include "storage/metrics.h"
#include "storage/store_options.h"

namespace pontoon::storage {

// The log, bodies, pages and checkpoints of all groups of a node in one RocksDB, written by one
// thread.
//
// A failed write or sync ends the process (RocksLogStoreOptions::on_fatal). Bodies and pages are
// read on the store's own reader threads.
class RocksLogStore final : public raft::LogStore {
 public:
  // Opens the store of a data directory, which the caller holds locked (NodeDirectory). `events`
  // and `logger` must outlive it. DataLoss: something that was vouched for is missing; the message
  // names the file, what is missing and the command that accepts the loss, and nothing was changed.
  // FailedPrecondition: another node's store, or a newer version's.
  static absl::StatusOr<std::unique_ptr<RocksLogStore>> OpenBlocking(RocksLogStoreOptions options,
                                                                     base::Logger* logger,
                                                                     raft::StorageEvents* events);
  // Stops.
  ~RocksLogStore() override;

  void Submit(raft::StorageTask task) override;
  void Submit(raft::StateTask task) override;
  void SubmitAll(std::vector<raft::StoreTask>* tasks) override;
  void ReadBodies(base::GroupId group, std::vector<raft::BodyRead> reads,
                  std::function<void(std::vector<absl::StatusOr<base::Slice>>)> done) override;
  void ReadPage(base::GroupId group, raft::PageId page,
                std::function<void(absl::StatusOr<base::Slice>)> done) override;
  void ReadEntries(base::GroupId group, raft::Index from, raft::Index to, uint64_t bytes_max,
                   std::function<void(absl::StatusOr<std::vector<raft::Entry>>)> done) override;
  void ReadBodyImages(
      base::GroupId group, std::vector<raft::Index> bodies, bool with_bytes,
      std::function<void(std::vector<absl::StatusOr<raft::BodyImage>>)> done) override;
  void ReadCheckpoint(base::GroupId group,
                      std::function<void(absl::StatusOr<raft::Checkpoint>)> done) override;
  absl::StatusOr<raft::RecoveredGroup> RecoverBlocking(base::GroupId group) override;

  // The groups that the store holds as it was opened, ascending.
  const std::vector<base::GroupId>& groups() const;

  // Writes, syncs and reports what was submitted, and finishes reads that were asked for. Nothing
  // may be submitted afterwards.
  void StopBlocking();

  // Any thread.
  StorageMetrics Metrics() const;

 private:
  struct Parts;
  explicit RocksLogStore(std::unique_ptr<Parts> parts);
  const std::unique_ptr<Parts> parts_;
};

}  // namespace pontoon::storage

#endif  // PONTOON_STORAGE_ROCKS_LOG_STORE_H_
