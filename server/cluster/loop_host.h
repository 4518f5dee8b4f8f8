#ifndef PONTOON_SERVER_CLUSTER_LOOP_HOST_H_
#define PONTOON_SERVER_CLUSTER_LOOP_HOST_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "base/random.h"
#include "base/time.h"
#include "raft/node/multi_raft.h"
#include "server/cluster/catalog_client.h"
#include "server/cluster/catalog_host.h"
#include "server/cluster/fabric.h"
#include "server/cluster/loop_front_end.h"
#include "server/cluster/replicated_shard.h"
#include "server/cluster/transient_shard.h"

namespace pontoon::cluster {

// Everything of the middle that one event loop owns: its front-end, its shards (replicated and
// transient), and on loop 0 the catalog. The same class runs in the server and in simulations: what
// moves messages between loops, writes, and tells the time is given to it. A turn is: OnTurnStart,
// then inputs in any number (messages, what sessions ask of the front-end), then OnTurnEnd. One
// loop; not thread-safe.
class LoopHost final : public ShardEvents {
 public:
  // All borrowed.
  LoopHost(const NodeFacts& facts, base::LoopId loop, raft::LogStore* store, Fabric* fabric,
           base::Random* random);

  // Blocking, before the loop runs. DataLoss and others from the store and the state machines.
  absl::Status OpenBlocking(const catalog::FoundCluster& found);

  void OnTurnStart(base::MonotonicTime now, base::WallTime wall);
  void OnMessage(LoopMessage message);
  // At least every 50 ms, within a turn.
  void OnTick(base::MonotonicTime now);
  // Carries out the turn: applies, decides, writes, answers.
  void OnTurnEnd();
  // There is more to do at once: run another turn, though no input comes.
  bool wants_turn() const;

  // Told, within OnTurnEnd or OnMessage, of every catalog change after this loop routes by it;
  // before anyone is answered.
  void set_catalog_observer(std::function<void(absl::Span<const catalog::Change>)> observer) {
    catalog_observer_ = std::move(observer);
  }
  // All shards of the loop lead and this boot is in the catalog: clients may be served.
  bool ready() const { return ready_; }
  // For a quick next start: asks each shard for a checkpoint of what it can reclaim.
  void CheckpointAll();

  LoopFrontEnd* front_end() { return &front_end_; }
  base::LoopId loop() const { return loop_; }
  const NodeFacts& facts() const { return facts_; }
  uint64_t shard_memory_bytes() const;
  // Of the log of the catalog, what a checkpoint would let go. Loop 0 only.
  uint64_t catalog_log_bytes() const { return raft_.reclaimable_bytes(base::kCatalogGroup); }

  // ShardEvents.
  void OnShardResponse(const ShardRef& shard, const base::SessionId& session,
                       broker::ShardResponse response) override;
  void OnForgetQueue(const ShardRef& shard, base::QueueId queue) override;
  void OnShardWantsTurn() override { wants_turn_ = true; }
  void OnShardRole(const ShardRef& shard) override;

 private:
  struct Responses {
    ShardRef shard;
    base::SessionId session;
    std::vector<broker::ShardResponse> responses;
  };

  broker::Shard* ServingShard(const ShardRef& shard);
  void OnToShard(ToShard message);
  void OnCatalogApplied(const CatalogApplied& applied);
  void TellShards(const CatalogApplied& applied);
  void ServeShards();
  bool HoldsQueue(const catalog::QueueRecord& queue) const;
  broker::QueueSpec SpecOf(const catalog::QueueRecord& queue) const;
  void SendToLoop(base::LoopId to, LoopMessage message);
  void FlushFrontEnd();
  void FlushResponses();

  const NodeFacts facts_;
  const base::LoopId loop_;
  raft::LogStore* const store_;
  Fabric* const fabric_;
  raft::MultiRaft raft_;
  CatalogClient catalog_client_;
  LoopFrontEnd front_end_;
  std::unique_ptr<CatalogHost> catalog_host_;  // Loop 0 only.
  std::map<base::GroupId, std::unique_ptr<ReplicatedShard>> shards_;
  TransientShard transient_;
  bool transient_serving_ = false;
  bool boot_registered_ = false;
  bool ready_ = false;
  bool wants_turn_ = false;
  bool more_to_apply_ = false;
  base::MonotonicTime now_;
  base::WallTime wall_;
  base::MonotonicTime next_checkpoint_look_;
  std::vector<Responses> responses_;  // Of this turn, in order.
  std::vector<LoopMessage> to_self_;  // Messages of this loop to itself.
  std::vector<ToShard> held_;         // For shards that do not serve yet.
  std::function<void(absl::Span<const catalog::Change>)> catalog_observer_;
};

}  // namespace pontoon::cluster

#endif  // PONTOON_SERVER_CLUSTER_LOOP_HOST_H_
