#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/amqp/reply_code.h"
#include "server/session/channel.h"
#include "server/session/envelope.h"
#include "server/session/names.h"

// basic.consume, cancel, get and what is delivered: the hot path out (AMQP 0-9-1 section 1.8.3).
namespace pontoon::session {

using catalog::Right;

Consumer* Channel::FindConsumer(broker::ConsumerKey key) {
  if (last_consumer_ != nullptr && last_consumer_->key == key) return last_consumer_;
  const auto it = consumers_by_key_.find(key.value);
  if (it == consumers_by_key_.end()) return nullptr;
  last_consumer_ = it->second;
  return last_consumer_;
}

void Channel::RemoveConsumer(Consumer* consumer) {
  PlaceMarks();
  if (last_consumer_ == consumer) last_consumer_ = nullptr;
  consumers_by_key_.erase(consumer->key.value);
  consumers_.erase(std::string(consumer->tag));
  WantShare();  // What it had is for the others.
}

absl::Status Channel::ConsumeDirectReplies(const amqp::BasicConsume& method) {
  if (!method.no_ack) return amqp::PreconditionFailed("reply consumer cannot acknowledge");
  if (reply_consumer_.active()) return amqp::PreconditionFailed("reply consumer already set");
  reply_consumer_.tag = method.consumer_tag.empty()
                            ? RandomName("amq.ctag", connection_->loop().random)
                            : method.consumer_tag;
  reply_consumer_.secret = connection_->loop().random->Next();
  reply_consumer_.address =
      PrintReplyAddress({connection_->loop().front_end->id(), key_, reply_consumer_.secret});
  if (!method.no_wait) {
    amqp::BasicConsumeOk ok;
    ok.consumer_tag = reply_consumer_.tag;
    Reply(ok);
  }
  return absl::OkStatus();
}

absl::Status Channel::On(const amqp::BasicConsume& method) {
  if (!method.consumer_tag.empty() &&
      (consumers_.contains(method.consumer_tag) || method.consumer_tag == reply_consumer_.tag)) {
    return amqp::NotAllowed(
        absl::StrCat("attempt to reuse consumer tag '", method.consumer_tag, "'"));
  }
  if (method.queue == kReplyQueue) return ConsumeDirectReplies(method);
  const auto name = QueueNameOrLast(StripLineEnds(method.queue));
  if (!name.ok()) return name.status();
  absl::Status status = CheckRight(Right::kRead, "queue", *name);
  if (!status.ok()) return status;
  const auto queue = FindQueue(*name);
  if (!queue.ok()) return queue.status();

  cluster::ConsumeOptions options;
  if (const amqp::Value* priority = method.arguments.Find("x-priority")) {
    const auto value = priority->AsInteger();
    if (!value) {
      return amqp::PreconditionFailed(
          absl::StrCat("invalid arg 'x-priority' for queue '", *name, "' in vhost '", vhost_name(),
                       "': \"expected integer, got ", amqp::FieldTypeName(priority->type()), "\""));
    }
    options.priority = static_cast<int32_t>(std::clamp<int64_t>(*value, INT32_MIN, INT32_MAX));
  }
  auto owned = std::make_unique<Consumer>();
  Consumer* consumer = owned.get();
  consumer->tag = method.consumer_tag.empty() ? RandomName("amq.ctag", connection_->loop().random)
                                              : method.consumer_tag;
  consumer->queue = (*queue)->id;
  consumer->no_ack = method.no_ack;
  consumer->prefetch = method.no_ack ? 0 : consumer_prefetch_;
  options.tag = consumer->tag;
  options.channel_name =
      PrintedPid(connection_->options().node_name, connection_->options().boot_seconds, pid_);
  options.no_ack = method.no_ack;
  options.exclusive = method.exclusive;
  options.arguments = method.arguments.EncodeContents();
  options.prefetch = consumer_prefetch_;
  options.credit = FirstCredit(consumer);
  AwaitAnswer();
  consumer->key = front_end().Consume(
      key_, **queue, std::move(options),
      [this, consumer, name = *name, no_wait = method.no_wait](absl::Status status) {
        if (!status.ok()) {
          RemoveConsumer(consumer);
          Answered(absl::IsNotFound(status) ? NoQueue(name) : status);
          return;
        }
        consumer->started = true;
        if (!no_wait) {
          amqp::BasicConsumeOk ok;
          ok.consumer_tag = consumer->tag;
          Reply(ok);
        }
        Answered(absl::OkStatus());
      });
  consumers_by_key_.emplace(consumer->key.value, consumer);
  consumers_.emplace(consumer->tag, std::move(owned));
  return absl::OkStatus();
}

absl::Status Channel::On(const amqp::BasicCancel& method) {
  amqp::BasicCancelOk ok;
  ok.consumer_tag = method.consumer_tag;
  if (reply_consumer_.active() && method.consumer_tag == reply_consumer_.tag) reply_consumer_ = {};
  const auto it = consumers_.find(method.consumer_tag);
  if (it == consumers_.end()) {
    if (!method.no_wait) Reply(ok);
    return absl::OkStatus();
  }
  Consumer* consumer = it->second.get();
  consumer->cancelling = true;
  AwaitAnswer();
  front_end().Cancel(key_, consumer->key,
                     [this, key = consumer->key, ok, no_wait = method.no_wait](absl::Status) {
                       if (Consumer* gone = FindConsumer(key)) RemoveConsumer(gone);
                       if (!no_wait) Reply(ok);
                       Answered(absl::OkStatus());
                     });
  return absl::OkStatus();
}

void Channel::OnConsumerCancelled(broker::ConsumerKey key) {
  Consumer* consumer = FindConsumer(key);
  if (consumer == nullptr) return;
  if (consumer->cancelling) return;  // The client's own cancel answers.
  const std::string tag = consumer->tag;
  RemoveConsumer(consumer);
  if (!connection_->capabilities().consumer_cancel_notify) return;
  amqp::BasicCancel cancel;
  cancel.consumer_tag = tag;
  cancel.no_wait = true;
  Reply(cancel);
}

void Channel::MarkConsumer(Consumer* consumer) {
  if (consumer->marked) return;
  consumer->marked = true;
  touched_.push_back(consumer);
  MarkDirty();
}

void Channel::OnDelivery(const cluster::ShardRef& shard, broker::Delivery delivery) {
  Consumer* consumer = FindConsumer(delivery.consumer);
  EnvelopeView envelope;
  EnvelopeBuffer buffer;
  if (consumer == nullptr || !ReadEnvelope(delivery.message.envelope, &buffer, &envelope)) {
    // A consumer that is gone, or a damaged envelope that nobody could read.
    connection_->loop().front_end->Return(
        {shard, {delivery.queue, delivery.position, delivery.delivery, 1}});
    return;
  }
  amqp::BasicDeliver deliver;
  deliver.consumer_tag = consumer->tag;
  deliver.delivery_tag = next_delivery_tag_++;
  deliver.redelivered = delivery.redelivered;
  deliver.exchange = envelope.exchange;
  deliver.routing_key = envelope.routing_key;
  amqp::FrameWriter& writer = connection_->writer();
  const uint64_t before = writer.pending_bytes();
  writer.AddContent(number_, deliver, envelope.properties, delivery.message.payload);
  consumer->turn_stream_bytes += writer.pending_bytes() - before;
  MarkConsumer(consumer);
  const uint64_t bytes = delivery.message.envelope.size() + delivery.message.payload.size();
  consumer->turn_bytes += bytes;
  consumer->unwritten_bytes += bytes;
  consumer->credit_bytes -= std::min(consumer->credit_bytes, bytes);
  if (!consumer->no_ack) {
    unacked_.Add(deliver.delivery_tag, shard, delivery);
    OnHandedOut(consumer);
    return;
  }
  if (!consumer->turn_settles.empty()) {
    cluster::OutgoingSettle& last = consumer->turn_settles.back();
    broker::DeliveryRun& run = last.settle.run;
    if (last.shard == shard && run.queue == delivery.queue && run.count < UINT32_MAX &&
        run.first.value + run.count == delivery.position.value &&
        run.first_delivery.value + run.count == delivery.delivery.value) {
      ++run.count;
      return;
    }
  }
  consumer->turn_settles.push_back({shard,
                                    {{delivery.queue, delivery.position, delivery.delivery, 1},
                                     broker::SettleAction::kAcknowledge}});
}

void Channel::PlaceMarks() {
  if (touched_.empty()) return;
  // Grants may touch a consumer again; they never mark one.
  std::vector<Consumer*> touched;
  touched.swap(touched_);
  const uint64_t end = connection_->write_position();
  for (Consumer* consumer : touched) {
    consumer->marked = false;
    if (consumer->turn_bytes > 0) {
      Connection::WriteMark mark;
      mark.end = end;
      mark.channel = number_;
      mark.channel_serial = serial_;
      mark.consumer = consumer->key;
      mark.bytes = consumer->turn_bytes;
      mark.stream_bytes = consumer->turn_stream_bytes;
      mark.settles.swap(consumer->turn_settles);
      consumer->turn_bytes = consumer->turn_stream_bytes = 0;
      connection_->AddWriteMark(std::move(mark));
    }
    GrantRegained(consumer);
  }
  touched.clear();
  if (touched_.empty()) touched_.swap(touched);
}

absl::Status Channel::On(const amqp::BasicGet& method) {
  const auto name = QueueNameOrLast(StripLineEnds(method.queue));
  if (!name.ok()) return name.status();
  const absl::Status right = CheckRight(Right::kRead, "queue", *name);
  if (!right.ok()) return right;
  const auto queue = FindQueue(*name);
  if (!queue.ok()) return queue.status();
  const cluster::ShardRef shard = cluster::ShardRef::Of((*queue)->shard, (*queue)->home);
  AwaitAnswer();
  front_end().Get(key_, **queue, method.no_ack,
                  [this, name = *name, shard,
                   no_ack = method.no_ack](absl::StatusOr<std::optional<broker::GetOk>> got) {
                    if (!got.ok()) {
                      Answered(absl::IsNotFound(got.status()) ? NoQueue(name) : got.status());
                      return;
                    }
                    if (got->has_value()) {
                      AnswerGet(no_ack, shard, **got);
                    } else {
                      Reply(amqp::BasicGetEmpty());
                    }
                    Answered(absl::OkStatus());
                  });
  return absl::OkStatus();
}

void Channel::AnswerGet(bool no_ack, const cluster::ShardRef& shard, const broker::GetOk& got) {
  const broker::Delivery& delivery = got.delivery;
  EnvelopeView envelope;
  EnvelopeBuffer buffer;
  if (!ReadEnvelope(delivery.message.envelope, &buffer, &envelope)) {
    connection_->loop().front_end->Return(
        {shard, {delivery.queue, delivery.position, delivery.delivery, 1}});
    Reply(amqp::BasicGetEmpty());
    return;
  }
  amqp::BasicGetOk ok;
  ok.delivery_tag = next_delivery_tag_++;
  ok.redelivered = delivery.redelivered;
  ok.exchange = envelope.exchange;
  ok.routing_key = envelope.routing_key;
  ok.message_count = static_cast<uint32_t>(std::min<uint64_t>(got.ready_left, UINT32_MAX));
  connection_->writer().AddContent(number_, ok, envelope.properties, delivery.message.payload);
  MarkDirty();
  if (!no_ack) {
    broker::Delivery held = delivery;
    held.consumer = {};
    unacked_.Add(ok.delivery_tag, shard, held);
    return;
  }
  Connection::WriteMark mark;
  mark.end = connection_->write_position();
  mark.channel = number_;
  mark.channel_serial = serial_;
  mark.settles.push_back({shard,
                          {{delivery.queue, delivery.position, delivery.delivery, 1},
                           broker::SettleAction::kAcknowledge}});
  connection_->AddWriteMark(std::move(mark));
}

void Channel::OnDirectReply(uint64_t secret, broker::MessageBytes message) {
  EnvelopeView envelope;
  EnvelopeBuffer buffer;
  if (!reply_consumer_.active() || secret != reply_consumer_.secret ||
      !ReadEnvelope(message.envelope, &buffer, &envelope)) {
    return;  // Nobody waits for it any more: dropped, at most once.
  }
  amqp::BasicDeliver deliver;
  deliver.consumer_tag = reply_consumer_.tag;
  deliver.delivery_tag = next_delivery_tag_;  // Not used up, since nothing can be acknowledged.
  deliver.exchange = envelope.exchange;
  deliver.routing_key = envelope.routing_key;
  connection_->writer().AddContent(number_, deliver, envelope.properties, message.payload);
  MarkDirty();
}

}  // namespace pontoon::session
