#include "raft/core/replica_test.h"

namespace pontoon::raft {
namespace {

using ReconfigurationTest = ReplicaTest;

// redpanda pull 17675, nats-server pull 7565; the flaw of 2015 (raft-dev) for the first part.
TEST_F(ReconfigurationTest, OneChangeAtATimeAndNoneBeforeTheOwnTermIsCommitted) {
  Create();
  Lead();
  Settle();
  const Membership learner{.voters = {R(1), R(2), R(3)}, .learners = {R(4)}};
  EXPECT_EQ(core_->ProposeConfig(Term{2}, learner).status().code(), absl::StatusCode::kUnavailable);
  ASSERT_EQ(Step(Accepted(2, 2)), absl::OkStatus());
  ASSERT_TRUE(core_->ProposeConfig(Term{2}, learner).ok());
  EXPECT_EQ(core_->membership(), learner) << "in force at once (thesis §4.1)";
  EXPECT_EQ(core_->ProposeConfig(Term{2}, kThree).status().code(), absl::StatusCode::kUnavailable);
  Settle();
  ASSERT_EQ(Step(Accepted(2, 3)), absl::OkStatus());
  EXPECT_TRUE(core_->ProposeConfig(Term{2}, kThree).ok());
}

TEST_F(ReconfigurationTest, WhoHasNotLearntMayNotVote) {
  Create();
  LeadReady();
  const Membership four{.voters = {R(1), R(2), R(3), R(4)}};
  EXPECT_EQ(core_->ProposeConfig(Term{2}, four).status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(core_->ProposeConfig(Term{2}, kThree).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(core_->ProposeConfig(Term{2}, {}).status().code(), absl::StatusCode::kInvalidArgument);
}

// Raft thesis §4.3; design section 3: from one voter to three in one change.
TEST_F(ReconfigurationTest, GrowsFromOneVoterToThreeInOneJointChange) {
  const Membership alone{.voters = {R(1)}};
  Create({}, alone);
  Settle();
  ASSERT_TRUE(core_->ready());
  const uint64_t term = core_->term().value;
  ASSERT_TRUE(core_->ProposeConfig(Term{term}, {.voters = {R(1)}, .learners = {R(2), R(3)}}).ok());
  Settle();
  EXPECT_EQ(core_->commit(), core_->log().last().index) << "learners do not count";
  const uint64_t last = core_->log().last().index.value;
  ASSERT_EQ(Step(Accepted(2, last)), absl::OkStatus());
  ASSERT_EQ(Step(Accepted(3, last)), absl::OkStatus());
  ASSERT_TRUE(core_->ProposeConfig(Term{term}, kThree).ok());
  EXPECT_TRUE(IsJoint(core_->membership()));
  Settle();
  EXPECT_EQ(core_->commit(), Index{last}) << "the new half has no majority yet";
  ASSERT_EQ(Step(Accepted(2, last + 1)), absl::OkStatus());
  EXPECT_EQ(core_->membership(), kThree) << "it leaves the joint membership by itself";
  EXPECT_EQ(core_->commit(), Index{last + 1});
  Settle();
  ASSERT_EQ(Step(Accepted(3, last + 2)), absl::OkStatus());
  EXPECT_EQ(core_->commit(), Index{last + 2});
}

// Raft thesis §4.2.2.
TEST_F(ReconfigurationTest, ALeaderThatIsRemovedLeadsUntilThatIsCommitted) {
  Create();
  LeadReady();
  ASSERT_TRUE(core_->ProposeConfig(Term{2}, {.voters = {R(2), R(3)}}).ok());
  Settle();
  ASSERT_EQ(Step(Accepted(2, 3)), absl::OkStatus());
  ASSERT_EQ(Step(Accepted(3, 3)), absl::OkStatus());
  EXPECT_EQ(core_->membership(), (Membership{.voters = {R(2), R(3)}}));
  Settle();
  ASSERT_EQ(Step(Accepted(2, 4)), absl::OkStatus());
  EXPECT_EQ(core_->role(), Role::kLeader) << "it does not count itself";
  ASSERT_EQ(Step(Accepted(3, 4)), absl::OkStatus());
  EXPECT_EQ(core_->role(), Role::kFollower);
  Settle();
  Pass(base::Seconds(10));
  EXPECT_EQ(core_->role(), Role::kFollower) << "and asks for no election any more";
}

// Found by the simulator: it alone can be elected, and by its log it no longer votes.
TEST_F(ReconfigurationTest, ALeaderThatCrashedInTheMiddleOfItsRemovalCampaignsToCompleteIt) {
  RecoveredGroup recovered;
  recovered.entries = {ConfigAt(1, 1, {.voters = {R(1)}}),
                       ConfigAt(2, 2, {.voters = {R(2)}, .outgoing_voters = {R(1)}}),
                       ConfigAt(2, 3, {.voters = {R(2)}})};
  recovered.hard_state = {Term{2}, R(1)};
  core_ = *Core::Create({.group = GroupId{1}, .self = R(1)}, std::move(recovered), &random_);
  invariants_ = Invariants();
  Pass(base::Millis(1));
  Lead();
  EXPECT_EQ(core_->role(), Role::kLeader);
}

}  // namespace
}  // namespace pontoon::raft
