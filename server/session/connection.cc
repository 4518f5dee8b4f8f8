#include "server/session/connection.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/amqp/argument_text.h"
#include "server/amqp/reply_code.h"
#include "server/session/channel.h"

namespace pontoon::session {

Connection::Connection(LoopContext* loop, std::unique_ptr<Transport> transport, PeerInfo peer)
    : loop_(loop),
      transport_(std::move(transport)),
      peer_(std::move(peer)),
      accepted_at_(loop->front_end->now()),
      connected_at_millis_(loop->front_end->wall().millis()),
      last_received_(accepted_at_),
      last_sent_(accepted_at_) {
  label_.number = loop->TakeNumber();
  label_.name = ConnectionName(peer_);
  id_ = {loop->front_end->id(), label_.number};
}

Connection::~Connection() { DropChannels(); }

std::string Connection::pid() const {
  return PrintedPid(options().node_name, options().boot_seconds, label_.number);
}

void Connection::Log(base::LogLevel level, absl::string_view text) {
  loop_->logger->Log(level, label_.number, text);
}

absl::string_view Connection::StageName() const {
  switch (stage_) {
    case Stage::kHeader:
      return "pre_init";
    case Stage::kStarting:
      return "starting";
    case Stage::kTuning:
      return "tuning";
    case Stage::kOpening:
      return "opening";
    case Stage::kRunning:
      if (blocked_) return "blocked";
      if (loop_->memory_alarm || loop_->disk_alarm) return "blocking";
      return flow_ ? "flow" : "running";
    case Stage::kDraining:
      return "closing";
    case Stage::kClosing:
    case Stage::kRefused:
    case Stage::kClosed:
      return "closed";
  }
  return "";
}

void Connection::OnBytes(base::Slice bytes) {
  received_bytes_ += bytes.size();
  ++received_count_;
  last_received_ = loop_->front_end->now();
  if (!any_bytes_) {
    any_bytes_ = true;
    Log(base::LogLevel::kInfo, AcceptingLine(label_));
  }
  if (stage_ == Stage::kRefused || stage_ == Stage::kClosed || stage_ == Stage::kDraining ||
      input_broken_) {
    return;
  }
  reader_.Feed(std::move(bytes));
  ProcessInput();
}

void Connection::ContinueInput() {
  unfinished_ = false;
  if (gone_) return;
  ProcessInput();
  UpdateReading();
}

bool Connection::MayProcess() const {
  switch (stage_) {
    case Stage::kDraining:
    case Stage::kRefused:
    case Stage::kClosed:
      return false;
    case Stage::kClosing:
      return true;
    default:
      return !flow_ && !blocked_ && !unsent_;
  }
}

void Connection::ProcessInput() {
  if (turn_ != loop_->turn) {
    turn_ = loop_->turn;
    turn_bytes_ = 0;
    turn_frames_ = 0;
  }
  if (stage_ == Stage::kHeader) {
    amqp::ProtocolHeader header;
    if (reader_.NextProtocolHeader(&header) == amqp::FrameReader::Result::kFrame) OnHeader(header);
    if (stage_ == Stage::kHeader) return;
  }
  amqp::Frame frame;
  while (MayProcess()) {
    if (turn_frames_ >= options().turn_frames || turn_bytes_ >= options().turn_bytes) {
      if (!unfinished_) {
        unfinished_ = true;
        loop_->unfinished.push_back(this);
      }
      break;
    }
    const auto result = reader_.Next(&frame);
    if (result == amqp::FrameReader::Result::kIncomplete) break;
    if (result == amqp::FrameReader::Result::kError) {
      if (stage_ == Stage::kRunning) {
        FailConnection(reader_.current_channel(), {}, reader_.error());
        // Not even close_ok could be read: the client has a moment to read ours and to hang up.
        stage_deadline_ = loop_->front_end->now() + options().refusal_delay;
      } else if (stage_ != Stage::kClosing) {
        RefuseSilently(reader_.error().message());
      }
      input_broken_ = true;
      break;
    }
    ++turn_frames_;
    turn_bytes_ += frame.payload.size() + amqp::kFrameOverheadBytes;
    OnFrame(std::move(frame));
  }
  UpdateReading();
}

void Connection::OnHeader(const amqp::ProtocolHeader& header) {
  if (header.kind == amqp::ProtocolHeader::Kind::kAmqp091) {
    stage_ = Stage::kStarting;
    amqp::ConnectionStart start;
    start.server_properties = ServerProperties(options());
    start.mechanisms = OfferedMechanisms(options());
    writer_.AddMethod(0, start);
    MarkSelfDirty();
    return;
  }
  const absl::string_view octets(header.octets.data(), header.octets.size());
  std::string why = absl::StrCat("{bad_header,", amqp::ErlangBinary(octets), "}");
  if (header.kind == amqp::ProtocolHeader::Kind::kTls) {
    absl::StrAppend(&why, " (a TLS client on a listener without TLS)");
  } else if (header.kind == amqp::ProtocolHeader::Kind::kHttp) {
    absl::StrAppend(&why, " (an HTTP client on the AMQP listener)");
  }
  writer_.AddProtocolHeader();
  MarkSelfDirty();
  Log(base::LogLevel::kError, ClosingLine(label_, why));
  CloseSocket();
}

void Connection::OnFrame(amqp::Frame&& frame) {
  if (frame.channel == 0) {
    OnFrameZero(frame);
    return;
  }
  if (stage_ == Stage::kClosing) return;
  if (stage_ != Stage::kRunning) {
    RefuseSilently(amqp::UnexpectedFrameError(frame).message());
    return;
  }
  OnChannelFrame(std::move(frame));
}

void Connection::OnFrameZero(const amqp::Frame& frame) {
  const bool handshake = stage_ != Stage::kRunning && stage_ != Stage::kClosing;
  if (frame.type == amqp::FrameType::kHeartbeat && frame.payload.empty()) return;
  if (frame.type == amqp::FrameType::kMethod) {
    const base::Slice payload = frame.payload.Flatten();
    const auto id = amqp::PeekMethodId(payload.view());
    if (id.ok()) {
      if (handshake) {
        OnHandshakeMethod(frame, *id);
      } else {
        OnRunningMethod(frame, *id);
      }
      return;
    }
  }
  if (stage_ == Stage::kClosing) return;
  const bool unknown = frame.type == amqp::FrameType::kMethod ||
                       !amqp::IsKnownFrameType(frame.type) ||
                       frame.type == amqp::FrameType::kHeartbeat;
  const absl::Status error =
      unknown ? amqp::UnknownFrameError(frame) : amqp::UnexpectedFrameError(frame);
  if (handshake) {
    RefuseSilently(error.message());
  } else {
    FailConnection(0, {}, error);
  }
}

void Connection::OnRunningMethod(const amqp::Frame& frame, amqp::MethodId id) {
  const base::Slice payload = frame.payload.Flatten();
  auto method = amqp::DecodeMethod(payload.view());
  if (stage_ == Stage::kClosing) {
    if (!method.ok()) return;
    if (std::holds_alternative<amqp::ConnectionCloseOk>(*method)) {
      CloseSocket();
    } else if (std::holds_alternative<amqp::ConnectionClose>(*method)) {
      writer_.AddMethod(0, amqp::ConnectionCloseOk());
      MarkSelfDirty();
    }
    return;
  }
  if (!method.ok()) {
    FailConnection(0, amqp::MethodName(id).empty() ? amqp::MethodId{} : id, method.status());
    return;
  }
  if (std::holds_alternative<amqp::ConnectionClose>(*method)) {
    OnClientClose();
  } else if (std::holds_alternative<amqp::ConnectionUpdateSecret>(*method)) {
    const std::string& reason = std::get<amqp::ConnectionUpdateSecret>(*method).reason;
    Log(base::LogLevel::kInfo,
        absl::StrCat("connection <0.", label_.number, ".0> (", label_.name, "): user '",
                     Printable(label_.user), "' updated secret, reason: ", Printable(reason)));
    writer_.AddMethod(0, amqp::ConnectionUpdateSecretOk());
    MarkSelfDirty();
  } else {
    FailConnection(0, id, amqp::ChannelError("unexpected method in connection state running"));
  }
}

Channel* Connection::FindChannel(uint16_t number) {
  if (last_channel_ != nullptr && last_channel_number_ == number) return last_channel_;
  const auto it = channels_.find(number);
  if (it == channels_.end()) return nullptr;
  last_channel_number_ = number;
  last_channel_ = it->second.get();
  return last_channel_;
}

void Connection::OnChannelFrame(amqp::Frame&& frame) {
  if (Channel* channel = FindChannel(frame.channel)) {
    channel->OnFrame(std::move(frame));
    return;
  }
  if (!amqp::IsKnownFrameType(frame.type)) {
    FailConnection(frame.channel, {}, amqp::UnknownFrameError(frame));
    return;
  }
  if (frame.type == amqp::FrameType::kHeartbeat) {
    FailConnection(
        frame.channel, {},
        frame.payload.empty() ? amqp::UnexpectedFrameError(frame) : amqp::UnknownFrameError(frame));
    return;
  }
  const uint16_t limit = tuned_.channel_max;
  if (limit != 0 && channels_.size() >= limit) {
    FailConnection(
        frame.channel, {},
        amqp::NotAllowed(absl::StrCat("number of channels opened (", channels_.size(),
                                      ") has reached the negotiated channel_max (", limit, ")")));
    return;
  }
  if (frame.type != amqp::FrameType::kMethod) {
    FailConnection(frame.channel, {},
                   amqp::UnexpectedFrame("expected method frame, got non method frame instead"));
    return;
  }
  const base::Slice payload = frame.payload.Flatten();
  const auto id = amqp::PeekMethodId(payload.view());
  const auto method = amqp::DecodeMethod(payload.view());
  if (!id.ok() || !method.ok()) {
    FailConnection(frame.channel,
                   id.ok() && !amqp::MethodName(*id).empty() ? *id : amqp::MethodId{},
                   id.ok() ? method.status() : amqp::UnknownFrameError(frame));
    return;
  }
  if (!std::holds_alternative<amqp::ChannelOpen>(*method)) {
    FailConnection(frame.channel, *id, amqp::ChannelError("expected 'channel.open'"));
    return;
  }
  channels_.emplace(frame.channel,
                    std::make_unique<Channel>(this, frame.channel, next_channel_serial_++));
  writer_.AddMethod(frame.channel, amqp::ChannelOpenOk());
  MarkSelfDirty();
}

void Connection::MarkSelfDirty() {
  if (dirty_) return;
  dirty_ = true;
  loop_->dirty.push_back(this);
}

void Connection::MarkDirty(Channel* channel) {
  MarkSelfDirty();
  if (channel->dirty) return;
  channel->dirty = true;
  dirty_channels_.push_back(channel);
}

void Connection::ReleaseChannel(Channel* channel) {
  const auto it = channels_.find(channel->number());
  if (it == channels_.end() || it->second.get() != channel) return;
  if (last_channel_ == channel) last_channel_ = nullptr;
  released_.push_back(std::move(it->second));
  channels_.erase(it);
  MarkSelfDirty();
}

void Connection::Flush() {
  // Channels may become dirty again while they are flushed (never the other way round).
  for (size_t i = 0; i < dirty_channels_.size(); ++i) {
    dirty_channels_[i]->dirty = false;
    dirty_channels_[i]->Flush();
  }
  dirty_channels_.clear();
  dirty_ = false;
  released_.clear();
  FinishDraining();
  if (socket_told_ || gone_) return;
  if (writer_.pending_bytes() > 0) {
    ++sent_count_;
    transport_->Write(writer_.Take());
    last_sent_ = loop_->front_end->now();
  }
  if (stage_ == Stage::kClosed) {
    socket_told_ = true;
    transport_->CloseAfterWrites();
    return;
  }
  UpdateReading();
}

void Connection::OnSocketWritten() {
  FinishMarks(transport_->bytes_written());
  UpdateReading();
}

void Connection::FinishMarks(uint64_t written) {
  while (!marks_.empty() && marks_.front().end <= written) {
    WriteMark mark = std::move(marks_.front());
    marks_.pop_front();
    delivery_bytes_ -= mark.stream_bytes;
    for (const auto& settle : mark.settles) loop_->front_end->Settle(settle);
    const auto it = channels_.find(mark.channel);
    if (it != channels_.end() && it->second->serial() == mark.channel_serial) {
      it->second->OnWritten(mark.consumer, mark.bytes);
    }
  }
}

ConnectionInfo Connection::Describe() const {
  ConnectionInfo info;
  info.number = label_.number;
  info.pid = pid();
  info.name = label_.name;
  info.user_provided_name = label_.user_provided_name;
  info.peer = peer_;
  info.user = label_.user;
  info.vhost = label_.vhost;
  info.state = std::string(StageName());
  if (stage_ != Stage::kHeader) info.protocol = "AMQP 0-9-1";
  info.auth_mechanism = auth_mechanism_;
  info.timeout = tuned_.heartbeat_seconds;
  info.frame_max = tuned_.frame_max;
  info.channel_max = tuned_.channel_max;
  info.client_properties = client_properties_;
  info.connected_at_millis = connected_at_millis_;
  info.recv_oct = received_bytes_;
  info.recv_cnt = received_count_;
  info.send_oct = transport_->bytes_written();
  info.send_cnt = sent_count_;
  info.send_pend = transport_->bytes_queued() - transport_->bytes_written();
  info.channels = static_cast<uint32_t>(channels_.size());
  return info;
}

void Connection::DescribeChannels(std::vector<ChannelInfo>* channels) const {
  for (const auto& [number, channel] : channels_) channels->push_back(channel->Describe());
}

}  // namespace pontoon::session
