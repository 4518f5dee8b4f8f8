#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/session/test_client.h"
#include "server/session/test_methods.h"

// Whatever a client sends costs it its connection at most, never the server and never its
// neighbours.
namespace pontoon::session {
namespace {

using Frames = std::vector<std::string>;

// A neighbour that must not notice anything.
class RobustnessTest : public testing::Test {
 protected:
  RobustnessTest() {
    neighbour_.Open().OpenChannel().Send(1, Queue("neighbour"));
    neighbour_.Read();
  }
  void NeighbourIsFine() {
    neighbour_.Publish("", "neighbour", "hello").Send(1, Get("neighbour", true));
    const Frames said = neighbour_.Read();
    ASSERT_EQ(said.size(), 3u);
    EXPECT_EQ(said[2], "1 body hello");
  }

  TestLoop loop_;
  TestClient neighbour_{&loop_};
};

std::string Session() {
  amqp::FrameWriter writer(0);
  writer.AddProtocolHeader();
  amqp::ConnectionStartOk start_ok;
  start_ok.response = absl::string_view("\0guest\0guest", 12);
  writer.AddMethod(0, start_ok);
  amqp::ConnectionTuneOk tune_ok;
  tune_ok.channel_max = 100;
  tune_ok.frame_max = 4096;
  writer.AddMethod(0, tune_ok);
  writer.AddMethod(0, amqp::ConnectionOpen());
  return std::string(writer.Take().Flatten().view());
}

std::vector<std::string> SomeFrames() {
  std::vector<std::string> frames;
  amqp::FrameWriter writer(0);
  const auto add = [&] { frames.push_back(std::string(writer.Take().Flatten().view())); };
  const auto method = [&](const auto& m) {
    writer.AddMethod(1, m);
    add();
  };
  method(amqp::ChannelOpen());
  method(Queue("q"));
  method(Queue("", false, true));
  method(Exchange("x", "topic"));
  method(Bind("q", "x", "a.#", {{"x", amqp::Value::Of(amqp::Table{{"y", amqp::Value::Int(1)}})}}));
  method(Unbind("q", "x"));
  method(Consume("q", "t"));
  method(Consume("q", "n", true));
  method(Get("q"));
  method(Ack(1));
  method(Ack(0, true));
  method(Nack(2, true, true));
  method(Nack(1, false, false));
  method(Qos(3));
  method(Qos(2, true));
  method(Qos(0, true));
  method(Purge("q"));
  method(DeleteQueue("q"));
  method(amqp::ConfirmSelect());
  method(amqp::TxSelect());
  method(amqp::TxCommit());
  method(amqp::TxRollback());
  method(amqp::ChannelClose());
  method(amqp::ChannelCloseOk());
  method(amqp::ChannelFlow());
  amqp::BasicCancel cancel;
  cancel.consumer_tag = "t";
  method(cancel);
  amqp::BasicRecover recover;
  recover.requeue = true;
  method(recover);
  amqp::PropertiesBuilder properties;
  properties.headers = amqp::Table{{"CC", amqp::Value::Of(amqp::Array{amqp::Value::String("q")})},
                                   {"BCC", amqp::Value::Of(amqp::Array{})}};
  properties.expiration = "5";
  for (int i = 0; i < 6; ++i) {
    amqp::BasicPublish publish;
    publish.exchange = i % 2 == 0 ? "" : "x";
    publish.routing_key = i % 3 == 0 ? "nowhere" : "q";
    publish.mandatory = i == 3;
    writer.AddContent(1, publish, properties.Encode(),
                      base::SliceChain(base::Slice::Copy(std::string(i * 1000, 'b'))));
    add();
  }
  writer.AddHeartbeat();
  add();
  return frames;
}

TEST_F(RobustnessTest, RandomOrderAndDamageNeverReachOthers) {
  const std::vector<std::string> frames = SomeFrames();
  base::SeededRandom random(11);
  for (int round = 0; round < 1500; ++round) {
    TestClient client(&loop_);
    client.wire.stalled = random.Below(4) == 0;
    std::string said = Session() + frames[0];
    const uint64_t count = random.Below(40);
    for (uint64_t i = 0; i < count; ++i) {
      std::string frame = frames[random.Below(frames.size())];
      if (random.Below(30) == 0)
        frame[random.Below(frame.size())] ^= static_cast<char>(1 << random.Below(8));
      if (random.Below(60) == 0) frame.resize(random.Below(frame.size()));
      if (random.Below(20) == 0) frame[2] = static_cast<char>(random.Below(3));  // Another channel.
      said += frame;
    }
    if (random.Below(10) == 0)
      said[random.Below(said.size())] ^= static_cast<char>(1 + random.Below(255));
    loop_.front_end.hold_publishes = random.Below(5) == 0;
    loop_.front_end.refuse_publishes = random.Below(5) == 0;
    for (size_t at = 0; at < said.size();) {
      const size_t size = 1 + random.Below(random.Below(3) == 0 ? 40 : 6000);
      client.Send(absl::string_view(said).substr(at, size));
      at += size;
      if (random.Below(3) == 0) loop_.Settle();
      if (random.Below(20) == 0) loop_.Advance(base::Millis(200));
    }
    if (random.Below(2) == 0) loop_.Settle();
    client.Hangup();
    loop_.front_end.hold_publishes = loop_.front_end.refuse_publishes = false;
    for (uint64_t tag : loop_.front_end.held_tags()) loop_.front_end.FinishPublish(tag, false);
    ASSERT_EQ(loop_.registry->connection_count(), 1u);
    ASSERT_EQ(loop_.front_end.open_channels(), 1u);
  }
  NeighbourIsFine();
}

TEST_F(RobustnessTest, PureNoiseNeverReachesOthers) {
  base::SeededRandom random(12);
  for (int round = 0; round < 300; ++round) {
    TestClient client(&loop_);
    if (round % 2 == 0) client.Send(Session());
    std::string noise(1 + random.Below(3000), '\0');
    for (char& c : noise) c = static_cast<char>(random.Next());
    if (round % 3 == 0) noise[0] = static_cast<char>(1 + random.Below(3));
    client.Send(noise);
    loop_.Settle();
  }
  EXPECT_EQ(loop_.registry->connection_count(), 1u);
  NeighbourIsFine();
}

TEST_F(RobustnessTest, ADeeplyNestedTableIsRefused) {
  std::string table;
  for (int depth = 0; depth < 10000; ++depth) {
    std::string outer =
        "\x01"
        "aF";
    for (int shift = 24; shift >= 0; shift -= 8) {
      outer.push_back(static_cast<char>(table.size() >> shift));
    }
    table = outer + table;
  }
  std::string payload = amqp::EncodeMethod(Queue("nest"));
  payload.resize(payload.size() - 4);
  for (int shift = 24; shift >= 0; shift -= 8) {
    payload.push_back(static_cast<char>(table.size() >> shift));
  }
  payload += table;
  TestClient client(&loop_);
  client.Open().OpenChannel().SendFrame(amqp::FrameType::kMethod, 1, payload);
  const Frames said = client.Read();
  ASSERT_EQ(said.size(), 1u);
  EXPECT_TRUE(absl::StartsWith(said[0], "0 connection.close 502 'SYNTAX_ERROR")) << said[0];
  NeighbourIsFine();
}

TEST_F(RobustnessTest, AHeaderTableOfAWholeFrameIsTaken) {
  TestClient client(&loop_);
  client.Open().OpenChannel().Send(1, Queue("q"));
  client.Read();
  amqp::PropertiesBuilder properties;
  properties.headers = amqp::Table{{"large", amqp::Value::String(std::string(130000, 'h'))}};
  client.Publish("", "q", "x", properties).Send(1, Get("q"));
  EXPECT_EQ(client.Read(), (Frames{"1 basic.get_ok 1 '' q 0", "1 header 1", "1 body x"}));
  NeighbourIsFine();
}

TEST_F(RobustnessTest, HeadersThatAreNoTableAreRefused) {
  TestClient client(&loop_);
  client.Open().OpenChannel().Send(1, amqp::BasicPublish());
  std::string header(12, '\0');
  header[1] = 60;
  client.SendFrame(amqp::FrameType::kHeader, 1,
                   header + std::string("\x20\0\0\0\0\x03\x01"
                                        "aZ",
                                        9));
  const Frames said = client.Read();
  ASSERT_EQ(said.size(), 1u);
  EXPECT_TRUE(absl::StartsWith(said[0], "0 connection.close 502 'SYNTAX_ERROR")) << said[0];
}

TEST_F(RobustnessTest, EveryChannelMayBeOpenAtOnce) {
  TestClient client(&loop_);
  client.Open();
  for (uint16_t number = 1; number <= 2047; ++number) client.Send(number, amqp::ChannelOpen());
  EXPECT_EQ(client.Read().size(), 2047u);
  EXPECT_EQ(loop_.registry->channel_count(), 2048u);
  client.Send(2048, amqp::ChannelOpen());
  EXPECT_EQ(
      client.Read(),
      Frames{"0 connection.close 530 'NOT_ALLOWED - number of channels opened (2047) has reached "
             "the negotiated channel_max (2047)' 0.0"});
  EXPECT_EQ(loop_.registry->channel_count(), 1u);
  NeighbourIsFine();
}

TEST_F(RobustnessTest, AMessageAboveTheLimitIsRefusedByItsHeader) {
  SessionOptions options;
  options.max_message_size = 1000;
  TestLoop loop(options);
  TestClient client(&loop);
  client.Open().OpenChannel();
  client.Publish("", "q", std::string(1000, 'x')).Publish("", "q", std::string(1001, 'x'));
  EXPECT_EQ(client.Read(),
            Frames{"1 channel.close 406 'PRECONDITION_FAILED - message size 1001 is larger than "
                   "configured max size 1000' 60.40"});
  // Its body is swallowed and the channel can be used again.
  client.Send(1, amqp::ChannelCloseOk()).Send(1, amqp::ChannelOpen());
  EXPECT_EQ(client.Read(), Frames{"1 channel.open_ok"});
}

TEST_F(RobustnessTest, AClientMayAbandonAMessageHalfway) {
  TestClient client(&loop_);
  client.Open().OpenChannel().Send(1, amqp::BasicPublish());
  std::string header(14, '\0');
  header[1] = 60;
  header[9] = 1;  // 64 KiB are to come.
  client.SendFrame(amqp::FrameType::kHeader, 1, header);
  client.SendFrame(amqp::FrameType::kBody, 1, "a few");
  loop_.Settle();
  client.Hangup();
  EXPECT_EQ(loop_.front_end.publishes, 0u);
  NeighbourIsFine();
}

}  // namespace
}  // namespace pontoon::session
