#include "client/amqp/connection.h"

#include <gtest/gtest.h>

#include <chrono>
#include <future>

#include "client/amqp/fake_broker.h"
#include "client/amqp/raw_client.h"
#include "server/amqp/reply_code.h"

namespace pontoon::client {
namespace {

using amqp::ReplyCode;
using amqp::ReplyCodeOf;

std::unique_ptr<Connection> MustOpen(const ConnectionOptions& options) {
  auto connection = Connection::Open(options);
  EXPECT_TRUE(connection.ok()) << connection.status();
  return *std::move(connection);
}

TEST(ConnectionTest, HandshakeIntroducesTheClientAndTakesWhatTheBrokerProposes) {
  FakeBroker broker([](FakePeer& peer) {
    const auto start_ok = peer.Login();
    EXPECT_EQ(start_ok.mechanism, "PLAIN");
    EXPECT_EQ(start_ok.response, std::string("\0guest\0guest", 12));
    EXPECT_EQ(start_ok.client_properties.Find("connection_name")->AsString(), "me");
    EXPECT_EQ(start_ok.client_properties.Find("extra")->AsInteger(), 1);
    EXPECT_TRUE(start_ok.client_properties.Find("capabilities")->AsTable()->Contains("basic.nack"));
    EXPECT_EQ(peer.Tune({2047, 131072, 60}).channel_max, 2047);
    EXPECT_EQ(peer.Expect<amqp::ConnectionOpen>().virtual_host, "v");
    peer.Send(0, amqp::ConnectionOpenOk{});
    peer.AwaitEnd();
  });
  ConnectionOptions options = broker.Options();
  options.vhost = "v";
  options.connection_name = "me";
  options.client_properties = {{"extra", amqp::Value::Int(1)}};
  const auto connection = MustOpen(options);
  EXPECT_EQ(connection->frame_max(), 131072u);
  EXPECT_EQ(connection->heartbeat_seconds(), 60);
  EXPECT_EQ(connection->server_properties().Find("product")->AsString(), "Fake");
  EXPECT_TRUE(connection->Close().ok());
  EXPECT_TRUE(absl::IsCancelled(connection->status()));
}

TEST(ConnectionTest, ARefusedLoginGivesTheBrokersCodeAndText) {
  FakeBroker broker([](FakePeer& peer) {
    peer.Login();
    peer.Send(0, amqp::ConnectionClose{403, "ACCESS_REFUSED - Login was refused"});
    peer.Expect<amqp::ConnectionCloseOk>();
  });
  const absl::Status refused = Connection::Open(broker.Options()).status();
  EXPECT_EQ(ReplyCodeOf(refused), ReplyCode::kAccessRefused);
  EXPECT_EQ(refused.message(), "ACCESS_REFUSED - Login was refused");
}

TEST(ConnectionTest, ABrokerThatClosesSilentlyOrSpeaksAnotherProtocolIsUnavailable) {
  FakeBroker silent([](FakePeer& peer) { peer.Login(); });
  EXPECT_TRUE(absl::IsUnavailable(Connection::Open(silent.Options()).status()));
  FakeBroker other([](FakePeer& peer) {
    peer.ExpectProtocolHeader();
    peer.SendOctets(absl::string_view("AMQP\0\1\0\0", 8));
  });
  EXPECT_TRUE(absl::IsUnavailable(Connection::Open(other.Options()).status()));
}

TEST(ConnectionTest, ABrokerThatSaysNothingIsADeadline) {
  std::promise<void> done;
  FakeBroker mute([&](FakePeer&) { done.get_future().wait(); });
  ConnectionOptions options = mute.Options();
  options.connect_timeout = base::Millis(50);
  EXPECT_TRUE(absl::IsDeadlineExceeded(Connection::Open(options).status()));
  done.set_value();
}

TEST(ConnectionTest, TheBrokersCloseEndsEveryWaitingCallWithItsCodeAndText) {
  FakeBroker broker([](FakePeer& peer) {
    peer.Handshake();
    peer.AcceptChannel();
    peer.Expect<amqp::QueueDeclare>();
    peer.Send(0,
              amqp::ConnectionClose{320, "CONNECTION_FORCED - broker forced connection closure"});
    peer.Expect<amqp::ConnectionCloseOk>();
  });
  std::promise<absl::Status> told;
  ConnectionOptions options = broker.Options();
  options.on_closed = [&](const absl::Status& why) { told.set_value(why); };
  const auto connection = MustOpen(options);
  const auto channel = *connection->OpenChannel();
  const absl::Status why = channel->DeclareQueue({.queue = "q"}).status();
  EXPECT_EQ(ReplyCodeOf(why), ReplyCode::kConnectionForced);
  EXPECT_EQ(why.message(), "CONNECTION_FORCED - broker forced connection closure");
  EXPECT_EQ(told.get_future().get(), why);
  EXPECT_EQ(connection->WaitUntilClosed(base::Seconds(10)), why);
  EXPECT_EQ(channel->Publish({.routing_key = "q"}).status(), why);
  EXPECT_EQ(connection->OpenChannel().status(), why);
}

TEST(ConnectionTest, AbortEndsWaitingCalls) {
  std::promise<void> asked;
  FakeBroker broker([&](FakePeer& peer) {
    peer.Handshake();
    peer.AcceptChannel();
    peer.Expect<amqp::QueueDeclare>();
    asked.set_value();
    peer.AwaitEnd();
  });
  const auto connection = MustOpen(broker.Options());
  const auto channel = *connection->OpenChannel();
  auto waiting = std::async(std::launch::async,
                            [&] { return channel->DeclareQueue({.queue = "q"}).status(); });
  asked.get_future().wait();
  connection->Abort();
  EXPECT_FALSE(waiting.get().ok());
}

TEST(ConnectionTest, BlockedAndUnblockedAreTold) {
  std::promise<void> seen;
  FakeBroker broker([&](FakePeer& peer) {
    peer.Handshake();
    peer.Send(0, amqp::ConnectionBlocked{"low on memory"});
    seen.get_future().wait();
    peer.Send(0, amqp::ConnectionUnblocked{});
    peer.AwaitEnd();
  });
  std::promise<std::string> blocked;
  std::promise<void> unblocked;
  ConnectionOptions options = broker.Options();
  options.on_blocked = [&](const std::string& reason) { blocked.set_value(reason); };
  options.on_unblocked = [&] { unblocked.set_value(); };
  const auto connection = MustOpen(options);
  EXPECT_EQ(blocked.get_future().get(), "low on memory");
  EXPECT_TRUE(connection->blocked());
  EXPECT_EQ(connection->blocked_reason(), "low on memory");
  seen.set_value();
  unblocked.get_future().wait();
  EXPECT_FALSE(connection->blocked());
}

TEST(ConnectionTest, HeartbeatsAreSentWhileNothingElseIs) {
  std::promise<void> came;
  FakeBroker broker([&](FakePeer& peer) {
    peer.Handshake(1);
    amqp::Frame frame;
    ASSERT_TRUE(peer.ReadFrame(&frame));
    EXPECT_EQ(frame.type, amqp::FrameType::kHeartbeat);
    came.set_value();
    peer.AwaitEnd();
  });
  const auto connection = MustOpen(broker.Options());
  EXPECT_EQ(came.get_future().wait_for(std::chrono::seconds(10)), std::future_status::ready);
}

TEST(ConnectionTest, ASilentBrokerIsGivenUpAfterTwoHeartbeats) {
  FakeBroker broker([](FakePeer& peer) {
    peer.Handshake(1);
    peer.AwaitEnd();
  });
  const auto start = std::chrono::steady_clock::now();
  const auto connection = MustOpen(broker.Options());
  EXPECT_TRUE(absl::IsUnavailable(connection->WaitUntilClosed(base::Seconds(10))));
  EXPECT_GE(std::chrono::steady_clock::now() - start, std::chrono::seconds(2));
}

TEST(RawClientTest, SendsAndReadsByHandAndTellsAClose) {
  FakeBroker broker([](FakePeer& peer) {
    peer.Handshake();
    peer.AcceptChannel();
    amqp::Frame frame;
    ASSERT_TRUE(peer.ReadFrame(&frame));
    EXPECT_EQ(static_cast<int>(frame.type), 9);
    peer.Send(0, amqp::ConnectionClose{501, "FRAME_ERROR - no"});
  });
  auto raw = RawClient::Connect(broker.Options());
  ASSERT_TRUE(raw.ok());
  ASSERT_TRUE((*raw)->Handshake(broker.Options()).ok());
  ASSERT_TRUE((*raw)->OpenChannel(1).ok());
  ASSERT_TRUE((*raw)->SendFrame(static_cast<amqp::FrameType>(9), 1, "x").ok());
  const auto reply = (*raw)->Expect<amqp::ChannelFlowOk>();
  EXPECT_EQ(ReplyCodeOf(reply.status()), ReplyCode::kFrameError);
  EXPECT_TRUE((*raw)->AwaitEndOfStream().ok());
}

}  // namespace
}  // namespace pontoon::client
