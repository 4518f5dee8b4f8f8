#include "raft/core/reopen.h"

#include "raft/core/replica_test.h"

namespace pontoon::raft {
namespace {

class ReopenTest : public ReplicaTest {
 protected:
  RecoveredGroup Copy() {
    RecoveredGroup copy;
    copy.entries = {ConfigAt(1, 1, kThree), At(1, 2), At(4, 3)};
    copy.hard_state = {Term{6}, R(2)};
    return copy;
  }
  // What is recovered once the task is on the disk.
  static RecoveredGroup After(RecoveredGroup copy, const StorageTask& task) {
    copy.hard_state = *task.hard_state;
    copy.epoch = *task.epoch;
    copy.quarantined = false;
    for (const Entry& entry : task.append) copy.entries.push_back(entry);
    return copy;
  }
};

TEST_F(ReopenTest, AReopenedGroupLeadsAloneWithAllThatItsCopyHeld) {
  const auto task = MakeReopenTask(GroupId{1}, Copy(), R(1), base::RecoveryEpoch{1});
  ASSERT_TRUE(task.ok());
  core_ = *Core::Create({.group = GroupId{1}, .self = R(1)}, After(Copy(), *task), &random_);
  Pass(base::Millis(1));
  Settle();
  Pass(base::Seconds(1));
  Settle();
  EXPECT_EQ(core_->role(), Role::kLeader);
  EXPECT_GT(core_->term(), Term{6});
  EXPECT_GE(core_->applied(), Index{4});
  EXPECT_EQ(core_->membership(), Membership{.voters = {R(1)}});
}

TEST_F(ReopenTest, WhatComesFromAnOlderEpochIsRefusedAndChangesNothing) {
  const auto task = MakeReopenTask(GroupId{1}, Copy(), R(1), base::RecoveryEpoch{1});
  ASSERT_TRUE(task.ok());
  core_ = *Core::Create({.group = GroupId{1}, .self = R(1)}, After(Copy(), *task), &random_);
  Pass(base::Millis(1));
  Message old = From(2, MessageKind::kHeartbeat, 99);
  EXPECT_TRUE(absl::IsInvalidArgument(Step(old)));
  EXPECT_LT(core_->term(), Term{99});
  old.epoch = base::RecoveryEpoch{1};
  EXPECT_TRUE(Step(old).ok());
}

// "Other copies return as learners": of the new epoch, which their disk has to know before they say
// anything in it.
TEST_F(ReopenTest, AFreshReplicaJoinsInTheNewEpochAndAnOldCopyDoesNot) {
  CoreOptions options{.group = GroupId{1}, .epoch = base::RecoveryEpoch{1}, .self = R(1)};
  EXPECT_TRUE(absl::IsInvalidArgument(Core::Create(options, Copy(), &random_).status()));
  core_ = *Core::Create(options, RecoveredGroup{}, &random_);
  Pass(base::Millis(1));
  Message beat = From(2, MessageKind::kHeartbeat, 7);
  beat.epoch = base::RecoveryEpoch{1};
  ASSERT_TRUE(Step(beat).ok());
  const Output out = Take();
  ASSERT_EQ(out.storage.size(), 1u);
  EXPECT_EQ(out.storage[0].epoch, base::RecoveryEpoch{1});
  EXPECT_TRUE(out.send_now.empty());
}

// Bodies of a snapshot lie where those of entries lay that were never committed elsewhere;
// reopening would take these for committed.
TEST_F(ReopenTest, ACopyInTheMiddleOfASnapshotIsNoSurvivorUnlessToldSo) {
  RecoveredGroup copy = Copy();
  copy.staging = Staging{.sender = R(2), .generation = 1};
  EXPECT_TRUE(absl::IsFailedPrecondition(
      MakeReopenTask(GroupId{1}, copy, R(1), base::RecoveryEpoch{1}).status()));
  EXPECT_TRUE(MakeReopenTask(GroupId{1}, copy, R(1), base::RecoveryEpoch{1},
                             /*although_incomplete=*/true)
                  .ok());
}

TEST_F(ReopenTest, TheEpochRisesAndNothingCannotBeReopened) {
  RecoveredGroup copy = Copy();
  copy.epoch = base::RecoveryEpoch{2};
  EXPECT_FALSE(MakeReopenTask(GroupId{1}, copy, R(1), base::RecoveryEpoch{2}).ok());
  EXPECT_FALSE(MakeReopenTask(GroupId{1}, RecoveredGroup{}, R(1), base::RecoveryEpoch{1}).ok());
}

}  // namespace
}  // namespace pontoon::raft
