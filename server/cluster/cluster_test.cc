#include <algorithm>

#include "absl/strings/str_cat.h"
#include "server/cluster/simulated_node.h"

namespace pontoon::cluster {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// What a user does through one channel, for tests: waits for each answer.
class Client {
 public:
  Client(SimulatedNode* node, uint16_t loop) : node_(node), loop_(loop) {
    channel_ = front_end()->OpenChannel(&sink);
  }

  FrontEnd* front_end() { return node_->front_end(loop_); }
  ChannelKey channel() const { return channel_; }
  const catalog::VhostRecord& vhost() { return *front_end()->catalog()->FindVhost("/"); }

  catalog::Outcome Change(catalog::Command command) {
    std::optional<catalog::Outcome> outcome;
    front_end()->Change(channel_, std::move(command),
                        [&](const catalog::Outcome& result) { outcome = result; });
    node_->RunUntil([&] { return outcome.has_value(); });
    return *outcome;
  }
  catalog::Outcome Declare(const std::string& name, bool durable = true) {
    catalog::DeclareQueue declare;
    declare.vhost = vhost().id;
    declare.name = name;
    declare.durable = durable;
    declare.user = "guest";
    declare.home = front_end()->id();  // Means nothing for a durable queue.
    if (durable) declare.shard = front_end()->ChooseShard();
    return Change(declare);
  }
  const catalog::QueueRecord* Queue(const std::string& name) {
    return front_end()->catalog()->FindQueue(vhost().id, name);
  }
  // Through the default exchange; false if nothing routes there.
  bool Publish(const std::string& queue, const std::string& body, uint64_t tag) {
    OutgoingPublish publish;
    publish.tag = tag;
    publish.persistent = true;
    publish.message.envelope = base::SliceChain(base::Slice::Copy("envelope"));
    publish.message.payload = base::SliceChain(base::Slice::Copy(body));
    const absl::string_view keys[] = {queue};
    front_end()->catalog()->Route(*front_end()->catalog()->FindExchange(vhost().id, ""), keys,
                                  nullptr, &publish.targets);
    if (publish.targets.empty()) return false;
    front_end()->Publish(channel_, std::move(publish));
    return true;
  }
  void PublishAndAwaitConfirm(const std::string& queue, const std::string& body, uint64_t tag) {
    ASSERT_TRUE(Publish(queue, body, tag));
    node_->RunUntil([&] { return !sink.done_tags.empty() && sink.done_tags.back() == tag; });
  }
  std::optional<broker::GetOk> Get(const std::string& queue) {
    std::optional<absl::StatusOr<std::optional<broker::GetOk>>> got;
    front_end()->Get(
        channel_, *Queue(queue), false,
        [&](absl::StatusOr<std::optional<broker::GetOk>> result) { got = std::move(result); });
    node_->RunUntil([&] { return got.has_value(); });
    if (!got->ok()) return std::nullopt;
    return **got;
  }
  void Acknowledge(const std::string& queue, const broker::Delivery& delivery) {
    const catalog::QueueRecord* record = Queue(queue);
    front_end()->Settle({{record->shard, record->home},
                         {{record->id, delivery.position, delivery.delivery, 1},
                          broker::SettleAction::kAcknowledge}});
  }
  // tx.commit with one acknowledgement and nothing else; true once it is answered well.
  bool CommitAcknowledgement(const std::string& queue, const broker::Delivery& delivery) {
    const catalog::QueueRecord* record = Queue(queue);
    std::optional<absl::Status> done;
    front_end()->Commit(channel_, {},
                        {{ShardRef::Of(record->shard, record->home),
                          {{record->id, delivery.position, delivery.delivery, 1},
                           broker::SettleAction::kAcknowledge}}},
                        {}, [&](absl::Status status) { done = std::move(status); });
    node_->RunUntil([&] { return done.has_value(); });
    return done->ok();
  }
  std::vector<std::string> Drain(const std::string& queue) {
    std::vector<std::string> bodies;
    while (std::optional<broker::GetOk> got = Get(queue)) {
      const base::Slice payload = got->delivery.message.payload.Flatten();
      bodies.emplace_back(payload.view().data(), payload.size());
      Acknowledge(queue, got->delivery);
    }
    return bodies;
  }
  uint64_t Ready(const std::string& queue) {
    std::optional<broker::QueueCounts> counts;
    front_end()->CountMessages(
        channel_, *Queue(queue),
        [&](absl::StatusOr<broker::QueueCounts> result) { counts = result.value(); });
    node_->RunUntil([&] { return counts.has_value(); });
    return counts->ready;
  }

