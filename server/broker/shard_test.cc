#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/amqp/reply_code.h"
#include "server/broker/shard_fixture.h"

namespace pontoon::broker {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

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

TEST_F(ShardTest, ConsumersThatShareALimitTellWhetherTheyAreShortOfCreditOrIdle) {
  const auto told = [&] {
    Run();
    std::vector<std::string> told;
    for (const CreditNote& note : std::exchange(notes_, {})) {
      told.push_back(
          absl::StrCat(note.consumer.value, note.use == CreditUse::kShort ? " short" : " idle"));
    }
    return told;
  };
  const auto grant = [&](uint64_t key, uint64_t messages, bool tell = true) {
    Ask(s_, GrantCredit{{key}, {messages, 1000, tell}});
  };
  Consume(1, 0);
  Consume(2, 0);
  grant(1, 0);
  EXPECT_THAT(told(), IsEmpty());  // It has no credit, and there is nothing for it.
  Publish({"a", "b"});
  EXPECT_THAT(told(), ElementsAre("1 short"));  // The other one was not asked to tell.
  Publish({"c"});
  EXPECT_THAT(told(), IsEmpty());  // Once is enough.
  grant(1, 1);
  EXPECT_THAT(told(), ElementsAre("1 short"));
  EXPECT_THAT(TakeTexts(), ElementsAre("a"));
  grant(1, 5);
  EXPECT_THAT(told(), ElementsAre("1 idle"));
  EXPECT_THAT(TakeTexts(), ElementsAre("b", "c"));
  // What one holds is not idle where another of the queue is served before it.
  grant(2, 1, false);
  Ask(s_, TakeCredit{{999}, {1}});
  grant(1, 0);
  Publish({"d", "e"});
  EXPECT_THAT(told(), ElementsAre("1 short"));
  EXPECT_THAT(TakeTexts(), ElementsAre("d"));
  Consume(3, 10, 10, false, /*priority=*/5);
  EXPECT_THAT(told(), IsEmpty());
  grant(1, 1, false);
  Publish({"f", "g"});
  EXPECT_THAT(told(), IsEmpty());
}

TEST_F(ShardTest, AConsumerIsIdleWhileAllGoesToAHigherPriority) {
  Consume(1, 0);
  Consume(2, 100, 10, false, /*priority=*/1);
  Ask(s_, GrantCredit{{1}, {5, 1000, true}});
  Run();
  ASSERT_EQ(notes_.size(), 1u);
  EXPECT_EQ(notes_[0].use, CreditUse::kIdle);
  // The other one ends: what is ready goes to the lower priority, which then is short of credit.
  Publish({"a", "b", "c", "d", "e", "f", "g"});
  Run();
  EXPECT_EQ(TakeTexts().size(), 7u);
  Publish({"h", "i", "j", "k", "l", "m"});
  Cancel cancel;
  cancel.request.value = ++request_;
  cancel.consumer.value = 2;
  Ask(s_, cancel);
  Run();
  EXPECT_THAT(TakeTexts(), ElementsAre("h", "i", "j", "k", "l"));
  ASSERT_EQ(notes_.size(), 2u);
  EXPECT_EQ(notes_[1].use, CreditUse::kShort);
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

TEST_F(ShardTest, CreationOfAQueueThatNobodyUsesWaitsForCompanyButNotForLong) {
  const uint64_t before = env_.last_index;
  env_.shard().OnQueueDeclared(30, {Queue(30), false, "q30", "/"});
  env_.shard().OnQueueDeclared(31, {Queue(31), false, "q31", "/"});
  env_.Turn();
  env_.Commit();
  EXPECT_EQ(env_.last_index, before);
  for (int turn = 0; turn < 100; ++turn) env_.Turn();  // A millisecond each.
  env_.Commit();
  EXPECT_EQ(env_.last_index, before + 1);  // Both in one entry.
  env_.shard().OnQueueDeclared(32, {Queue(32), false, "q32", "/"});
  Publish({"a"});
  Run();
  EXPECT_EQ(env_.last_index, before + 2);  // With the publish.
  EXPECT_EQ(Count(32).status, absl::OkStatus());
}

TEST_F(ShardTest, APublishFindsAQueueWhoseCreationStillWaited) {
  env_.shard().OnQueueDeclared(30, {Queue(30), false, "q30", "/"});
  env_.Turn();
  Publish({"a", "b"}, 30);
  Run();
  EXPECT_EQ(std::get<QueueCounts>(Count(30).result).ready, 2u);
}

TEST_F(ShardTest, AQueueThatIsDeletedBeforeItsCreationWasLoggedIsGone) {
  env_.shard().OnQueueDeclared(30, {Queue(30), false, "q30", "/"});
  env_.Turn();
  env_.shard().OnQueueDeleted(31, Queue(30));
  Run();
  EXPECT_TRUE(amqp::HasReplyCode(Count(30).status, amqp::ReplyCode::kNotFound));
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

}  // namespace
}  // namespace pontoon::broker
