#include <gtest/gtest.h>

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/session/channel.h"
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

class ChannelQosTest : public testing::Test {
 protected:
  ChannelQosTest() { client_.Open().OpenChannel(); }

  void Fill(const std::string& queue, int count) {
    TestClient filler(&loop_);
    filler.Open().OpenChannel().Send(1, Queue(queue));
    for (int i = 0; i < count; ++i) filler.Publish("", queue, absl::StrCat("m", i));
    filler.Read();
  }

  TestLoop loop_;
  TestClient client_{&loop_};
};

TEST_F(ChannelQosTest, PrefetchLimitsWhatOneConsumerHolds) {
  Fill("q", 10);
  client_.Send(1, Qos(3)).Send(1, Consume("q", "t"));
  EXPECT_EQ(Delivered(client_.Read()).size(), 3u);
  client_.Send(1, Ack(2));
  EXPECT_EQ(Delivered(client_.Read()).size(), 1u);
  client_.Send(1, Ack(4, true));
  EXPECT_EQ(Delivered(client_.Read()).size(), 3u);
  // A new prefetch is for consumers to come.
  client_.Send(1, Qos(1));
  EXPECT_EQ(client_.Read(), Frames{"1 basic.qos_ok"});
  client_.Send(1, Consume("q", "u"));
  EXPECT_EQ(Delivered(client_.Read()).size(), 1u);
}

TEST_F(ChannelQosTest, AChannelLimitIsSharedByItsConsumers) {
  Fill("a", 20);
  Fill("b", 20);
  client_.Send(1, Qos(5, true)).Send(1, Consume("a", "ta")).Send(1, Consume("b", "tb"));
  EXPECT_EQ(Delivered(client_.Read()).size(), 5u);
  client_.Send(1, Qos(8, true));
  EXPECT_EQ(Delivered(client_.Read()).size(), 3u);
  for (uint64_t tag = 1; tag <= 4; ++tag) {
    client_.Send(1, Ack(tag));
    EXPECT_EQ(Delivered(client_.Read()).size(), 1u) << tag;
  }
  client_.Send(1, Qos(0, true));
  EXPECT_EQ(Delivered(client_.Read()).size(), 28u);
}

TEST_F(ChannelQosTest, AnIdleQueueDoesNotKeepTheChannelsLimit) {
  client_.Send(1, Queue("idle")).Send(1, Queue("busy")).Send(1, Qos(4, true));
  client_.Send(1, Consume("idle", "ti")).Send(1, Consume("busy", "tb"));
  client_.Read();
  Fill("busy", 10);
  // At once: no time passes in this test.
  EXPECT_EQ(Delivered(client_.Read()), (Frames{"m0", "m1", "m2", "m3"}));
  // And the idle one gets its turn as soon as there is room.
  Fill("idle", 1);
  EXPECT_EQ(Delivered(client_.Read()), Frames{});
  client_.Send(1, Ack(1));
  Frames more = Delivered(client_.Read());
  client_.Send(1, Ack(2));
  for (const std::string& body : Delivered(client_.Read())) more.push_back(body);
  std::sort(more.begin(), more.end());
  EXPECT_EQ(more, (Frames{"m0", "m4"}));
}

TEST_F(ChannelQosTest, ALimitOfOneIsPassedOnBetweenIdleQueues) {
  client_.Send(1, Queue("a")).Send(1, Queue("b")).Send(1, Qos(1, true));
  client_.Send(1, Consume("a", "ta")).Send(1, Consume("b", "tb"));
  client_.Read();
  for (const char* queue : {"b", "a", "b", "b", "a"}) {
    Fill(queue, 1);
    ASSERT_EQ(Delivered(client_.Read()), Frames{"m0"}) << queue;
    client_.Send(1, Ack(0, true));
    client_.Read();
  }
}

