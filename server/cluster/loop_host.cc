#include "server/cluster/loop_host.h"

#include <utility>

#include "base/check.h"

namespace pontoon::cluster {
namespace {

constexpr base::Duration kCheckpointLook = base::Seconds(1);

raft::Membership Alone(const NodeFacts& facts) {
  raft::Membership membership;
  membership.voters.push_back({facts.node, facts.incarnation});
  return membership;
}

raft::MultiRaftOptions RaftOptions(const NodeFacts& facts, base::LoopId loop, Fabric* fabric) {
  raft::MultiRaftOptions options;
  options.self = {facts.node, facts.incarnation};
  options.boot = facts.boot;
  options.loop = loop.value;
  options.post = [fabric, loop](std::function<void()> run) {
    fabric->Send(loop, Call{[run = std::move(run)](LoopHost*) { run(); }});
  };
  options.on_disk_dead = [fabric, waited = options.disk.dead] { fabric->OnDiskDead(waited); };
  return options;
}

template <typename... Ts>
struct Overloaded : Ts... {
  using Ts::operator()...;
};
template <typename... Ts>
Overloaded(Ts...) -> Overloaded<Ts...>;

}  // namespace

LoopHost::LoopHost(const NodeFacts& facts, base::LoopId loop, raft::LogStore* store, Fabric* fabric,
                   base::Random* random)
    : facts_(facts),
      loop_(loop),
      store_(store),
      fabric_(fabric),
      raft_(RaftOptions(facts, loop, fabric), store, nullptr, random),
      catalog_client_(facts.SessionOf(loop)),
      front_end_(facts, loop, &catalog_client_,
                 [this](base::LoopId to, DirectReply reply) { SendToLoop(to, std::move(reply)); }),
      transient_(facts.SessionOf(loop), this) {
  if (loop.value == 0) {
    catalog_host_ = std::make_unique<CatalogHost>(
        facts, &raft_, store, fabric,
        [this](base::LoopId to, LoopMessage message) { SendToLoop(to, std::move(message)); });
  }
  for (uint32_t group = 1; group <= facts.shards; ++group) {
    if (facts.LoopOf(base::GroupId{group}) != loop) continue;
    shards_.emplace(
        base::GroupId{group},
        std::make_unique<ReplicatedShard>(base::GroupId{group}, loop, &raft_, store, fabric, this));
  }
}

absl::Status LoopHost::OpenBlocking(const catalog::FoundCluster& found) {
  const raft::Membership founders = Alone(facts_);
  if (catalog_host_ != nullptr) {
    if (absl::Status opened = catalog_host_->OpenBlocking(founders, found); !opened.ok())
      return opened;
  }
  for (auto& [group, shard] : shards_) {
    if (absl::Status opened = shard->OpenBlocking(founders); !opened.ok()) return opened;
  }
  return absl::OkStatus();
}

void LoopHost::OnTurnStart(base::MonotonicTime now, base::WallTime wall) {
  now_ = now;
  wall_ = wall;
  front_end_.OnTurnStart(now, wall);
}

void LoopHost::OnTick(base::MonotonicTime now) {
  raft_.Tick(now);
  if (now >= next_checkpoint_look_) {
    next_checkpoint_look_ = now + kCheckpointLook;
    for (auto& [group, shard] : shards_) shard->MaybeCheckpoint(now, false);
    if (catalog_host_ != nullptr) catalog_host_->MaybeCheckpoint(now, false);
  }
}

void LoopHost::CheckpointAll() {
  for (auto& [group, shard] : shards_) shard->MaybeCheckpoint(now_, true);
  if (catalog_host_ != nullptr) catalog_host_->MaybeCheckpoint(now_, true);
}

uint64_t LoopHost::shard_memory_bytes() const {
  uint64_t bytes = 0;
  for (const auto& [group, shard] : shards_) bytes += shard->shard()->memory_bytes();
  return bytes;
}

void LoopHost::SendToLoop(base::LoopId to, LoopMessage message) {
  if (to == loop_) {
    to_self_.push_back(std::move(message));
  } else {
    fabric_->Send(to, std::move(message));
  }
}

void LoopHost::OnMessage(LoopMessage message) {
  std::visit(Overloaded{
                 [this](ToShard& m) { OnToShard(std::move(m)); },
                 [this](ToSession& m) { front_end_.OnResponses(m.shard, std::move(m.responses)); },
                 [this](ToCatalog& m) {
                   if (catalog_host_ != nullptr) catalog_host_->OnCommands(std::move(m.commands));
                 },
                 [this](CatalogApplied& m) { OnCatalogApplied(m); },
                 [this](CatalogInstalled& m) {
                   if (catalog_host_ != nullptr) catalog_host_->OnInstalled(m.loop, m.index);
                 },
                 [this](CatalogAnswers& m) { catalog_client_.OnAnswers(m.outcomes); },
                 [this](StorageDone& m) {
                   for (const auto& [group, seq] : m.done) raft_.OnStorageDone(group, seq);
                 },
                 [this](CheckpointDurable& m) {
                   raft_.OnCheckpointDurable(m.group, m.applied);
                   if (const auto it = shards_.find(m.group); it != shards_.end()) {
                     it->second->OnCheckpointDurable(m.applied.index.value);
                   } else if (m.group == base::kCatalogGroup && catalog_host_ != nullptr) {
                     catalog_host_->OnCheckpointDurable();
                   }
                 },
                 [this](StateWritten& m) { raft_.OnStateWritten(m.group, m.ticket); },
                 [this](BodiesRead& m) {
                   if (const auto it = shards_.find(m.group); it != shards_.end()) {
                     it->second->OnBodiesRead(std::move(m));
                   }
                 },
                 [this](PageRead& m) {
                   if (const auto it = shards_.find(m.group); it != shards_.end()) {
                     it->second->OnPageRead(std::move(m));
                   }
                 },
                 [this](DirectReply& m) { front_end_.OnDirectReply(m); },
                 [this](CatalogWritten& m) {
                   if (catalog_host_ != nullptr) catalog_host_->OnWritten(std::move(m));
                 },
                 [this](Call& m) { m.run(this); },
             },
             message);
}

broker::Shard* LoopHost::ServingShard(const ShardRef& shard) {
  if (shard.group.value == 0) return transient_serving_ ? transient_.shard() : nullptr;
  const auto it = shards_.find(shard.group);
  PONTOON_CHECK(it != shards_.end());
  return it->second->serving() ? it->second->shard() : nullptr;
}

void LoopHost::OnToShard(ToShard message) {
  broker::Shard* shard = ServingShard(message.shard);
  if (shard == nullptr) {
    held_.push_back(std::move(message));
    return;
  }
  for (broker::ShardRequest& request : message.requests)
    shard->OnRequest(message.session, std::move(request));
}

bool LoopHost::HoldsQueue(const catalog::QueueRecord& queue) const {
  return queue.transient() ? queue.home == facts_.SessionOf(loop_)
                           : facts_.LoopOf(queue.shard) == loop_;
}

broker::QueueSpec LoopHost::SpecOf(const catalog::QueueRecord& queue) const {
  const catalog::VhostRecord* vhost = front_end_.catalog()->FindVhost(queue.vhost);
  return {queue.id, queue.auto_delete, queue.name, vhost != nullptr ? vhost->name : ""};
}

void LoopHost::OnCatalogApplied(const CatalogApplied& applied) {
  front_end_.Install(applied);
  for (const catalog::Change& change : applied.changes) {
    const auto* boot = std::get_if<catalog::BootRegistered>(&change);
    if (boot != nullptr && boot->node == facts_.node && boot->boot == facts_.boot)
      boot_registered_ = true;
  }
  TellShards(applied);
  ServeShards();
  if (catalog_observer_) catalog_observer_(applied.changes);
  SendToLoop(base::LoopId{0}, CatalogInstalled{loop_, applied.version->index()});
}

void LoopHost::TellShards(const CatalogApplied& applied) {
  const uint64_t index = applied.version->index();
  const auto shard_of = [this](base::GroupId group, const base::SessionId& home) -> broker::Shard* {
    if (group.value == 0)
      return home == facts_.SessionOf(loop_) ? ServingShard({group, home}) : nullptr;
    return facts_.LoopOf(group) == loop_ ? ServingShard({group, {}}) : nullptr;
  };
  for (const catalog::Change& change : applied.changes) {
    if (const auto* declared = std::get_if<catalog::QueueDeclared>(&change)) {
      const catalog::QueueRecord* queue = applied.version->FindQueue(declared->queue);
      if (queue == nullptr) continue;  // Deleted again in the same batch.
      broker::Shard* shard = shard_of(queue->shard, queue->home);
      if (shard != nullptr) shard->OnQueueDeclared(index, SpecOf(*queue));
    } else if (const auto* forgotten = std::get_if<catalog::QueueForgotten>(&change)) {
      broker::Shard* shard = shard_of(forgotten->shard, forgotten->home);
      if (shard != nullptr && !forgotten->closed_by_shard)
        shard->OnQueueDeleted(index, forgotten->queue);
    }
  }
  for (auto& [group, shard] : shards_) {
    if (shard->serving()) shard->shard()->OnCatalogIndex(index);
  }
  if (transient_serving_) transient_.shard()->OnCatalogIndex(index);
}

void LoopHost::OnShardRole(const ShardRef& shard) {
  (void)shard;
  ServeShards();
}

void LoopHost::ServeShards() {
  // Only with this boot in the catalog: it says which sessions and transient queues of earlier
  // boots are over.
  if (!boot_registered_) return;
  const catalog::Version& version = *front_end_.catalog();
  const auto specs = [this](const std::vector<const catalog::QueueRecord*>& queues) {
    std::vector<broker::QueueSpec> result;
    result.reserve(queues.size());
    for (const catalog::QueueRecord* queue : queues) result.push_back(SpecOf(*queue));
    return result;
  };
  bool all = true;
  for (auto& [group, shard] : shards_) {
    if (shard->serving()) continue;
    if (!shard->leads()) {
      all = false;
      continue;
    }
    shard->Serve(version.index(), specs(version.ListQueuesOfShard(group)));
    shard->shard()->OnBootRegistered(facts_.node, facts_.boot);
  }
  if (!transient_serving_) {
    transient_serving_ = true;
    transient_.shard()->OnLeader(1, version.index(),
                                 specs(version.ListTransientQueues(facts_.SessionOf(loop_))));
  }
  ready_ = all;
  for (ToShard& message : std::exchange(held_, {})) OnToShard(std::move(message));
}

void LoopHost::OnShardResponse(const ShardRef& shard, const base::SessionId& session,
                               broker::ShardResponse response) {
  if (responses_.empty() || responses_.back().session != session ||
      responses_.back().shard != shard) {
    responses_.push_back({shard, session, {}});
  }
  responses_.back().responses.push_back(std::move(response));
}

void LoopHost::OnForgetQueue(const ShardRef& shard, base::QueueId queue) {
  catalog_client_.Change(catalog::ForgetQueue{queue},
                         [this, shard, queue](const catalog::Outcome&) {
                           broker::Shard* serving = ServingShard(shard);
                           if (serving != nullptr) serving->OnQueueForgotten(queue);
                         });
}

void LoopHost::FlushFrontEnd() {
  front_end_.Flush([this](const ShardRef& shard, std::vector<broker::ShardRequest> requests) {
    ToShard message{front_end_.id(), shard, std::move(requests)};
    const base::LoopId to = facts_.LoopOf(shard);
    if (to == loop_) {
      OnToShard(std::move(message));
    } else {
      fabric_->Send(to, std::move(message));
    }
  });
  if (catalog_client_.has_outbox())
    SendToLoop(base::LoopId{0}, ToCatalog{catalog_client_.TakeOutbox()});
}

void LoopHost::FlushResponses() {
  for (Responses& batch : std::exchange(responses_, {})) {
    if (batch.session == front_end_.id()) {
      front_end_.OnResponses(batch.shard, std::move(batch.responses));
    } else if (batch.session.node == facts_.node && batch.session.boot == facts_.boot) {
      fabric_->Send(batch.session.loop,
                    ToSession{batch.session, batch.shard, std::move(batch.responses)});
    }
    // Sessions of earlier boots are answered by nobody's leave: they are over.
  }
}

void LoopHost::OnTurnEnd() {
  wants_turn_ = false;
  catalog_client_.RunDeferred();
  FlushFrontEnd();
  more_to_apply_ = raft_.Flush();  // Applies what the store reported.
  for (LoopMessage& message : std::exchange(to_self_, {})) OnMessage(std::move(message));
  if (catalog_host_ != nullptr) catalog_host_->OnTurnEnd();
  for (auto& [group, shard] : shards_) {
    if (shard->serving()) shard->shard()->OnTurnEnd(now_, wall_);
  }
  if (transient_serving_) {
    // Twice: what is appended to the transient log is committed at once, and answered in the same
    // turn.
    transient_.shard()->OnTurnEnd(now_, wall_);
    if (transient_.Pump()) transient_.shard()->OnTurnEnd(now_, wall_);
  }
  more_to_apply_ = raft_.Flush() || more_to_apply_;  // Hands the turn's proposals to the store.
  FlushResponses();
}

bool LoopHost::wants_turn() const {
  return more_to_apply_ || wants_turn_ || !to_self_.empty() || front_end_.has_outbox() ||
         catalog_client_.has_outbox() || catalog_client_.has_deferred() || !responses_.empty();
}

}  // namespace pontoon::cluster
