#include "server/broker/shard.h"

#include <utility>

#include "server/broker/leader.h"
#include "server/broker/replica.h"

namespace pontoon::broker {
namespace {

// It is the environment of its own parts: what it passes on, it sees.
class ShardImpl final : public Shard, public ShardEnvironment {
 public:
  ShardImpl(GroupId group, const ShardLimits& limits, ShardEnvironment* environment)
      : limits_(limits), environment_(environment), replica_(group, this) {}

  absl::Status Restore(uint64_t applied, absl::string_view root) override {
    return replica_.Restore(applied, root);
  }

  void Apply(absl::Span<const LogEntry> entries) override {
    for (const LogEntry& entry : entries) replica_.Apply(entry);
    replica_.FlushState();
  }
  void OnCheckpointDurable(uint64_t applied) override { replica_.OnCheckpointDurable(applied); }
  void MakeCheckpoint() override { replica_.MakeCheckpoint(); }

  void OnLeader(uint64_t term, uint64_t catalog_index,
                const std::vector<QueueSpec>& queues) override {
    OnFollower();
    leader_ = std::make_unique<Leader>(term, &replica_, this, limits_);
    replica_.set_listener(leader_.get());
    leader_->Start(catalog_index, queues);
  }
  void OnFollower() override {
    replica_.set_listener(nullptr);
    leader_.reset();
  }
  void OnRequest(const SessionId& session, ShardRequest request) override {
    if (leader_ != nullptr) leader_->OnRequest(session, std::move(request));
  }
  void OnQueueDeclared(uint64_t catalog_index, const QueueSpec& queue) override {
    if (leader_ == nullptr) return;
    leader_->OnQueueDeclared(queue);
    leader_->OnCatalogIndex(catalog_index);
  }
  void OnQueueDeleted(uint64_t, QueueId queue) override {
    if (leader_ != nullptr) leader_->OnQueueDeleted(queue);
  }
  void OnCatalogIndex(uint64_t catalog_index) override {
    if (leader_ != nullptr) leader_->OnCatalogIndex(catalog_index);
  }
  void OnQueueForgotten(QueueId queue) override {
    if (leader_ != nullptr) leader_->OnQueueForgotten(queue);
  }
  void OnSessionEnded(const SessionId& session) override {
    if (leader_ != nullptr) leader_->ReleaseSession(session);
  }
  void OnBootRegistered(base::NodeId node, base::BootId boot) override {
    if (leader_ != nullptr) leader_->OnBootRegistered(node, boot);
  }
  void OnBodies(uint64_t read, std::vector<absl::StatusOr<base::Slice>> parts) override {
    if (leader_ != nullptr) leader_->OnBodies(read, std::move(parts));
  }
  void OnPage(uint64_t read, absl::StatusOr<base::Slice> page) override {
    replica_.OnPage(read, page);
  }

  void OnTurnEnd(base::MonotonicTime now, base::WallTime wall) override {
    if (leader_ != nullptr) leader_->OnTurnEnd(now, wall);
    replica_.OnTurn(now);
    replica_.FlushState();
  }

  uint64_t waiting_bytes() const override { return replica_.ledger().live_bytes(); }
  uint64_t memory_bytes() const override {
    return replica_.memory_bytes() + (leader_ != nullptr ? leader_->memory_bytes() : 0);
  }
  uint64_t digest() const override { return replica_.digest(); }
  bool NeedsBody(uint64_t index) const override {
    return replica_.ledger().ReferencesOf(index) != 0;
  }

 private:
  // The environment as the parts see it: bodies that are dropped leave the leader's cache too.
  void Propose(base::SliceChain header, base::SliceChain body, uint32_t body_crc) override {
    environment_->Propose(std::move(header), std::move(body), body_crc);
  }
  void Respond(const SessionId& session, ShardResponse response) override {
    environment_->Respond(session, std::move(response));
  }
  void ReadBodies(uint64_t read, std::vector<BodyPart> parts) override {
    environment_->ReadBodies(read, std::move(parts));
  }
  void ReadPage(uint64_t read, uint64_t page) override { environment_->ReadPage(read, page); }
  void SubmitState(ShardState state) override {
    if (leader_ != nullptr) leader_->OnBodiesDropped(state.drop_bodies);
    environment_->SubmitState(std::move(state));
  }
  void ForgetQueue(QueueId queue) override { environment_->ForgetQueue(queue); }
  void WantTurn() override { environment_->WantTurn(); }

  const ShardLimits limits_;
  ShardEnvironment* const environment_;
  Replica replica_;
  std::unique_ptr<Leader> leader_;
};

}  // namespace

std::unique_ptr<Shard> NewShard(GroupId group, const ShardLimits& limits,
                                ShardEnvironment* environment) {
  return std::make_unique<ShardImpl>(group, limits, environment);
}

}  // namespace pontoon::broker
