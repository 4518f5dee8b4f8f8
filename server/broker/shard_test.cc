#include "server/broker/shard.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/crc32c.h"
#include "server/amqp/reply_code.h"
#include "server/broker/fake_environment.h"

namespace pontoon::broker {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

SessionId Session(uint32_t boot, uint16_t loop = 0) { return {{7}, {boot}, {loop}}; }
QueueId Queue(uint64_t n) { return QueueId::Of(n); }

// What front-ends do, in few words.
class ShardTest : public ::testing::Test {
 protected:
  ShardTest() { Start(); }

  void Start() {
    for (uint64_t n : {10, 11, 12}) specs_.push_back({Queue(n), false, absl::StrCat("q", n), "/"});
    env_.Lead(20, specs_);
    env_.shard().OnBootRegistered({7}, {1});
    Open(s_);
  }
  void Open(const SessionId& session) {
    Ask(session, OpenSession());
    env_.Settle();
    Collect();
    next_publish_ = opened_.next_publish;
    next_settle_ = opened_.next_settle;
  }
  void Ask(const SessionId& session, ShardRequest request) { env_.shard().OnRequest(session, std::move(request)); }
  void Run() {
    env_.Settle();
    Collect();
  }
  void Collect() {
    for (auto& [session, response] : env_.TakeResponses()) {
      if (auto* done = std::get_if<PublishesDone>(&response)) published_ = done->through;
      if (auto* done = std::get_if<SettlesDone>(&response)) settled_ = done->through;
      if (auto* opened = std::get_if<SessionOpened>(&response)) opened_ = *opened, ++opened_count_;
      if (std::holds_alternative<SessionRefused>(response)) ++refused_;
      if (auto* cancelled = std::get_if<ConsumerCancelled>(&response)) cancelled_.push_back(cancelled->consumer.value);
      if (auto* deliveries = std::get_if<Deliveries>(&response)) {
        for (Delivery& delivery : deliveries->deliveries) deliveries_.push_back(std::move(delivery));
      }
      if (auto* reply = std::get_if<Reply>(&response)) replies_[reply->request.value] = std::move(*reply);
    }
  }
  static broker::Publish Message(const std::string& text, std::vector<QueueId> targets) {
    broker::Publish publish;
    publish.message.envelope.Append(base::Slice::Copy("envelope"));
    publish.message.payload.Append(base::Slice::Copy(text));
    publish.envelope_crc = base::Crc32c(publish.message.envelope);
    publish.payload_crc = base::Crc32c(publish.message.payload);
    publish.persistent = true;
    publish.targets.assign(targets.begin(), targets.end());
    return publish;
  }
  PublishBatch Batch(const std::vector<std::string>& texts, std::vector<QueueId> targets) {
    PublishBatch batch;
    batch.first_number = next_publish_;
    for (const std::string& text : texts) batch.messages.push_back(Message(text, targets));
    next_publish_ += texts.size();
    return batch;
  }
  void Publish(const std::vector<std::string>& texts, uint64_t queue = 10) {
    Ask(s_, Batch(texts, {Queue(queue)}));
  }
  uint64_t Consume(uint64_t key, uint64_t credit, uint64_t queue = 10, bool no_ack = false, int32_t priority = 0,
                   bool exclusive = false) {
    broker::Consume consume;
    consume.request.value = ++request_;
    consume.queue = Queue(queue);
    consume.consumer.value = key;
    consume.tag = absl::StrCat("tag", key);
    consume.no_ack = no_ack;
    consume.priority = priority;
    consume.exclusive = exclusive;
    consume.credit = {credit, Credit::kUnlimited};
    Ask(s_, consume);
    return request_;
  }
  Reply Count(uint64_t queue = 10) {
    CountMessages count;
    count.request.value = ++request_;
    count.queue = Queue(queue);
    Ask(s_, count);
    Run();
    return replies_[request_];
  }
  uint64_t Ready(uint64_t queue = 10) { return std::get<QueueCounts>(Count(queue).result).ready; }
  Reply Get(uint64_t queue = 10, bool no_ack = false) {
    broker::Get get;
    get.request.value = ++request_;
    get.queue = Queue(queue);
    get.no_ack = no_ack;
    Ask(s_, get);
    Run();
    return replies_[request_];
  }
  std::string GetText(uint64_t queue = 10) {
    const Reply reply = Get(queue);
    return std::holds_alternative<GetOk>(reply.result) ? Text(std::get<GetOk>(reply.result).delivery) : "(empty)";
  }
  Reply Purge(uint64_t queue = 10) {
    broker::Purge purge;
    purge.request.value = ++request_;
    purge.queue = Queue(queue);
    Ask(s_, purge);
    Run();
    return replies_[request_];
  }
  uint64_t AskDelete(uint64_t queue, bool if_unused = false, bool if_empty = false) {
    DeleteQueue request;
    request.request.value = ++request_;
    request.queue = Queue(queue);
    request.if_unused = if_unused;
    request.if_empty = if_empty;
    Ask(s_, request);
    return request_;
  }
  QueueFigures Figures(uint64_t queue = 10) {
    InspectQueues inspect;
    inspect.request.value = ++request_;
    inspect.only = Queue(queue);
    Ask(s_, inspect);
    Run();
    return std::get<std::vector<QueueFigures>>(replies_[request_].result).at(0);
  }
  static DeliveryRun RunOf(const Delivery& delivery) {
    return {delivery.queue, delivery.position, delivery.delivery, 1};
  }
  void Ack(const Delivery& delivery, SettleAction action = SettleAction::kAcknowledge) {
    SettleBatch batch;
    batch.number = next_settle_++;
    batch.settles.push_back({RunOf(delivery), action});
    Ask(s_, batch);
  }
  void AckAll() {
    SettleBatch batch;
    batch.number = next_settle_++;
    for (const Delivery& delivery : deliveries_) batch.settles.push_back({RunOf(delivery), SettleAction::kAcknowledge});
    Ask(s_, batch);
  }
  void Requeue(const Delivery& delivery) {
    ReturnBatch batch;
    batch.runs.push_back(RunOf(delivery));
    Ask(s_, batch);
  }
  static std::string Text(const Delivery& delivery) {
    EXPECT_EQ(delivery.message.envelope.Flatten().view(), "envelope");
    return std::string(delivery.message.payload.Flatten().view());
  }
  std::vector<std::string> TakeTexts() {
    std::vector<std::string> texts;
    for (const Delivery& delivery : deliveries_) texts.push_back(Text(delivery));
    deliveries_.clear();
    return texts;
  }
  // The node dies and starts again.
  void Restart() {
    env_.Crash();
    env_.Lead(20, specs_);
    s_ = Session(s_.boot.value + 1);
    env_.shard().OnBootRegistered(s_.node, s_.boot);
    deliveries_.clear();
    Open(s_);
  }

