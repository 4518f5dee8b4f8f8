#ifndef PONTOON_SERVER_CLUSTER_REPLICATED_SHARD_H_
#define PONTOON_SERVER_CLUSTER_REPLICATED_SHARD_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "raft/node/multi_raft.h"
#include "server/broker/shard.h"
#include "server/cluster/fabric.h"

namespace pontoon::cluster {

// What a shard of this loop says to the rest of the loop.
class ShardEvents {
 public:
  virtual ~ShardEvents() = default;
  virtual void OnShardResponse(const ShardRef& shard, const base::SessionId& session,
                               broker::ShardResponse response) = 0;
  virtual void OnForgetQueue(const ShardRef& shard, base::QueueId queue) = 0;
  virtual void OnShardWantsTurn() = 0;
  // The replica has become leader of its group (or stopped being it).
  virtual void OnShardRole(const ShardRef& shard) = 0;
};

// A shard whose log is a Raft group in the node's log store: ties broker::Shard to raft::MultiRaft.
// One loop.
class ReplicatedShard final : public raft::StateMachine, public broker::ShardEnvironment {
 public:
  // All borrowed. `fabric` brings reads, which end on the store's threads, back to `loop`.
  ReplicatedShard(base::GroupId group, base::LoopId loop, raft::MultiRaft* raft,
                  raft::LogStore* store, Fabric* fabric, ShardEvents* events);

  // Blocking, before the loop runs: from what is on the disk.
  absl::Status OpenBlocking(const raft::Membership& founders);

  broker::Shard* shard() { return shard_.get(); }
  const ShardRef& ref() const { return ref_; }
  bool leads() const { return leads_; }
  uint64_t term() const { return term_.value; }
  // The shard was told that it leads; until then no request reaches it.
  bool serving() const { return serving_; }
  void Serve(uint64_t catalog_index, const std::vector<broker::QueueSpec>& queues);

  // Checkpoints when enough of the log can be reclaimed, or a little of it and the shard has been
  // idle. About once a second, and with `now_or_never` at shutdown.
  void MaybeCheckpoint(base::MonotonicTime now, bool now_or_never);

  // What was read for a shard that another replica's snapshot has taken the place of is dropped.
  void OnBodiesRead(BodiesRead read) {
    if (read.life == life_) shard_->OnBodies(read.read, std::move(read.parts));
  }
  void OnPageRead(PageRead read) {
    if (read.life == life_) shard_->OnPage(read.read, std::move(read.page));
  }
  void OnCheckpointDurable(uint64_t applied);

  // raft::StateMachine.
  void Apply(absl::Span<const raft::Entry> committed) override;
  void OnLeader(raft::Term term) override;
  void OnFollower(raft::Term term, std::optional<raft::ReplicaId> leader) override;
  void Install(const raft::Checkpoint& checkpoint) override;
  absl::StatusOr<Contents> ListContents(absl::string_view root) const override;
  bool NeedsBody(raft::Index index) const override;
  uint64_t Digest() const override;

  // broker::ShardEnvironment.
  void Propose(base::SliceChain header, base::SliceChain body, uint32_t body_crc) override;
  void Respond(const base::SessionId& session, broker::ShardResponse response) override;
  void ReadBodies(uint64_t read, std::vector<broker::BodyPart> parts) override;
  void ReadPage(uint64_t read, uint64_t page) override;
  void SubmitState(broker::ShardState state) override;
  void ForgetQueue(base::QueueId queue) override { events_->OnForgetQueue(ref_, queue); }
  void WantTurn() override { events_->OnShardWantsTurn(); }

 private:
  void ReleasePages();

  const ShardRef ref_;
  const base::LoopId loop_;
  raft::MultiRaft* const raft_;
  raft::LogStore* const store_;
  Fabric* const fabric_;
  ShardEvents* const events_;
  std::unique_ptr<broker::Shard> shard_;
  uint64_t life_ = 1;  // The how-manieth shard_.
  raft::Term term_;
  bool leads_ = false;
  bool serving_ = false;
  uint64_t applied_index_ = 0;
  uint64_t checkpointed_index_ =
      0;                     // Applied when the newest checkpoint was made; 0: there is none.
  uint64_t seen_index_ = 0;  // Applied when the checkpoint policy last looked.
  base::MonotonicTime seen_change_at_;  // When it last saw something new.
  bool checkpoint_running_ = false;
  uint64_t durable_index_ = 0;  // A durable checkpoint that the shard was not told of yet; 0: none.
  std::vector<broker::LogEntry> entries_;  // Kept for its memory.
};

}  // namespace pontoon::cluster

#endif  // PONTOON_SERVER_CLUSTER_REPLICATED_SHARD_H_
