// What a shard keeps on disk, and what it is after a restart.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/broker/shard_fixture.h"

namespace pontoon::broker {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

using ShardStorageTest = ShardTest;

TEST_F(ShardStorageTest, LargeMessageTravelsAheadInPiecesAndComesBackWhole) {
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

TEST_F(ShardStorageTest, TransactionIsOneEntryAndAllOrNothing) {
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
  transaction.settles.settles.push_back(
      {RunOf(std::get<GetOk>(held.result).delivery), SettleAction::kAcknowledge});
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

TEST_F(ShardStorageTest, TransactionThatWasCutShortLeavesNothing) {
  Transaction transaction;
  transaction.publishes = Batch({std::string(300000, 'Z'), "end"}, {Queue(10)});
  Ask(s_, transaction);
  env_.Turn();
  env_.Commit(env_.proposed() - 1);
  Restart();
  EXPECT_EQ(Ready(), 0u);
  EXPECT_THAT(env_.bodies, IsEmpty());
}

TEST_F(ShardStorageTest, AfterARestartWhatMayHaveBeenDeliveredIsMarkedAndNothingElse) {
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

TEST_F(ShardStorageTest, MessageThatCameAfterARestartIsNotMarked) {
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

TEST_F(ShardStorageTest, CheckpointHoldsAllThatWaits) {
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

TEST_F(ShardStorageTest, DeepQueueLeavesMemoryAndComesBackInOrder) {
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

TEST_F(ShardStorageTest, SpaceOfSettledMessagesComesBackThoughOneOfTheirEntryWaits) {
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

TEST_F(ShardStorageTest, PurgeOfADeepQueueFreesItsBodiesAndPages) {
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

TEST_F(ShardStorageTest, TransactionWhoseFactsExceedAHeaderIsStillAllOrNothing) {
  const size_t kMessages = 130000;
  Transaction transaction;
  transaction.publishes = Batch(std::vector<std::string>(kMessages, "m"), {Queue(10)});
  Ask(s_, transaction);
  env_.Turn();
  ASSERT_GT(env_.proposed(), 2u);
  env_.Commit(env_.proposed() - 1);
  EXPECT_EQ(Figures().ready, 0u);
  Run();
  EXPECT_EQ(published_, kMessages);
  EXPECT_EQ(Ready(), kMessages);
  Restart();
  EXPECT_EQ(Ready(), kMessages);
  EXPECT_EQ(std::get<QueueCounts>(Purge().result).ready, kMessages);
  Run();
  EXPECT_THAT(env_.bodies, IsEmpty());
}

TEST_F(ShardStorageTest, MessageWhoseBodyCannotBeReadHoldsUpNoOther) {
  Publish({"a"});
  Run();
  const uint64_t damaged = env_.bodies.rbegin()->first;
  Publish({"b", "c"});
  Run();
  Restart();
  env_.bodies.erase(damaged);
  Consume(1, 100);
  Run();
  ASSERT_THAT(deliveries_, SizeIs(2));
  EXPECT_EQ(Text(deliveries_[0]), "b");
  EXPECT_EQ(Ready(), 1u);  // Never silently gone.
  EXPECT_EQ(std::get<QueueCounts>(Purge().result).ready, 1u);
}

TEST_F(ShardStorageTest, PageThatCannotBeReadHoldsUpNoOther) {
  for (int i = 0; i < 10; ++i) {
    std::vector<std::string> texts;
    for (int k = 0; k < 1024; ++k) texts.push_back(absl::StrCat(i * 1024 + k));
    Publish(texts);
    Run();
  }
  ASSERT_FALSE(env_.pages.empty());
  env_.pages.rbegin()->second = "damaged";
  Consume(1, Credit::kUnlimited);
  Run();
  EXPECT_EQ(deliveries_.size(), 10 * 1024u - 2048);
  EXPECT_EQ(Ready(), 2048u);
}

TEST_F(ShardStorageTest, BacklogIsReadInFewReads) {
  for (int i = 0; i < 20; ++i) {
    Publish(std::vector<std::string>(500, std::string(100, 'x')));
    Run();
  }
  Restart();
  env_.body_reads = 0;
  Consume(1, Credit::kUnlimited);
  Run();
  EXPECT_EQ(deliveries_.size(), 10000u);
  EXPECT_LT(env_.body_reads, 30u);
}

TEST_F(ShardStorageTest, ForgottenMessagesCostNoMoreThanThemselves) {
  Consume(1, Credit::kUnlimited);
  Run();
  uint64_t memory = 0;
  for (int i = 0; i < 400; ++i) {
    std::vector<std::string> texts;
    for (int k = 0; k < 500; ++k)
      texts.push_back(std::string(static_cast<size_t>(10 + (i * 7 + k * 13) % 50), 'x'));
    Publish(texts);
    Run();
    deliveries_.erase(deliveries_.begin());  // One of each 500 is never acknowledged.
    AckAll();
    deliveries_.clear();
    Run();
    if (i == 99) memory = env_.shard().memory_bytes();
  }
  EXPECT_EQ(Figures().unacknowledged, 400u);
  EXPECT_LT(env_.shard().memory_bytes() - memory, 300u * 1000);
}

// Everything that a checkpoint's root lists is on the disk, and the disk holds nothing else.
void ExpectListedIsStored(const FakeEnvironment& env) {
  const absl::StatusOr<CheckpointContents> contents = ListCheckpoint({1}, env.root);
  ASSERT_TRUE(contents.ok()) << contents.status();
  std::vector<uint64_t> pages;
  for (const auto& [page, bytes] : env.pages) pages.push_back(page);
  EXPECT_EQ(contents->pages, pages);
  std::vector<uint64_t> listed;
  uint64_t end = 0;
  for (const CheckpointContents::Run& run : contents->bodies) {
    EXPECT_GT(run.first, end) << "not ascending, or touching";
    end = run.first + run.count;
    for (uint64_t entry = run.first; entry < end; ++entry) listed.push_back(entry);
  }
  std::vector<uint64_t> bodies;
  for (const auto& [entry, parts] : env.bodies) bodies.push_back(entry);
  EXPECT_EQ(listed, bodies);
}

TEST_F(ShardStorageTest, ACheckpointListsWhatItNeedsOfTheDisk) {
  for (int i = 0; i < 40; ++i) {
    std::vector<std::string> texts;
    for (int k = 0; k < 500; ++k) texts.push_back(absl::StrCat("message ", i * 500 + k));
    Publish(texts);
    Publish({std::string(600000, 'p')}, 11);  // In pieces.
    Run();
  }
  Consume(1, Credit::kUnlimited);
  Run();
  ASSERT_THAT(deliveries_, SizeIs(20000));
  // Holes of all sizes, in segments on disk and in memory.
  std::vector<Delivery> settle;
  for (size_t i = 0; i < deliveries_.size(); ++i) {
    if (i < 3000 || i % 3 == 0 || (i > 9000 && i < 12500)) settle.push_back(deliveries_[i]);
  }
  deliveries_ = std::move(settle);
  AckAll();
  Run();
  env_.shard().MakeCheckpoint();
  Run();
  env_.shard().MakeCheckpoint();  // Of which no page waits to be dropped.
  Run();
  EXPECT_GT(env_.pages.size(), 3u);
  ExpectListedIsStored(env_);
  for (const auto& [entry, logged] : env_.log)
    EXPECT_EQ(env_.shard().NeedsBody(entry), env_.bodies.contains(entry)) << entry;
}

// A page that was not read since its last messages were settled still says which bodies to let go.
TEST_F(ShardStorageTest, ACheckpointListsPagesThatOnlyOwe) {
  for (int i = 0; i < 20; ++i) {
    Publish(std::vector<std::string>(1000, "message"));
    Run();
  }
  env_.shard().MakeCheckpoint();
  Run();
  Restart();  // Nothing is in memory any more.
  broker::Purge purge;
  purge.request.value = ++request_;
  purge.queue = Queue(10);
  Ask(s_, purge);
  env_.Turn();
  env_.Commit();
  ASSERT_GT(env_.reads(), 0u) << "pages that are to be read for what they owe";
  env_.shard().MakeCheckpoint();
  const absl::StatusOr<CheckpointContents> contents = ListCheckpoint({1}, env_.root);
  ASSERT_TRUE(contents.ok());
  EXPECT_FALSE(contents->pages.empty());
  for (const uint64_t page : contents->pages) EXPECT_TRUE(env_.pages.contains(page)) << page;
  EXPECT_EQ(Ready(), 0u);
  env_.Crash();
  env_.Settle();
  EXPECT_THAT(env_.bodies, IsEmpty());
}

TEST_F(ShardStorageTest, ADamagedRootIsRefusedAndNothingElse) {
  for (int i = 0; i < 6; ++i) Publish(std::vector<std::string>(1000, "message"));
  Publish({std::string(600000, 'p')}, 11);
  Run();
  env_.shard().MakeCheckpoint();
  Run();
  const std::string root = env_.root;
  EXPECT_EQ(ListCheckpoint({2}, root).status().code(), absl::StatusCode::kDataLoss)
      << "of another shard";
  EXPECT_EQ(ListCheckpoint({1}, "").status().code(), absl::StatusCode::kDataLoss);
  std::string newer = root;
  newer[0] = 99;
  EXPECT_EQ(ListCheckpoint({1}, newer).status().code(), absl::StatusCode::kFailedPrecondition);
  for (size_t cut = 1; cut < root.size(); cut += 7)
    EXPECT_FALSE(ListCheckpoint({1}, root.substr(0, cut)).ok()) << cut;
  for (size_t at = 1; at < root.size(); ++at) {
    for (const char flip : {'\x01', '\x80', '\xff'}) {
      std::string bad = root;
      bad[at] ^= flip;
      (void)ListCheckpoint({1}, bad);  // Must not crash; some flips make another root.
    }
  }
}

}  // namespace
}  // namespace pontoon::broker
