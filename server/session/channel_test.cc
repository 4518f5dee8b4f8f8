#include "server/session/channel.h"

#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/session/test_client.h"
#include "server/session/test_methods.h"

namespace pontoon::session {
namespace {

using Frames = std::vector<std::string>;
using amqp::Table;
using amqp::Value;

// The tags of the deliveries among what a client read.
std::vector<std::string> Delivered(const Frames& frames) {
  std::vector<std::string> bodies;
  for (const std::string& frame : frames) {
    const size_t at = frame.find(" body ");
    if (at != std::string::npos) bodies.push_back(frame.substr(at + 6));
  }
  return bodies;
}

class ChannelTest : public testing::Test {
 protected:
  ChannelTest() { client_.Open().OpenChannel(); }

  void Fill(const std::string& queue, int count) {
    TestClient filler(&loop_);
    filler.Open().OpenChannel().Send(1, Queue(queue));
    for (int i = 0; i < count; ++i) filler.Publish("", queue, absl::StrCat("m", i));
    filler.Read();
  }

  TestLoop loop_;
  TestClient client_{&loop_};
};

TEST_F(ChannelTest, ConsumeOkComesBeforeTheFirstDelivery) {
  Fill("q", 2);
  client_.Send(1, Consume("q", "ct"));
  EXPECT_EQ(client_.Read(),
            (Frames{"1 basic.consume_ok ct", "1 basic.deliver ct 1 '' q", "1 header 2", "1 body m0",
                    "1 basic.deliver ct 2 '' q", "1 header 2", "1 body m1"}));
  client_.Send(1, Ack(2, true));
  client_.Read();
  EXPECT_EQ(loop_.front_end.UnackedCount("q"), 0u);
  EXPECT_EQ(loop_.front_end.settles, 1u);
}

TEST_F(ChannelTest, ManyAcksOfOneTurnAreOneSettle) {
  Fill("q", 100);
  client_.Send(1, Consume("q", "ct"));
  client_.Read();
  for (uint64_t tag = 1; tag <= 100; ++tag) client_.Send(1, Ack(tag));
  client_.Read();
  EXPECT_EQ(loop_.front_end.settles, 1u);
  EXPECT_EQ(loop_.front_end.UnackedCount("q"), 0u);
}

TEST_F(ChannelTest, PropertiesAndBodyArriveOctetForOctet) {
  amqp::PropertiesBuilder properties;
  properties.content_type = "application/x-thing";
  properties.headers =
      Table{{"a", Value::Void()},
            {"b", Value::Decimal(2, 5)},
            {"c", Value::Of(amqp::Array{Value::Binary("\xff"), Value::UnsignedShort(9)})},
            {"d", Value::Of(Table{{"e", Value::Float(1.5f)}})}};
  properties.delivery_mode = 2;
  properties.timestamp = 1700000000;
  properties.cluster_id = "c";
  std::string body(300000, 'x');
  for (size_t i = 0; i < body.size(); ++i) body[i] = static_cast<char>(i * 7);
  client_.Send(1, Queue("q"));
  client_.Read();
  client_.Publish("", "q", body, properties).Send(1, Get("q"));
  loop_.Settle();
  const std::string said = client_.wire.out;
  amqp::FrameReader reader(0);
  reader.Feed(base::Slice::Copy(said));
  amqp::Frame frame;
  std::string arrived, header;
  while (reader.Next(&frame) == amqp::FrameReader::Result::kFrame) {
    EXPECT_LE(frame.payload.size() + amqp::kFrameOverheadBytes, 131072u);
    const base::Slice payload = frame.payload.Flatten();
    if (frame.type == amqp::FrameType::kBody) absl::StrAppend(&arrived, payload.view());
    if (frame.type == amqp::FrameType::kHeader) header = std::string(payload.view());
  }
  EXPECT_TRUE(arrived == body);
  EXPECT_EQ(header.substr(12), properties.Encode());
}

TEST_F(ChannelTest, ConfirmsOfOneTurnTravelTogether) {
  client_.Send(1, Queue("q")).Send(1, amqp::ConfirmSelect());
  for (int i = 0; i < 10; ++i) client_.Publish("", "q", "x");
  EXPECT_EQ(client_.Read(),
            (Frames{"1 queue.declare_ok q 0 0", "1 confirm.select_ok", "1 basic.ack 10 multiple"}));
}

TEST_F(ChannelTest, AConfirmComesOnlyWhenThePublishIsDone) {
  client_.Send(1, Queue("q")).Send(1, amqp::ConfirmSelect());
  client_.Read();
  loop_.front_end.hold_publishes = true;
  for (int i = 0; i < 3; ++i) client_.Publish("", "q", "x");
  EXPECT_EQ(client_.Read(), Frames{});
  loop_.front_end.FinishPublish(2, false);
  EXPECT_EQ(client_.Read(), Frames{"1 basic.ack 2"});
  loop_.front_end.FinishPublish(3, true);
  loop_.front_end.FinishPublish(1, false);
  EXPECT_EQ(client_.Read(), (Frames{"1 basic.ack 1", "1 basic.nack 3"}));
}

TEST_F(ChannelTest, AnUnroutableMessageIsReturnedBeforeItIsConfirmed) {
  client_.Send(1, amqp::ConfirmSelect());
  client_.Publish("", "nope", "hello", {}, /*mandatory=*/true).Publish("", "nope", "dropped");
  EXPECT_EQ(client_.Read(), (Frames{"1 confirm.select_ok", "1 basic.return 312 NO_ROUTE '' nope",
                                    "1 header 5", "1 body hello", "1 basic.ack 2 multiple"}));
}

TEST_F(ChannelTest, PublishesBeforeConfirmSelectAreNotConfirmed) {
  client_.Send(1, Queue("q"));
  client_.Read();
  loop_.front_end.hold_publishes = true;
  client_.Publish("", "q", "early").Send(1, amqp::ConfirmSelect()).Publish("", "q", "late");
  client_.Read();
  EXPECT_EQ(loop_.front_end.held_tags(), (std::vector<uint64_t>{0, 1}));
  loop_.front_end.FinishPublish(0, false);
  EXPECT_EQ(client_.Read(), Frames{});
  loop_.front_end.FinishPublish(1, false);
  EXPECT_EQ(client_.Read(), Frames{"1 basic.ack 1"});
}

TEST_F(ChannelTest, CarbonCopiesReachTheirQueuesAndBlindOnesStaySecret) {
  client_.Send(1, Queue("a")).Send(1, Queue("b")).Send(1, Queue("c"));
  client_.Read();
  amqp::PropertiesBuilder properties;
  properties.headers = Table{{"CC", Value::Of(amqp::Array{Value::String("b")})},
                             {"BCC", Value::Of(amqp::Array{Value::String("c")})},
                             {"keep", Value::Int(1)}};
  client_.Publish("", "a", "x", properties);
  client_.Read();
  properties.headers->Remove("BCC");
  for (const char* queue : {"a", "b", "c"}) {
    ASSERT_EQ(loop_.front_end.QueueSize(queue), 1u) << queue;
    client_.Send(1, Get(queue, true));
    loop_.Settle();
    EXPECT_TRUE(absl::StrContains(client_.wire.out, properties.Encode())) << queue;
    EXPECT_FALSE(absl::StrContains(client_.wire.out, "BCC")) << queue;
    client_.Read();
  }
}

TEST_F(ChannelTest, RoutesFollowTheCatalogAtOnce) {
  client_.Send(1, Queue("q"));
  client_.Publish("", "q", "1").Publish("", "q", "2");
  client_.Read();
  amqp::QueueDelete remove;
  remove.queue = "q";
  client_.Send(1, remove).Publish("", "q", "3", {}, true);
  EXPECT_EQ(client_.Read(), (Frames{"1 queue.delete_ok 2", "1 basic.return 312 NO_ROUTE '' q",
                                    "1 header 1", "1 body 3"}));
  client_.Send(1, Queue("q")).Publish("", "q", "4", {}, true);
  EXPECT_EQ(client_.Read(), Frames{"1 queue.declare_ok q 0 0"});
  EXPECT_EQ(loop_.front_end.QueueSize("q"), 1u);
}

TEST_F(ChannelTest, RejectedMessagesComeBackMarkedOrNotAtAll) {
  Fill("q", 3);
  client_.Send(1, Get("q")).Send(1, Get("q")).Send(1, Get("q"));
  client_.Read();
  client_.Send(1, Nack(2, true, true));
  amqp::BasicReject reject;
  reject.delivery_tag = 3;
  reject.requeue = false;
  client_.Send(1, reject);
  client_.Read();
  EXPECT_EQ(loop_.front_end.QueueSize("q"), 2u);
  EXPECT_EQ(loop_.front_end.UnackedCount("q"), 0u);
  client_.Send(1, Get("q"));
  EXPECT_EQ(client_.Read(),
            (Frames{"1 basic.get_ok 4 redelivered '' q 1", "1 header 2", "1 body m0"}));
}

TEST_F(ChannelTest, RecoverGivesEverythingBackInOrder) {
  Fill("q", 2);
  client_.Send(1, Qos(2)).Send(1, Consume("q", "t"));
  client_.Read();
  amqp::BasicRecover recover;
  recover.requeue = true;
  client_.Send(1, recover);
  EXPECT_EQ(
      client_.Read(),
      (Frames{"1 basic.recover_ok", "1 basic.deliver t 3 redelivered '' q", "1 header 2",
              "1 body m0", "1 basic.deliver t 4 redelivered '' q", "1 header 2", "1 body m1"}));
}

TEST_F(ChannelTest, AClosedChannelGivesBackWhatItHeld) {
  Fill("q", 5);
  client_.Send(1, Consume("q", "t"));
  EXPECT_EQ(Delivered(client_.Read()).size(), 5u);
  client_.Send(1, Ack(1)).Send(1, amqp::ChannelClose());
  EXPECT_EQ(client_.Read(), Frames{"1 channel.close_ok"});
  EXPECT_EQ(loop_.front_end.QueueSize("q"), 4u);
}

TEST_F(ChannelTest, ConsumersHearThatTheirQueueIsGone) {
  client_.Send(1, Queue("q")).Send(1, Consume("q", "t"));
  client_.Read();
  TestClient other(&loop_);
  other.Open().OpenChannel();
  amqp::QueueDelete remove;
  remove.queue = "q";
  other.Send(1, remove);
  other.Read();
  EXPECT_EQ(client_.Read(), Frames{"1 basic.cancel t"});

  TestClient incapable(&loop_);
  incapable.Open({.capabilities = false})
      .OpenChannel()
      .Send(1, Queue("q"))
      .Send(1, Consume("q", "t"));
  incapable.Read();
  other.Send(1, remove);
  other.Read();
  EXPECT_EQ(incapable.Read(), Frames{});
}

TEST_F(ChannelTest, CancelEndsDeliveriesAndKeepsWhatIsHeld) {
  Fill("q", 3);
  client_.Send(1, Qos(1)).Send(1, Consume("q", "t"));
  EXPECT_EQ(Delivered(client_.Read()), Frames{"m0"});
  amqp::BasicCancel cancel;
  cancel.consumer_tag = "t";
  client_.Send(1, cancel);
  EXPECT_EQ(client_.Read(), Frames{"1 basic.cancel_ok t"});
  client_.Send(1, Ack(1));
  EXPECT_EQ(client_.Read(), Frames{});
  EXPECT_EQ(loop_.front_end.QueueSize("q"), 2u);
  EXPECT_EQ(loop_.front_end.UnackedCount("q"), 0u);
  client_.Send(1, cancel);
  EXPECT_EQ(client_.Read(), Frames{"1 basic.cancel_ok t"});
}

TEST_F(ChannelTest, ATransactionHappensAsAWholeAtCommit) {
  Fill("in", 2);
  client_.Send(1, Queue("out")).Send(1, amqp::TxSelect()).Send(1, Get("in"));
  client_.Publish("", "out", "1").Publish("", "nope", "2", {}, true).Send(1, Ack(1));
  client_.Read();
  EXPECT_EQ(loop_.front_end.QueueSize("out"), 0u);
  EXPECT_EQ(loop_.front_end.UnackedCount("in"), 1u);
  const auto listed = loop_.registry->ListChannels();
  ASSERT_EQ(listed.size(), 1u);
  EXPECT_TRUE(listed[0].transactional);
  EXPECT_EQ(listed[0].messages_uncommitted, 2u);
  EXPECT_EQ(listed[0].acks_uncommitted, 1u);
  client_.Send(1, amqp::TxCommit());
  EXPECT_EQ(client_.Read(), (Frames{"1 basic.return 312 NO_ROUTE '' nope", "1 header 1", "1 body 2",
                                    "1 tx.commit_ok"}));
  EXPECT_EQ(loop_.front_end.QueueSize("out"), 1u);
  EXPECT_EQ(loop_.front_end.UnackedCount("in"), 0u);
}

TEST_F(ChannelTest, ARolledBackTransactionLeavesEverythingAsItWas) {
  Fill("in", 1);
  client_.Send(1, Queue("out"))
      .Send(1, amqp::TxSelect())
      .Send(1, Get("in"))
      .Publish("", "out", "1")
      .Send(1, Ack(1));
  client_.Send(1, amqp::TxRollback());
  EXPECT_EQ(client_.Read().back(), "1 tx.rollback_ok");
  EXPECT_EQ(loop_.front_end.QueueSize("out"), 0u);
  EXPECT_EQ(loop_.front_end.UnackedCount("in"), 1u);
  // The delivery is still the client's: acknowledged again, it goes with the next commit.
  client_.Send(1, Ack(1)).Send(1, amqp::TxCommit());
  EXPECT_EQ(client_.Read(), Frames{"1 tx.commit_ok"});
  EXPECT_EQ(loop_.front_end.UnackedCount("in"), 0u);
}

TEST_F(ChannelTest, ATransactionThatIsNeverCommittedGivesItsDeliveriesBack) {
  Fill("in", 1);
  client_.Send(1, amqp::TxSelect()).Send(1, Get("in")).Send(1, Ack(1));
  client_.Read();
  client_.Hangup();
  EXPECT_EQ(loop_.front_end.QueueSize("in"), 1u);
}

TEST_F(ChannelTest, DirectRepliesReachTheChannelThatAsked) {
  client_.Send(1, Queue("rpc")).Send(1, Consume("amq.rabbitmq.reply-to", "rt", true));
  EXPECT_EQ(client_.Read(), (Frames{"1 queue.declare_ok rpc 0 0", "1 basic.consume_ok rt"}));
  amqp::PropertiesBuilder request;
  request.reply_to = "amq.rabbitmq.reply-to";
  request.correlation_id = "7";
  client_.Publish("", "rpc", "question", request);
  client_.Read();

  TestClient server(&loop_);
  server.Open().OpenChannel().Send(1, Get("rpc", true));
  loop_.Settle();
  const size_t at = server.wire.out.find(std::string(kReplyPrefix));
  ASSERT_NE(at, std::string::npos);
  const std::string address =
      server.wire.out.substr(at, static_cast<unsigned char>(server.wire.out[at - 1]));
  server.Read();
  server.Send(1, amqp::ConfirmSelect()).Send(1, [&] {
    amqp::QueueDeclare passive = Queue(address);
    passive.passive = true;
    return passive;
  }());
  server.Publish("", address, "answer", {}, true).Publish("", address + "x", "forged", {}, true);
  // RabbitMQ counts a reply as no queue, also where it arrives.
  EXPECT_EQ(server.Read(),
            (Frames{"1 confirm.select_ok", "1 queue.declare_ok " + address + " 0 1",
                    "1 basic.return 312 NO_ROUTE '' " + address, "1 header 6", "1 body answer",
                    "1 basic.return 312 NO_ROUTE '' " + address + "x", "1 header 6",
                    "1 body forged", "1 basic.ack 2 multiple"}));
  EXPECT_EQ(client_.Read(),
            (Frames{"1 basic.deliver rt 1 '' " + address, "1 header 6", "1 body answer"}));
  // An address that somebody made up finds nobody, and so does one whose consumer is gone.
  std::string guessed = address;
  guessed[guessed.size() - 3] = guessed[guessed.size() - 3] == 'A' ? 'B' : 'A';
  server.Publish("", guessed, "guess");
  amqp::BasicCancel cancel;
  cancel.consumer_tag = "rt";
  client_.Send(1, cancel);
  server.Publish("", address, "late");
  server.Read();
  EXPECT_EQ(client_.Read(), Frames{"1 basic.cancel_ok rt"});
}

TEST_F(ChannelTest, AMethodThatWaitsHoldsUpItsChannelOnly) {
  client_.OpenChannel(2);
  loop_.front_end.hold_changes = true;
  client_.Send(1, Queue("slow")).Send(1, Get("slow")).Send(2, Get("nope"));
  EXPECT_EQ(client_.Read(),
            Frames{"2 channel.close 404 'NOT_FOUND - no queue 'nope' in vhost '/'' 60.70"});
  loop_.front_end.hold_changes = false;
  EXPECT_EQ(client_.Read(), (Frames{"1 queue.declare_ok slow 0 0", "1 basic.get_empty"}));
}

TEST_F(ChannelTest, DeclaresThatAreSentTogetherAreAskedTogetherAndAnsweredInOrder) {
  loop_.front_end.hold_changes = true;
  for (int i = 0; i < 300; ++i) client_.Send(1, Queue(absl::StrCat("q", i)));
  client_.Publish("", "q299", "x").Send(1, Queue("q299", /*passive=*/true));
  EXPECT_EQ(client_.Read(), Frames{});
  EXPECT_EQ(loop_.front_end.held_change_count(), 256u);  // So many at most.
  loop_.front_end.hold_changes = false;
  const Frames frames = client_.Read();
  ASSERT_EQ(frames.size(), 301u);
  for (int i = 0; i < 300; ++i)
    EXPECT_EQ(frames[i], absl::StrCat("1 queue.declare_ok q", i, " 0 0"));
  EXPECT_EQ(frames[300], "1 queue.declare_ok q299 1 0");
}

TEST_F(ChannelTest, ADeclareThatIsRefusedBehindOthersClosesAfterTheirAnswersAndBeforeWhatFollows) {
  client_.Send(1, Queue("old"));
  client_.Read();
  client_.Send(1, Queue("a")).Send(1, Queue("old", false, /*durable=*/true)).Send(1, Queue("b"));
  const Frames frames = client_.Read();
  ASSERT_EQ(frames.size(), 2u);
  EXPECT_EQ(frames[0], "1 queue.declare_ok a 0 0");
  EXPECT_TRUE(absl::StartsWith(frames[1], "1 channel.close 406 ")) << frames[1];
  EXPECT_FALSE(loop_.front_end.HasQueue("b"));
}

TEST_F(ChannelTest, ASecondDeclareOfTheSameNameIsComparedWithTheFirst) {
  client_.Send(1, Queue("a"))
      .Send(1, Queue("a"))
      .Send(1, Queue("a", false, true))
      .Send(1, Queue("b"));
  const Frames frames = client_.Read();
  ASSERT_EQ(frames.size(), 3u);
  EXPECT_EQ(frames[0], "1 queue.declare_ok a 0 0");
  EXPECT_EQ(frames[1], "1 queue.declare_ok a 0 0");
  EXPECT_TRUE(absl::StartsWith(frames[2], "1 channel.close 406 ")) << frames[2];
  EXPECT_FALSE(loop_.front_end.HasQueue("b"));
}

TEST_F(ChannelTest, DeclaresOfTwoConnectionsThatMeetAreAnsweredInOrder) {
  loop_.front_end.hold_changes = true;
  TestClient other(&loop_);
  other.Open().OpenChannel().Send(1, Queue("shared"));
  other.Read();
  client_.Send(1, Queue("first")).Send(1, Queue("shared")).Send(1, Queue("last"));
  client_.Read();
  loop_.front_end.hold_changes = false;
  EXPECT_EQ(client_.Read(), (Frames{"1 queue.declare_ok first 0 0", "1 queue.declare_ok shared 0 0",
                                    "1 queue.declare_ok last 0 0"}));
}

TEST_F(ChannelTest, WhatAChannelAsksSeesWhatItPublishedBefore) {
  client_.Send(1, Queue("q"));
  for (int i = 0; i < 3; ++i) client_.Publish("", "q", "x");
  amqp::QueueDeclare passive = Queue("q");
  passive.passive = true;
  client_.Send(1, passive).Send(1, Get("q", true)).Send(1, amqp::QueuePurge());
  EXPECT_EQ(client_.Read(),
            (Frames{"1 queue.declare_ok q 0 0", "1 queue.declare_ok q 3 0",
                    "1 basic.get_ok 1 '' q 2", "1 header 1", "1 body x", "1 queue.purge_ok 2"}));
}

TEST_F(ChannelTest, ServerNamedQueuesHaveTwentyTwoRandomCharacters) {
  client_.Send(1, Queue(""));
  const Frames first = client_.Read();
  client_.Send(1, Queue(""));
  const Frames second = client_.Read();
  ASSERT_EQ(first.size(), 1u);
  EXPECT_TRUE(absl::StartsWith(first[0], "1 queue.declare_ok amq.gen-"));
  EXPECT_EQ(first[0].size(), std::string("1 queue.declare_ok amq.gen- 0 0").size() + 22);
  EXPECT_NE(first, second);
}

TEST_F(ChannelTest, UnsupportedArgumentsAreStoredWithAWarning) {
  amqp::QueueDeclare declare = Queue("q");
  declare.arguments = Table{{"x-message-ttl", Value::Int(5)}};
  client_.Send(1, declare);
  EXPECT_EQ(client_.Read(), Frames{"1 queue.declare_ok q 0 0"});
  EXPECT_TRUE(loop_.logger.Contains("queue 'q' in vhost '/'"));
  EXPECT_TRUE(loop_.logger.Contains("x-message-ttl"));
}

}  // namespace
}  // namespace pontoon::session