  RecordingChannel sink;

 private:
  SimulatedNode* const node_;
  const uint16_t loop_;
  ChannelKey channel_;
};

TEST(ClusterTest, WhatWasDeclaredThroughOneLoopRoutesOnAllOnceAnswered) {
  SimulatedNode node(1, 3);
  Client first(&node, 0), second(&node, 2);
  ASSERT_TRUE(first.Declare("orders").status.ok());
  EXPECT_TRUE(second.Publish("orders", "m", 1));
}

TEST(ClusterTest, NothingIsConfirmedBeforeTheDiskHasIt) {
  SimulatedNode node(2, 2);
  Client client(&node, 1);
  ASSERT_TRUE(client.Declare("orders").status.ok());
  ASSERT_TRUE(client.Publish("orders", "m", 7));
  node.RunWithoutDisk(50);
  EXPECT_THAT(client.sink.done_tags, IsEmpty());
  node.RunUntil([&] { return !client.sink.done_tags.empty(); });
  EXPECT_THAT(client.sink.done_tags, ElementsAre(7));
}

TEST(ClusterTest, ConfirmedMessagesSurviveACrashInOrder) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SimulatedNode node(seed, 2);
    {
      Client client(&node, static_cast<uint16_t>(seed % 2));
      ASSERT_TRUE(client.Declare("orders").status.ok());
      for (uint64_t i = 1; i <= 5; ++i)
        client.PublishAndAwaitConfirm("orders", std::to_string(i), i);
      client.Publish("orders", "unconfirmed", 6);
      node.RunWithoutDisk(3);
    }
    node.CrashAndRestart();
    Client client(&node, 0);
    std::vector<std::string> left = client.Drain("orders");
    if (left.size() == 6) left.pop_back();  // The unconfirmed one may have made it.
    EXPECT_THAT(left, ElementsAre("1", "2", "3", "4", "5")) << "seed " << seed;
  }
}

TEST(ClusterTest, CommitOfAcknowledgementsAloneIsAnswered) {
  for (const bool durable : {true, false}) {
    SimulatedNode node(6, 2);
    Client client(&node, 0);
    ASSERT_TRUE(client.Declare("orders", durable).status.ok());
    client.PublishAndAwaitConfirm("orders", "m", 1);
    const std::optional<broker::GetOk> got = client.Get("orders");
    ASSERT_TRUE(got.has_value());
    EXPECT_TRUE(client.CommitAcknowledgement("orders", got->delivery));
    EXPECT_EQ(client.Ready("orders"), 0u);
  }
}

// A machine that has been up for a while: to a shard that has just started, "idle since the
// beginning" looks long.
TEST(ClusterTest, NodeThatDiesAgainRightAfterItsStartStartsAgain) {
  SimulatedNode node(5, 2);
  {
    Client client(&node, 0);
    ASSERT_TRUE(client.Declare("orders").status.ok());
    for (uint64_t i = 1; i <= 100; ++i)
      client.PublishAndAwaitConfirm("orders", std::to_string(i), i);
  }
  for (int i = 0; i < 3; ++i) {
    node.PassTime(base::Seconds(60));
    node.CrashAndRestart();
  }
  Client client(&node, 1);
  EXPECT_EQ(client.Ready("orders"), 100u);
}

