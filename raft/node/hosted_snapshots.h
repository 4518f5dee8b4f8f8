#ifndef PONTOON_RAFT_NODE_HOSTED_SNAPSHOTS_H_
#define PONTOON_RAFT_NODE_HOSTED_SNAPSHOTS_H_

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "raft/node/multi_raft.h"
#include "raft/node/snapshot_budget.h"
#include "raft/node/snapshot_fetcher.h"
#include "raft/node/snapshot_server.h"

// Of multi_raft*.cc alone.

namespace pontoon::raft {

// The snapshots that come and go for the groups of one loop.
class MultiRaft::Snapshots final : public SnapshotFetcher::Host, public SnapshotServer::Host {
 public:
  explicit Snapshots(MultiRaft* raft)
      : server(raft->store_, raft->options_.post, this, raft->options_.snapshot_part_bytes),
        raft_(raft) {}

  uint64_t NextRequest() override { return next_request_++; }
  void SendRequest(GroupId group, const ReplicaId& to, SnapshotPart request) override {
    Send(MessageKind::kSnapshotRequest, group, to, std::move(request));
  }
  void SubmitFetched(StateTask task) override { raft_->SubmitToStore(std::move(task)); }
  void ReadOwnBodies(GroupId group, std::vector<Index> bodies,
                     std::function<void(std::vector<absl::StatusOr<BodyImage>>)> done) override;
  ReplicaId Self(GroupId group) const override { return raft_->core(group).self(); }
  Index CommitIndex(GroupId group) const override;
  Index AppliedIndex(GroupId group) const override;
  uint16_t PageGeneration(GroupId group) const override;
  bool HasRoom() const override { return raft_->has_room_; }

  std::optional<SnapshotServer::Source> FindSource(GroupId group) const override;
  void SendPart(GroupId group, const ReplicaId& to, SnapshotPart part) override {
    Send(MessageKind::kSnapshotPart, group, to, std::move(part));
  }
  void SubmitDrops(StateTask task) override { raft_->SubmitToStore(std::move(task)); }

  SnapshotServer server;
  SnapshotBudget budget;
  std::map<GroupId, std::unique_ptr<SnapshotFetcher>> fetchers;  // Those at work, or lately.
  uint64_t next_ticket = 1;

 private:
  void Send(MessageKind kind, GroupId group, const ReplicaId& to, SnapshotPart part);

  MultiRaft* const raft_;
  uint64_t next_request_ = (uint64_t{raft_->options_.boot.value} << 32) + 1;
};

}  // namespace pontoon::raft

#endif  // PONTOON_RAFT_NODE_HOSTED_SNAPSHOTS_H_
