#include "server/session/connection.h"

#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/session/test_client.h"

namespace pontoon::session {
namespace {

using Frames = std::vector<std::string>;

class ConnectionTest : public testing::Test {
 protected:
  TestLoop loop_;
};

TEST_F(ConnectionTest, OpensAfterTheHandshakeAndLogsWhoCame) {
  TestClient client(&loop_);
  client.Send(amqp::kProtocolHeader);
  EXPECT_EQ(client.Read(), Frames{"0 connection.start"});
  client.StartOk({.name = "my app"});
  EXPECT_EQ(client.Read(), Frames{"0 connection.tune"});
  amqp::ConnectionTuneOk tune_ok;
  tune_ok.channel_max = 10;
  tune_ok.frame_max = 4096;
  client.Send(0, tune_ok).Send(0, amqp::ConnectionOpen());
  EXPECT_EQ(client.Read(), Frames{"0 connection.open_ok"});
  EXPECT_EQ(loop_.logger.lines,
            (Frames{"accepting AMQP connection <0.1000.0> (127.0.0.1:43966 -> 127.0.0.1:5672)",
                    "connection <0.1000.0> (127.0.0.1:43966 -> 127.0.0.1:5672) has a "
                    "client-provided name: my app",
                    "connection <0.1000.0> (127.0.0.1:43966 -> 127.0.0.1:5672 - my app): user "
                    "'guest' authenticated "
                    "and granted access to vhost '/'"}));
}

TEST_F(ConnectionTest, EveryOctetMayComeAlone) {
  TestClient client(&loop_);
  amqp::FrameWriter writer(0);
  writer.AddProtocolHeader();
  amqp::ConnectionStartOk start_ok;
  start_ok.response = absl::string_view("\0guest\0guest", 12);
  writer.AddMethod(0, start_ok);
  amqp::ConnectionTuneOk tune_ok;
  tune_ok.channel_max = 10;
  tune_ok.frame_max = 4096;
  writer.AddMethod(0, tune_ok);
  writer.AddMethod(0, amqp::ConnectionOpen());
  writer.AddMethod(1, amqp::ChannelOpen());
  amqp::QueueDeclare declare;
  declare.queue = "q";
  writer.AddMethod(1, declare);
  amqp::BasicPublish publish;
  publish.routing_key = "q";
  writer.AddContent(1, publish, amqp::PropertiesBuilder().Encode(),
                    base::SliceChain(base::Slice::Copy("hello")));
  amqp::BasicGet get;
  get.queue = "q";
  writer.AddMethod(1, get);
  const base::Slice all = writer.Take().Flatten();
  for (size_t i = 0; i < all.size(); ++i) client.Send(all.view().substr(i, 1));
  EXPECT_EQ(client.Read(),
            (Frames{"0 connection.start", "0 connection.tune", "0 connection.open_ok",
                    "1 channel.open_ok", "1 queue.declare_ok q 0 0", "1 basic.get_ok 1 '' q 0",
                    "1 header 5", "1 body hello"}));
}

TEST_F(ConnectionTest, WhoeverIsNotAmqpGetsTheHeaderAndIsClosed) {
  for (absl::string_view said :
       {absl::string_view("GET / HTTP/1.1\r\n"), absl::string_view("\x16\x03\x01\x02\0\1\0\1", 8),
        absl::string_view("AMQP\0\1\0\0", 8), absl::string_view("garbage!")}) {
    TestClient client(&loop_);
    client.Send(said);
    EXPECT_EQ(client.Read(), Frames{"protocol header"});
    EXPECT_TRUE(client.wire.closed);
  }
  EXPECT_TRUE(loop_.logger.Contains("{bad_header,<<\"GET / HT\">>}"));
}

TEST_F(ConnectionTest, AWrongPasswordIsToldToCapableClientsOnly) {
  TestClient told(&loop_);
  told.Send(amqp::kProtocolHeader).StartOk({.password = "wrong"});
  EXPECT_EQ(told.Read(), (Frames{"0 connection.start",
                                 "0 connection.close 403 'ACCESS_REFUSED - Login was refused using "
                                 "authentication mechanism PLAIN. "
                                 "For details see the broker logfile.' 0.0"}));
  EXPECT_TRUE(loop_.logger.Contains(
      "Error on AMQP connection <0.1000.0> (127.0.0.1:43966 -> 127.0.0.1:5672, state: starting):\n"
      "PLAIN login refused: user 'guest' - invalid credentials"));
  TestClient silent(&loop_);
  silent.Send(amqp::kProtocolHeader).StartOk({.password = "wrong", .capabilities = false});
  EXPECT_EQ(silent.Read(), Frames{"0 connection.start"});
  EXPECT_FALSE(silent.wire.closed);
  loop_.Advance(base::Millis(2900));
  EXPECT_FALSE(silent.wire.closed);
  loop_.Advance(base::Millis(200));
  EXPECT_TRUE(silent.wire.closed);
}

TEST_F(ConnectionTest, AmqplainLogsInAndOtherMechanismsAreSilentlyRefused) {
  TestClient client(&loop_);
  client.Send(amqp::kProtocolHeader).StartOk({.mechanism = "AMQPLAIN"});
  EXPECT_EQ(client.Read(), (Frames{"0 connection.start", "0 connection.tune"}));
  TestClient other(&loop_);
  other.Send(amqp::kProtocolHeader).StartOk({.mechanism = "FOO"});
  EXPECT_EQ(other.Read(), Frames{"0 connection.start"});
  loop_.Advance(base::Seconds(4));
  EXPECT_TRUE(other.wire.closed);
}

TEST_F(ConnectionTest, GuestComesFromThisMachineOnly) {
  PeerInfo remote = TestClient::LocalPeer();
  remote.loopback = false;
  remote.peer_host = "10.211.55.4";
  TestClient client(&loop_, remote);
  client.Send(amqp::kProtocolHeader).StartOk({});
  const Frames said = client.Read();
  ASSERT_EQ(said.size(), 2u);
  EXPECT_TRUE(
      absl::StartsWith(said[1], "0 connection.close 403 'ACCESS_REFUSED - Login was refused"));
  EXPECT_TRUE(loop_.logger.Contains("user 'guest' can only connect via localhost"));

  SessionOptions options;
  options.loopback_users.clear();
  TestLoop open_loop(options);
  TestClient anywhere(&open_loop, remote);
  anywhere.Send(amqp::kProtocolHeader).StartOk({});
  EXPECT_EQ(anywhere.Read().back(), "0 connection.tune");
}

TEST_F(ConnectionTest, MoreThanWasOfferedIsRefusedInTheLogsWords) {
  const auto tune = [&](uint16_t channel_max, uint32_t frame_max) {
    TestClient client(&loop_);
    client.Send(amqp::kProtocolHeader).StartOk({});
    client.Read();
    amqp::ConnectionTuneOk tune_ok;
    tune_ok.channel_max = channel_max;
    tune_ok.frame_max = frame_max;
    client.Send(0, tune_ok).Send(0, amqp::ConnectionOpen());
    return client.Read();
  };
  const auto refusal = [](const std::string& why) {
    return Frames{"0 connection.close 530 'NOT_ALLOWED - negotiated " + why + "' 10.31"};
  };
  EXPECT_EQ(tune(0, 131072),
            refusal("channel_max = 0 (no limit) is higher than the maximum allowed value (2047)"));
  EXPECT_EQ(tune(3000, 131072),
            refusal("channel_max = 3000 is higher than the maximum allowed value (2047)"));
  EXPECT_EQ(tune(2047, 0),
            refusal("frame_max = 0 (no limit) is higher than the maximum allowed value (131072)"));
  EXPECT_EQ(tune(2047, 4095),
            refusal("frame_max = 4095 is lower than the minimum allowed value (4096)"));
  EXPECT_EQ(tune(1, 4096), Frames{"0 connection.open_ok"});
}

TEST_F(ConnectionTest, AVhostThatIsMissingOrRefusedIsNotAllowed) {
  const auto open = [&](const TestClient::Login& login) {
    TestClient client(&loop_);
    client.Send(amqp::kProtocolHeader).StartOk(login);
    amqp::ConnectionTuneOk tune_ok;
    tune_ok.channel_max = 1;
    tune_ok.frame_max = 4096;
    amqp::ConnectionOpen open;
    open.virtual_host = login.vhost;
    client.Send(0, tune_ok).Send(0, open);
    return client.Read().back();
  };
  EXPECT_EQ(open({.vhost = "nope"}),
            "0 connection.close 530 'NOT_ALLOWED - vhost nope not found' 10.40");
  ASSERT_TRUE(loop_.front_end.Admin(catalog::AddVhost{"team-a", "", {}, ""}).ok());
  EXPECT_EQ(open({.vhost = "team-a"}),
            "0 connection.close 530 'NOT_ALLOWED - access to vhost 'team-a' refused for user "
            "'guest'' 10.40");
  EXPECT_TRUE(loop_.logger.Contains(", user: 'guest', state: opening):\nvhost nope not found"));
}

TEST_F(ConnectionTest, MethodsBeforeOpenEndTheHandshake) {
  TestClient early(&loop_);
  early.Send(amqp::kProtocolHeader).Send(1, amqp::ChannelOpen());
  EXPECT_EQ(early.Read(), Frames{"0 connection.start"});
  TestClient skipped(&loop_);
  skipped.Send(amqp::kProtocolHeader).Send(0, amqp::ConnectionOpen());
  EXPECT_EQ(skipped.Read(), Frames{"0 connection.start"});
  TestClient large(&loop_);
  large.Send(amqp::kProtocolHeader).Send(absl::string_view("\1\0\0\0\0\x13\x88", 7));
  EXPECT_EQ(large.Read(), Frames{"0 connection.start"});
  loop_.Advance(base::Seconds(4));
  EXPECT_TRUE(early.wire.closed && skipped.wire.closed && large.wire.closed);
}

TEST_F(ConnectionTest, ASilentClientIsClosedAfterTheHandshakeTimeout) {
  TestClient nothing(&loop_), header(&loop_), open(&loop_);
  header.Send(amqp::kProtocolHeader);
  open.Open();
  loop_.Advance(base::Seconds(9));
  EXPECT_FALSE(nothing.wire.closed || header.wire.closed);
  loop_.Advance(base::Seconds(2));
  EXPECT_TRUE(nothing.wire.closed && header.wire.closed);
  EXPECT_FALSE(open.wire.closed);
}

TEST_F(ConnectionTest, ClosesInBothDirections) {
  TestClient client(&loop_);
  client.Open().OpenChannel();
  client.Send(0, amqp::ConnectionClose());
  EXPECT_EQ(client.Read(), Frames{"0 connection.close_ok"});
  EXPECT_TRUE(client.wire.closed);
  EXPECT_EQ(loop_.front_end.open_channels(), 0u);
  EXPECT_EQ(loop_.logger.lines.back(),
            "closing AMQP connection <0.1000.0> (127.0.0.1:43966 -> 127.0.0.1:5672, vhost: '/', "
            "user: 'guest')");

  TestClient refused(&loop_);
  refused.Open().Send(0, amqp::ConnectionCloseOk());
  ASSERT_EQ(refused.Read().size(), 1u);
  EXPECT_FALSE(refused.wire.closed);
  refused.Send(0, amqp::ConnectionCloseOk());
  refused.Read();
  EXPECT_TRUE(refused.wire.closed);

  // Both at once: each answers the other.
  TestClient both(&loop_);
  both.Open().Send(0, amqp::ConnectionCloseOk());
  both.Send(0, amqp::ConnectionClose());
  EXPECT_EQ(both.Read().back(), "0 connection.close_ok");
  both.Send(0, amqp::ConnectionCloseOk());
  both.Read();
  EXPECT_TRUE(both.wire.closed);
}

TEST_F(ConnectionTest, AClientThatNeverAnswersCloseIsAborted) {
  TestClient client(&loop_);
  client.Open().Send(0, amqp::ConnectionCloseOk());
  loop_.Advance(base::Seconds(29));
  EXPECT_FALSE(client.wire.aborted);
  loop_.Advance(base::Seconds(2));
  EXPECT_TRUE(client.wire.aborted);
}

TEST_F(ConnectionTest, WhatWasSentBeforeCloseIsFinishedFirst) {
  TestClient client(&loop_);
  client.Open().OpenChannel();
  amqp::QueueDeclare declare;
  declare.queue = "q";
  declare.no_wait = true;
  client.Send(1, declare).Publish("", "q", "last words").Send(0, amqp::ConnectionClose());
  EXPECT_EQ(client.Read(), Frames{"0 connection.close_ok"});
  EXPECT_EQ(loop_.front_end.QueueSize("q"), 1u);
}

TEST_F(ConnectionTest, AChannelErrorClosesThatChannelOnly) {
  TestClient client(&loop_);
  client.Open().OpenChannel(1).OpenChannel(2);
  amqp::BasicGet get;
  get.queue = "nope";
  amqp::QueueDeclare declare;
  declare.queue = "q";
  client.Send(1, get).Send(1, declare).Publish("", "q", "swallowed").Send(2, declare);
  EXPECT_EQ(client.Read(),
            (Frames{"1 channel.close 404 'NOT_FOUND - no queue 'nope' in vhost '/'' 60.70",
                    "2 queue.declare_ok q 0 0"}));
  EXPECT_EQ(loop_.front_end.publishes, 0u);
  // The client closes it too: answered, but the number is free only after close_ok.
  client.Send(1, amqp::ChannelClose()).Send(1, amqp::ChannelCloseOk()).Send(1, amqp::ChannelOpen());
  EXPECT_EQ(client.Read(), (Frames{"1 channel.close_ok", "1 channel.open_ok"}));
  EXPECT_TRUE(
      loop_.logger.Contains("Channel error on connection <0.1000.0> (127.0.0.1:43966 -> "
                            "127.0.0.1:5672, vhost: '/', user: 'guest'), channel "
                            "1:\noperation basic.get caused a channel exception not_found: no "
                            "queue 'nope' in vhost '/'"));
}

TEST_F(ConnectionTest, FramesBehindARefusedMethodAreSwallowedAndItsCloseIsAnswered) {
  TestClient client(&loop_);
  client.Open().OpenChannel();
  amqp::QueueDeclare declare;
  declare.queue = "q";
  client.Send(1, declare);
  client.Read();
  // The consume is refused by the queue, later; what follows waits for it.
  amqp::BasicConsume consume;
  consume.queue = "q";
  consume.exclusive = true;
  client.Send(1, consume);
  client.Read();
  client.OpenChannel(2);
  client.Send(2, consume).Publish("", "q", "never", {}, false, 2).Send(2, amqp::ChannelClose());
  EXPECT_EQ(
      client.Read(),
      (Frames{
          "2 channel.close 403 'ACCESS_REFUSED - queue 'q' in vhost '/' in exclusive use' 60.20",
          "2 channel.close_ok"}));
  EXPECT_EQ(loop_.front_end.publishes, 0u);
}

TEST_F(ConnectionTest, ChannelsAreLimitedAsNegotiated) {
  TestClient client(&loop_);
  client.Open({.channel_max = 2}).OpenChannel(1).OpenChannel(7);
  client.Send(3, amqp::ChannelOpen());
  EXPECT_EQ(client.Read(), Frames{"0 connection.close 530 'NOT_ALLOWED - number of channels opened "
                                  "(2) has reached the negotiated "
                                  "channel_max (2)' 0.0"});
}

TEST_F(ConnectionTest, AClosedChannelCanBeOpenedAgain) {
  TestClient client(&loop_);
  client.Open();
  for (int i = 0; i < 3; ++i) {
    client.Send(1, amqp::ChannelOpen()).Send(1, amqp::ChannelClose());
    EXPECT_EQ(client.Read(), (Frames{"1 channel.open_ok", "1 channel.close_ok"}));
  }
  EXPECT_EQ(loop_.front_end.open_channels(), 0u);
}

TEST_F(ConnectionTest, HeartbeatsGoOutAndSilenceIsNoticed) {
  TestClient client(&loop_);
  client.Open({.heartbeat = 10});
  loop_.Advance(base::Seconds(4));
  EXPECT_EQ(client.Read(), Frames{});
  loop_.Advance(base::Seconds(1));
  EXPECT_EQ(client.Read(), Frames{"0 heartbeat"});
  client.SendFrame(amqp::FrameType::kHeartbeat, 0, "");
  for (int i = 0; i < 19; ++i) loop_.Advance(base::Seconds(1));
  EXPECT_FALSE(client.wire.aborted);
  loop_.Advance(base::Seconds(1));
  EXPECT_TRUE(client.wire.aborted);
  EXPECT_TRUE(loop_.logger.Contains("missed heartbeats from client, timeout: 10s"));
}

TEST_F(ConnectionTest, WithoutHeartbeatsSilenceIsFine) {
  TestClient client(&loop_);
  client.Open({.heartbeat = 0});
  for (int i = 0; i < 100; ++i) loop_.Advance(base::Seconds(60));
  EXPECT_FALSE(client.wire.aborted);
  EXPECT_EQ(client.Read(), Frames{});
}

TEST_F(ConnectionTest, AClientThatVanishesLeavesNothingBehind) {
  TestClient client(&loop_);
  client.Open().OpenChannel();
  amqp::QueueDeclare declare;
  declare.queue = "mine";
  declare.exclusive = true;
  client.Send(1, declare);
  EXPECT_EQ(client.Read(), Frames{"1 queue.declare_ok mine 0 0"});
  client.Hangup();
  EXPECT_FALSE(loop_.front_end.HasQueue("mine"));
  EXPECT_EQ(loop_.registry->connection_count(), 0u);
  EXPECT_EQ(loop_.logger.lines.back(),
            "closing AMQP connection <0.1000.0> (127.0.0.1:43966 -> 127.0.0.1:5672, vhost: '/', "
            "user: 'guest'):\n"
            "client unexpectedly closed TCP connection");
}

TEST_F(ConnectionTest, AnExclusiveQueueDeclaredByADyingConnectionIsDroppedToo) {
  TestClient client(&loop_);
  client.Open().OpenChannel();
  loop_.front_end.hold_changes = true;
  amqp::QueueDeclare declare;
  declare.queue = "late";
  declare.exclusive = true;
  client.Send(1, declare);
  client.Hangup();
  loop_.front_end.hold_changes = false;
  loop_.Settle();
  ASSERT_TRUE(loop_.front_end.HasQueue("late"));
  const auto* record =
      loop_.front_end.catalog()->FindQueue(loop_.front_end.catalog()->FindVhost("/")->id, "late");
  loop_.registry->OnCatalogChanges({catalog::QueueDeclared{record->id}});
  loop_.Settle();
  EXPECT_FALSE(loop_.front_end.HasQueue("late"));
}

TEST_F(ConnectionTest, OperatorsCloseConnectionsWithTheirReason) {
  TestClient a(&loop_), b(&loop_);
  a.Open();
  b.Open();
  EXPECT_EQ(loop_.registry->CloseByPid("<rabbit@localhost.0.1000.0>", "bye"), 1u);
  EXPECT_EQ(a.Read(), Frames{"0 connection.close 320 'CONNECTION_FORCED - bye' 0.0"});
  EXPECT_EQ(b.Read(), Frames{});
  loop_.registry->BeginShutdown();
  EXPECT_EQ(b.Read(), Frames{"0 connection.close 320 'CONNECTION_FORCED - broker forced connection "
                             "closure with reason "
                             "'shutdown'' 0.0"});
  b.Send(0, amqp::ConnectionCloseOk());
  b.Read();
  EXPECT_TRUE(b.wire.closed);
  loop_.registry->AbortAll();
  EXPECT_TRUE(a.wire.aborted);
}

TEST_F(ConnectionTest, DeletedVhostsAndUsersTakeTheirConnectionsAlong) {
  TestClient client(&loop_);
  client.Open();
  std::vector<catalog::Change> changes;
  ASSERT_TRUE(loop_.front_end.Admin(catalog::DeleteVhost{"/"}, &changes).ok());
  loop_.registry->OnCatalogChanges(changes);
  EXPECT_EQ(client.Read(),
            Frames{"0 connection.close 320 'CONNECTION_FORCED - vhost '/' is deleted' 0.0"});

  ASSERT_TRUE(loop_.front_end.Admin(catalog::AddVhost{"v", "", {}, ""}).ok());
  ASSERT_TRUE(loop_.front_end.Admin(catalog::SetPermission{{"guest", "v", ".*", ".*", ".*"}}).ok());
  TestClient other(&loop_);
  other.Open({.vhost = "v"});
  changes.clear();
  ASSERT_TRUE(loop_.front_end.Admin(catalog::DeleteUser{"guest"}, &changes).ok());
  loop_.registry->OnCatalogChanges(changes);
  EXPECT_EQ(other.Read(),
            Frames{"0 connection.close 320 'CONNECTION_FORCED - user 'guest' is deleted' 0.0"});
}

TEST_F(ConnectionTest, UpdateSecretIsAnswered) {
  TestClient client(&loop_);
  client.Open().Send(0, amqp::ConnectionUpdateSecret());
  EXPECT_EQ(client.Read(), Frames{"0 connection.update_secret_ok"});
}

TEST_F(ConnectionTest, ListingsTellWhatToolsShow) {
  TestClient client(&loop_);
  client.Open({.heartbeat = 30, .name = "eco"}).OpenChannel(3);
  client.Send(3, amqp::ConfirmSelect());
  client.Read();
  const auto connections = loop_.registry->ListConnections();
  ASSERT_EQ(connections.size(), 1u);
  EXPECT_EQ(connections[0].name, "127.0.0.1:43966 -> 127.0.0.1:5672");
  EXPECT_EQ(connections[0].user_provided_name, "eco");
  EXPECT_EQ(connections[0].pid, "<rabbit@localhost.0.1000.0>");
  EXPECT_EQ(connections[0].state, "running");
  EXPECT_EQ(connections[0].timeout, 30);
  EXPECT_EQ(connections[0].frame_max, 131072u);
  EXPECT_EQ(connections[0].auth_mechanism, "PLAIN");
  EXPECT_EQ(connections[0].channels, 1u);
  EXPECT_EQ(connections[0].send_pend, 0u);
  const auto channels = loop_.registry->ListChannels();
  ASSERT_EQ(channels.size(), 1u);
  EXPECT_EQ(channels[0].name, "127.0.0.1:43966 -> 127.0.0.1:5672 (3)");
  EXPECT_TRUE(channels[0].confirm);
  EXPECT_EQ(channels[0].connection_pid, connections[0].pid);
}

}  // namespace
}  // namespace pontoon::session
