#include "raft/core/replica_test.h"

namespace pontoon::raft {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

using LeaderTest = ReplicaTest;

// Raft thesis §3.6.2, figure 3.7; nats-server pull 7955.
TEST_F(LeaderTest, CountsReplicasOnlyForEntriesOfItsOwnTerm) {
  Create({2, 2});
  Lead();
  Settle();
  ASSERT_EQ(Step(Accepted(2, 3)), absl::OkStatus());
  EXPECT_EQ(core_->commit(), Index{0}) << "entry 3 is on two of three, but of an older term";
  ASSERT_EQ(Step(Accepted(2, 4)), absl::OkStatus());
  EXPECT_EQ(core_->commit(), Index{4});
}

TEST_F(LeaderTest, WritesItsDiskWhileTheFollowersWriteTheirs) {
  Create();
  LeadReady();
  Entry entry = At(0, 0);
  ASSERT_TRUE(core_->Propose(core_->term(), absl::MakeSpan(&entry, 1)).ok());
  Output out = Take();
  ASSERT_THAT(out.send_now, SizeIs(2)) << "appends do not wait for the own disk";
  ASSERT_EQ(Step(Accepted(2, 3)), absl::OkStatus());
  EXPECT_EQ(core_->commit(), Index{2});
  ASSERT_EQ(Step(Accepted(3, 3)), absl::OkStatus());
  EXPECT_EQ(core_->commit(), Index{3}) << "a majority has it without the leader";
}

TEST_F(LeaderTest, AppendsArePipelinedWithinLimits) {
  Create();
  LeadReady();
  for (int i = 0; i < 100; ++i) {
    Entry entry = At(0, 0, "h", std::string(kEntryBodyBytesMax, 'b'));
    ASSERT_TRUE(core_->Propose(core_->term(), absl::MakeSpan(&entry, 1)).ok());
  }
  size_t to_2 = 0;
  for (const Message& message : Take().send_now) to_2 += message.to == R(2);
  EXPECT_EQ(to_2, 16u) << "4 MiB in flight, one entry of 256 KiB each";
  ASSERT_EQ(Step(Accepted(2, 6)), absl::OkStatus());
  to_2 = 0;
  for (const Message& message : Take().send_now)
    to_2 += message.to == R(2) && message.kind == MessageKind::kAppend;
  EXPECT_EQ(to_2, 4u) << "as many as were acknowledged";
}

// R14, redpanda pull 13495.
TEST_F(LeaderTest, AnAnswerAboutWhatDoesNotExistIsDropped) {
  Create();
  LeadReady();
  EXPECT_EQ(Step(Accepted(2, 9)).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(core_->progress().at(R(2)).match, Index{2});
}

TEST_F(LeaderTest, ARefusedProbeGoesBackToWhereTheLogsCanAgree) {
  Create({2, 2, 2, 3, 3});
  Lead();
  Settle();
  Message refused = Accepted(2, 4);
  refused.refused = true;
  refused.probe = Index{6};
  refused.log = {Term{2}, Index{4}};
  ASSERT_EQ(Step(refused), absl::OkStatus());
  const std::vector<Message> sent = Settle();
  ASSERT_THAT(sent, SizeIs(1));
  EXPECT_EQ(sent[0].log, (EntryId{Term{2}, Index{4}}));
  EXPECT_THAT(sent[0].entries, SizeIs(3));
  ASSERT_EQ(Step(refused), absl::OkStatus());
  EXPECT_THAT(Settle(), IsEmpty()) << "the same answer again is about another probe";
  ASSERT_EQ(Step(Accepted(2, 7)), absl::OkStatus());
  EXPECT_EQ(core_->progress().at(R(2)).match, Index{7});
  EXPECT_EQ(core_->commit(), Index{7});
}

// What a disk lost without a trace: asking again at once would go round as fast as the network.
TEST_F(LeaderTest, ARefusalOfWhatWasAcknowledgedIsNotAskedAboutAgainAtOnce) {
  Create();
  LeadReady();
  const Index had = core_->progress().at(R(2)).match;
  Entry entry = At(0, 0);
  ASSERT_TRUE(core_->Propose(core_->term(), absl::MakeSpan(&entry, 1)).ok());
  Settle();
  Message refused = Accepted(2, had.value - 1);
  refused.refused = true;
  refused.probe = had + 1;
  ASSERT_EQ(Step(refused), absl::OkStatus());
  ASSERT_THAT(Settle(), SizeIs(1)) << "asked what they agree about";
  refused.probe = had;
  ASSERT_EQ(Step(refused), absl::OkStatus());
  EXPECT_THAT(Settle(), IsEmpty());
}

TEST_F(LeaderTest, StepsDownWhenItLearnsOfALaterTerm) {
  Create();
  LeadReady();
  Message refused = Accepted(2, 0);
  refused.term = Term{9};
  refused.refused = true;
  ASSERT_EQ(Step(refused), absl::OkStatus());
  EXPECT_EQ(core_->role(), Role::kFollower);
  EXPECT_EQ(core_->term(), Term{9});
  Entry entry = At(0, 0);
  EXPECT_EQ(core_->Propose(Term{2}, absl::MakeSpan(&entry, 1)).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

// R15: counted from when the question left, not from when the answer came.
TEST_F(LeaderTest, TheLeaseCountsFromTheSendThatAMajorityAnswered) {
  Create();
  LeadReady();
  const base::MonotonicTime sent = now_;
  Message answer = From(2, MessageKind::kHeartbeatReply, 2);
  Pass(base::Millis(200));
  ASSERT_EQ(Step(answer), absl::OkStatus());
  EXPECT_TRUE(core_->LeaseHolds(sent + base::Millis(296)));
  EXPECT_FALSE(core_->LeaseHolds(sent + base::Millis(298))) << "300 ms less 1 % of drift";
}

TEST_F(LeaderTest, AnAnswerToWhatWasNeverSentProlongsNoLease) {
  Create();
  LeadReady();
  const base::MonotonicTime sent = now_;
  Pass(base::Millis(200));
  Message answer = From(2, MessageKind::kHeartbeatReply, 2);
  answer.stamp = now_ + base::Seconds(10);
  ASSERT_EQ(Step(answer), absl::OkStatus());
  EXPECT_FALSE(core_->LeaseHolds(sent + base::Millis(298)));
}

// Where its own disk is the slowest, others' disks commit: what a peer lacks must still be there.
TEST_F(LeaderTest, WhatIsNotOnTheOwnDiskStaysInMemoryForThoseWhoLackIt) {
  Create({}, Membership{.voters = {R(1), R(2), R(3), R(4), R(5)}}, {}, {.held_bytes_max = 0});
  Lead({2, 3});
  Settle();
  for (const uint64_t node : {2, 3, 4, 5}) ASSERT_EQ(Step(Accepted(node, 2)), absl::OkStatus());
  Settle();
  Entry entry = At(0, 0);
  ASSERT_TRUE(core_->Propose(Term{2}, absl::MakeSpan(&entry, 1)).ok());
  Output out = Take();
  for (const uint64_t node : {2, 3, 4}) ASSERT_EQ(Step(Accepted(node, 3)), absl::OkStatus());
  EXPECT_THAT(Take().committed, SizeIs(1));
  EXPECT_EQ(core_->log().held_from(), Index{3});
  core_->OnStorageDone(out.storage[0].seq);
  ASSERT_EQ(Step(Accepted(4, 3)), absl::OkStatus());
  EXPECT_EQ(core_->log().held_from(), Index{4});
}

// R16, etcd raft pull 397: an answer to an earlier round is no answer.
TEST_F(LeaderTest, AReadNeedsAnAnswerToItsOwnRound) {
  Create();
  LeadReady();
  ASSERT_EQ(core_->ReadIndex(ReadId{1}), absl::OkStatus());
  ASSERT_EQ(core_->ReadIndex(ReadId{2}), absl::OkStatus());
  const Output out = Take();
  ASSERT_THAT(out.send_now, SizeIs(2)) << "one round for all reads of a turn";
  Message answer = From(2, MessageKind::kHeartbeatReply, 2);
  answer.round = out.send_now[0].round - 1;
  ASSERT_EQ(Step(answer), absl::OkStatus());
  EXPECT_THAT(Take().reads, IsEmpty());
  answer.round += 1;
  ASSERT_EQ(Step(answer), absl::OkStatus());
  EXPECT_THAT(Take().reads, SizeIs(2));
}

// Raft thesis §3.10.
TEST_F(LeaderTest, HandsOverOnlyToAVoterThatHasEverythingAndTakesNothingMeanwhile) {
  Create();
  LeadReady();
  Entry entry = At(0, 0);
  ASSERT_TRUE(core_->Propose(Term{2}, absl::MakeSpan(&entry, 1)).ok());
  Settle();
  EXPECT_EQ(core_->TransferTo(R(9)).code(), absl::StatusCode::kFailedPrecondition);
  ASSERT_EQ(core_->TransferTo(R(2)), absl::OkStatus());
  EXPECT_THAT(Settle(), IsEmpty());
  Entry more = At(0, 0);
  EXPECT_EQ(core_->Propose(Term{2}, absl::MakeSpan(&more, 1)).status().code(),
            absl::StatusCode::kUnavailable);
  EXPECT_FALSE(core_->LeaseHolds(now_));
  ASSERT_EQ(Step(Accepted(2, 3)), absl::OkStatus());
  const std::vector<Message> sent = Settle();
  ASSERT_THAT(sent, SizeIs(1));
  EXPECT_EQ(sent[0].kind, MessageKind::kTimeoutNow);
  EXPECT_EQ(sent[0].log, (EntryId{Term{2}, Index{3}}));
}

TEST_F(LeaderTest, AHandOverThatDoesNotHappenIsUndone) {
  Create();
  LeadReady();
  ASSERT_EQ(core_->TransferTo(R(2)), absl::OkStatus());
  for (int i = 0; i < 13; ++i) {
    Pass(base::Millis(50));
    ASSERT_EQ(Step(From(3, MessageKind::kHeartbeatReply, 2)), absl::OkStatus());
  }
  EXPECT_FALSE(core_->transfer_target().has_value());
  Entry entry = At(0, 0);
  EXPECT_TRUE(core_->Propose(Term{2}, absl::MakeSpan(&entry, 1)).ok());
}

}  // namespace
}  // namespace pontoon::raft
