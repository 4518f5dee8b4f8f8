#include "client/amqp/raw_client.h"

#include "absl/strings/str_cat.h"
#include "client/amqp/handshake.h"
#include "client/amqp/transport.h"

namespace pontoon::client {
namespace {

// A peer that does not take our octets for this long is not going to.
constexpr base::Duration kSendTimeout = base::Seconds(30);

}  // namespace

RawClient::RawClient(std::unique_ptr<Transport> transport)
    : transport_(std::move(transport)), reader_(0), writer_(131072) {}
RawClient::~RawClient() = default;

absl::StatusOr<std::unique_ptr<RawClient>> RawClient::Connect(const ConnectionOptions& options) {
  absl::StatusOr<std::unique_ptr<Transport>> transport =
      Transport::Connect(options, DeadlineIn(options.connect_timeout));
  if (!transport.ok()) return transport.status();
  return std::unique_ptr<RawClient>(new RawClient(*std::move(transport)));
}

absl::Status RawClient::Handshake(const ConnectionOptions& options) {
  const absl::StatusOr<Negotiated> negotiated =
      ShakeHands(options, transport_.get(), &reader_, DeadlineIn(options.connect_timeout));
  if (!negotiated.ok()) return negotiated.status();
  reader_.set_frame_max(0);  // Whatever the broker sends is to be seen.
  writer_.set_frame_max(negotiated->frame_max);
  return absl::OkStatus();
}

absl::Status RawClient::OpenChannel(uint16_t channel) {
  if (absl::Status status = SendMethod(channel, amqp::ChannelOpen{}); !status.ok()) return status;
  return Expect<amqp::ChannelOpenOk>().status();
}

absl::Status RawClient::Send(absl::string_view octets) {
  return transport_->WriteAll(octets, DeadlineIn(kSendTimeout));
}

absl::Status RawClient::FlushWriter() {
  const base::Slice octets = writer_.Take().Flatten();
  return Send(octets.view());
}

absl::Status RawClient::SendFrame(amqp::FrameType type, uint16_t channel,
                                  absl::string_view payload) {
  writer_.AddFrame(type, channel, payload);
  return FlushWriter();
}

absl::Status RawClient::SendContent(uint16_t channel, const amqp::BasicPublish& publish,
                                    absl::string_view properties, absl::string_view body) {
  writer_.AddContent(channel, publish, properties, base::SliceChain(base::Slice::Copy(body)));
  return FlushWriter();
}

absl::StatusOr<std::string> RawClient::ReadOctets(size_t size, base::Duration timeout) {
  const Deadline deadline = DeadlineIn(timeout);
  std::string octets(size, '\0');
  while (true) {
    const absl::StatusOr<size_t> n = transport_->Read(octets.data(), size);
    if (!n.ok()) return n.status();
    if (*n > 0) {
      octets.resize(*n);
      return octets;
    }
    if (!transport_->AwaitReadable(deadline)) return absl::DeadlineExceededError("nothing came");
  }
}

absl::StatusOr<amqp::Frame> RawClient::ReadFrame(base::Duration timeout) {
  const Deadline deadline = DeadlineIn(timeout);
  while (true) {
    absl::StatusOr<amqp::Frame> frame = ReadFrameBlocking(transport_.get(), &reader_, deadline);
    if (!frame.ok() || frame->type != amqp::FrameType::kHeartbeat) return frame;
  }
}

absl::StatusOr<amqp::Method> RawClient::ReadMethod(base::Duration timeout, uint16_t* channel) {
  const absl::StatusOr<amqp::Frame> frame = ReadFrame(timeout);
  if (!frame.ok()) return frame.status();
  if (frame->type != amqp::FrameType::kMethod) {
    return absl::InternalError(
        absl::StrCat("expected a method, got a frame of type ", static_cast<int>(frame->type)));
  }
  if (channel != nullptr) *channel = frame->channel;
  method_payload_ = frame->payload.Flatten();
  return amqp::DecodeMethod(method_payload_.view(), amqp::Utf8::kIgnored);
}

absl::Status RawClient::Unexpected(const amqp::Method& method) {
  if (const auto* close = std::get_if<amqp::ConnectionClose>(&method)) {
    return StatusOfClose(close->reply_code, close->reply_text);
  }
  if (const auto* close = std::get_if<amqp::ChannelClose>(&method)) {
    return StatusOfClose(close->reply_code, close->reply_text);
  }
  return absl::InternalError(absl::StrCat("did not expect ", amqp::NameOf(method)));
}

absl::Status RawClient::AwaitEndOfStream(base::Duration timeout) {
  const Deadline deadline = DeadlineIn(timeout);
  char buffer[4096];
  while (true) {
    const absl::StatusOr<size_t> n = transport_->Read(buffer, sizeof(buffer));
    if (!n.ok()) return absl::OkStatus();
    if (*n == 0 && !transport_->AwaitReadable(deadline)) {
      return absl::DeadlineExceededError("the peer keeps the connection open");
    }
  }
}

void RawClient::ShutdownWrites() { transport_->ShutdownWrites(); }

}  // namespace pontoon::client
