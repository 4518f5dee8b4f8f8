#include <utility>

#include "absl/strings/str_cat.h"
#include "server/amqp/reply_code.h"
#include "server/session/channel.h"
#include "server/session/connection.h"
#include "server/session/reply_edge.h"

// Connection: how it ends, from either side (AMQP 0-9-1 section 1.4.2.9).
namespace pontoon::session {

void Connection::SendClose(const absl::Status& error, amqp::MethodId method) {
  const CloseReply reply = ReplyFor(error);
  DropChannels();
  amqp::ConnectionClose close;
  close.reply_code = amqp::ReplyNumber(reply.code);
  close.reply_text = reply.text;
  close.class_id = method.class_id;
  close.method_id = method.method_id;
  writer_.AddMethod(0, close);
  MarkSelfDirty();
  stage_ = Stage::kClosing;
  stage_deadline_ = loop_->front_end->now() + options().close_timeout;
}

void Connection::FailConnection(uint16_t channel, amqp::MethodId method,
                                const absl::Status& error) {
  if (stage_ == Stage::kClosing || stage_ == Stage::kClosed || stage_ == Stage::kRefused) return;
  const CloseReply reply = ReplyFor(error);
  Log(base::LogLevel::kError,
      ErrorLine(label_, "running", channel,
                OperationText(amqp::MethodName(method), false, reply.code, reply.explanation)));
  SendClose(error, method);
}

void Connection::FailFromChannel(uint16_t channel, amqp::MethodId method,
                                 const absl::Status& error) {
  FailConnection(channel, method, error);
}

void Connection::OnClientClose() {
  // What the client sent before is finished first: a publish behind a declare that is being
  // answered, for example.
  stage_ = Stage::kDraining;
  stage_deadline_ = loop_->front_end->now() + options().close_timeout;
  MarkSelfDirty();
}

void Connection::FinishDraining() {
  if (stage_ != Stage::kDraining) return;
  for (const auto& [number, channel] : channels_) {
    if (!channel->idle()) return;
  }
  DropChannels();
  if (*exclusive_queues_left_ > 0) return;  // Close_ok says that they are gone.
  writer_.AddMethod(0, amqp::ConnectionCloseOk());
  Log(base::LogLevel::kInfo, ClosingLine(label_, ""));
  stage_ = Stage::kClosed;
}

void Connection::CloseForced(absl::string_view reason) {
  switch (stage_) {
    case Stage::kRunning:
    case Stage::kDraining:
      Log(base::LogLevel::kError,
          ErrorLine(label_, "running", 0,
                    OperationText("", false, amqp::ReplyCode::kConnectionForced, reason)));
      SendClose(amqp::ConnectionForced(reason), {});
      return;
    case Stage::kClosing:
    case Stage::kClosed:
      return;
    default:
      Log(base::LogLevel::kInfo, ClosingLine(label_, reason));
      CloseSocket();
  }
}

void Connection::CloseSocket() {
  DropChannels();
  stage_ = Stage::kClosed;
  MarkSelfDirty();
}

void Connection::Abort() {
  if (gone_ || aborted_) return;
  DropChannels();
  stage_ = Stage::kClosed;
  socket_told_ = aborted_ = true;
  transport_->Abort();
}

void Connection::OnSocketClosed(const absl::Status& status) {
  if (gone_) return;
  socket_told_ = true;
  if (stage_ == Stage::kRunning) {
    // The client is gone without a word; what it sent before still counts.
    flow_ = blocked_ = unsent_ = false;
    turn_ = loop_->turn;
    turn_bytes_ = 0;
    turn_frames_ = 0;
    ProcessInput();
  }
  const bool expected = stage_ == Stage::kDraining || stage_ == Stage::kClosing ||
                        stage_ == Stage::kRefused || stage_ == Stage::kClosed;
  if (any_bytes_ && !expected) {
    std::string why = "client unexpectedly closed TCP connection";
    if (!status.ok() && !absl::IsCancelled(status)) {
      absl::StrAppend(&why, " (", status.message(), ")");
    }
    Log(base::LogLevel::kWarning, ClosingLine(label_, why));
  } else if (!any_bytes_) {
    Log(base::LogLevel::kDebug, ClosingLine(label_, "no data was sent"));
  } else if (stage_ != Stage::kClosed) {
    Log(base::LogLevel::kInfo, ClosingLine(label_, ""));
  }
  stage_ = Stage::kClosed;
  DropChannels();
  // What the socket took was delivered; a no-ack delivery that it did not take goes to somebody
  // else.
  FinishMarks(transport_->bytes_written());
  for (const WriteMark& mark : marks_) {
    for (const auto& settle : mark.settles)
      loop_->front_end->Return({settle.shard, settle.settle.run});
  }
  marks_.clear();
  gone_ = true;
  loop_->any_gone = true;
}

void Connection::DropChannels() {
  for (auto& [number, channel] : channels_) {
    channel->Abandon();
    released_.push_back(std::move(channel));
  }
  channels_.clear();
  last_channel_ = nullptr;
  for (Channel* channel : dirty_channels_) channel->dirty = false;
  dirty_channels_.clear();
  pending_bytes_ = 0;
  DropExclusiveQueues();
}

void Connection::DropExclusiveQueues() {
  if (!vhost_) return;
  const catalog::VersionPtr version = loop_->front_end->catalog();
  for (const catalog::QueueRecord* queue : version->ListExclusiveQueues(id_)) {
    ++*exclusive_queues_left_;
    loop_->front_end->DeleteQueue(
        cluster::ChannelKey{}, *queue, false, false,
        [this, left = std::weak_ptr<uint32_t>(exclusive_queues_left_)](const auto&) {
          const std::shared_ptr<uint32_t> still_here = left.lock();
          if (still_here != nullptr && --*still_here == 0) MarkSelfDirty();
        });
  }
  vhost_ = base::VhostId();
}

}  // namespace pontoon::session
