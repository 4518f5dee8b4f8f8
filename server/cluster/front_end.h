#ifndef PONTOON_SERVER_CLUSTER_FRONT_END_H_
#define PONTOON_SERVER_CLUSTER_FRONT_END_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/ids.h"
#include "base/time.h"
#include "server/broker/shard_protocol.h"
#include "server/catalog/catalog.h"

// What AMQP sessions ask of the cluster, through the front-end of their event loop. Everything here
// happens on that loop. Calls return at once; answers come through the sink or the callback, later
// in this turn or in another one, never from inside the call. What one channel asks of one shard
// takes effect in the order in which it was asked.

namespace pontoon::cluster {

// A channel as the front-end knows it; never reused within a boot of the node.
using ChannelKey = base::StrongId<struct ChannelKeyTag, uint64_t>;

// Which shard: a replicated group, or (group 0) the transient shard of a loop.
struct ShardRef {
  base::GroupId group;
  base::SessionId home;  // Only for a transient shard.
  // A replicated shard has no home, whatever the record of its queue says about who declared it.
  static ShardRef Of(base::GroupId group, const base::SessionId& home) {
    return group.value == 0 ? ShardRef{group, home} : ShardRef{group, {}};
  }
  friend constexpr auto operator<=>(const ShardRef&, const ShardRef&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const ShardRef& ref) {
    return H::combine(std::move(h), ref.group, ref.home);
  }
};

// Where a direct reply goes (RabbitMQ: amq.rabbitmq.reply-to): a channel of any loop of any node.
struct ReplyAddress {
  base::SessionId loop;
  ChannelKey channel;
  uint64_t secret = 0;  // Which consumer of the channel; only those know it who were asked.
  friend constexpr bool operator==(const ReplyAddress&, const ReplyAddress&) = default;
};

// What comes to a channel without being a reply. Implemented by session; called in order, on the
// loop.
class ChannelSink {
 public:
  virtual ~ChannelSink() = default;
  // All shards of the publish with this tag are done: committed, or `refused` by a full queue.
  virtual void OnPublishDone(uint64_t tag, uint64_t bytes, bool refused) = 0;
  virtual void OnDelivery(const ShardRef& shard, broker::Delivery delivery) = 0;
  // What became of a consumer's credit (broker::Credit::tell).
  virtual void OnCreditNote(const broker::CreditNote& note) = 0;
  // The queue of this consumer is gone; what the consumer held is gone with it.
  virtual void OnConsumerCancelled(broker::ConsumerKey consumer) = 0;
  // `secret`: of the address that it was sent to.
  virtual void OnDirectReply(uint64_t secret, broker::MessageBytes message) = 0;
};

// One publish on its way: tx collects them, FrontEnd::Publish sends one.
struct OutgoingPublish {
  uint64_t tag = 0;  // Given back in OnPublishDone.
  broker::MessageBytes message;
  bool persistent = false;
  std::vector<catalog::Target> targets;  // Not empty.
};
struct OutgoingSettle {
  ShardRef shard;
  broker::Settle settle;
};
struct OutgoingReturn {
  ShardRef shard;
  broker::DeliveryRun run;
};

struct ConsumeOptions {
  std::string tag;
  std::string channel_name;
  bool no_ack = false;
  bool exclusive = false;
  int32_t priority = 0;
  std::string arguments;
  uint32_t prefetch = 0;
  broker::Credit credit;
};

class FrontEnd {
 public:
  using Done = std::function<void(absl::Status)>;
  using CountsDone = std::function<void(absl::StatusOr<broker::QueueCounts>)>;
  using GetDone = std::function<void(absl::StatusOr<std::optional<broker::GetOk>>)>;
  using ChangeDone = std::function<void(const catalog::Outcome&)>;
  using CreditDone = std::function<void(broker::Credit)>;

  virtual ~FrontEnd() = default;

  virtual const base::SessionId& id() const = 0;
  virtual base::MonotonicTime now() const = 0;  // Of this turn.
  virtual base::WallTime wall() const = 0;
  // The version that this loop routes by.
  virtual const catalog::VersionPtr& catalog() const = 0;

  // `sink` must outlive the channel. After CloseChannel nothing more comes to it and no callback
  // that was passed with its key runs; its consumers are cancelled, and what it holds (`holding`)
  // goes back to the queues. Publishes that were sent stay on their way.
  virtual ChannelKey OpenChannel(ChannelSink* sink) = 0;
  virtual void CloseChannel(ChannelKey channel, std::vector<OutgoingReturn> holding) = 0;

  virtual void Publish(ChannelKey channel, OutgoingPublish publish) = 0;
  // All of it, per shard in one entry of the log or not at all; `done` once everything is synced.
  // OnPublishDone is not called for these publishes.
  virtual void Commit(ChannelKey channel, std::vector<OutgoingPublish> publishes,
                      std::vector<OutgoingSettle> settles, std::vector<OutgoingReturn> returns,
                      Done done) = 0;

  // The consumer's key is known at once; deliveries may follow `done`, never precede it.
  virtual broker::ConsumerKey Consume(ChannelKey channel, const catalog::QueueRecord& queue,
                                      ConsumeOptions options, Done done) = 0;
  virtual void Cancel(ChannelKey channel, broker::ConsumerKey consumer, Done done) = 0;
  virtual void Grant(broker::ConsumerKey consumer, broker::Credit more) = 0;
  virtual void TakeCredit(ChannelKey channel, broker::ConsumerKey consumer, CreditDone done) = 0;
  virtual void Get(ChannelKey channel, const catalog::QueueRecord& queue, bool no_ack,
                   GetDone done) = 0;
  virtual void Settle(const OutgoingSettle& settle) = 0;
  virtual void Return(const OutgoingReturn& returned) = 0;

  virtual void CountMessages(ChannelKey channel, const catalog::QueueRecord& queue,
                             CountsDone done) = 0;
  virtual void Purge(ChannelKey channel, const catalog::QueueRecord& queue, CountsDone done) = 0;
  // `done` once no loop routes to the queue any more; `ready` is how many messages went with it.
  virtual void DeleteQueue(ChannelKey channel, const catalog::QueueRecord& queue, bool if_unused,
                           bool if_empty, CountsDone done) = 0;
  // For queues of a connection that ended; nobody waits.
  virtual void DropQueue(const catalog::QueueRecord& queue) = 0;

  // A change of the catalog; `done` once it is committed and every loop routes by it (or it was
  // refused).
  virtual void Change(ChannelKey channel, catalog::Command command, ChangeDone done) = 0;
  // Where the messages of a new durable queue that is declared here should live.
  virtual base::GroupId ChooseShard() = 0;

  // Direct reply-to, at most once: dropped where nobody waits at the address any more.
  virtual void SendDirectReply(const ReplyAddress& address, broker::MessageBytes message) = 0;
};

}  // namespace pontoon::cluster

#endif  // PONTOON_SERVER_CLUSTER_FRONT_END_H_
