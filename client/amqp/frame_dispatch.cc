// What a connection does with the frames that come in; on its I/O thread.
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/amqp/connection_core.h"

namespace pontoon::client {

using amqp::FrameType;

// While it lives, the I/O thread is inside a handler of the channel, without the lock; ~Channel
// waits for its end.
class ConnectionCore::HandlerScope {
 public:
  HandlerScope(ConnectionCore* core, ChannelState* state) : core_(core), state_(state) {}
  // With the lock held: false if the channel's owner is gone and no handler may run.
  bool Enter() { return entered_ = state_->in_handler = !state_->abandoned; }
  ~HandlerScope() {
    if (!entered_) return;
    base::MutexLock lock(&core_->mutex_);
    state_->in_handler = false;
    if (state_->abandoned) state_->changed.NotifyAll();
  }

 private:
  ConnectionCore* const core_;
  ChannelState* const state_;
  bool entered_ = false;
};

absl::Status ConnectionCore::OnFrame(const amqp::Frame& frame) {
  if (frame.type == FrameType::kHeartbeat) return absl::OkStatus();
  if (frame.channel == 0) {
    const base::Slice payload = frame.payload.Flatten();
    const absl::StatusOr<amqp::Method> method =
        amqp::DecodeMethod(payload.view(), amqp::Utf8::kIgnored);
    if (!method.ok()) return method.status();
    return OnConnectionMethod(*method);
  }
  std::shared_ptr<ChannelState> state;
  {
    base::MutexLock lock(&mutex_);
    if (frame.channel < channels_.size()) state = channels_[frame.channel];
  }
  if (state == nullptr) {
    return absl::InternalError(
        absl::StrCat("a frame for channel ", frame.channel, ", which is not open"));
  }
  if (frame.type == FrameType::kMethod && !state->assembler.active())
    return OnChannelMethod(state, frame);
  const absl::StatusOr<bool> whole = state->assembler.OnFrame(frame);
  if (!whole.ok()) return whole.status();
  if (*whole) OnContent(state, state->assembler.Take());
  return absl::OkStatus();
}

absl::Status ConnectionCore::OnConnectionMethod(const amqp::Method& method) {
  if (const auto* close = std::get_if<amqp::ConnectionClose>(&method)) {
    io_close_ = StatusOfClose(close->reply_code, close->reply_text);
    base::MutexLock lock(&mutex_);
    writer_.AddMethod(0, amqp::ConnectionCloseOk{});
    return io_close_;
  }
  if (std::holds_alternative<amqp::ConnectionCloseOk>(method)) {
    return absl::CancelledError("the connection was closed by this client");
  }
  if (const auto* blocked = std::get_if<amqp::ConnectionBlocked>(&method)) {
    {
      base::MutexLock lock(&mutex_);
      blocked_ = true;
      blocked_reason_ = blocked->reason;
    }
    if (options_.on_blocked != nullptr) options_.on_blocked(blocked->reason);
    return absl::OkStatus();
  }
  if (std::holds_alternative<amqp::ConnectionUnblocked>(method)) {
    {
      base::MutexLock lock(&mutex_);
      blocked_ = false;
      blocked_reason_.clear();
    }
    if (options_.on_unblocked != nullptr) options_.on_unblocked();
    return absl::OkStatus();
  }
  OnReply(control_.get(), method, nullptr);
  return absl::OkStatus();
}

absl::Status ConnectionCore::OnChannelMethod(const std::shared_ptr<ChannelState>& state,
                                             const amqp::Frame& frame) {
  const base::Slice payload = frame.payload.Flatten();
  const absl::StatusOr<amqp::MethodId> id = amqp::PeekMethodId(payload.view());
  if (!id.ok()) return id.status();
  if (*id == amqp::BasicDeliver::kId || *id == amqp::BasicReturn::kId ||
      *id == amqp::BasicGetOk::kId) {
    state->content_method = payload;
    state->assembler.Begin(*id);
    return absl::OkStatus();
  }
  const absl::StatusOr<amqp::Method> method =
      amqp::DecodeMethod(payload.view(), amqp::Utf8::kIgnored);
  if (!method.ok()) return method.status();
  if (const auto* ack = std::get_if<amqp::BasicAck>(&*method)) {
    OnConfirm(state.get(), ack->delivery_tag, ack->multiple, true);
  } else if (const auto* nack = std::get_if<amqp::BasicNack>(&*method)) {
    OnConfirm(state.get(), nack->delivery_tag, nack->multiple, false);
  } else if (const auto* cancel = std::get_if<amqp::BasicCancel>(&*method)) {
    OnCancel(state, *cancel);
  } else if (const auto* close = std::get_if<amqp::ChannelClose>(&*method)) {
    {
      base::MutexLock lock(&mutex_);
      writer_.AddMethod(state->number, amqp::ChannelCloseOk{});
      // If both sides close at once, the broker still answers ours.
      if (state->closing) {
        state->crossed = StatusOfClose(close->reply_code, close->reply_text);
        return absl::OkStatus();
      }
      channels_[state->number] = nullptr;
    }
    EndChannel(state, StatusOfClose(close->reply_code, close->reply_text));
  } else if (const auto* flow = std::get_if<amqp::ChannelFlow>(&*method)) {
    base::MutexLock lock(&mutex_);
    writer_.AddMethod(state->number, amqp::ChannelFlowOk{.active = flow->active});
  } else {
    if (std::holds_alternative<amqp::ChannelCloseOk>(*method)) {
      base::MutexLock lock(&mutex_);
      channels_[state->number] = nullptr;
    }
    OnReply(state.get(), *method, nullptr);
    if (std::holds_alternative<amqp::ChannelCloseOk>(*method)) {
      EndChannel(state, absl::CancelledError("the channel was closed by this client"));
    }
  }
  return absl::OkStatus();
}

void ConnectionCore::OnConfirm(ChannelState* state, uint64_t tag, bool multiple,
                               bool acknowledged) {
  HandlerScope scope(this, state);
  io_settled_.clear();
  {
    base::MutexLock lock(&mutex_);
    const bool tell = state->confirms.on_confirm != nullptr;
    state->window.Settle(tag, multiple, [&](uint64_t sequence) {
      if (tell) io_settled_.push_back(sequence);
    });
    if (!acknowledged) state->refused = true;
    // A publisher that waits for room is woken for a handful at once rather than for each.
    const uint64_t outstanding = state->window.outstanding();
    const uint64_t limit = state->confirms.outstanding_max;
    if (outstanding == 0 || outstanding + limit / 16 <= limit) state->changed.NotifyAll();
    if (io_settled_.empty() || !scope.Enter()) return;
    state->telling = true;
  }
  for (const uint64_t sequence : io_settled_) state->confirms.on_confirm(sequence, acknowledged);
  base::MutexLock lock(&mutex_);
  state->telling = false;
  if (state->window.outstanding() == 0) state->changed.NotifyAll();
}

void ConnectionCore::OnContent(const std::shared_ptr<ChannelState>& state,
                               const amqp::Content& content) {
  const base::Slice payload = std::exchange(state->content_method, base::Slice());
  if (state->assembler.method() == amqp::BasicDeliver::kId) {
    amqp::BasicDeliver deliver;
    if (amqp::DecodeMethodAs(payload.view(), &deliver).ok()) OnDelivery(state, deliver, content);
    return;
  }
  if (state->assembler.method() == amqp::BasicGetOk::kId) {
    amqp::BasicGetOk get_ok;
    if (amqp::DecodeMethodAs(payload.view(), &get_ok).ok()) OnReply(state.get(), get_ok, &content);
    return;
  }
  amqp::BasicReturn returned;
  if (!amqp::DecodeMethodAs(payload.view(), &returned).ok()) return;
  HandlerScope scope(this, state.get());
  {
    base::MutexLock lock(&mutex_);
    if (state->on_return == nullptr || !scope.Enter()) return;
  }
  state->on_return({returned.reply_code, returned.reply_text, returned.exchange,
                    returned.routing_key, content.properties, content.body});
}

void ConnectionCore::OnDelivery(const std::shared_ptr<ChannelState>& state,
                                const amqp::BasicDeliver& deliver, const amqp::Content& content) {
  HandlerScope scope(this, state.get());
  std::shared_ptr<const ConsumerHandlers> handlers;
  {
    base::MutexLock lock(&mutex_);
    const auto consumer = state->consumers.find(deliver.consumer_tag);
    // After our cancel or close the broker's last deliveries may still be under way.
    if (consumer == state->consumers.end() || state->closing || !scope.Enter()) return;
    handlers = consumer->second;
  }
  if (handlers->on_delivery == nullptr) return;
  handlers->on_delivery({deliver.consumer_tag, deliver.delivery_tag, deliver.redelivered,
                         deliver.exchange, deliver.routing_key, content.properties, content.body});
}

void ConnectionCore::OnCancel(const std::shared_ptr<ChannelState>& state,
                              const amqp::BasicCancel& cancel) {
  HandlerScope scope(this, state.get());
  std::shared_ptr<const ConsumerHandlers> handlers;
  {
    base::MutexLock lock(&mutex_);
    if (!cancel.no_wait) {
      writer_.AddMethod(state->number, amqp::BasicCancelOk{.consumer_tag = cancel.consumer_tag});
    }
    const auto consumer = state->consumers.find(cancel.consumer_tag);
    if (consumer == state->consumers.end()) return;
    handlers = consumer->second;
    state->consumers.erase(consumer);
    if (!scope.Enter()) return;
  }
  if (handlers->on_cancel != nullptr) handlers->on_cancel(absl::OkStatus());
}

void ConnectionCore::OnReply(ChannelState* state, const amqp::Method& method,
                             const amqp::Content* content) {
  ReplyHandler handler;
  {
    base::MutexLock lock(&mutex_);
    if (state->waiting.empty()) return;
    handler = std::move(state->waiting.front());
    state->waiting.pop_front();
  }
  handler(method, content);
}

void ConnectionCore::EndChannel(const std::shared_ptr<ChannelState>& state,
                                const absl::Status& why) {
  HandlerScope scope(this, state.get());
  std::deque<ReplyHandler> waiting;
  std::map<std::string, std::shared_ptr<const ConsumerHandlers>, std::less<>> consumers;
  std::function<void(const absl::Status&)> on_closed;
  bool tell;
  {
    base::MutexLock lock(&mutex_);
    if (!state->closed.ok()) return;
    state->closed = why;
    waiting.swap(state->waiting);
    consumers.swap(state->consumers);
    on_closed.swap(state->on_closed);
    state->changed.NotifyAll();
    tell = scope.Enter();
  }
  for (const ReplyHandler& handler : waiting) handler(why, nullptr);
  if (!tell) return;
  for (const auto& [tag, handlers] : consumers) {
    if (handlers->on_cancel != nullptr) handlers->on_cancel(why);
  }
  if (on_closed != nullptr) on_closed(why);
}

}  // namespace pontoon::client
