#include "server/cluster/storage_router.h"

#include <vector>

namespace pontoon::cluster {

void StorageRouter::OnStorageDone(base::GroupId group, raft::IoSeq seq) {
  fabric_->Send(facts_->LoopOf(group), StorageDone{{{group, seq}}});
}

void StorageRouter::OnBatchDone(absl::Span<const std::pair<base::GroupId, raft::IoSeq>> done) {
  std::vector<StorageDone> shares(facts_->loops);
  for (const auto& [group, seq] : done)
    shares[facts_->LoopOf(group).value].done.emplace_back(group, seq);
  for (uint16_t loop = 0; loop < facts_->loops; ++loop) {
    if (!shares[loop].done.empty()) fabric_->Send({loop}, std::move(shares[loop]));
  }
}

void StorageRouter::OnCheckpointDurable(base::GroupId group, raft::EntryId applied) {
  fabric_->Send(facts_->LoopOf(group), CheckpointDurable{group, applied});
}

void StorageRouter::OnStateWritten(base::GroupId group, uint64_t ticket) {
  fabric_->Send(facts_->LoopOf(group), StateWritten{group, ticket});
}

}  // namespace pontoon::cluster
