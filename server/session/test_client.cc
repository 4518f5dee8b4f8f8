#include "server/session/test_client.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace pontoon::session {
namespace {

class TestTransport final : public Transport {
 public:
  explicit TestTransport(Wire* wire) : wire_(wire) {}
  void Write(base::SliceChain bytes) override {
    wire_->queued += bytes.size();
    for (const base::Slice& slice : bytes.slices()) wire_->out.append(slice.data(), slice.size());
  }
  uint64_t bytes_queued() const override { return wire_->queued; }
  uint64_t bytes_written() const override { return wire_->written; }
  void PauseReading() override { wire_->paused = true; }
  void ResumeReading() override { wire_->paused = false; }
  void CloseAfterWrites() override { wire_->closed = true; }
  void Abort() override { wire_->aborted = true; }

 private:
  Wire* const wire_;
};

std::string Close(absl::string_view name, uint16_t code, const std::string& text, uint16_t class_id,
                  uint16_t method_id) {
  return absl::StrCat(name, " ", code, " '", text, "' ", class_id, ".", method_id);
}

std::string Show(const amqp::Method& method) {
  const std::string name(amqp::NameOf(method));
  if (const auto* m = std::get_if<amqp::ConnectionClose>(&method)) {
    return Close(name, m->reply_code, m->reply_text, m->class_id, m->method_id);
  }
  if (const auto* m = std::get_if<amqp::ChannelClose>(&method)) {
    return Close(name, m->reply_code, m->reply_text, m->class_id, m->method_id);
  }
  if (const auto* m = std::get_if<amqp::ConnectionBlocked>(&method))
    return absl::StrCat(name, " ", m->reason);
  if (const auto* m = std::get_if<amqp::QueueDeclareOk>(&method)) {
    return absl::StrCat(name, " ", m->queue, " ", m->message_count, " ", m->consumer_count);
  }
  if (const auto* m = std::get_if<amqp::QueuePurgeOk>(&method))
    return absl::StrCat(name, " ", m->message_count);
  if (const auto* m = std::get_if<amqp::QueueDeleteOk>(&method))
    return absl::StrCat(name, " ", m->message_count);
  if (const auto* m = std::get_if<amqp::BasicConsumeOk>(&method))
    return absl::StrCat(name, " ", m->consumer_tag);
  if (const auto* m = std::get_if<amqp::BasicCancelOk>(&method))
    return absl::StrCat(name, " ", m->consumer_tag);
  if (const auto* m = std::get_if<amqp::BasicCancel>(&method))
    return absl::StrCat(name, " ", m->consumer_tag);
  if (const auto* m = std::get_if<amqp::BasicAck>(&method)) {
    return absl::StrCat(name, " ", m->delivery_tag, m->multiple ? " multiple" : "");
  }
  if (const auto* m = std::get_if<amqp::BasicNack>(&method)) {
    return absl::StrCat(name, " ", m->delivery_tag, m->multiple ? " multiple" : "");
  }
  if (const auto* m = std::get_if<amqp::BasicDeliver>(&method)) {
    return absl::StrCat(name, " ", m->consumer_tag, " ", m->delivery_tag,
                        m->redelivered ? " redelivered" : "", " '", m->exchange, "' ",
                        m->routing_key);
  }
  if (const auto* m = std::get_if<amqp::BasicGetOk>(&method)) {
    return absl::StrCat(name, " ", m->delivery_tag, m->redelivered ? " redelivered" : "", " '",
                        m->exchange, "' ", m->routing_key, " ", m->message_count);
  }
  if (const auto* m = std::get_if<amqp::BasicReturn>(&method)) {
    return absl::StrCat(name, " ", m->reply_code, " ", m->reply_text, " '", m->exchange, "' ",
                        m->routing_key);
  }
  return name;
}

}  // namespace

bool TestLogger::Contains(absl::string_view part) const {
  for (const std::string& line : lines) {
    if (absl::StrContains(line, part)) return true;
  }
  return false;
}

TestLoop::TestLoop(SessionOptions options) {
  registry = std::make_unique<Registry>(&front_end, &logger, &random,
                                        std::make_shared<const SessionOptions>(std::move(options)),
                                        Registry::Numbers());
}

void TestLoop::Settle() {
  for (bool more = true; more;) {
    more = front_end.Run();
    for (TestClient* client : clients) {
      Wire& wire = client->wire;
      if (client->connection == nullptr || wire.stalled || wire.written == wire.queued) continue;
      wire.written = wire.queued;
      client->connection->OnSocketWritten();
      more = true;
    }
    const uint64_t before = front_end.grants;
    more |= registry->OnTurnEnd();
    more |= front_end.grants != before;
    for (TestClient* client : clients) {
      const Wire& wire = client->wire;
      more |= client->connection != nullptr && !wire.stalled && wire.written != wire.queued;
    }
  }
}

void TestLoop::Advance(base::Duration duration) {
  front_end.time = front_end.time + duration;
  registry->OnTick();
  Settle();
}