TEST(ClusterTest, AcknowledgedMessagesDoNotComeBackAfterACrash) {
  SimulatedNode node(3, 2);
  {
    Client client(&node, 0);
    ASSERT_TRUE(client.Declare("orders").status.ok());
    client.PublishAndAwaitConfirm("orders", "gone", 1);
    client.PublishAndAwaitConfirm("orders", "stays", 2);
    const std::optional<broker::GetOk> got = client.Get("orders");
    ASSERT_TRUE(got.has_value());
    client.Acknowledge("orders", got->delivery);
    client.PublishAndAwaitConfirm("orders", "later",
                                  3);  // Its confirm follows the settle in the same log.
  }
  node.CrashAndRestart();
  Client client(&node, 1);
  EXPECT_THAT(client.Drain("orders"), ElementsAre("stays", "later"));
}

TEST(ClusterTest, WhatWasOutWhenTheNodeDiedComesBackMarkedInItsPlace) {
  SimulatedNode node(4, 1);
  {
    Client client(&node, 0);
    ASSERT_TRUE(client.Declare("orders").status.ok());
    client.PublishAndAwaitConfirm("orders", "a", 1);
    client.PublishAndAwaitConfirm("orders", "b", 2);
    ASSERT_TRUE(client.Get("orders").has_value());
  }
  node.CrashAndRestart();
  Client client(&node, 0);
  const std::optional<broker::GetOk> got = client.Get("orders");
  ASSERT_TRUE(got.has_value());
  EXPECT_EQ(got->delivery.message.payload.Flatten().view(), "a");
  EXPECT_TRUE(got->delivery.redelivered);
}

TEST(ClusterTest, TransientQueuesEndWithTheProcessAndDurableOnesDoNot) {
  SimulatedNode node(5, 2);
  {
    Client client(&node, 1);
    ASSERT_TRUE(client.Declare("durable").status.ok());
    ASSERT_TRUE(client.Declare("transient", false).status.ok());
    client.PublishAndAwaitConfirm("transient", "m", 1);
    EXPECT_EQ(client.Ready("transient"), 1u);
  }
  node.CrashAndRestart();
  Client client(&node, 0);
  EXPECT_NE(client.Queue("durable"), nullptr);
  EXPECT_EQ(client.Queue("transient"), nullptr);
}

TEST(ClusterTest, TransientQueueIsReachableFromEveryLoop) {
  SimulatedNode node(6, 3);
  Client owner(&node, 2), other(&node, 0);
  ASSERT_TRUE(owner.Declare("transient", false).status.ok());
  other.PublishAndAwaitConfirm("transient", "m", 1);
  EXPECT_THAT(other.Drain("transient"), ElementsAre("m"));
}

TEST(ClusterTest, MessageToSeveralShardsIsConfirmedOnceAllHaveIt) {
  SimulatedNode node(7, 2);
  Client client(&node, 0);
  ASSERT_TRUE(client.Declare("a").status.ok());
  ASSERT_TRUE(client.Declare("b", false).status.ok());
  catalog::Bind bind;
  bind.vhost = client.vhost().id;
  bind.binding.source = "amq.fanout";
  for (const char* queue : {"a", "b"}) {
    bind.binding.destination = queue;
    ASSERT_TRUE(client.Change(bind).status.ok());
  }
  OutgoingPublish publish;
  publish.tag = 9;
  publish.message.payload = base::SliceChain(base::Slice::Copy("m"));
  const absl::string_view keys[] = {""};
  client.front_end()->catalog()->Route(
      *client.front_end()->catalog()->FindExchange(client.vhost().id, "amq.fanout"), keys, nullptr,
      &publish.targets);
  ASSERT_EQ(publish.targets.size(), 2u);
  client.front_end()->Publish(client.channel(), std::move(publish));
  node.RunWithoutDisk(20);
  EXPECT_THAT(client.sink.done_tags, IsEmpty());
  node.RunUntil([&] { return !client.sink.done_tags.empty(); });
  EXPECT_THAT(client.sink.done_tags, ElementsAre(9));
  EXPECT_EQ(client.Ready("a"), 1u);
  EXPECT_EQ(client.Ready("b"), 1u);
}

