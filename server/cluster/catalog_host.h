#ifndef PONTOON_SERVER_CLUSTER_CATALOG_HOST_H_
#define PONTOON_SERVER_CLUSTER_CATALOG_HOST_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "raft/node/multi_raft.h"
#include "server/catalog/catalog.h"
#include "server/cluster/fabric.h"

namespace pontoon::cluster {

// The catalog's replica on this node: group 0, on loop 0. Appends the loops' changes to the log,
// tells every loop what was applied, and answers a change once all of them route by it (design
// section 2). One loop.
class CatalogHost final : public raft::StateMachine {
 public:
  // All borrowed. `send` reaches a loop of this node, also this one.
  using Send = std::function<void(base::LoopId, LoopMessage)>;
  CatalogHost(const NodeFacts& facts, raft::MultiRaft* raft, raft::LogStore* store, Fabric* fabric,
              Send send);

  // Blocking, before the loop runs: from what is on the disk. `found` is what a new cluster begins
  // with.
  absl::Status OpenBlocking(const raft::Membership& founders, catalog::FoundCluster found);

  void OnCommands(std::vector<std::pair<catalog::Origin, catalog::Command>> commands);
  void OnInstalled(base::LoopId loop, uint64_t index);
  void OnWritten(CatalogWritten written);
  void OnCheckpointDurable() { checkpoint_running_ = false; }
  // Once per turn, after MultiRaft has applied: one version for all that was applied.
  void OnTurnEnd();
  // What there is to write is written aside, so that the loop goes on; with `now_or_never` here.
  void MaybeCheckpoint(base::MonotonicTime now, bool now_or_never);

  const catalog::Machine& machine() const { return *machine_; }

  // raft::StateMachine.
  void Apply(absl::Span<const raft::Entry> committed) override;
  void OnLeader(raft::Term term) override;
  void OnFollower(raft::Term term, std::optional<raft::ReplicaId> leader) override;
  void Install(const raft::Checkpoint& checkpoint) override;
  absl::StatusOr<Contents> ListContents(absl::string_view root) const override;
  bool NeedsBody(raft::Index index) const override;
  uint64_t Digest() const override;

 private:
  struct Waiting {
    uint64_t index;
    std::vector<catalog::Outcome> outcomes;
  };

  void Append(const catalog::Origin& origin, const catalog::Command& command);
  void AnswerInstalled();
  void Tell(catalog::AppliedBatch batch);

  const NodeFacts facts_;
  raft::MultiRaft* const raft_;
  raft::LogStore* const store_;
  Fabric* const fabric_;
  const Send send_;
  const std::unique_ptr<catalog::Machine> machine_;
  catalog::FoundCluster found_;
  raft::Term term_;
  bool leads_ = false;
  std::vector<std::pair<catalog::Origin, catalog::Command>> held_;  // Until this replica leads.
  // Of this turn: what the loops are to be told.
  catalog::VersionPtr version_;
  std::vector<catalog::Change> changes_;
  std::deque<Waiting> waiting_;      // By index.
  std::vector<uint64_t> installed_;  // By loop.
  uint64_t checkpoint_size_ = 0;
  uint64_t checkpointed_index_ =
      0;  // Applied when the newest checkpoint was made; 0: there is none.
  uint64_t seen_index_ = 0;
  uint64_t applied_index_ = 0;
  base::MonotonicTime seen_change_at_;
  bool checkpoint_running_ = false;  // From its begin until it is durable.
  uint64_t life_ = 1;  // Of the state: another one with each snapshot that is installed.
};

}  // namespace pontoon::cluster

#endif  // PONTOON_SERVER_CLUSTER_CATALOG_HOST_H_