PeerInfo TestClient::LocalPeer() {
  PeerInfo peer;
  peer.peer_host = "127.0.0.1";
  peer.peer_port = 43966;
  peer.host = "127.0.0.1";
  peer.port = 5672;
  peer.loopback = true;
  return peer;
}

TestClient::TestClient(TestLoop* test_loop, PeerInfo peer) : loop(test_loop) {
  connection = loop->registry->Accept(std::make_unique<TestTransport>(&wire), std::move(peer));
  loop->clients.push_back(this);
}

TestClient::~TestClient() {
  Hangup();
  std::erase(loop->clients, this);
}

void TestClient::Hangup() {
  if (connection == nullptr) return;
  connection->OnSocketClosed(absl::OkStatus());
  connection = nullptr;
  loop->Settle();
}

TestClient& TestClient::Send(absl::string_view octets) {
  connection->OnBytes(base::Slice::Copy(octets));
  return *this;
}

TestClient& TestClient::SendWriter() { return Send(writer_.Take().Flatten().view()); }

TestClient& TestClient::SendFrame(amqp::FrameType type, uint16_t channel,
                                  absl::string_view payload) {
  writer_.AddFrame(type, channel, payload);
  return SendWriter();
}

TestClient& TestClient::Publish(absl::string_view exchange, absl::string_view key,
                                absl::string_view body, const amqp::PropertiesBuilder& properties,
                                bool mandatory, uint16_t channel) {
  amqp::BasicPublish publish;
  publish.exchange = exchange;
  publish.routing_key = key;
  publish.mandatory = mandatory;
  writer_.AddContent(channel, publish, properties.Encode(),
                     base::SliceChain(base::Slice::Copy(body)));
  return SendWriter();
}

TestClient& TestClient::StartOk(const Login& login) {
  amqp::ConnectionStartOk start_ok;
  amqp::Table capabilities;
  for (const char* name :
       {"authentication_failure_close", "consumer_cancel_notify", "connection.blocked"}) {
    capabilities.Append(name, amqp::Value::Bool(login.capabilities));
  }
  start_ok.client_properties.Append("capabilities", amqp::Value::Of(capabilities));
  if (!login.name.empty()) {
    start_ok.client_properties.Append("connection_name", amqp::Value::String(login.name));
  }
  start_ok.mechanism = login.mechanism;
  if (login.mechanism == "AMQPLAIN") {
    amqp::Table response;
    response.Append("LOGIN", amqp::Value::String(login.user));
    response.Append("PASSWORD", amqp::Value::String(login.password));
    start_ok.response = response.EncodeContents();
  } else {
    start_ok.response = absl::StrCat(absl::string_view("\0", 1), login.user,
                                     absl::string_view("\0", 1), login.password);
  }
  return Send(0, start_ok);
}

TestClient& TestClient::Open(const Login& login) {
  Send(amqp::kProtocolHeader);
  StartOk(login);
  amqp::ConnectionTuneOk tune_ok;
  tune_ok.channel_max = login.channel_max;
  tune_ok.frame_max = login.frame_max;
  tune_ok.heartbeat = login.heartbeat;
  Send(0, tune_ok);
  writer_.set_frame_max(login.frame_max);
  amqp::ConnectionOpen open;
  open.virtual_host = login.vhost;
  Send(0, open);
  Read();
  return *this;
}

TestClient& TestClient::OpenChannel(uint16_t channel) {
  Send(channel, amqp::ChannelOpen());
  Read();
  return *this;
}

std::vector<std::string> TestClient::Read() {
  loop->Settle();
  return ReadNow();
}

std::vector<std::string> TestClient::ReadNow() {
  std::vector<std::string> frames;
  if (absl::StartsWith(wire.out, "AMQP")) {
    frames.push_back("protocol header");
    wire.out.erase(0, amqp::kProtocolHeaderBytes);
  }
  reader_.Feed(base::Slice::Copy(wire.out));
  wire.out.clear();
  amqp::Frame frame;
  while (reader_.Next(&frame) == amqp::FrameReader::Result::kFrame) {
    const base::Slice payload = frame.payload.Flatten();
    std::string text;
    switch (frame.type) {
      case amqp::FrameType::kMethod: {
        auto method = amqp::DecodeMethod(payload.view(), amqp::Utf8::kIgnored);
        text = method.ok() ? Show(*method) : std::string(method.status().message());
        break;
      }
      case amqp::FrameType::kHeader: {
        auto header = amqp::ContentHeader::Parse(payload.view());
        text = header.ok() ? absl::StrCat("header ", header->body_size) : "bad header";
        break;
      }
      case amqp::FrameType::kBody:
        text = absl::StrCat("body ", payload.view());
        break;
      case amqp::FrameType::kHeartbeat:
        text = "heartbeat";
        break;
    }
    frames.push_back(absl::StrCat(frame.channel, " ", text));
  }
  return frames;
}

}  // namespace pontoon::session