TEST(ClusterTest, DeletedQueueIsGoneOnEveryLoopOnceAnsweredAndStaysGone) {
  SimulatedNode node(8, 2);
  {
    Client client(&node, 0), other(&node, 1);
    ASSERT_TRUE(client.Declare("orders").status.ok());
    client.PublishAndAwaitConfirm("orders", "m", 1);
    std::optional<absl::StatusOr<broker::QueueCounts>> deleted;
    client.front_end()->DeleteQueue(
        client.channel(), *client.Queue("orders"), false, false,
        [&](absl::StatusOr<broker::QueueCounts> result) { deleted = result; });
    node.RunUntil([&] { return deleted.has_value(); });
    ASSERT_TRUE(deleted->ok());
    EXPECT_EQ((*deleted)->ready, 1u);
    EXPECT_FALSE(other.Publish("orders", "m", 2));
    ASSERT_TRUE(client.Declare("orders").status.ok());
    EXPECT_EQ(client.Ready("orders"), 0u);
  }
  node.CrashAndRestart();
  Client client(&node, 0);
  EXPECT_EQ(client.Ready("orders"), 0u);
}

TEST(ClusterTest, ClosedChannelsDeliveriesGoBackToTheirPlaces) {
  SimulatedNode node(9, 2);
  Client consumer(&node, 0), other(&node, 1);
  ASSERT_TRUE(other.Declare("orders").status.ok());
  for (uint64_t i = 1; i <= 3; ++i) other.PublishAndAwaitConfirm("orders", std::to_string(i), i);
  ConsumeOptions options;
  options.tag = "c";
  options.credit = {broker::Credit::kUnlimited, 1 << 20};
  bool consuming = false;
  consumer.front_end()->Consume(consumer.channel(), *consumer.Queue("orders"), options,
                                [&](absl::Status status) { consuming = status.ok(); });
  node.RunUntil([&] { return consumer.sink.deliveries.size() == 3; });
  EXPECT_TRUE(consuming);
  std::vector<OutgoingReturn> holding;
  for (const auto& [shard, delivery] : consumer.sink.deliveries) {
    holding.push_back({shard, {delivery.queue, delivery.position, delivery.delivery, 1}});
  }
  consumer.front_end()->CloseChannel(consumer.channel(), std::move(holding));
  node.RunUntil([&] { return other.Ready("orders") == 3; });
  EXPECT_THAT(other.Drain("orders"), ElementsAre("1", "2", "3"));
}

TEST(ClusterTest, AConsumerWithoutAShareHearsOfAMessageInTheTurnThatBringsIt) {
  SimulatedNode node(17, 2);
  Client client(&node, 0), publisher(&node, 1);
  std::vector<broker::ConsumerKey> keys;
  int consuming = 0;
  for (const std::string name : {"idle", "busy"}) {
    client.Declare(name);
    ConsumeOptions options;
    options.credit = {name == "idle" ? 1u : 0u, 1000, true};
    keys.push_back(client.front_end()->Consume(client.channel(), *client.Queue(name), options,
                                               [&](absl::Status) { ++consuming; }));
  }
  node.RunUntil([&] { return consuming == 2 && client.sink.notes.size() == 1; });
  EXPECT_EQ(client.sink.notes[0].consumer, keys[0]);
  EXPECT_EQ(client.sink.notes[0].use, broker::CreditUse::kIdle);
  publisher.PublishAndAwaitConfirm("busy", "m", 1);
  // No tick comes to its help: only what is on its way already.
  node.RunUntil([&] { return client.sink.notes.size() == 2; });
  EXPECT_EQ(client.sink.notes[1].consumer, keys[1]);
  EXPECT_EQ(client.sink.notes[1].use, broker::CreditUse::kShort);
  bool taken = false;
  client.front_end()->TakeCredit(client.channel(), keys[0], [&](broker::Credit unused) {
    EXPECT_EQ(unused.messages, 1u);
    taken = true;
    client.front_end()->Grant(keys[1], {1, 0, true});
  });
  node.RunUntil([&] { return client.sink.deliveries.size() == 1; });
  EXPECT_TRUE(taken);
  EXPECT_EQ(client.sink.deliveries[0].second.consumer, keys[1]);
}

