#include "raft/core/replica_test.h"

namespace pontoon::raft {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

using FollowerTest = ReplicaTest;

// Raft thesis §3.5: conflicting entries and all that follow them go.
TEST_F(FollowerTest, ReplacesWhatContradictsTheLeaderAndAcknowledgesOnceDurable) {
  Create({2, 2, 2});
  ASSERT_EQ(Step(Append(3, {Term{2}, Index{2}}, {At(3, 3)})), absl::OkStatus());
  Output out = Take();
  ASSERT_THAT(out.storage, SizeIs(1));
  EXPECT_EQ(out.storage[0].truncate_from, Index{3});
  EXPECT_THAT(out.storage[0].append, SizeIs(1));
  EXPECT_EQ(core_->log().last(), (EntryId{Term{3}, Index{3}}));
  EXPECT_THAT(out.send_now, IsEmpty());
  ASSERT_THAT(out.send_after, SizeIs(1));
  EXPECT_EQ(out.send_after[0].message.log.index, Index{3});
}

// ra pull 516, raft-rs pull 417: a late "written" for what was replaced must not count for what
// replaced it.
TEST_F(FollowerTest, ALateCompletionOfReplacedEntriesCountsForNothing) {
  Create({2});
  ASSERT_EQ(Step(Append(3, {Term{2}, Index{2}}, {At(3, 3), At(3, 4)})), absl::OkStatus());
  const Output old = Take();
  Message from3 = Append(4, {Term{2}, Index{2}}, {At(4, 3), At(4, 4)});
  from3.from = R(3);
  ASSERT_EQ(Step(from3), absl::OkStatus());
  const Output now = Take();
  core_->OnStorageDone(old.storage[0].seq);
  Check();
  EXPECT_EQ(core_->durable(), Index{2});
  core_->OnStorageDone(now.storage[0].seq);
  EXPECT_EQ(core_->durable(), Index{4});
}

TEST_F(FollowerTest, AGapIsRefusedWithAHintThatSkipsWholeTerms) {
  Create({2, 2, 3, 3});
  ASSERT_EQ(Step(Append(5, {Term{2}, Index{9}}, {At(5, 10)})), absl::OkStatus());
  const std::vector<Message> sent = Settle();
  ASSERT_THAT(sent, SizeIs(1));
  EXPECT_TRUE(sent[0].refused);
  EXPECT_EQ(sent[0].probe, Index{9});
  EXPECT_EQ(sent[0].log, (EntryId{Term{2}, Index{3}}))
      << "entries of term 3 cannot be in a log whose entry 9 is of term 2";
}

// R11, ra pull 508: commit counts only as far as the append has shown agreement.
TEST_F(FollowerTest, CommitsNoFurtherThanWhatTheAppendHasShownToAgree) {
  Create({2, 2, 2});
  ASSERT_EQ(Step(Append(3, {Term{2}, Index{2}}, {}, 4)), absl::OkStatus());
  EXPECT_EQ(core_->commit(), Index{2});
}

TEST_F(FollowerTest, AppliesOnlyWhatItHasDurablyItself) {
  Create({2});
  ASSERT_EQ(Step(Append(2, {Term{2}, Index{2}}, {At(2, 3)}, 3)), absl::OkStatus());
  Output out = Take();
  EXPECT_THAT(out.committed, SizeIs(2));
  core_->OnStorageDone(out.storage[0].seq);
  EXPECT_THAT(Take().committed, SizeIs(1));
}

TEST_F(FollowerTest, DamagedAndImpossibleAppendsAreDroppedAndChangeNothing) {
  Create({2, 2});
  ASSERT_EQ(Step(Append(2, {Term{2}, Index{3}}, {}, 3)), absl::OkStatus());
  Settle();
  const auto refused = [this](Message message) {
    return Step(std::move(message)).code() == absl::StatusCode::kInvalidArgument;
  };
  const EntryId last{Term{2}, Index{3}};
  Entry header = At(3, 4);
  header.header_crc ^= 1;
  EXPECT_TRUE(refused(Append(3, last, {header})));
  Entry body = At(3, 4, "h", "body");
  body.body_crc ^= 1;
  EXPECT_TRUE(refused(Append(3, last, {body})));
  Entry without = At(3, 4, "h", "body");
  without.body.Clear();
  EXPECT_TRUE(refused(Append(3, last, {without})))
      << "a replica acknowledges an entry only with its body";
  EXPECT_TRUE(refused(Append(3, last, {At(3, 5)})));
  EXPECT_TRUE(refused(Append(3, last, {At(4, 4)})));
  EXPECT_TRUE(refused(Append(3, {Term{2}, Index{2}}, {At(3, 3)})))
      << "entry 3 is committed as it is";
  EXPECT_TRUE(refused(Append(3, {Term{1}, Index{3}}, {})));
  EXPECT_TRUE(refused(Append(3, {Term{0}, Index{3}}, {})));
  Message config = Append(3, last, {ConfigAt(3, 4, kThree)});
  config.entries[0].header = Bytes("not a membership");
  config.entries[0].header_crc = At(1, 1, "not a membership").header_crc;
  EXPECT_TRUE(refused(config));
  Entry oversized = At(3, 4, "h", "body");
  oversized.body.Clear();
  oversized.body_bytes = kEntryBodyBytesMax + 1;
  oversized.remains = std::make_shared<BodyRemains>(BodyRemains{.ended = Index{4}});
  EXPECT_TRUE(refused(Append(3, last, {oversized}, 4)));
  EXPECT_TRUE(refused(Append(3, last, {At(3, 4, std::string(kEntryHeaderBytesMax + 1, 'h'))})));
  EXPECT_TRUE(refused(Append(3, last, {At(3, 4, "h", std::string(kEntryBodyBytesMax + 1, 'b'))})));
  Message other = Append(3, last, {});
  other.epoch = base::RecoveryEpoch{1};
  EXPECT_TRUE(refused(other));
  EXPECT_EQ(core_->term(), Term{2});
  EXPECT_FALSE(core_->has_output());
}

// Its entries may stand where others are committed by now: that is no lie, only late.
TEST_F(FollowerTest, ADeposedLeaderLearnsOfTheTermWhateverItsAppendHolds) {
  Create({2, 3});
  ASSERT_EQ(Step(Append(3, {Term{3}, Index{3}}, {}, 3)), absl::OkStatus());
  Settle();
  ASSERT_EQ(Step(Append(2, {Term{2}, Index{2}}, {At(2, 3)})), absl::OkStatus());
  const std::vector<Message> sent = Settle();
  ASSERT_THAT(sent, SizeIs(1));
  EXPECT_EQ(sent[0].term, Term{3});
  EXPECT_TRUE(sent[0].refused);
  EXPECT_EQ(core_->log().last(), (EntryId{Term{3}, Index{3}}));
}

// Raft thesis §4.1: in force once appended, also at a follower; gone with the entry.
TEST_F(FollowerTest, AMembershipIsInForceWhenAppendedAndGoneWhenReplaced) {
  Create();
  const Membership five{.voters = {R(1), R(2), R(3), R(4), R(5)}};
  ASSERT_EQ(Step(Append(2, {Term{1}, Index{1}}, {ConfigAt(2, 2, five)})), absl::OkStatus());
  EXPECT_EQ(core_->membership(), five);
  ASSERT_EQ(Step(Append(3, {Term{1}, Index{1}}, {At(3, 2)})), absl::OkStatus());
  EXPECT_EQ(core_->membership(), kThree);
}

TEST_F(FollowerTest, ToldToCampaignItDoesSoAtOnceIfItHasWhatTheLeaderThinks) {
  Create({1});
  ASSERT_EQ(Step(From(2, MessageKind::kHeartbeat, 1)), absl::OkStatus());
  Settle();
  Message now = From(2, MessageKind::kTimeoutNow, 1);
  now.log = {Term{1}, Index{1}};
  ASSERT_EQ(Step(now), absl::OkStatus());
  EXPECT_EQ(core_->role(), Role::kFollower);
  now.log = {Term{1}, Index{2}};
  ASSERT_EQ(Step(now), absl::OkStatus());
  EXPECT_EQ(core_->role(), Role::kCandidate);
  const std::vector<Message> sent = Settle();
  ASSERT_THAT(sent, SizeIs(2));
  EXPECT_TRUE(sent[0].transfer);
}

}  // namespace
}  // namespace pontoon::raft
