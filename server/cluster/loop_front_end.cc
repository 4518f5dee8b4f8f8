#include "server/cluster/loop_front_end.h"

#include <algorithm>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "base/crc32c.h"

namespace pontoon::cluster {
namespace {

// Queues in a shard before another shard of the loop is opened. Few shards at first, so that one
// stored body serves many queues of a fan-out (design section 3); more later, so that one shard's
// checkpoint stays small.
constexpr uint64_t kQueuesPerShard = 2000;

FrontEnd::CountsDone IgnoreCounts() {
  return [](absl::StatusOr<broker::QueueCounts>) {};
}

// One message as each shard gets it that has queues for it. Most have one.
using Parts = absl::InlinedVector<std::pair<ShardRef, broker::Publish>, 1>;

Parts SplitByShard(OutgoingPublish publish) {
  Parts parts;
  for (const catalog::Target& target : publish.targets) {
    const ShardRef shard = ShardRef::Of(target.shard, target.home);
    auto part = std::find_if(parts.begin(), parts.end(),
                             [&shard](const auto& part) { return part.first == shard; });
    if (part == parts.end()) {
      broker::Publish message;
      if (parts.empty()) {
        message.envelope_crc = base::Crc32c(publish.message.envelope);
        message.payload_crc = base::Crc32c(publish.message.payload);
        message.persistent = publish.persistent;
        message.message = std::move(publish.message);
      } else {
        message = parts.front().second;
        message.targets.clear();
      }
      parts.emplace_back(shard, std::move(message));
      part = parts.end() - 1;
    }
    part->second.targets.push_back(target.queue);
  }
  return parts;
}

std::function<void(broker::Reply)> AsCounts(FrontEnd::CountsDone done) {
  return [done = std::move(done)](broker::Reply reply) {
    if (!reply.status.ok()) return done(reply.status);
    const auto* counts = std::get_if<broker::QueueCounts>(&reply.result);
    done(counts != nullptr ? *counts : broker::QueueCounts{});
  };
}

}  // namespace

LoopFrontEnd::LoopFrontEnd(const NodeFacts& facts, base::LoopId loop, CatalogClient* catalog_client,
                           SendReply send_reply)
    : facts_(facts),
      session_(facts.SessionOf(loop)),
      catalog_client_(catalog_client),
      send_reply_(std::move(send_reply)),
      queues_of_shard_(facts.shards + 1, 0) {}

ChannelKey LoopFrontEnd::OpenChannel(ChannelSink* sink) {
  const ChannelKey key{++last_channel_};
  channels_.emplace(key, sink);
  return key;
}

void LoopFrontEnd::CloseChannel(ChannelKey channel, std::vector<OutgoingReturn> holding) {
  channels_.erase(channel);
  // First the consumers, so that what is returned does not come back to one of them.
  const auto it = consumers_of_.find(channel);
  if (it != consumers_of_.end()) {
    const std::vector<broker::ConsumerKey> consumers = std::move(it->second);
    consumers_of_.erase(it);
    for (const broker::ConsumerKey consumer : consumers) {
      const auto found = consumers_.find(consumer);
      if (found == consumers_.end()) continue;
      const ShardRef shard = found->second.shard;
      consumers_.erase(found);
      Link(shard)->Ask(broker::Cancel{Expect(ChannelKey{}, shard, nullptr), consumer});
    }
  }
  for (const OutgoingReturn& returned : holding) Return(returned);
}

ShardLink* LoopFrontEnd::Link(const ShardRef& given) {
  const ShardRef shard = ShardRef::Of(given.group, given.home);
  if (last_link_ == nullptr || last_link_->shard() != shard) {
    std::unique_ptr<ShardLink>& link = links_[shard];
    if (link == nullptr) {
      link = std::make_unique<ShardLink>(shard);
      dirty_.push_back(link.get());  // It opens the session.
    }
    last_link_ = link.get();
  }
  // Every caller adds to the outbox.
  if (!last_link_->has_outbox()) dirty_.push_back(last_link_);
  return last_link_;
}

broker::RequestId LoopFrontEnd::Expect(ChannelKey channel, const ShardRef& shard,
                                       std::function<void(broker::Reply)> done) {
  const broker::RequestId request{++last_request_};
  pending_.emplace(request, Pending{channel, std::move(done), shard});
  return request;
}

void LoopFrontEnd::Publish(ChannelKey channel, OutgoingPublish publish) {
  const uint64_t bytes = publish.message.envelope.size() + publish.message.payload.size();
  const uint64_t index = catalog_ != nullptr ? catalog_->index() : 0;
  const uint64_t tag = publish.tag;
  Parts parts = SplitByShard(std::move(publish));
  std::shared_ptr<Gathering> gathering;
  if (parts.size() > 1) {
    gathering = std::make_shared<Gathering>();
    gathering->remaining = static_cast<uint32_t>(parts.size());
  }
  for (auto& [shard, message] : parts) {
    Link(shard)->Publish(index, std::move(message), {channel, tag, bytes, gathering});
  }
}

void LoopFrontEnd::Commit(ChannelKey channel, std::vector<OutgoingPublish> publishes,
                          std::vector<OutgoingSettle> settles, std::vector<OutgoingReturn> returns,
                          Done done) {
  struct PartOfCommit {
    std::vector<broker::Publish> publishes;
    std::vector<broker::Settle> settles;
    std::vector<broker::DeliveryRun> returns;
  };
  std::map<ShardRef, PartOfCommit> parts;
  for (OutgoingPublish& publish : publishes) {
    for (auto& [shard, message] : SplitByShard(std::move(publish))) {
      parts[shard].publishes.push_back(std::move(message));
    }
  }
  for (const OutgoingSettle& settle : settles) parts[settle.shard].settles.push_back(settle.settle);
  for (const OutgoingReturn& returned : returns)
    parts[returned.shard].returns.push_back(returned.run);

  auto gathering = std::make_shared<Gathering>();
  gathering->committed = std::move(done);
  gathering->channel = channel;
  gathering->remaining = 1;  // This call itself, so that nothing is reported from inside it.
  const uint64_t index = catalog_ != nullptr ? catalog_->index() : 0;
  for (auto& [shard, part] : parts) {
    Link(shard)->Commit(index, std::move(part.publishes), std::move(part.settles),
                        std::move(part.returns), gathering);
  }
  if (gathering->remaining > 1) {
    --gathering->remaining;
    return;
  }
  // Nothing waits for a shard: an empty commit. Answered through the loop's own queue, never from
  // inside this call.
  catalog_client_->Defer([this, gathering] { OnGathered(gathering.get()); });
}

broker::ConsumerKey LoopFrontEnd::Consume(ChannelKey channel, const catalog::QueueRecord& queue,
                                          ConsumeOptions options, Done done) {
  const ShardRef shard = RefOf(queue);
  const broker::ConsumerKey consumer{++last_consumer_};
  consumers_.emplace(consumer, Consumer{channel, channels_.at(channel), shard});
  consumers_of_[channel].push_back(consumer);
  broker::Consume consume;
  consume.request = Expect(channel, shard,
                           [this, consumer, channel, done = std::move(done)](broker::Reply reply) {
                             if (!reply.status.ok()) {
                               consumers_.erase(consumer);
                               std::erase(consumers_of_[channel], consumer);
                             }
                             done(reply.status);
                           });
  consume.catalog_index = catalog_->index();
  consume.queue = queue.id;
  consume.consumer = consumer;
  consume.tag = std::move(options.tag);
  consume.channel_name = std::move(options.channel_name);
  consume.no_ack = options.no_ack;
  consume.exclusive = options.exclusive;
  consume.priority = options.priority;
  consume.arguments = std::move(options.arguments);
  consume.prefetch = options.prefetch;
  consume.credit = options.credit;
  Link(shard)->Ask(std::move(consume));
  return consumer;
}

void LoopFrontEnd::Cancel(ChannelKey channel, broker::ConsumerKey consumer, Done done) {
  const auto it = consumers_.find(consumer);
  if (it == consumers_.end()) {
    catalog_client_->Defer([this, channel, done = std::move(done)] {
      if (IsOpen(channel)) done(absl::OkStatus());
    });
    return;
  }
  const ShardRef shard = it->second.shard;
  const broker::RequestId request = Expect(
      channel, shard, [this, consumer, channel, done = std::move(done)](broker::Reply reply) {
        // What was handed out before the cancel took effect has been delivered by now.
        consumers_.erase(consumer);
        std::erase(consumers_of_[channel], consumer);
        done(reply.status);
      });
  Link(shard)->Ask(broker::Cancel{request, consumer});
}

void LoopFrontEnd::Grant(broker::ConsumerKey consumer, broker::Credit more) {
  const auto it = consumers_.find(consumer);
  if (it != consumers_.end()) Link(it->second.shard)->Ask(broker::GrantCredit{consumer, more});
}

void LoopFrontEnd::TakeCredit(ChannelKey channel, broker::ConsumerKey consumer, CreditDone done) {
  const auto it = consumers_.find(consumer);
  if (it == consumers_.end()) {
    catalog_client_->Defer([this, channel, done = std::move(done)] {
      if (IsOpen(channel)) done(broker::Credit{});
    });
    return;
  }
  const ShardRef shard = it->second.shard;
  const broker::RequestId request =
      Expect(channel, shard, [done = std::move(done)](broker::Reply reply) {
        const auto* taken = std::get_if<broker::CreditTaken>(&reply.result);
        done(taken != nullptr ? taken->unused : broker::Credit{});
      });
  Link(shard)->Ask(broker::TakeCredit{request, consumer});
}

void LoopFrontEnd::Get(ChannelKey channel, const catalog::QueueRecord& queue, bool no_ack,
                       GetDone done) {
  const ShardRef shard = RefOf(queue);
  const broker::RequestId request =
      Expect(channel, shard, [done = std::move(done)](broker::Reply reply) {
        if (!reply.status.ok()) return done(reply.status);
        auto* got = std::get_if<broker::GetOk>(&reply.result);
        done(got != nullptr ? std::optional<broker::GetOk>(std::move(*got)) : std::nullopt);
      });
  Link(shard)->Ask(broker::Get{request, catalog_->index(), queue.id, no_ack});
}

void LoopFrontEnd::CountMessages(ChannelKey channel, const catalog::QueueRecord& queue,
                                 CountsDone done) {
  const ShardRef shard = RefOf(queue);
  const broker::RequestId request = Expect(channel, shard, AsCounts(std::move(done)));
  Link(shard)->Ask(broker::CountMessages{request, catalog_->index(), queue.id});
}

void LoopFrontEnd::Purge(ChannelKey channel, const catalog::QueueRecord& queue, CountsDone done) {
  const ShardRef shard = RefOf(queue);
  const broker::RequestId request = Expect(channel, shard, AsCounts(std::move(done)));
  Link(shard)->Ask(broker::Purge{request, catalog_->index(), queue.id});
}

void LoopFrontEnd::DeleteQueue(ChannelKey channel, const catalog::QueueRecord& queue,
                               bool if_unused, bool if_empty, CountsDone done) {
  const ShardRef shard = RefOf(queue);
  const broker::RequestId request = Expect(channel, shard, AsCounts(std::move(done)));
  Link(shard)->Ask(broker::DeleteQueue{request, catalog_->index(), queue.id, if_unused, if_empty});
}

void LoopFrontEnd::DropQueue(const catalog::QueueRecord& queue) {
  DeleteQueue(ChannelKey{}, queue, false, false, IgnoreCounts());
}

void LoopFrontEnd::Change(ChannelKey channel, catalog::Command command, ChangeDone done) {
  catalog_client_->Change(std::move(command),
                          [this, channel, done = std::move(done)](const catalog::Outcome& outcome) {
                            if (IsOpen(channel)) done(outcome);
                          });
}

base::GroupId LoopFrontEnd::ChooseShard() {
  // The loop's own shards, in order: the first that is not full; if all are, the emptiest.
  const uint32_t first = session_.loop.value % facts_.shards + 1;
  uint32_t best = first;
  for (uint32_t group = first; group <= facts_.shards; group += facts_.loops) {
    if (queues_of_shard_[group] < kQueuesPerShard) return {group};
    if (queues_of_shard_[group] < queues_of_shard_[best]) best = group;
  }
  return {best};
}

void LoopFrontEnd::SendDirectReply(const ReplyAddress& address, broker::MessageBytes message) {
  if (address.loop.node != session_.node || address.loop.boot != session_.boot ||
      address.loop.loop.value >= facts_.loops) {
    return;  // Of another boot.
  }
  send_reply_(address.loop.loop, {address.channel, address.secret, std::move(message)});
}

std::vector<ShardRef> LoopFrontEnd::AllShards() const {
  std::vector<ShardRef> shards;
  for (uint32_t group = 1; group <= facts_.shards; ++group)
    shards.push_back({base::GroupId{group}, {}});
  for (uint16_t loop = 0; loop < facts_.loops; ++loop) {
    shards.push_back({base::GroupId{}, facts_.SessionOf(base::LoopId{loop})});
  }
  return shards;
}

template <typename Inspect, typename Figures>
void LoopFrontEnd::InspectShards(std::function<void(std::vector<Figures>)> done) {
  struct Gathered {
    size_t remaining;
    std::vector<Figures> figures;
    std::function<void(std::vector<Figures>)> done;
  };
  const std::vector<ShardRef> shards = AllShards();
  auto gathered = std::make_shared<Gathered>(Gathered{shards.size(), {}, std::move(done)});
  for (const ShardRef& shard : shards) {
    Inspect inspect;
    inspect.request = Expect(ChannelKey{}, shard, [gathered](broker::Reply reply) {
      if (auto* figures = std::get_if<std::vector<Figures>>(&reply.result)) {
        gathered->figures.insert(gathered->figures.end(), figures->begin(), figures->end());
      }
      if (--gathered->remaining == 0) gathered->done(std::move(gathered->figures));
    });
    Link(shard)->Ask(inspect);
  }
}

void LoopFrontEnd::InspectQueues(FiguresDone done) {
  InspectShards<broker::InspectQueues>(std::move(done));
}

void LoopFrontEnd::InspectConsumers(ConsumersDone done) {
  InspectShards<broker::InspectConsumers>(std::move(done));
}

void LoopFrontEnd::Install(const CatalogApplied& applied) {
  const bool first = catalog_ == nullptr;
  catalog_ = applied.version;
  if (first) {
    for (uint32_t group = 1; group <= facts_.shards; ++group) {
      queues_of_shard_[group] = catalog_->ListQueuesOfShard({group}).size();
    }
    return;
  }
  for (const catalog::Change& change : applied.changes) {
    if (const auto* declared = std::get_if<catalog::QueueDeclared>(&change)) {
      const catalog::QueueRecord* queue = catalog_->FindQueue(declared->queue);
      if (queue != nullptr && queue->shard.value < queues_of_shard_.size())
        ++queues_of_shard_[queue->shard.value];
    } else if (const auto* forgotten = std::get_if<catalog::QueueForgotten>(&change)) {
      if (forgotten->shard.value < queues_of_shard_.size() &&
          queues_of_shard_[forgotten->shard.value] > 0) {
        --queues_of_shard_[forgotten->shard.value];
      }
    }
  }
}

void LoopFrontEnd::OnPublishDone(OutstandingPublish publish, bool refused) {
  if (publish.gathering != nullptr) {
    Gathering* gathering = publish.gathering.get();
    gathering->refused |= refused;
    if (--gathering->remaining != 0) return;
    if (gathering->committed) return OnGathered(gathering);
    refused = gathering->refused;
  }
  const auto it = channels_.find(publish.channel);
  if (it != channels_.end()) it->second->OnPublishDone(publish.tag, publish.bytes, refused);
}

void LoopFrontEnd::OnGathered(Gathering* gathering) {
  if (IsOpen(gathering->channel)) gathering->committed(absl::OkStatus());
}

void LoopFrontEnd::OnDelivery(const ShardRef& shard, broker::Delivery delivery) {
  const auto it = consumers_.find(delivery.consumer);
  if (it != consumers_.end()) return it->second.sink->OnDelivery(shard, std::move(delivery));
  // Its channel closed meanwhile: back to its place.
  Link(shard)->Return({delivery.queue, delivery.position, delivery.delivery, 1});
}

void LoopFrontEnd::OnReply(const ShardRef& shard, broker::Reply reply) {
  const auto it = pending_.find(reply.request);
  if (it == pending_.end()) return;
  const Pending pending = std::move(it->second);
  pending_.erase(it);
  if (pending.done && IsOpen(pending.channel)) return pending.done(std::move(reply));
  if (const auto* got = std::get_if<broker::GetOk>(&reply.result)) {
    // The channel that asked is gone.
    Link(shard)->Return({got->delivery.queue, got->delivery.position, got->delivery.delivery, 1});
  }
}

void LoopFrontEnd::OnResponses(const ShardRef& shard,
                               std::vector<broker::ShardResponse> responses) {
  const auto found = links_.find(shard);
  if (found == links_.end()) return;
  ShardLink* const link = found->second.get();
  for (broker::ShardResponse& response : responses) {
    if (auto* done = std::get_if<broker::PublishesDone>(&response)) {
      link->OnPublishesDone(*done, [this](OutstandingPublish publish, bool refused) {
        OnPublishDone(std::move(publish), refused);
      });
    } else if (auto* settled = std::get_if<broker::SettlesDone>(&response)) {
      link->OnSettlesDone(*settled, [this](const std::shared_ptr<Gathering>& gathering) {
        if (--gathering->remaining == 0) OnGathered(gathering.get());
      });
    } else if (auto* deliveries = std::get_if<broker::Deliveries>(&response)) {
      for (broker::Delivery& delivery : deliveries->deliveries)
        OnDelivery(shard, std::move(delivery));
      for (const broker::CreditNote& note : deliveries->notes) {
        const auto it = consumers_.find(note.consumer);
        if (it != consumers_.end()) it->second.sink->OnCreditNote(note);
      }
    } else if (auto* cancelled = std::get_if<broker::ConsumerCancelled>(&response)) {
      const auto it = consumers_.find(cancelled->consumer);
      if (it == consumers_.end()) continue;
      const Consumer consumer = it->second;
      consumers_.erase(it);
      std::erase(consumers_of_[consumer.channel], cancelled->consumer);
      consumer.sink->OnConsumerCancelled(cancelled->consumer);
    } else if (auto* reply = std::get_if<broker::Reply>(&response)) {
      OnReply(shard, std::move(*reply));
    }
    // SessionOpened: within one life of the node the numbers begin at 1, as the link assumed.
    // SessionRefused cannot come from a shard of our own node: its log has our opening before
    // everything else of the session.
  }
}

void LoopFrontEnd::OnDirectReply(const DirectReply& reply) {
  const auto it = channels_.find(reply.channel);
  if (it != channels_.end()) it->second->OnDirectReply(reply.secret, reply.message);
}

void LoopFrontEnd::Flush(
    const std::function<void(const ShardRef&, std::vector<broker::ShardRequest>)>& send) {
  const std::vector<ShardLink*> dirty = std::exchange(dirty_, {});
  for (ShardLink* link : dirty) {
    // A new link is listed twice: once for opening the session, once for its first request.
    if (link->has_outbox()) send(link->shard(), link->TakeOutbox());
  }
}

}  // namespace pontoon::cluster
