#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "server/session/test_client.h"

// Back-pressure and alarms: one connection never takes more than its budget, and never harms
// another.
namespace pontoon::session {
namespace {

using Frames = std::vector<std::string>;

amqp::QueueDeclare Queue(const std::string& name) {
  amqp::QueueDeclare declare;
  declare.queue = name;
  return declare;
}

TEST(FlowTest, APublisherIsReadNoFasterThanItsMessagesAreStored) {
  SessionOptions options;
  options.publish_budget_bytes = 100000;
  TestLoop loop(options);
  TestClient client(&loop);
  client.Open().OpenChannel().Send(1, Queue("q"));
  client.Send(1, amqp::ConfirmSelect());
  client.Read();
  loop.front_end.hold_publishes = true;
  const std::string body(10000, 'x');
  for (int i = 0; i < 30; ++i) client.Publish("", "q", body);
  loop.Settle();
  EXPECT_TRUE(client.wire.paused);
  EXPECT_EQ(loop.registry->ListConnections()[0].state, "flow");
  EXPECT_LE(loop.front_end.held_tags().size(), 11u);
  // Silence while we do not read is not the client's fault.
  for (int i = 0; i < 10; ++i) loop.Advance(base::Seconds(60));
  EXPECT_FALSE(client.wire.aborted);
  while (!loop.front_end.held_tags().empty()) {
    loop.front_end.FinishPublish(loop.front_end.held_tags().front(), false);
    loop.Settle();
  }
  EXPECT_FALSE(client.wire.paused);
  EXPECT_EQ(loop.front_end.QueueSize("q"), 30u);
  EXPECT_EQ(loop.registry->ListConnections()[0].state, "running");
}

TEST(FlowTest, ManyEmptyMessagesAreBoundedToo) {
  SessionOptions options;
  options.publish_budget_bytes = 20000;
  TestLoop loop(options);
  TestClient client(&loop);
  client.Open().OpenChannel().Send(1, Queue("q"));
  client.Read();
  loop.front_end.hold_publishes = true;
  for (int i = 0; i < 1000; ++i) client.Publish("", "q", "");
  loop.Settle();
  EXPECT_TRUE(client.wire.paused);
  EXPECT_LT(loop.front_end.held_tags().size(), 200u);
}

TEST(FlowTest, FramesBehindAMethodThatWaitsAreBounded) {
  SessionOptions options;
  options.pending_budget_bytes = 10000;
  TestLoop loop(options);
  TestClient client(&loop);
  client.Open().OpenChannel();
  loop.front_end.hold_changes = true;
  client.Send(1, Queue("q"));
  for (int i = 0; i < 1000; ++i) client.Publish("", "q", "hello");
  loop.Settle();
  EXPECT_TRUE(client.wire.paused);
  loop.front_end.hold_changes = false;
  loop.Settle();
  EXPECT_FALSE(client.wire.paused);
  EXPECT_EQ(loop.front_end.QueueSize("q"), 1000u);
}

TEST(FlowTest, AClientThatAsksAndNeverReadsIsNotReadEither) {
  SessionOptions options;
  options.unsent_budget_bytes = 10000;
  TestLoop loop(options);
  TestClient client(&loop);
  client.Open().OpenChannel();
  client.wire.stalled = true;
  for (int i = 0; i < 2000; ++i) {
    client.Send(1, amqp::ChannelFlow());
    loop.registry->OnTurnEnd();
  }
  EXPECT_TRUE(client.wire.paused);
  EXPECT_LT(client.wire.queued - client.wire.written, 11000u);
  client.wire.stalled = false;
  loop.Settle();
  EXPECT_FALSE(client.wire.paused);
  EXPECT_EQ(client.Read().size(), 2000u);
}

TEST(FlowTest, AClientThatIsBusyReadingDeliveriesMayStillAcknowledge) {
  SessionOptions options;
  options.unsent_budget_bytes = 10000;
  TestLoop loop(options);
  TestClient client(&loop), filler(&loop);
  filler.Open().OpenChannel().Send(1, Queue("q"));
  for (int i = 0; i < 100; ++i) filler.Publish("", "q", std::string(5000, 'x'));
  filler.Read();
  client.Open().OpenChannel();
  client.wire.stalled = true;
  amqp::BasicConsume consume;
  consume.queue = "q";
  client.Send(1, consume);
  loop.Settle();
  ASSERT_GT(client.wire.queued - client.wire.written, 400000u);
  EXPECT_FALSE(client.wire.paused);
}

TEST(FlowTest, AFloodIsHandledInTurnsAndAQuietClientGoesInBetween) {
  SessionOptions options;
  options.turn_frames = 10;
  TestLoop loop(options);
  TestClient flood(&loop), quiet(&loop);
  flood.Open().OpenChannel();
  quiet.Open().OpenChannel();
  amqp::FrameWriter writer(0);
  for (int i = 0; i < 100; ++i) writer.AddMethod(1, amqp::ChannelFlow());
  flood.Send(writer.Take().Flatten().view());
  quiet.Send(1, amqp::ChannelFlow());
  EXPECT_TRUE(loop.registry->OnTurnEnd());
  EXPECT_LE(flood.ReadNow().size(), 20u);
  EXPECT_EQ(quiet.ReadNow().size(), 1u);
  EXPECT_TRUE(flood.wire.paused);
  size_t answers = 0;
  for (bool more = true; more;) {
    more = loop.registry->OnTurnEnd();
    const size_t now = flood.ReadNow().size();
    EXPECT_LE(now, 10u);
    answers += now;
  }
  EXPECT_GE(answers, 80u);
  EXPECT_FALSE(flood.wire.paused);
}

TEST(FlowTest, AnAlarmBlocksWhoPublishesAndNobodyElse) {
  TestLoop loop;
  TestClient publisher(&loop), consumer(&loop), incapable(&loop);
  publisher.Open().OpenChannel().Send(1, Queue("q"));
  for (int i = 0; i < 3; ++i) publisher.Publish("", "q", absl::StrCat("m", i));
  publisher.Read();
  consumer.Open().OpenChannel();
  incapable.Open({.capabilities = false}).OpenChannel();

  loop.registry->SetAlarms(/*memory=*/true, /*disk=*/false);
  EXPECT_EQ(publisher.Read(), Frames{});
  publisher.Publish("", "q", "m3").Publish("", "q", "m4");
  incapable.Publish("", "q", "m5");
  EXPECT_EQ(publisher.Read(), Frames{"0 connection.blocked low on memory"});
  EXPECT_EQ(incapable.Read(), Frames{});
  EXPECT_TRUE(publisher.wire.paused && incapable.wire.paused);
  EXPECT_EQ(loop.registry->ListConnections()[0].state, "blocked");

  amqp::BasicConsume consume;
  consume.queue = "q";
  consume.no_ack = true;
  consume.consumer_tag = "t";
  consumer.Send(1, consume);
  EXPECT_GE(consumer.Read().size(), 10u);
  EXPECT_FALSE(consumer.wire.paused);

  loop.registry->SetAlarms(true, true);
  loop.registry->SetAlarms(false, true);
  EXPECT_EQ(publisher.Read(), Frames{});
  loop.registry->SetAlarms(false, false);
  EXPECT_EQ(publisher.Read(), Frames{"0 connection.unblocked"});
  EXPECT_FALSE(publisher.wire.paused);
  consumer.Read();
  EXPECT_EQ(loop.front_end.publishes, 6u);
}

TEST(FlowTest, TheReasonNamesTheDiskWhereItIsTheDisk) {
  TestLoop loop;
  TestClient publisher(&loop);
  publisher.Open().OpenChannel();
  loop.registry->SetAlarms(false, true);
  publisher.Publish("", "q", "x");
  EXPECT_EQ(publisher.Read(), Frames{"0 connection.blocked low on disk"});
}

}  // namespace
}  // namespace pontoon::session