TEST(ClusterTest, CheckpointsAndRestartsKeepWhatWaits) {
  SimulatedNode node(10, 2, 2);
  uint64_t tag = 0;
  std::vector<std::string> expected;
  {
    Client client(&node, 0);
    ASSERT_TRUE(client.Declare("orders").status.ok());
  }
  for (int round = 0; round < 5; ++round) {
    Client client(&node, 0);
    for (int i = 0; i < 40; ++i) {
      ++tag;
      client.PublishAndAwaitConfirm("orders", std::to_string(tag), tag);
      expected.push_back(std::to_string(tag));
    }
    for (int i = 0; i < 15; ++i) {
      const std::optional<broker::GetOk> got = client.Get("orders");
      ASSERT_TRUE(got.has_value());
      EXPECT_EQ(got->delivery.message.payload.Flatten().view(), expected.front());
      expected.erase(expected.begin());
      client.Acknowledge("orders", got->delivery);
    }
    client.PublishAndAwaitConfirm("orders", "end", ++tag);
    expected.push_back("end");
    for (uint16_t loop = 0; loop < 2; ++loop) node.host(loop)->CheckpointAll();
    node.RunUntil([&, turns = 0]() mutable { return ++turns > 20; });
    node.CrashAndRestart();
  }
  Client client(&node, 1);
  EXPECT_EQ(client.Drain("orders"), expected);
}

TEST(ClusterTest, TheCatalogChangesOnWhileItsCheckpointIsWritten) {
  for (const bool dies : {false, true}) {
    SimulatedNode node(12, 2, 2);
    node.hold_aside = true;
    Client client(&node, 1);
    catalog::DeclareQueue declare;
    declare.vhost = client.vhost().id;
    declare.durable = true;
    declare.user = "guest";
    declare.shard = base::GroupId{1};
    // Enough of these tables are worth a checkpoint.
    declare.arguments =
        absl::StrCat(absl::string_view("\1xS\0\0\x1f\x40", 7), std::string(8000, 'x'));
    for (int i = 0; i < 10; ++i) {
      declare.name = std::to_string(i);
      const absl::Status declared = client.Change(declare).status;
      ASSERT_TRUE(declared.ok()) << declared;
    }
    node.PassTime(base::Seconds(1));
    node.RunUntil([&, turns = 0]() mutable { return ++turns > 20; });
    node.PassTime(base::Seconds(11));
    node.RunUntil([&] { return node.held_aside() == 1; });
    const auto reclaimable = [&node] { return node.host(0)->catalog_log_bytes(); };
    ASSERT_GT(reclaimable(), 80000u);
    declare.name = "later";
    ASSERT_TRUE(client.Change(declare).status.ok());
    if (!dies) {
      node.ReleaseAside();
      node.RunUntil([&] { return reclaimable() < 20000; });
    }
    node.CrashAndRestart();
    Client again(&node, 0);
    for (int i = 0; i < 10; ++i) EXPECT_NE(again.Queue(std::to_string(i)), nullptr);
    EXPECT_NE(again.Queue("later"), nullptr);
  }
}

TEST(ClusterTest, CheckpointAfterARestartFromTheLogAloneIsGoodForTheNextStart) {
  SimulatedNode node(11, 1, 1);
  std::vector<std::string> expected;
  for (uint64_t life = 1; life <= 3; ++life) {
    Client client(&node, 0);
    if (life == 1) {
      ASSERT_TRUE(client.Declare("orders").status.ok());
    }
    for (uint64_t i = 1; i <= 60; ++i) {
      client.PublishAndAwaitConfirm("orders", std::to_string(life * 100 + i), i);
      expected.push_back(std::to_string(life * 100 + i));
    }
    if (life == 2) {
      node.host(0)->CheckpointAll();
      node.RunUntil([&, turns = 0]() mutable { return ++turns > 20; });
    }
    node.CrashAndRestart();
  }
  Client client(&node, 0);
  EXPECT_EQ(client.Drain("orders"), expected);
}

}  // namespace
}  // namespace pontoon::cluster
