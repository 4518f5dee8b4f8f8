#ifndef PONTOON_SERVER_CLUSTER_LOOP_FRONT_END_H_
#define PONTOON_SERVER_CLUSTER_LOOP_FRONT_END_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "server/cluster/catalog_client.h"
#include "server/cluster/fabric.h"
#include "server/cluster/front_end.h"
#include "server/cluster/shard_link.h"

namespace pontoon::cluster {

// The front-end of one event loop: sends what its channels ask to the leaders of the shards, in
// order per shard, and brings the answers back. Gathers a turn's requests; LoopHost sends them at
// the turn's end.
class LoopFrontEnd final : public FrontEnd {
 public:
  // `send_reply` takes a direct reply to its loop.
  using SendReply = std::function<void(base::LoopId, DirectReply)>;
  LoopFrontEnd(const NodeFacts& facts, base::LoopId loop, CatalogClient* catalog_client,
               SendReply send_reply);

  // FrontEnd.
  const base::SessionId& id() const override { return session_; }
  base::MonotonicTime now() const override { return now_; }
  base::WallTime wall() const override { return wall_; }
  const catalog::VersionPtr& catalog() const override { return catalog_; }
  ChannelKey OpenChannel(ChannelSink* sink) override;
  void CloseChannel(ChannelKey channel, std::vector<OutgoingReturn> holding) override;
  void Publish(ChannelKey channel, OutgoingPublish publish) override;
  void Commit(ChannelKey channel, std::vector<OutgoingPublish> publishes,
              std::vector<OutgoingSettle> settles, std::vector<OutgoingReturn> returns,
              Done done) override;
  broker::ConsumerKey Consume(ChannelKey channel, const catalog::QueueRecord& queue,
                              ConsumeOptions options, Done done) override;
  void Cancel(ChannelKey channel, broker::ConsumerKey consumer, Done done) override;
  void Grant(broker::ConsumerKey consumer, broker::Credit more) override;
  void TakeCredit(ChannelKey channel, broker::ConsumerKey consumer, CreditDone done) override;
  void Get(ChannelKey channel, const catalog::QueueRecord& queue, bool no_ack,
           GetDone done) override;
  void Settle(const OutgoingSettle& settle) override { Link(settle.shard)->Settle(settle.settle); }
  void Return(const OutgoingReturn& returned) override {
    Link(returned.shard)->Return(returned.run);
  }
  void CountMessages(ChannelKey channel, const catalog::QueueRecord& queue,
                     CountsDone done) override;
  void Purge(ChannelKey channel, const catalog::QueueRecord& queue, CountsDone done) override;
  void DeleteQueue(ChannelKey channel, const catalog::QueueRecord& queue, bool if_unused,
                   bool if_empty, CountsDone done) override;
  void DropQueue(const catalog::QueueRecord& queue) override;
  void Change(ChannelKey channel, catalog::Command command, ChangeDone done) override;
  base::GroupId ChooseShard() override;
  void SendDirectReply(const ReplyAddress& address, broker::MessageBytes message) override;

  // For administration: asks one shard, or all of them, for its queues' or consumers' figures.
  using FiguresDone = std::function<void(std::vector<broker::QueueFigures>)>;
  using ConsumersDone = std::function<void(std::vector<broker::ConsumerFigures>)>;
  void InspectQueues(FiguresDone done);
  void InspectConsumers(ConsumersDone done);

  // Of LoopHost.
  void OnTurnStart(base::MonotonicTime now, base::WallTime wall) {
    now_ = now;
    wall_ = wall;
  }
  void Install(const CatalogApplied& applied);
  void OnResponses(const ShardRef& shard, std::vector<broker::ShardResponse> responses);
  void OnDirectReply(const DirectReply& reply);
  // Calls `send(shard, requests)` for each link with something to send, in a stable order.
  void Flush(const std::function<void(const ShardRef&, std::vector<broker::ShardRequest>)>& send);
  bool has_outbox() const { return !dirty_.empty(); }

 private:
  struct Consumer {
    ChannelKey channel;
    ChannelSink* sink;
    ShardRef shard;
  };
  struct Pending {  // A request that awaits its Reply.
    ChannelKey channel;
    std::function<void(broker::Reply)> done;  // Null if nobody waits.
    ShardRef shard;
  };

  static ShardRef RefOf(const catalog::QueueRecord& queue) {
    return ShardRef::Of(queue.shard, queue.home);
  }
  ShardLink* Link(const ShardRef& given);
  broker::RequestId Expect(ChannelKey channel, const ShardRef& shard,
                           std::function<void(broker::Reply)> done);
  bool IsOpen(ChannelKey channel) const {
    return channel.value == 0 || channels_.contains(channel);
  }
  void OnPublishDone(OutstandingPublish publish, bool refused);
  void OnGathered(Gathering* gathering);
  void OnDelivery(const ShardRef& shard, broker::Delivery delivery);
  void OnReply(const ShardRef& shard, broker::Reply reply);
  std::vector<ShardRef> AllShards() const;
  template <typename Inspect, typename Figures>
  void InspectShards(std::function<void(std::vector<Figures>)> done);

  const NodeFacts facts_;
  const base::SessionId session_;
  CatalogClient* const catalog_client_;
  const SendReply send_reply_;
  base::MonotonicTime now_;
  base::WallTime wall_;
  catalog::VersionPtr catalog_;
  std::vector<uint64_t> queues_of_shard_;  // By group; to choose where new queues go.

  absl::flat_hash_map<ChannelKey, ChannelSink*> channels_;        // Never iterated.
  absl::flat_hash_map<broker::ConsumerKey, Consumer> consumers_;  // Never iterated.
  std::map<ChannelKey, std::vector<broker::ConsumerKey>> consumers_of_;
  std::map<ShardRef, std::unique_ptr<ShardLink>> links_;
  ShardLink* last_link_ = nullptr;  // The one used last; most calls in a row are for one shard.
  std::vector<ShardLink*>
      dirty_;  // With something to send, in the order in which they came to have it.
  absl::flat_hash_map<broker::RequestId, Pending> pending_;  // Never iterated.
  uint64_t last_channel_ = 0;
  uint64_t last_consumer_ = 0;
  uint64_t last_request_ = 0;
};

}  // namespace pontoon::cluster

#endif  // PONTOON_SERVER_CLUSTER_LOOP_FRONT_END_H_
