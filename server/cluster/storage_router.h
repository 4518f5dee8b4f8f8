#ifndef PONTOON_SERVER_CLUSTER_STORAGE_ROUTER_H_
#define PONTOON_SERVER_CLUSTER_STORAGE_ROUTER_H_

#include <cstdint>
#include <utility>

#include "absl/types/span.h"
#include "raft/core/log_store.h"
#include "server/cluster/fabric.h"

namespace pontoon::cluster {

// Takes what the store reports, on its threads, to the loops that own the groups: of one batch one
// message to each loop that has a share in it.
class StorageRouter final : public raft::StorageEvents {
 public:
  // Both borrowed.
  StorageRouter(const NodeFacts* facts, Fabric* fabric) : facts_(facts), fabric_(fabric) {}

  void OnStorageDone(base::GroupId group, raft::IoSeq seq) override;
  void OnBatchDone(absl::Span<const std::pair<base::GroupId, raft::IoSeq>> done) override;
  void OnCheckpointDurable(base::GroupId group, raft::EntryId applied) override;
  void OnStateWritten(base::GroupId group, uint64_t ticket) override;

 private:
  const NodeFacts* const facts_;
  Fabric* const fabric_;
};

}  // namespace pontoon::cluster

#endif  // PONTOON_SERVER_CLUSTER_STORAGE_ROUTER_H_
