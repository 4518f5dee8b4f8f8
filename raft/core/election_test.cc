#include "raft/core/replica_test.h"

namespace pontoon::raft {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

using ElectionTest = ReplicaTest;

// Raft thesis §9.6.
TEST_F(ElectionTest, APreVoteChangesNeitherTermNorVoteOfAnybody) {
  Create({1, 1});
  Pass(base::Millis(700));
  EXPECT_EQ(core_->role(), Role::kPreCandidate);
  EXPECT_EQ(core_->term(), Term{1});
  const std::vector<Message> asked = Settle();
  ASSERT_THAT(asked, SizeIs(2));
  EXPECT_EQ(asked[0].kind, MessageKind::kPreVote);
  EXPECT_EQ(asked[0].term, Term{2});
  Message question = From(3, MessageKind::kPreVote, 9);
  question.log = {Term{1}, Index{3}};
  ASSERT_EQ(Step(question), absl::OkStatus());
  const Output out = Take();
  EXPECT_THAT(out.storage, IsEmpty());
  EXPECT_EQ(core_->term(), Term{1});
  EXPECT_FALSE(out.send_now[0].refused);
}

TEST_F(ElectionTest, AVoterThatHearsTheLeaderHelpsNoCandidate) {
  Create();
  ASSERT_EQ(Step(From(2, MessageKind::kHeartbeat, 1)), absl::OkStatus());
  Settle();
  Message question = From(3, MessageKind::kPreVote, 2);
  question.log = {Term{1}, Index{1}};
  ASSERT_EQ(Step(question), absl::OkStatus());
  EXPECT_TRUE(Settle()[0].refused);
  Message request = From(3, MessageKind::kVote, 2);
  request.log = {Term{1}, Index{1}};
  ASSERT_EQ(Step(request), absl::OkStatus());
  EXPECT_EQ(core_->term(), Term{1}) << "the group is not disturbed";
  request.transfer = true;
  ASSERT_EQ(Step(request), absl::OkStatus());
  EXPECT_FALSE(Settle()[0].refused) << "the leader itself asked for it";
}

// Raft thesis §3.4; nats-server pull 7698: a second vote in one term.
TEST_F(ElectionTest, VotesOncePerTermAlsoAfterARestart) {
  Create();
  Message request = From(2, MessageKind::kVote, 5);
  request.log = {Term{1}, Index{1}};
  ASSERT_EQ(Step(request), absl::OkStatus());
  EXPECT_FALSE(Settle()[0].refused);
  request.from = R(3);
  ASSERT_EQ(Step(request), absl::OkStatus());
  EXPECT_TRUE(Settle()[0].refused);
  Create({}, kThree, HardState{Term{5}, R(2)});
  ASSERT_EQ(Step(request), absl::OkStatus());
  EXPECT_TRUE(Settle()[0].refused);
  request.from = R(2);
  ASSERT_EQ(Step(request), absl::OkStatus());
  EXPECT_FALSE(Settle()[0].refused) << "the same candidate may ask twice";
}

// nats-server pull 5848: a vote that left before it was on the disk.
TEST_F(ElectionTest, AVoteLeavesOnlyOnceItIsDurable) {
  Create();
  Message request = From(2, MessageKind::kVote, 5);
  request.log = {Term{1}, Index{1}};
  ASSERT_EQ(Step(request), absl::OkStatus());
  const Output out = Take();
  EXPECT_THAT(out.send_now, IsEmpty());
  ASSERT_THAT(out.send_after, SizeIs(1));
  EXPECT_EQ(out.send_after[0].after, out.storage[0].seq);
  ASSERT_EQ(Step(request), absl::OkStatus());
  const Output again = Take();
  EXPECT_THAT(again.send_now, IsEmpty()) << "asked again meanwhile, the answer waits as well";
  EXPECT_EQ(again.send_after[0].after, out.storage[0].seq);
}

// Raft thesis §3.6.1.
TEST_F(ElectionTest, RefusesACandidateWithAnOlderLog) {
  Create({2, 2});
  for (const EntryId last : {EntryId{Term{1}, Index{9}}, EntryId{Term{2}, Index{2}}}) {
    Message request = From(2, MessageKind::kVote, core_->term().value + 1);
    request.log = last;
    ASSERT_EQ(Step(request), absl::OkStatus());
    EXPECT_TRUE(Settle()[0].refused);
  }
}

TEST_F(ElectionTest, ALeaderThatNoMajorityAnswersStepsDown) {
  Create();
  LeadReady();
  Pass(base::Millis(300));
  ASSERT_EQ(Step(From(3, MessageKind::kHeartbeatReply, 2)), absl::OkStatus());
  Pass(base::Millis(400));
  EXPECT_EQ(core_->role(), Role::kLeader) << "one of two peers and itself are a majority";
  Pass(base::Millis(300));
  EXPECT_EQ(core_->role(), Role::kFollower);
}

TEST_F(ElectionTest, VotesOfStrangersAndOfOldIncarnationsDoNotCount) {
  Create();
  Pass(base::Millis(700));
  Settle();
  Message yes = From(9, MessageKind::kPreVoteReply, 2);
  EXPECT_EQ(Step(yes).code(), absl::StatusCode::kInvalidArgument);
  yes = From(2, MessageKind::kPreVoteReply, 2);
  yes.from.incarnation = 0;
  EXPECT_EQ(Step(yes).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(core_->role(), Role::kPreCandidate);
}

// Design section 5: who is refused by the leader's machine need not wait for silence.
TEST_F(ElectionTest, ARefusedConnectionToTheLeaderStartsThePreVoteAtOnceAndOneToOthersDoesNot) {
  Create({1});
  ASSERT_EQ(Step(From(2, MessageKind::kHeartbeat, 2)), absl::OkStatus());
  Settle();
  core_->OnPeerUnreachable(NodeId{3});
  Pass(base::Millis(30));
  EXPECT_EQ(core_->role(), Role::kFollower);
  core_->OnPeerUnreachable(NodeId{2});
  Message ask = From(3, MessageKind::kPreVote, 3);
  ask.log = {Term{9}, Index{9}};
  ASSERT_EQ(Step(ask), absl::OkStatus());
  EXPECT_FALSE(Settle().back().refused) << "it still counts the leader as heard";
  Pass(base::Millis(30));
  EXPECT_EQ(core_->role(), Role::kFollower) << "in this group it is the other one's turn first";
  Pass(base::Millis(40));
  EXPECT_EQ(core_->role(), Role::kPreCandidate);
}

}  // namespace
}  // namespace pontoon::raft
