#include "server/session/fake_front_end.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "server/amqp/reply_code.h"

namespace pontoon::session {

using cluster::ChannelKey;

FakeFrontEnd::FakeFrontEnd() : machine_(catalog::NewMachine()) {
  catalog::FoundCluster found;
  found.cluster_id = "test";
  found.default_vhost = "/";
  found.default_user.name = "guest";
  found.default_user.password_hash =
      catalog::HashPassword("guest", catalog::HashAlgorithm::kSha256, 0x01020304);
  found.default_user.tags = {"administrator"};
  found.default_permission = {"guest", "/", ".*", ".*", ".*"};
  PONTOON_CHECK(Apply(found, nullptr).status.ok());
}

catalog::Outcome FakeFrontEnd::Apply(catalog::Command command,
                                     std::vector<catalog::Change>* changes) {
  const std::pair<uint64_t, std::string> entry(++index_,
                                               catalog::EncodeCommand({id_, ++changes_}, command));
  catalog::AppliedBatch batch = machine_->Apply(absl::MakeConstSpan(&entry, 1));
  version_ = batch.version;
  for (const auto& change : batch.changes) {
    if (const auto* gone = std::get_if<catalog::QueueForgotten>(&change)) {
      Queue queue = std::move(queues_[gone->queue]);
      queues_.erase(gone->queue);
      for (const broker::ConsumerKey consumer : queue.consumers) {
        const ChannelKey channel = consumers_[consumer].channel;
        consumers_.erase(consumer);
        Later(channel,
              [this, channel, consumer] { channels_[channel]->OnConsumerCancelled(consumer); });
      }
    }
    if (changes != nullptr) changes->push_back(change);
  }
  PONTOON_CHECK(batch.outcomes.size() == 1);
  return batch.outcomes[0];
}

absl::Status FakeFrontEnd::Admin(catalog::Command command, std::vector<catalog::Change>* changes) {
  return Apply(std::move(command), changes).status;
}

void FakeFrontEnd::Later(ChannelKey channel, std::function<void()> call) {
  later_.emplace_back(channel, std::move(call));
}

bool FakeFrontEnd::Run() {
  bool any = false;
  if (!hold_changes) {
    for (auto& change : held_changes_) later_.emplace_back(ChannelKey{}, std::move(change));
    held_changes_.clear();
  }
  while (!later_.empty() || Dispatch()) {
    any = true;
    if (later_.empty()) continue;
    auto [channel, call] = std::move(later_.front());
    later_.pop_front();
    if (channel.value == 0 || channels_.contains(channel)) call();
  }
  return any;
}

ChannelKey FakeFrontEnd::OpenChannel(cluster::ChannelSink* sink) {
  const ChannelKey key{++last_key_};
  channels_[key] = sink;
  return key;
}

void FakeFrontEnd::CloseChannel(ChannelKey channel, std::vector<cluster::OutgoingReturn> holding) {
  PONTOON_CHECK(channels_.erase(channel) == 1);
  for (auto it = consumers_.begin(); it != consumers_.end();) {
    const auto next = std::next(it);
    if (it->second.channel == channel) RemoveConsumer(it->first);
    it = next;
  }
  for (const auto& returned : holding) Return(returned);
}

void FakeFrontEnd::RemoveConsumer(broker::ConsumerKey consumer) {
  const auto it = consumers_.find(consumer);
  if (it == consumers_.end()) return;
  std::erase(queues_[it->second.queue].consumers, consumer);
  consumers_.erase(it);
}

void FakeFrontEnd::Enqueue(const cluster::OutgoingPublish& publish) {
  for (const catalog::Target& target : publish.targets) {
    Queue& queue = queues_[target.queue];
    queue.ready[queue.next_position++] = {publish.message, false};
  }
}

void FakeFrontEnd::Publish(ChannelKey channel, cluster::OutgoingPublish publish) {
  ++publishes;
  PONTOON_CHECK(!publish.targets.empty());
  if (hold_publishes) {
    held_.push_back({channel, std::move(publish)});
    return;
  }
  Later(ChannelKey{}, [this, channel, refused = refuse_publishes, publish = std::move(publish)] {
    if (!refused) Enqueue(publish);
    if (!channels_.contains(channel)) return;
    channels_[channel]->OnPublishDone(
        publish.tag, publish.message.envelope.size() + publish.message.payload.size(), refused);
  });
}

void FakeFrontEnd::FinishPublish(uint64_t tag, bool refused) {
  for (auto it = held_.begin(); it != held_.end(); ++it) {
    if (it->publish.tag != tag) continue;
    const Held held = std::move(*it);
    held_.erase(it);
    if (!refused) Enqueue(held.publish);
    if (!channels_.contains(held.channel)) return;
    channels_[held.channel]->OnPublishDone(
        tag, held.publish.message.envelope.size() + held.publish.message.payload.size(), refused);
    return;
  }
}

std::vector<uint64_t> FakeFrontEnd::held_tags() const {
  std::vector<uint64_t> tags;
  for (const Held& held : held_) tags.push_back(held.publish.tag);
  return tags;
}

void FakeFrontEnd::Commit(ChannelKey channel, std::vector<cluster::OutgoingPublish> publishes,
                          std::vector<cluster::OutgoingSettle> settles,
                          std::vector<cluster::OutgoingReturn> returns, Done done) {
  Later(channel, [=, this] {
    for (const auto& publish : publishes) Enqueue(publish);
    for (const auto& settle : settles) Settle(settle);
    for (const auto& returned : returns) Return(returned);
    done(absl::OkStatus());
  });
}

broker::ConsumerKey FakeFrontEnd::Consume(ChannelKey channel, const catalog::QueueRecord& queue,
                                          cluster::ConsumeOptions options, Done done) {
  const broker::ConsumerKey key{++last_consumer_};
  Later(channel, [this, key, channel, record = queue, options, done] {
    if (version_->FindQueue(record.id) == nullptr) {
      done(amqp::NotFound("gone"));
      return;
    }
    Queue& state = queues_[record.id];
    bool taken = options.exclusive && !state.consumers.empty();
    for (const auto other : state.consumers) taken |= consumers_[other].exclusive;
    if (taken) {
      done(amqp::AccessRefused(
          absl::StrCat("queue '", record.name, "' in vhost '/' in exclusive use")));
      return;
    }
    consumers_[key] = {channel,
                       record.id,
                       options.no_ack,
                       options.exclusive,
                       true,
                       options.priority,
                       options.credit.messages,
                       static_cast<int64_t>(options.credit.bytes),
                       options.credit.tell};
    state.consumers.push_back(key);
    done(absl::OkStatus());
  });
  return key;
}

void FakeFrontEnd::Cancel(ChannelKey channel, broker::ConsumerKey consumer, Done done) {
  Later(channel, [this, consumer, done] {
    const auto it = consumers_.find(consumer);
    const base::QueueId queue = it == consumers_.end() ? base::QueueId() : it->second.queue;
    RemoveConsumer(consumer);
    done(absl::OkStatus());
    const catalog::QueueRecord* record = version_->FindQueue(queue);
    if (record != nullptr && record->auto_delete && queues_[queue].consumers.empty()) {
      Apply(catalog::ForgetQueue{queue}, nullptr);
    }
  });
}

void FakeFrontEnd::Grant(broker::ConsumerKey consumer, broker::Credit more) {
  ++grants;
  Later(ChannelKey{}, [this, consumer, more] {
    const auto it = consumers_.find(consumer);
    if (it == consumers_.end()) return;
    if (more.messages == broker::Credit::kUnlimited ||
        it->second.messages == broker::Credit::kUnlimited) {
      it->second.messages = broker::Credit::kUnlimited;
    } else {
      it->second.messages += more.messages;
    }
    it->second.bytes += static_cast<int64_t>(more.bytes);
    it->second.tell = more.tell;
    if (more.messages != 0) it->second.told = broker::CreditUse::kUntold;
  });
}

void FakeFrontEnd::TakeCredit(ChannelKey channel, broker::ConsumerKey consumer, CreditDone done) {
  ++takes;
  Later(channel, [this, consumer, done] {
    broker::Credit unused;
    const auto it = consumers_.find(consumer);
    if (it != consumers_.end()) {
      unused.messages = std::exchange(it->second.messages, 0);
      it->second.told = broker::CreditUse::kUntold;
      unused.bytes = it->second.bytes > 0 ? static_cast<uint64_t>(it->second.bytes) : 0;
      if (it->second.bytes > 0) it->second.bytes = 0;
    }
    done(unused);
  });
}

bool FakeFrontEnd::Dispatch() {
  for (auto& [id, queue] : queues_) {
    if (queue.ready.empty()) continue;
    for (size_t i = 0; i < queue.consumers.size(); ++i) {
      const size_t at = (queue.next_consumer + i) % queue.consumers.size();
      const broker::ConsumerKey key = queue.consumers[at];
      Consumer& consumer = consumers_[key];
      if (consumer.messages == 0 || consumer.bytes <= 0) continue;
      queue.next_consumer = at + 1;
      auto first = queue.ready.begin();
      broker::Delivery delivery;
      delivery.consumer = key;
      delivery.queue = id;
      delivery.position = {first->first};
      delivery.delivery = {queue.next_delivery++};
      delivery.redelivered = first->second.redelivered;
      delivery.message = first->second.bytes;
      queue.out[delivery.delivery.value] = {first->first, first->second};
      queue.ready.erase(first);
      if (consumer.messages != broker::Credit::kUnlimited) --consumer.messages;
      // As in the broker: what one message takes beyond the credit is not remembered.
      consumer.bytes -= std::min(
          consumer.bytes,
          static_cast<int64_t>(delivery.message.envelope.size() + delivery.message.payload.size()));
      const catalog::QueueRecord* record = version_->FindQueue(id);
      channels_[consumer.channel]->OnDelivery({record->shard, record->home}, std::move(delivery));
      return true;
    }
  }
  // Nobody can have more: those who are to tell of their credit do.
  for (auto& [id, queue] : queues_) {
    for (const broker::ConsumerKey key : queue.consumers) {
      Consumer& consumer = consumers_[key];
      if (!consumer.tell || consumer.bytes <= 0) continue;
      const bool idle = consumer.messages != 0;
      const auto use = idle ? broker::CreditUse::kIdle : broker::CreditUse::kShort;
      if (idle != queue.ready.empty() || consumer.told == use) continue;
      consumer.told = use;
      channels_[consumer.channel]->OnCreditNote({key, use});
      return true;
    }
  }
  return false;
}

void FakeFrontEnd::Get(ChannelKey channel, const catalog::QueueRecord& queue, bool, GetDone done) {
  Later(channel, [this, id = queue.id, done] {
    if (version_->FindQueue(id) == nullptr) return done(amqp::NotFound("gone"));
    Queue& state = queues_[id];
    if (state.ready.empty()) return done(std::optional<broker::GetOk>());
    auto first = state.ready.begin();
    broker::GetOk got;
    got.delivery.queue = id;
    got.delivery.position = {first->first};
    got.delivery.delivery = {state.next_delivery++};
    got.delivery.redelivered = first->second.redelivered;
    got.delivery.message = first->second.bytes;
    state.out[got.delivery.delivery.value] = {first->first, first->second};
    state.ready.erase(first);
    got.ready_left = state.ready.size();
    done(std::optional<broker::GetOk>(std::move(got)));
  });
}

void FakeFrontEnd::Take(const broker::DeliveryRun& run, bool back) {
  Queue& queue = queues_[run.queue];
  for (uint32_t i = 0; i < run.count; ++i) {
    const auto it = queue.out.find(run.first_delivery.value + i);
    if (it == queue.out.end()) continue;
    PONTOON_CHECK(it->second.first == run.first.value + i);
    if (back) {
      it->second.second.redelivered = true;
      queue.ready[it->second.first] = std::move(it->second.second);
    }
    queue.out.erase(it);
  }
}

void FakeFrontEnd::Settle(const cluster::OutgoingSettle& settle) {
  ++settles;
  Take(settle.settle.run, false);
}

void FakeFrontEnd::Return(const cluster::OutgoingReturn& returned) {
  ++returns;
  Take(returned.run, true);
}

void FakeFrontEnd::CountMessages(ChannelKey channel, const catalog::QueueRecord& queue,
                                 CountsDone done) {
  Later(channel, [this, id = queue.id, done] {
    if (version_->FindQueue(id) == nullptr) return done(amqp::NotFound("gone"));
    done(broker::QueueCounts{queues_[id].ready.size(), queues_[id].consumers.size()});
  });
}

void FakeFrontEnd::Purge(ChannelKey channel, const catalog::QueueRecord& queue, CountsDone done) {
  Later(channel, [this, id = queue.id, done] {
    const uint64_t count = queues_[id].ready.size();
    queues_[id].ready.clear();
    done(broker::QueueCounts{count, 0});
  });
}

void FakeFrontEnd::DeleteQueue(ChannelKey channel, const catalog::QueueRecord& queue,
                               bool if_unused, bool if_empty, CountsDone done) {
  Later(channel, [this, record = queue, if_unused, if_empty, done] {
    if (version_->FindQueue(record.id) == nullptr) return done(amqp::NotFound("gone"));
    Queue& state = queues_[record.id];
    const std::string name = absl::StrCat("queue '", record.name, "' in vhost '/'");
    if (if_unused && !state.consumers.empty())
      return done(amqp::PreconditionFailed(name + " in use"));
    if (if_empty && !state.ready.empty())
      return done(amqp::PreconditionFailed(name + " not empty"));
    const uint64_t ready = state.ready.size();
    Apply(catalog::ForgetQueue{record.id}, nullptr);
    done(broker::QueueCounts{ready, 0});
  });
}

void FakeFrontEnd::DropQueue(const catalog::QueueRecord& queue) {
  ++drops;
  Later(ChannelKey{}, [this, id = queue.id] {
    if (version_->FindQueue(id) != nullptr) Apply(catalog::ForgetQueue{id}, nullptr);
  });
}

void FakeFrontEnd::Change(ChannelKey channel, catalog::Command command, ChangeDone done) {
  auto call = [this, channel, command = std::move(command), done] {
    const catalog::Outcome outcome = Apply(command, nullptr);
    if (channels_.contains(channel)) done(outcome);
  };
  if (hold_changes) {
    held_changes_.push_back(std::move(call));
  } else {
    Later(ChannelKey{}, std::move(call));
  }
}

void FakeFrontEnd::SendDirectReply(const cluster::ReplyAddress& address,
                                   broker::MessageBytes message) {
  if (address.loop != id_) return;
  Later(address.channel, [this, address, message = std::move(message)] {
    channels_[address.channel]->OnDirectReply(address.secret, message);
  });
}

const catalog::QueueRecord* FakeFrontEnd::Record(const std::string& name) const {
  return version_->FindQueue(version_->FindVhost("/")->id, name);
}

uint64_t FakeFrontEnd::QueueSize(const std::string& name) const {
  const auto it = queues_.find(Record(name)->id);
  return it == queues_.end() ? 0 : it->second.ready.size();
}

uint64_t FakeFrontEnd::UnackedCount(const std::string& name) const {
  const auto it = queues_.find(Record(name)->id);
  return it == queues_.end() ? 0 : it->second.out.size();
}

}  // namespace pontoon::session