  FakeEnvironment env_;
  std::vector<QueueSpec> specs_;
  SessionId s_ = Session(1);
  uint64_t next_publish_ = 1;
  uint64_t next_settle_ = 1;
  uint64_t request_ = 0;
  uint64_t published_ = 0;
  uint64_t settled_ = 0;
  SessionOpened opened_;
  int opened_count_ = 0;
  int refused_ = 0;
  std::vector<uint64_t> cancelled_;
  std::vector<Delivery> deliveries_;
  std::map<uint64_t, Reply> replies_;
};

TEST_F(ShardTest, PublishIsConfirmedOnlyOnceItIsCommitted) {
  Publish({"a", "b"});
  env_.Turn();
  Collect();
  EXPECT_EQ(published_, 0u);
  env_.Commit();
  env_.Turn();
  Collect();
  EXPECT_EQ(published_, 2u);
}

TEST_F(ShardTest, ConsumerGetsMessagesInOrderWithoutADiskRead) {
  Consume(1, 100);
  Run();
  Publish({"a", "b", "c"});
  Run();
  EXPECT_THAT(TakeTexts(), ElementsAre("a", "b", "c"));
  EXPECT_EQ(env_.body_reads, 0u);
}

TEST_F(ShardTest, LoneMessageIsDeliveredInTheTurnInWhichItIsCommitted) {
  Consume(1, 100);
  Run();
  Publish({"a"});
  env_.Turn();
  env_.Commit();
  env_.Turn();
  Collect();
  EXPECT_THAT(TakeTexts(), ElementsAre("a"));
}

TEST_F(ShardTest, WhatOneTurnPublishesIsOneEntry) {
  const uint64_t before = env_.last_index;
  Ask(Session(1, 5), OpenSession());
  env_.Settle();
  const uint64_t opened = env_.last_index;
  EXPECT_EQ(opened, before + 1);
  Publish({"a", "b"});
  PublishBatch other;
  other.first_number = 1;
  other.messages.push_back(Message("c", {Queue(11)}));
  Ask(Session(1, 5), other);
  Run();
  EXPECT_EQ(env_.last_index, opened + 1);
  EXPECT_EQ(Ready(10), 2u);
  EXPECT_EQ(Ready(11), 1u);
}

TEST_F(ShardTest, AcknowledgedBodiesAreDroppedAtOnce) {
  Consume(1, 100);
  Publish({"a", "b"});
  Run();
  ASSERT_THAT(deliveries_, SizeIs(2));
  EXPECT_THAT(env_.bodies, SizeIs(1));
  Ack(deliveries_[0]);
  Run();
  EXPECT_THAT(env_.bodies, SizeIs(1));
  Ack(deliveries_[1]);
  Run();
  EXPECT_THAT(env_.bodies, IsEmpty());
  EXPECT_EQ(settled_, 2u);
  EXPECT_EQ(env_.shard().waiting_bytes(), 0u);
}

TEST_F(ShardTest, FanOutStoresOneBody) {
  Ask(s_, Batch({"a"}, {Queue(10), Queue(11), Queue(12)}));
  Run();
  EXPECT_THAT(env_.bodies, SizeIs(1));
  EXPECT_EQ(env_.bodies.begin()->second.begin()->second.size(), 9u);
  for (uint64_t queue : {10, 11, 12}) {
    const Reply got = Get(queue);
    ASSERT_TRUE(std::holds_alternative<GetOk>(got.result));
    EXPECT_THAT(env_.bodies, SizeIs(1));
    Ack(std::get<GetOk>(got.result).delivery);
    Run();
  }
  EXPECT_THAT(env_.bodies, IsEmpty());
}

TEST_F(ShardTest, ConsumersAreServedStrictlyInTurn) {
  Consume(1, 100);
  Consume(2, 100);
  Consume(3, 2);
  Run();
  Publish({"a", "b", "c", "d", "e", "f", "g", "h"});
  Run();
  std::vector<uint64_t> who;
  for (const Delivery& delivery : deliveries_) who.push_back(delivery.consumer.value);
  EXPECT_THAT(who, ElementsAre(1, 2, 3, 1, 2, 3, 1, 2));
}

TEST_F(ShardTest, HigherPriorityIsServedWhileItHasCredit) {
  Consume(1, 100);
  Consume(2, 2, 10, false, 5);
  Run();
  Publish({"a", "b", "c", "d"});
  Run();
  std::vector<uint64_t> who;
  for (const Delivery& delivery : deliveries_) who.push_back(delivery.consumer.value);
  EXPECT_THAT(who, ElementsAre(2, 2, 1, 1));
}

TEST_F(ShardTest, CreditIsNeverExceeded) {
  Consume(1, 2);
  Publish({"a", "b", "c", "d"});
  Run();
  EXPECT_THAT(TakeTexts(), ElementsAre("a", "b"));
  Ask(s_, GrantCredit{{1}, {1, 0}});
  Run();
  EXPECT_THAT(TakeTexts(), ElementsAre("c"));
  Ask(s_, TakeCredit{{999}, {1}});
  Ask(s_, GrantCredit{{1}, {0, 5}});
  Run();
  EXPECT_THAT(TakeTexts(), IsEmpty());
}

TEST_F(ShardTest, ReturnedMessageGoesFirstAndIsMarked) {
  Publish({"a", "b", "c"});
  Run();
  const Reply first = Get();
  ASSERT_EQ(GetText(), "b");
  Requeue(std::get<GetOk>(first.result).delivery);
  const Reply again = Get();
  EXPECT_EQ(Text(std::get<GetOk>(again.result).delivery), "a");
  EXPECT_TRUE(std::get<GetOk>(again.result).delivery.redelivered);
  EXPECT_EQ(GetText(), "c");
  EXPECT_EQ(GetText(), "(empty)");
}

TEST_F(ShardTest, SettleOfAnEarlierDeliveryDoesNothing) {
  Publish({"a"});
  Run();
  const Reply first = Get();
  Requeue(std::get<GetOk>(first.result).delivery);
  const Reply second = Get();
  Ack(std::get<GetOk>(first.result).delivery);
  Run();
  EXPECT_EQ(settled_, 1u);
  EXPECT_EQ(Figures().unacknowledged, 1u);
  Requeue(std::get<GetOk>(second.result).delivery);
  EXPECT_EQ(Ready(), 1u);
}

TEST_F(ShardTest, RepeatedPublishChangesNothingAndIsAnswered) {
  PublishBatch batch = Batch({"a", "b"}, {Queue(10)});
  Ask(s_, batch);
  Run();
  published_ = 0;
  Ask(s_, batch);
  Run();
  EXPECT_EQ(published_, 2u);
  EXPECT_EQ(Ready(), 2u);
}

TEST_F(ShardTest, GapIsAnsweredWithTheNumberExpected) {
  PublishBatch batch = Batch({"a"}, {Queue(10)});
  batch.first_number = 5;
  Ask(s_, batch);
  Run();
  EXPECT_EQ(opened_count_, 2);
  EXPECT_EQ(opened_.next_publish, 1u);
  EXPECT_EQ(Ready(), 0u);
}

TEST_F(ShardTest, UnknownSessionIsRefused) {
  Ask(Session(1, 9), CountMessages{{1}, 0, Queue(10)});
  Run();
  EXPECT_EQ(refused_, 1);
}

TEST_F(ShardTest, ProcessThatIsOverCannotOpenASession) {
  env_.shard().OnBootRegistered({7}, {3});
  Run();
  refused_ = 0;
  Ask(Session(2), OpenSession());
  Run();
  EXPECT_EQ(refused_, 1);
}

TEST_F(ShardTest, GetSeesWhatItsSessionPublishedBefore) {
  Publish({"a"});
  EXPECT_EQ(GetText(), "a");
}

TEST_F(ShardTest, PublishToAQueueThatIsGoneCountsAsDone) {
  Publish({"a"}, 99);
  Run();
  EXPECT_EQ(published_, 1u);
  EXPECT_THAT(env_.bodies, IsEmpty());
}

TEST_F(ShardTest, RequestForAQueueOfANewerCatalogWaitsForIt) {
  CountMessages count;
  count.request.value = ++request_;
  count.queue = Queue(30);
  count.catalog_index = 30;
  Ask(s_, count);
  Run();
  EXPECT_EQ(replies_.count(request_), 0u);
  env_.shard().OnQueueDeclared(30, {Queue(30), false, "q30", "/"});
  Run();
  EXPECT_TRUE(replies_.at(request_).status.ok());
}

TEST_F(ShardTest, RequestForAnUnknownQueueIsNotFound) {
  const Reply reply = Count(99);
  EXPECT_TRUE(amqp::HasReplyCode(reply.status, amqp::ReplyCode::kNotFound));
}

TEST_F(ShardTest, PurgeTakesWhatIsReadyOnly) {
  Publish({"a", "b", "c"});
  Run();
  const Reply held = Get();
  const Reply purged = Purge();
  EXPECT_EQ(std::get<QueueCounts>(purged.result).ready, 2u);
  EXPECT_EQ(Figures().ready, 0u);
  EXPECT_EQ(Figures().unacknowledged, 1u);
  Requeue(std::get<GetOk>(held.result).delivery);
  EXPECT_EQ(GetText(), "a");
}

TEST_F(ShardTest, FiguresAreExact) {
  Publish({"a", "bb", "ccc", "dddd"});
  Run();
  const Reply first = Get();
  Get(10, true);
  QueueFigures figures = Figures();
  EXPECT_EQ(figures.ready, 2u);
  EXPECT_EQ(figures.ready_bytes, 2 * 8u + 7);
  EXPECT_EQ(figures.unacknowledged, 1u);
  EXPECT_EQ(figures.unacknowledged_bytes, 9u);
  EXPECT_EQ(figures.persistent, 4u);
  Ack(std::get<GetOk>(first.result).delivery);
  Run();
  figures = Figures();
  EXPECT_EQ(figures.unacknowledged, 0u);
  EXPECT_EQ(figures.persistent, 3u);
  EXPECT_EQ(figures.ready_bytes, 2 * 8u + 7);
}

TEST_F(ShardTest, DeletedQueueAnswersOnceTheCatalogForgotIt) {
  Publish({"a", "b"});
  Consume(1, 1);
  Run();
  const uint64_t request = AskDelete(10);
  Run();
  EXPECT_EQ(replies_.count(request), 0u);
  EXPECT_THAT(env_.forget, ElementsAre(Queue(10)));
  EXPECT_THAT(cancelled_, ElementsAre(1));
  EXPECT_THAT(env_.bodies, IsEmpty());
  env_.shard().OnQueueForgotten(Queue(10));
  Run();
  EXPECT_EQ(std::get<QueueCounts>(replies_.at(request).result).ready, 1u);
  EXPECT_FALSE(Count().status.ok());
}

TEST_F(ShardTest, ClosedQueueIsCarriedToTheCatalogAlsoByTheNextLeader) {
  AskDelete(10);
  Run();
  env_.Crash();
  env_.Lead(20, specs_);
  env_.Settle();
  EXPECT_THAT(env_.forget, ElementsAre(Queue(10)));
}

TEST_F(ShardTest, ConditionsOfADeletionAreCheckedInRabbitMqsWords) {
  Publish({"a"});
  Consume(1, 0, 11);
  Run();
  const uint64_t not_empty = AskDelete(10, false, true);
  const uint64_t in_use = AskDelete(11, true, false);
  Run();
  EXPECT_EQ(replies_.at(not_empty).status.message(), "queue 'q10' in vhost '/' not empty");
  EXPECT_EQ(replies_.at(in_use).status.message(), "queue 'q11' in vhost '/' in use");
  EXPECT_TRUE(amqp::HasReplyCode(replies_.at(in_use).status, amqp::ReplyCode::kPreconditionFailed));
}

TEST_F(ShardTest, ExclusiveConsumerKeepsOthersOut) {
  const uint64_t first = Consume(1, 1, 10, false, 0, true);
  const uint64_t second = Consume(2, 1);
  const uint64_t other_first = Consume(3, 1, 11);
  const uint64_t other_exclusive = Consume(4, 1, 11, false, 0, true);
  Run();
  EXPECT_TRUE(replies_.at(first).status.ok());
  EXPECT_EQ(replies_.at(second).status.message(), "queue 'q10' in vhost '/' in exclusive use");
  EXPECT_TRUE(amqp::HasReplyCode(replies_.at(second).status, amqp::ReplyCode::kAccessRefused));
  EXPECT_TRUE(replies_.at(other_first).status.ok());
  EXPECT_FALSE(replies_.at(other_exclusive).status.ok());
}

TEST_F(ShardTest, AutoDeleteQueueGoesWithItsLastConsumer) {
  env_.shard().OnQueueDeclared(21, {Queue(21), true, "auto", "/"});
  Run();
  EXPECT_THAT(env_.forget, IsEmpty());
  Consume(1, 1, 21);
  Consume(2, 1, 21);
  Run();
  Ask(s_, Cancel{{500}, {1}});
  Run();
  EXPECT_THAT(env_.forget, IsEmpty());
  Ask(s_, Cancel{{501}, {2}});
  Run();
  EXPECT_THAT(env_.forget, ElementsAre(Queue(21)));
}

TEST_F(ShardTest, EndedSessionGivesBackWhatItHeld) {
  const SessionId other = Session(1, 3);
  Ask(other, OpenSession());
  broker::Get get;
  get.request.value = 77;
  get.queue = Queue(10);
  Publish({"a", "b"});
  Run();
  Ask(other, get);
  Run();
  EXPECT_EQ(Ready(), 1u);
  env_.shard().OnSessionEnded(other);
  Run();
  EXPECT_EQ(Ready(), 2u);
  EXPECT_TRUE(std::get<GetOk>(Get().result).delivery.redelivered);
}

TEST_F(ShardTest, LargeMessageTravelsAheadInPiecesAndComesBackWhole) {
  std::string large;
  for (int i = 0; i < 700000; ++i) large.push_back(static_cast<char>(i * 7 + i / 300));
  Consume(1, 100);
  Run();
  Publish({"small", large, "last"});
  Run();
  EXPECT_THAT(TakeTexts(), ElementsAre("small", large, "last"));
  Restart();
  Consume(1, 100);
  Run();
  ASSERT_THAT(deliveries_, SizeIs(3));
  EXPECT_EQ(Text(deliveries_[1]), large);
  AckAll();
  Run();
  EXPECT_THAT(env_.bodies, IsEmpty());
}

TEST_F(ShardTest, TransactionIsOneEntryAndAllOrNothing) {
  Publish({"held"});
  Run();
  const Reply held = Get();
  Transaction transaction;
  std::vector<std::string> texts;
  for (int i = 0; i < 40; ++i) texts.push_back(std::string(20000, static_cast<char>('a' + i % 26)));
  texts.push_back(std::string(300000, 'Z'));
  texts.push_back("end");
  transaction.publishes = Batch(texts, {Queue(10)});
  transaction.settles.number = next_settle_++;
  transaction.settles.settles.push_back({RunOf(std::get<GetOk>(held.result).delivery), SettleAction::kAcknowledge});
  Ask(s_, transaction);
  env_.Turn();
  ASSERT_GT(env_.proposed(), 1u);
  env_.Commit(env_.proposed() - 1);
  EXPECT_EQ(Figures().ready, 0u);
  Run();
  EXPECT_EQ(settled_, 1u);
  Restart();
  Consume(1, 100);
  Run();
  EXPECT_EQ(TakeTexts(), texts);
}

TEST_F(ShardTest, TransactionThatWasCutShortLeavesNothing) {
  Transaction transaction;
  transaction.publishes = Batch({std::string(300000, 'Z'), "end"}, {Queue(10)});
  Ask(s_, transaction);
  env_.Turn();
  env_.Commit(env_.proposed() - 1);
  Restart();
  EXPECT_EQ(Ready(), 0u);
  EXPECT_THAT(env_.bodies, IsEmpty());
}

TEST_F(ShardTest, AfterARestartWhatMayHaveBeenDeliveredIsMarkedAndNothingElse) {
  std::vector<std::string> texts(5000, "x");
  Publish(texts);
  Run();
  Consume(1, 3);
  Run();
  EXPECT_THAT(deliveries_, SizeIs(3));
  Restart();
  Consume(1, 5000);
  Run();
  ASSERT_THAT(deliveries_, SizeIs(5000));
  EXPECT_TRUE(deliveries_[0].redelivered);
  EXPECT_TRUE(deliveries_[2].redelivered);
  EXPECT_FALSE(deliveries_[4999].redelivered);
}

TEST_F(ShardTest, MessageThatCameAfterARestartIsNotMarked) {
  Consume(1, 10);
  Publish({"a"});
  Run();
  Restart();
  Publish({"b"});
  Consume(1, 10);
  Run();
  ASSERT_THAT(deliveries_, SizeIs(2));
  EXPECT_TRUE(deliveries_[0].redelivered);
  EXPECT_FALSE(deliveries_[1].redelivered);
}

TEST_F(ShardTest, CheckpointHoldsAllThatWaits) {
  Publish({"a", "b", "c"});
  Run();
  Ack(std::get<GetOk>(Get().result).delivery);
  Run();
  const uint64_t digest = env_.shard().digest();
  env_.shard().MakeCheckpoint();
  Run();
  env_.Crash();
  EXPECT_EQ(env_.checkpoint, env_.last_index);
  EXPECT_EQ(env_.shard().digest(), digest);
  env_.Lead(20, specs_);
  s_ = Session(2);
  env_.shard().OnBootRegistered({7}, {2});
  Open(s_);
  EXPECT_EQ(GetText(), "b");
  EXPECT_EQ(GetText(), "c");
}

TEST_F(ShardTest, DeepQueueLeavesMemoryAndComesBackInOrder) {
  const int kMessages = 100000;
  for (int i = 0; i < kMessages; i += 1000) {
    std::vector<std::string> texts;
    for (int k = 0; k < 1000; ++k) texts.push_back(absl::StrCat(i + k));
    Publish(texts);
    Run();
  }
  EXPECT_GT(env_.pages.size(), 30u);
  EXPECT_LT(env_.shard().memory_bytes(), 200000u);
  env_.shard().MakeCheckpoint();
  Run();
  EXPECT_LT(env_.root.size(), 20000u);
  Restart();
  Consume(1, Credit::kUnlimited);
  Run();
  ASSERT_THAT(deliveries_, SizeIs(kMessages));
  for (int i = 0; i < kMessages; ++i) ASSERT_EQ(Text(deliveries_[i]), absl::StrCat(i));
  AckAll();
  Run();
  EXPECT_THAT(env_.bodies, IsEmpty());
  env_.shard().MakeCheckpoint();
  Run();
  EXPECT_THAT(env_.pages, IsEmpty());
}

TEST_F(ShardTest, SpaceOfSettledMessagesComesBackThoughOneOfTheirEntryWaits) {
  std::vector<std::string> texts;
  for (int i = 0; i < 100; ++i) texts.push_back(std::string(1000, static_cast<char>('a' + i % 26)));
  Publish(texts);
  Run();
  Consume(1, 1000);
  Run();
  ASSERT_THAT(deliveries_, SizeIs(100));
  const Delivery kept = deliveries_[41];
  deliveries_.erase(deliveries_.begin() + 41);
  AckAll();
  Run();
  env_.shard().MakeCheckpoint();
  Run();
  ASSERT_THAT(env_.bodies, SizeIs(1));
  EXPECT_THAT(env_.bodies.begin()->second, SizeIs(1));
  EXPECT_EQ(env_.bodies.begin()->second.begin()->second.size(), 1008u);
  Requeue(kept);
  EXPECT_EQ(GetText(), texts[41]);
}

TEST_F(ShardTest, PurgeOfADeepQueueFreesItsBodiesAndPages) {
  for (int i = 0; i < 20; ++i) {
    Publish(std::vector<std::string>(1000, "message"));
    Run();
  }
  EXPECT_EQ(std::get<QueueCounts>(Purge().result).ready, 20000u);
  Run();
  EXPECT_THAT(env_.bodies, IsEmpty());
  EXPECT_THAT(env_.pages, IsEmpty());
  EXPECT_EQ(Figures().persistent_bytes, 0u);
}

}  // namespace
}  // namespace pontoon::broker
