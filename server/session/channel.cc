#include "server/session/channel.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/amqp/reply_code.h"
#include "server/amqp/wire.h"
#include "server/session/channel_tx.h"

namespace pontoon::session {

Channel::Channel(Connection* connection, uint16_t number, uint64_t serial)
    : connection_(connection),
      number_(number),
      serial_(serial),
      pid_(connection->loop().TakeNumber()) {
  key_ = connection_->loop().front_end->OpenChannel(this);
}

Channel::~Channel() {
  if (state_ == State::kOpen) Abandon();
}

void Channel::OnFrame(amqp::Frame&& frame) {
  if (!amqp::IsKnownFrameType(frame.type)) {
    connection_->FailFromChannel(number_, {}, amqp::UnknownFrameError(frame));
    return;
  }
  if (frame.type == amqp::FrameType::kHeartbeat) {
    connection_->FailFromChannel(
        number_, {},
        frame.payload.empty() ? amqp::UnexpectedFrameError(frame) : amqp::UnknownFrameError(frame));
    return;
  }
  if (state_ == State::kClosing) {
    // Swallowed until close_ok, AMQP 0-9-1 section 1.5.2.5.
    if (frame.type != amqp::FrameType::kMethod) return;
    const auto id = amqp::PeekMethodId(frame.payload.Flatten().view());
    if (!id.ok()) return;
    if (*id == amqp::ChannelClose::kId) Reply(amqp::ChannelCloseOk());
    if (*id == amqp::ChannelCloseOk::kId) {
      state_ = State::kReleased;
      connection_->ReleaseChannel(this);
    }
    return;
  }
  if (waiting_ || !pending_.empty() || (!declaring_.empty() && !MayJoinDeclares(frame))) {
    connection_->OnPending(static_cast<int64_t>(frame.payload.size() + sizeof(amqp::Frame)));
    pending_.push_back(std::move(frame));
    return;
  }
  Process(frame);
}

void Channel::Process(const amqp::Frame& frame) {
  absl::Status status;
  if (assembly_.active()) {
    status = OnContentFrame(frame);
  } else if (frame.type == amqp::FrameType::kMethod) {
    status = OnMethod(frame.payload.Flatten());
  } else {
    method_ = {};
    status = amqp::UnexpectedFrame("expected method frame, got non method frame instead");
  }
  if (!status.ok()) Refuse(status);
}

absl::Status Channel::OnMethod(const base::Slice& payload) {
  const auto id = amqp::PeekMethodId(payload.view());
  method_ = {};
  if (!id.ok()) {
    return amqp::UnknownFrameError({amqp::FrameType::kMethod, number_, base::SliceChain(payload)});
  }
  if (!amqp::MethodName(*id).empty()) method_ = *id;
  if (*id == amqp::BasicPublish::kId) {
    return OnPublishMethod(payload);
  }
  if (*id == amqp::BasicAck::kId) {
    amqp::BasicAck ack;
    const absl::Status status = amqp::DecodeMethodAs(payload.view(), &ack);
    if (!status.ok()) return status;
    return Settle(ack.delivery_tag, ack.multiple, /*requeue=*/false, /*reject=*/false);
  }
  const auto method = amqp::DecodeMethod(payload.view());
  if (!method.ok()) return method.status();
  return std::visit([this](const auto& m) { return On(m); }, *method);
}

void Channel::AwaitAnswer() { waiting_ = true; }

void Channel::Answered(const absl::Status& status) {
  if (state_ != State::kOpen) return;
  waiting_ = false;
  if (!status.ok()) {
    Refuse(status);
    return;
  }
  RunPending();
}

void Channel::RunPending() {
  if (running_pending_) return;
  running_pending_ = true;
  while (!waiting_ && !pending_.empty() && state_ == State::kOpen) {
    if (!declaring_.empty() && !MayJoinDeclares(pending_.front())) break;
    amqp::Frame frame = std::move(pending_.front());
    pending_.pop_front();
    connection_->OnPending(-static_cast<int64_t>(frame.payload.size() + sizeof(amqp::Frame)));
    Process(frame);
  }
  running_pending_ = false;
  // A client that has said connection.close waits for what it sent before.
  MarkDirty();
}

void Channel::Refuse(const absl::Status& error) {
  if (state_ != State::kOpen) return;
  const CloseReply reply = ReplyFor(error);
  if (!reply.channel_only) {
    connection_->FailFromChannel(number_, method_, error);
    return;
  }
  connection_->loop().logger->Log(base::LogLevel::kError, pid_,
                                  ChannelErrorLine(connection_->label(), number_,
                                                   OperationText(amqp::MethodName(method_), true,
                                                                 reply.code, reply.explanation)));
  SendConfirms();
  GiveBack();
  state_ = State::kClosing;
  amqp::ChannelClose close;
  close.reply_code = amqp::ReplyNumber(reply.code);
  close.reply_text = reply.text;
  close.class_id = method_.class_id;
  close.method_id = method_.method_id;
  Reply(close);
  // Frames that wait are of a closed channel now; a close handshake among them is still answered.
  std::deque<amqp::Frame> waiting;
  waiting.swap(pending_);
  for (amqp::Frame& frame : waiting) {
    connection_->OnPending(-static_cast<int64_t>(frame.payload.size() + sizeof(amqp::Frame)));
    if (state_ == State::kClosing) OnFrame(std::move(frame));
  }
}

void Channel::GiveBack() {
  SendSettles();
  PlaceMarks();
  std::vector<UnackedRun> held;
  unacked_.TakeAll(&held);
  if (tx_ != nullptr) tx_->TakeHeld(&held);
  std::vector<cluster::OutgoingReturn> holding;
  holding.reserve(held.size());
  for (const UnackedRun& run : held) holding.push_back({run.shard, run.run});
  connection_->loop().front_end->CloseChannel(key_, std::move(holding));
  connection_->OnPublished(publishing_bytes_);
  publishing_bytes_ = 0;
  consumers_by_key_.clear();
  last_consumer_ = nullptr;
  touched_.clear();
  consumers_.clear();
  reply_consumer_ = {};
  assembly_.Reset();
  tx_.reset();
  waiting_ = false;
  declaring_.clear();
}

void Channel::Abandon() {
  if (state_ == State::kOpen) {
    SendConfirms();
    GiveBack();
  }
  pending_.clear();
  state_ = State::kReleased;
}

void Channel::Flush() {
  if (state_ != State::kOpen) return;
  SendSettles();
  SendConfirms();
  if (wants_share_) ShareLimit();
  PlaceMarks();
}

absl::Status Channel::On(const amqp::ChannelOpen&) {
  return amqp::ChannelError("second 'channel.open' seen");
}

absl::Status Channel::On(const amqp::ChannelFlow& method) {
  if (!method.active) return amqp::NotImplemented("active=false");
  amqp::ChannelFlowOk ok;
  ok.active = true;
  Reply(ok);
  return absl::OkStatus();
}

absl::Status Channel::On(const amqp::ChannelClose&) {
  SendConfirms();
  GiveBack();
  Reply(amqp::ChannelCloseOk());
  state_ = State::kReleased;
  connection_->ReleaseChannel(this);
  return absl::OkStatus();
}

absl::Status Channel::On(const amqp::AccessRequest&) {
  Reply(amqp::AccessRequestOk());
  return absl::OkStatus();
}

absl::Status Channel::CheckRight(catalog::Right right, absl::string_view kind,
                                 absl::string_view name) {
  return connection_->rights().Check(catalog(), right, kind, name);
}

absl::Status Channel::NoQueue(absl::string_view name) const {
  return amqp::NotFound(absl::StrCat("no queue '", name, "' in vhost '", vhost_name(), "'"));
}

absl::Status Channel::NoExchange(absl::string_view name) const {
  return amqp::NotFound(absl::StrCat("no exchange '", name, "' in vhost '", vhost_name(), "'"));
}

absl::StatusOr<const catalog::QueueRecord*> Channel::FindQueue(absl::string_view name) {
  const catalog::QueueRecord* queue = catalog().FindQueue(connection_->vhost(), name);
  if (queue == nullptr) return NoQueue(name);
  const absl::Status owner = CheckOwner(*queue);
  if (!owner.ok()) return owner;
  return queue;
}

absl::Status Channel::CheckOwner(const catalog::QueueRecord& queue) {
  if (!queue.owner || *queue.owner == connection_->id()) return absl::OkStatus();
  return amqp::ResourceLocked(absl::StrCat("cannot obtain exclusive access to locked queue '",
                                           queue.name, "' in vhost '", vhost_name(),
                                           "'. It could be originally declared on another "
                                           "connection or the exclusive property value does not "
                                           "match that of the original declaration."));
}

absl::StatusOr<std::string> Channel::QueueNameOrLast(absl::string_view name) {
  if (!name.empty()) return std::string(name);
  if (last_queue_.empty()) return amqp::NotFound("no previously declared queue");
  return last_queue_;
}

ChannelInfo Channel::Describe() const {
  ChannelInfo info;
  const SessionOptions& options = connection_->options();
  info.pid = PrintedPid(options.node_name, options.boot_seconds, pid_);
  info.connection_pid = connection_->pid();
  info.name = absl::StrCat(connection_->name(), " (", number_, ")");
  info.number = number_;
  info.user = connection_->user();
  info.vhost = vhost_name();
  info.transactional = tx_ != nullptr;
  info.confirm = confirming_;
  info.consumer_count = static_cast<uint32_t>(consumers_.size());
  info.messages_unacknowledged = unacked_.size();
  info.messages_unconfirmed = confirms_.unconfirmed();
  if (tx_ != nullptr) {
    info.messages_uncommitted = tx_->publish_count();
    info.acks_uncommitted = tx_->settle_count();
  }
  info.prefetch_count = consumer_prefetch_;
  info.global_prefetch_count = channel_limit_;
  return info;
}

}  // namespace pontoon::session