TEST_F(ChannelQosTest, TheShareOfAConsumerThatEndsIsForTheOthersAtOnce) {
  client_.Send(1, Queue("a")).Send(1, Queue("b")).Send(1, Qos(2, true));
  client_.Send(1, Consume("a", "ta")).Send(1, Consume("b", "tb"));
  client_.Read();
  Fill("a", 2);
  EXPECT_EQ(Delivered(client_.Read()).size(), 2u);
  Fill("b", 5);
  EXPECT_EQ(Delivered(client_.Read()), Frames{});
  amqp::BasicCancel cancel;
  cancel.consumer_tag = "ta";
  client_.Send(1, cancel).Send(1, Ack(0, true));
  EXPECT_EQ(Delivered(client_.Read()), (Frames{"m0", "m1"}));
}

// Two channels want the same messages: what one of them was given in vain goes to where it waits.
TEST_F(ChannelQosTest, ManyChannelsWithALimitOfOneEmptyTheirQueuesWithoutTimePassing) {
  base::SeededRandom random(11);
  std::vector<std::unique_ptr<TestClient>> workers;
  for (int i = 0; i < 3; ++i) Fill(absl::StrCat("q", i), 0);
  for (int i = 0; i < 4; ++i) {
    workers.push_back(std::make_unique<TestClient>(&loop_));
    workers.back()->Open().OpenChannel().Send(1, Qos(static_cast<uint16_t>(1 + i % 2), true));
    for (int q = 0; q < 3; ++q)
      workers.back()->Send(1, Consume(absl::StrCat("q", q), absl::StrCat("t", q)));
    workers.back()->Read();
  }
  size_t filled = 0, delivered = 0;
  for (int step = 0; step < 400; ++step) {
    const int more = static_cast<int>(random.Below(4));
    Fill(absl::StrCat("q", random.Below(3)), more);
    filled += static_cast<size_t>(more);
    // All of them acknowledge all they have, until nothing moves: then nothing may be left.
    for (bool moved = true; moved;) {
      moved = false;
      for (const auto& worker : workers) {
        const size_t got = Delivered(worker->Read()).size();
        delivered += got;
        if (got == 0) continue;
        moved = true;
        worker->Send(1, Ack(0, true));
      }
      loop_.Settle();
    }
    ASSERT_EQ(delivered, filled) << step;
  }
}

TEST_F(ChannelQosTest, NoMixOfLimitsEverHandsOutMoreThanAllowed) {
  base::SeededRandom random(5);
  for (int i = 0; i < 3; ++i) Fill(absl::StrCat("q", i), 2000);
  uint32_t limit = 0, highest = 0;  // The second: since the client read last.
  uint64_t last_tag = 0, held = 0;
  int consumers = 0;
  std::vector<uint64_t> open;
  for (int step = 0; step < 3000; ++step) {
    if (limit == 0) {
      // Without a limit everything would come at once.
      limit = 1 + static_cast<uint32_t>(random.Below(6));
      client_.Send(1, Qos(static_cast<uint16_t>(limit), true));
      client_.Read();
      highest = limit;
    }
    switch (random.Below(12)) {
      case 0:
        limit = 1 + static_cast<uint32_t>(random.Below(6));
        highest = std::max(highest, limit);
        client_.Send(1, Qos(static_cast<uint16_t>(limit), true));
        break;
      case 1:
        if (consumers == 60) break;
        client_.Send(1,
                     Consume(absl::StrCat("q", random.Below(3)), absl::StrCat("t", consumers++)));
        break;
      case 2: {
        if (random.Below(4) != 0) break;
        amqp::BasicCancel cancel;
        cancel.consumer_tag = absl::StrCat("t", random.Below(60));
        client_.Send(1, cancel);
        break;
      }
      default:
        if (open.empty()) break;
        const size_t at = random.Below(open.size());
        if (random.Below(3) == 0) {
          client_.Send(1, Nack(open[at], false, true));
        } else {
          client_.Send(1, Ack(open[at]));
        }
        open.erase(open.begin() + static_cast<long>(at));
        --held;
    }
    if (random.Below(2) == 0) continue;
    const uint64_t before = held;
    for (const std::string& frame : client_.Read()) {
      ASSERT_FALSE(absl::StrContains(frame, "close")) << frame;
      if (!absl::StrContains(frame, " body ")) continue;
      open.push_back(++last_tag);
      ++held;
    }
    // A limit below what is held stops deliveries; it takes nothing back.
    ASSERT_LE(held, std::max<uint64_t>(before, highest)) << step;
    highest = limit;
  }
  EXPECT_GT(last_tag, 500u);
}

