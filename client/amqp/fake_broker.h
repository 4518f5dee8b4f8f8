#ifndef PONTOON_CLIENT_AMQP_FAKE_BROKER_H_
#define PONTOON_CLIENT_AMQP_FAKE_BROKER_H_

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <string>
#include <thread>
#include <utility>

#include "client/amqp/options.h"
#include "server/amqp/content_assembler.h"
#include "server/amqp/frame_reader.h"
#include "server/amqp/frame_writer.h"
#include "server/amqp/methods.h"

namespace pontoon::client {

// The broker's end of one connection, for the tests of this room: a script says what it does.
// Blocks; failures of the stream are failures of the test.
class FakePeer {
 public:
  explicit FakePeer(int fd) : fd_(fd) {}
  ~FakePeer() { close(fd_); }

  void SendOctets(absl::string_view octets) {
    while (!octets.empty()) {
      const ssize_t n = send(fd_, octets.data(), octets.size(), MSG_NOSIGNAL);
      if (n <= 0) return;  // The client has gone; the test says whether it may.
      octets.remove_prefix(static_cast<size_t>(n));
    }
  }
  template <typename M>
  void Send(uint16_t channel, const M& method) {
    writer_.AddMethod(channel, method);
    Flush();
  }
  template <typename M>
  void SendContent(uint16_t channel, const M& method, absl::string_view body) {
    writer_.AddContent(channel, method, amqp::BasicProperties().octets(),
                       base::SliceChain(base::Slice::Copy(body)));
    Flush();
  }

  // False at the end of the stream.
  bool ReadFrame(amqp::Frame* frame) {
    while (reader_.Next(frame) != amqp::FrameReader::Result::kFrame) {
      EXPECT_TRUE(reader_.error().ok()) << reader_.error();
      if (!reader_.error().ok() || !ReadMore()) return false;
    }
    return true;
  }
  // The next method, passing over heartbeats; a default M at the end of the stream or if it is
  // another one.
  template <typename M>
  M Expect() {
    amqp::Frame frame;
    M method;
    do {
      if (!ReadFrame(&frame)) return method;
    } while (frame.type == amqp::FrameType::kHeartbeat);
    payload_ = frame.payload.Flatten();
    channel_ = frame.channel;
    const absl::Status status = amqp::DecodeMethodAs(payload_.view(), &method);
    EXPECT_TRUE(status.ok()) << "instead of " << M::kName << ": " << status;
    return method;
  }
  // A publish with its content; the body.
  std::string ExpectPublish() {
    Expect<amqp::BasicPublish>();
    amqp::ContentAssembler assembler;
    assembler.Begin(amqp::BasicPublish::kId);
    amqp::Frame frame;
    while (ReadFrame(&frame)) {
      const auto whole = assembler.OnFrame(frame);
      if (!whole.ok()) break;
      if (*whole) return std::string(assembler.Take().body.Flatten().view());
    }
    ADD_FAILURE() << "no whole content came";
    return "";
  }
  uint16_t channel() const { return channel_; }  // Of the last Expect.

  void ExpectProtocolHeader() {
    amqp::ProtocolHeader header;
    while (reader_.NextProtocolHeader(&header) != amqp::FrameReader::Result::kFrame) {
      if (!ReadMore()) return;
    }
    EXPECT_EQ(header.kind, amqp::ProtocolHeader::Kind::kAmqp091);
  }
  amqp::ConnectionStartOk Login() {
    ExpectProtocolHeader();
    Send(0, amqp::ConnectionStart{.server_properties = {{"product", amqp::Value::String("Fake")}}});
    return Expect<amqp::ConnectionStartOk>();
  }
  amqp::ConnectionTuneOk Tune(const amqp::ConnectionTune& proposal) {
    Send(0, proposal);
    const auto agreed = Expect<amqp::ConnectionTuneOk>();
    reader_.set_frame_max(agreed.frame_max);
    writer_.set_frame_max(agreed.frame_max);
    return agreed;
  }
  void Handshake(uint16_t heartbeat = 0) {
    Login();
    Tune({2047, 131072, heartbeat});
    Expect<amqp::ConnectionOpen>();
    Send(0, amqp::ConnectionOpenOk{});
  }
  void AcceptChannel() {
    Expect<amqp::ChannelOpen>();
    Send(channel_, amqp::ChannelOpenOk{});
  }
  // Answers an orderly end of the channels and the connection, and waits for the client to go.
  void AwaitEnd() {
    amqp::Frame frame;
    while (ReadFrame(&frame)) {
      if (frame.type != amqp::FrameType::kMethod) continue;
      const base::Slice payload = frame.payload.Flatten();
      const auto id = amqp::PeekMethodId(payload.view());
      if (id.ok() && *id == amqp::ChannelClose::kId) Send(frame.channel, amqp::ChannelCloseOk{});
      if (id.ok() && *id == amqp::ConnectionClose::kId) Send(0, amqp::ConnectionCloseOk{});
    }
  }

 private:
  void Flush() {
    const base::Slice octets = writer_.Take().Flatten();
    SendOctets(octets.view());
  }
  bool ReadMore() {
    char buffer[65536];
    const ssize_t n = recv(fd_, buffer, sizeof(buffer), 0);
    if (n <= 0) return false;
    reader_.Feed(base::Slice::Copy(absl::string_view(buffer, static_cast<size_t>(n))));
    return true;
  }

  const int fd_;
  amqp::FrameReader reader_{0};
  amqp::FrameWriter writer_{131072};
  base::Slice payload_;
  uint16_t channel_ = 0;
};

// Listens on loopback and plays `script` for the one connection that it accepts; its end waits for
// the script's.
class FakeBroker {
 public:
  explicit FakeBroker(std::function<void(FakePeer&)> script)
      : listener_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(listener_, 1), 0);
    EXPECT_EQ(getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this, script = std::move(script)] {
      const int fd = accept(listener_, nullptr, nullptr);
      if (fd < 0) return;
      FakePeer peer(fd);
      script(peer);
    });
  }
  ~FakeBroker() {
    shutdown(listener_, SHUT_RDWR);
    thread_.join();
    close(listener_);
  }

  ConnectionOptions Options() const {
    ConnectionOptions options;
    options.port = port_;
    options.call_timeout = base::Seconds(20);
    return options;
  }

 private:
  const int listener_;
  uint16_t port_ = 0;
  std::thread thread_;
};

}  // namespace pontoon::client

#endif  // PONTOON_CLIENT_AMQP_FAKE_BROKER_H_
