#include "client/amqp/channel.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "client/amqp/connection_core.h"
#include "server/amqp/utf8.h"

namespace pontoon::client {
namespace {

// Publishing waits while more than this is encoded and not yet taken by the I/O thread.
constexpr size_t kUnsentBytesMax = 1 << 20;
// PublishLater wakes the I/O thread for this much.
constexpr size_t kFlushBytes = 32 << 10;

// The answer as an M; what the broker sent instead is its bug.
template <typename M>
absl::StatusOr<M> As(absl::StatusOr<amqp::Method> reply) {
  if (!reply.ok()) return reply.status();
  if (M* wanted = std::get_if<M>(&*reply)) return std::move(*wanted);
  return absl::InternalError(absl::StrCat("expected ", M::kName, ", got ", amqp::NameOf(*reply)));
}

}  // namespace

Channel::Channel(std::shared_ptr<ConnectionCore> core, std::shared_ptr<ChannelState> state)
    : core_(std::move(core)), state_(std::move(state)) {}

Channel::~Channel() {
  core_
      ->SendCall(state_.get(), amqp::ChannelClose{.reply_code = 200, .reply_text = "Goodbye"},
                 [](const absl::StatusOr<amqp::Method>&, const amqp::Content*) {})
      .IgnoreError();
  base::MutexLock lock(&core_->mutex());
  state_->abandoned = true;
  while (state_->in_handler && !core_->OnIoThread()) state_->changed.Wait(&core_->mutex());
}

uint16_t Channel::number() const { return state_->number; }

absl::Status Channel::status() const {
  base::MutexLock lock(&core_->mutex());
  return core_->StatusOf(*state_);
}

absl::Status Channel::WaitUntilClosed(base::Duration timeout) {
  const Deadline deadline = DeadlineIn(timeout);
  base::MutexLock lock(&core_->mutex());
  while (state_->closed.ok()) {
    const auto left = deadline - std::chrono::steady_clock::now();
    if (left.count() <= 0) return absl::DeadlineExceededError("the channel is still open");
    state_->changed.WaitFor(&core_->mutex(), left);
  }
  return state_->closed;
}

absl::Status Channel::Close() {
  const auto reply = As<amqp::ChannelCloseOk>(
      core_->CallBlocking(state_, amqp::ChannelClose{.reply_code = 200, .reply_text = "Goodbye"}));
  if (!reply.ok() && !absl::IsCancelled(reply.status())) return reply.status();
  base::MutexLock lock(&core_->mutex());
  return state_->crossed;
}

void Channel::OnClosed(std::function<void(const absl::Status&)> handler) {
  base::MutexLock lock(&core_->mutex());
  state_->on_closed = std::move(handler);
}

absl::StatusOr<amqp::QueueDeclareOk> Channel::DeclareQueue(const amqp::QueueDeclare& declare) {
  if (declare.no_wait) {
    absl::Status status = core_->SendOnly(state_.get(), declare);
    if (!status.ok()) return status;
    return amqp::QueueDeclareOk{.queue = declare.queue};
  }
  return As<amqp::QueueDeclareOk>(core_->CallBlocking(state_, declare));
}

void Channel::DeclareQueueLater(const amqp::QueueDeclare& declare,
                                std::function<void(absl::StatusOr<amqp::QueueDeclareOk>)> done) {
  const absl::Status sent = core_->SendCall(
      state_.get(), declare, [done](absl::StatusOr<amqp::Method> reply, const amqp::Content*) {
        done(As<amqp::QueueDeclareOk>(std::move(reply)));
      });
  if (!sent.ok()) done(sent);
}

absl::StatusOr<uint32_t> Channel::DeleteQueue(const amqp::QueueDelete& method) {
  if (method.no_wait) {
    absl::Status status = core_->SendOnly(state_.get(), method);
    if (!status.ok()) return status;
    return 0;
  }
  const auto reply = As<amqp::QueueDeleteOk>(core_->CallBlocking(state_, method));
  if (!reply.ok()) return reply.status();
  return reply->message_count;
}

absl::StatusOr<uint32_t> Channel::PurgeQueue(const amqp::QueuePurge& purge) {
  if (purge.no_wait) {
    absl::Status status = core_->SendOnly(state_.get(), purge);
    if (!status.ok()) return status;
    return 0;
  }
  const auto reply = As<amqp::QueuePurgeOk>(core_->CallBlocking(state_, purge));
  if (!reply.ok()) return reply.status();
  return reply->message_count;
}

absl::Status Channel::BindQueue(const amqp::QueueBind& bind) {
  if (bind.no_wait) return core_->SendOnly(state_.get(), bind);
  return As<amqp::QueueBindOk>(core_->CallBlocking(state_, bind)).status();
}

absl::Status Channel::UnbindQueue(const amqp::QueueUnbind& unbind) {
  return As<amqp::QueueUnbindOk>(core_->CallBlocking(state_, unbind)).status();
}

absl::Status Channel::DeclareExchange(const amqp::ExchangeDeclare& declare) {
  if (declare.no_wait) return core_->SendOnly(state_.get(), declare);
  return As<amqp::ExchangeDeclareOk>(core_->CallBlocking(state_, declare)).status();
}

absl::Status Channel::DeleteExchange(const amqp::ExchangeDelete& method) {
  if (method.no_wait) return core_->SendOnly(state_.get(), method);
  return As<amqp::ExchangeDeleteOk>(core_->CallBlocking(state_, method)).status();
}

absl::Status Channel::BindExchange(const amqp::ExchangeBind& bind) {
  if (bind.no_wait) return core_->SendOnly(state_.get(), bind);
  return As<amqp::ExchangeBindOk>(core_->CallBlocking(state_, bind)).status();
}

absl::Status Channel::UnbindExchange(const amqp::ExchangeUnbind& unbind) {
  if (unbind.no_wait) return core_->SendOnly(state_.get(), unbind);
  return As<amqp::ExchangeUnbindOk>(core_->CallBlocking(state_, unbind)).status();
}

absl::StatusOr<uint64_t> Channel::Publish(const OutgoingMessage& message) {
  return PublishFrames(message, true);
}
absl::StatusOr<uint64_t> Channel::PublishLater(const OutgoingMessage& message) {
  return PublishFrames(message, false);
}

absl::StatusOr<uint64_t> Channel::PublishFrames(const OutgoingMessage& message, bool flush) {
  if (!amqp::FitsShortString(message.exchange) || !amqp::FitsShortString(message.routing_key)) {
    return absl::InvalidArgumentError("exchange and routing key have at most 255 octets");
  }
  amqp::BasicPublish publish;
  publish.exchange = message.exchange;
  publish.routing_key = message.routing_key;
  publish.mandatory = message.mandatory;
  publish.immediate = message.immediate;
  // Small bodies are copied into the frame in any case; others must outlive the call.
  const base::Slice body = message.body.size() < amqp::FrameWriter::kCopyBodyBytesMax
                               ? base::Slice::Static(message.body)
                               : base::Slice::Copy(message.body);
  const absl::string_view properties =
      message.properties.empty() ? amqp::BasicProperties().octets() : message.properties;

  base::MutexLock lock(&core_->mutex());
  while (true) {
    if (absl::Status status = core_->StatusOf(*state_); !status.ok()) return status;
    const uint32_t limit = state_->confirms.outstanding_max;
    const bool window_full =
        state_->confirming && limit != 0 && state_->window.outstanding() >= limit;
    const bool unsent_full = core_->writer().pending_bytes() > kUnsentBytesMax;
    if (!window_full && !unsent_full) break;
    if (core_->OnIoThread()) return absl::ResourceExhaustedError("publishing would have to wait");
    core_->Wake();
    if (window_full) {
      state_->changed.Wait(&core_->mutex());
    } else {
      core_->room_.Wait(&core_->mutex());
    }
  }
  amqp::FrameWriter& writer = core_->writer();
  writer.AddMethod(state_->number, publish);
  writer.AddHeader(state_->number, body.size(), properties);
  writer.AddBody(state_->number, base::SliceChain(body));
  if (flush || writer.pending_bytes() >= kFlushBytes) core_->Wake();
  return state_->confirming ? state_->window.Add() : 0;
}

absl::Status Channel::SelectConfirms(ConfirmOptions options) {
  {
    base::MutexLock lock(&core_->mutex());
    state_->confirms = std::move(options);
  }
  const auto reply = As<amqp::ConfirmSelectOk>(core_->CallBlocking(state_, amqp::ConfirmSelect{}));
  if (!reply.ok()) return reply.status();
  base::MutexLock lock(&core_->mutex());
  state_->confirming = true;
  return absl::OkStatus();
}

absl::Status Channel::WaitForConfirms(base::Duration timeout) {
  if (core_->OnIoThread())
    return absl::FailedPreconditionError("a handler must not wait for an answer");
  const Deadline deadline = DeadlineIn(timeout);
  base::MutexLock lock(&core_->mutex());
  core_->Wake();
  while (state_->window.outstanding() > 0 || state_->telling) {
    if (absl::Status status = core_->StatusOf(*state_); !status.ok()) return status;
    const auto left = deadline - std::chrono::steady_clock::now();
    if (left.count() <= 0) {
      return absl::DeadlineExceededError(
          absl::StrCat(state_->window.outstanding(), " messages are unconfirmed"));
    }
    state_->changed.WaitFor(&core_->mutex(), left);
  }
  if (std::exchange(state_->refused, false))
    return absl::AbortedError("the broker refused a message (basic.nack)");
  return absl::OkStatus();
}

uint64_t Channel::unconfirmed() const {
  base::MutexLock lock(&core_->mutex());
  return state_->window.outstanding();
}

void Channel::OnReturn(std::function<void(const ReturnedMessage&)> handler) {
  base::MutexLock lock(&core_->mutex());
  state_->on_return = std::move(handler);
}

absl::StatusOr<std::string> Channel::Consume(const amqp::BasicConsume& consume,
                                             ConsumerHandlers handlers) {
  const auto shared = std::make_shared<const ConsumerHandlers>(std::move(handlers));
  if (consume.no_wait) {
    {
      base::MutexLock lock(&core_->mutex());
      state_->consumers[consume.consumer_tag] = shared;
    }
    absl::Status status = core_->SendOnly(state_.get(), consume);
    if (!status.ok()) return status;
    return consume.consumer_tag;
  }
  // Registered on the I/O thread, before it looks at the delivery that may come right behind.
  const auto reply = As<amqp::BasicConsumeOk>(
      core_->CallBlocking(state_, consume,
                          [core = core_.get(), state = state_, shared](
                              const absl::StatusOr<amqp::Method>& answer, const amqp::Content*) {
                            if (!answer.ok()) return;
                            if (const auto* ok = std::get_if<amqp::BasicConsumeOk>(&*answer)) {
                              base::MutexLock lock(&core->mutex());
                              state->consumers[ok->consumer_tag] = shared;
                            }
                          }));
  if (!reply.ok()) return reply.status();
  return reply->consumer_tag;
}

absl::Status Channel::Cancel(const std::string& consumer_tag) {
  const auto reply = As<amqp::BasicCancelOk>(
      core_->CallBlocking(state_, amqp::BasicCancel{.consumer_tag = consumer_tag}));
  base::MutexLock lock(&core_->mutex());
  state_->consumers.erase(consumer_tag);
  return reply.status();
}

absl::StatusOr<std::optional<ReceivedMessage>> Channel::Get(const std::string& queue, bool no_ack) {
  const auto received = std::make_shared<std::optional<ReceivedMessage>>();
  const absl::StatusOr<amqp::Method> reply = core_->CallBlocking(
      state_, amqp::BasicGet{.queue = queue, .no_ack = no_ack},
      [received](const absl::StatusOr<amqp::Method>& answer, const amqp::Content* content) {
        if (content == nullptr) return;
        const auto& ok = std::get<amqp::BasicGetOk>(*answer);
        received->emplace(Delivery{"", ok.delivery_tag, ok.redelivered, ok.exchange, ok.routing_key,
                                   content->properties, content->body});
        (*received)->message_count = ok.message_count;
      });
  if (!reply.ok()) return reply.status();
  return std::move(*received);
}

absl::Status Channel::Ack(uint64_t delivery_tag, AckScope scope) {
  base::MutexLock lock(&core_->mutex());
  if (absl::Status status = core_->StatusOf(*state_); !status.ok()) return status;
  core_->writer().AddMethod(state_->number,
                            amqp::BasicAck{delivery_tag, scope == AckScope::kUpToAndIncluding});
  core_->Wake();
  return absl::OkStatus();
}

absl::Status Channel::Nack(uint64_t delivery_tag, AckScope scope, Requeue requeue) {
  return core_->SendOnly(state_.get(),
                         amqp::BasicNack{delivery_tag, scope == AckScope::kUpToAndIncluding,
                                         requeue == Requeue::kYes});
}

absl::Status Channel::Reject(uint64_t delivery_tag, Requeue requeue) {
  return core_->SendOnly(state_.get(), amqp::BasicReject{delivery_tag, requeue == Requeue::kYes});
}

absl::Status Channel::Qos(const amqp::BasicQos& qos) {
  return As<amqp::BasicQosOk>(core_->CallBlocking(state_, qos)).status();
}
absl::Status Channel::Recover(Requeue requeue) {
  return As<amqp::BasicRecoverOk>(
             core_->CallBlocking(state_, amqp::BasicRecover{.requeue = requeue == Requeue::kYes}))
      .status();
}
absl::Status Channel::Flow(bool active) {
  return As<amqp::ChannelFlowOk>(core_->CallBlocking(state_, amqp::ChannelFlow{.active = active}))
      .status();
}
absl::Status Channel::SelectTx() {
  return As<amqp::TxSelectOk>(core_->CallBlocking(state_, amqp::TxSelect{})).status();
}
absl::Status Channel::Commit() {
  return As<amqp::TxCommitOk>(core_->CallBlocking(state_, amqp::TxCommit{})).status();
}
absl::Status Channel::Rollback() {
  return As<amqp::TxRollbackOk>(core_->CallBlocking(state_, amqp::TxRollback{})).status();
}

absl::StatusOr<amqp::Method> Channel::Call(const amqp::Method& method) {
  return core_->CallBlocking(state_, method);
}

}  // namespace pontoon::client