TEST_F(ChannelQosTest, PerConsumerPrefetchLiftsTheChannelsLimit) {
  Fill("q", 20);
  client_.Send(1, Qos(5, true)).Send(1, Qos(2)).Send(1, Consume("q", "t"));
  EXPECT_EQ(Delivered(client_.Read()).size(), 2u);
  client_.Send(1, Consume("q", "u"));
  EXPECT_EQ(Delivered(client_.Read()).size(), 2u);
  client_.Send(1, Qos(5, true)).Send(1, Consume("q", "v"));
  EXPECT_EQ(Delivered(client_.Read()).size(), 1u);
}

TEST_F(ChannelQosTest, NoAckDeliveriesAreSettledOnceTheSocketTookThem) {
  client_.Send(1, Queue("q")).Send(1, Consume("q", "t", true));
  client_.Read();
  client_.wire.stalled = true;
  Fill("q", 10);
  loop_.Settle();
  EXPECT_EQ(loop_.front_end.UnackedCount("q"), 10u);
  client_.wire.stalled = false;
  EXPECT_EQ(Delivered(client_.Read()).size(), 10u);
  EXPECT_EQ(loop_.front_end.UnackedCount("q"), 0u);
}

TEST_F(ChannelQosTest, NoAckDeliveriesThatNeverLeftGoBack) {
  client_.Send(1, Queue("q")).Send(1, Consume("q", "t", true));
  client_.Read();
  client_.wire.stalled = true;
  Fill("q", 3);
  loop_.Settle();
  client_.Hangup();
  EXPECT_EQ(loop_.front_end.QueueSize("q"), 3u);
}

TEST_F(ChannelQosTest, AClientThatDoesNotReadIsSentAWindowOnly) {
  client_.Send(1, Queue("q")).Send(1, Consume("q", "t", true));
  client_.Read();
  client_.wire.stalled = true;
  TestClient filler(&loop_);
  filler.Open().OpenChannel();
  const std::string body(100000, 'x');
  for (int i = 0; i < 100; ++i) filler.Publish("", "q", body);
  loop_.Settle();
  EXPECT_LT(client_.wire.queued, 1300000u);
  EXPECT_GT(loop_.front_end.QueueSize("q"), 80u);
  client_.wire.stalled = false;
  EXPECT_EQ(Delivered(client_.Read()).size(), 100u);
  EXPECT_EQ(loop_.front_end.UnackedCount("q"), 0u);
}

TEST_F(ChannelQosTest, LargeMessagesDoNotMakeTheWindowGrow) {
  client_.Send(1, Queue("q")).Send(1, Consume("q", "t", true));
  client_.Read();
  TestClient filler(&loop_);
  filler.Open().OpenChannel();
  const std::string large(3000000, 'x'), small(200000, 'y');
  for (int i = 0; i < 20; ++i) filler.Publish("", "q", small).Publish("", "q", large);
  filler.Read();
  EXPECT_GT(Delivered(client_.Read()).size(), 400u);
  EXPECT_EQ(loop_.front_end.QueueSize("q"), 0u);
  client_.wire.stalled = true;
  for (int i = 0; i < 100; ++i) filler.Publish("", "q", small);
  loop_.Settle();
  EXPECT_LT(client_.wire.queued - client_.wire.written, 1500000u);
}

}  // namespace
}  // namespace pontoon::session
