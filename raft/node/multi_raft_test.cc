#include "raft/node/multi_raft.h"

#include "raft/node/test_world.h"

namespace pontoon::raft {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const GroupId kA{1};
const GroupId kB{2};
const GroupId kC{9};

TEST(MultiRaftTest, EveryGroupOfANewNodeElectsItsOnlyVoter) {
  TestNode node(1, {kB, kA, kC});
  node.Settle();
  EXPECT_THAT(node.raft->groups(), ElementsAre(kA, kB, kC));
  for (const GroupId group : {kA, kB, kC}) {
    EXPECT_TRUE(node.raft->leads(group));
    EXPECT_EQ(node.raft->leader(group), kTestSelf);
    EXPECT_TRUE(node.raft->LeaseHolds(group, node.now));
    EXPECT_THAT(node.machines[group]->TakeEvents(), ElementsAre("leader 2"));
  }
}

TEST(MultiRaftTest, AnEntryIsAppliedOnceItIsSyncedAndReported) {
  TestNode node(1, {kA});
  node.Settle();
  (void)node.machines[kA]->TakeEvents();
  ASSERT_EQ(node.Propose(kA, "h", "b").value(), Index{3});
  node.Flush();
  EXPECT_THAT(node.machines[kA]->TakeEvents(), IsEmpty());
  node.store.Sync();
  node.Flush();
  EXPECT_THAT(node.machines[kA]->TakeEvents(), IsEmpty());
  node.store.Report();
  EXPECT_THAT(node.machines[kA]->TakeEvents(), IsEmpty()) << "only Flush calls the state machine";
  node.Flush();
  EXPECT_THAT(node.machines[kA]->TakeEvents(), ElementsAre("apply 3 body"));
  EXPECT_EQ(node.raft->applied(kA), (EntryId{Term{2}, Index{3}}));
}

// Raft thesis §6.4; design section 3: a leader decides on nothing before it has applied an entry of
// its own term.
TEST(MultiRaftTest, ANewLifeAppliesEverythingOldBeforeItIsToldToLead) {
  TestNode node(1, {kA});
  node.Settle();
  ASSERT_TRUE(node.Propose(kA, "a", "body").ok());
  ASSERT_TRUE(node.Propose(kA, "b").ok());
  node.Settle();
  node.CrashAndOpen();
  node.Flush();
  EXPECT_THAT(node.machines[kA]->TakeEvents(), IsEmpty())
      << "nothing is known to be committed before an election";
  node.Settle();
  EXPECT_THAT(node.machines[kA]->TakeEvents(), ElementsAre("apply 3", "apply 4", "leader 3"))
      << "after a restart bodies stay on the disk";
}

TEST(MultiRaftTest, AllProposalsOfATurnAreOneTaskPerGroup) {
  TestNode node(1, {kA, kB});
  node.Settle();
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(node.Propose(kA, "x").ok());
    ASSERT_TRUE(node.Propose(kB, "x").ok());
  }
  node.Flush();
  EXPECT_EQ(node.store.unsynced(), 2u);
}

TEST(MultiRaftTest, WhatApplyingProposesIsSubmittedInTheSameFlush) {
  TestNode node(1, {kA});
  node.Settle();
  node.machines[kA]->on_apply = [&](const Entry& entry) {
    if (entry.id.index == Index{3}) {
      ASSERT_TRUE(node.Propose(kA, "answer").ok());
    }
  };
  ASSERT_TRUE(node.Propose(kA, "question").ok());
  node.Flush();
  node.store.SyncAndReport();
  EXPECT_FALSE(node.raft->Flush());
  EXPECT_EQ(node.store.unsynced(), 1u);
  node.Settle();
  EXPECT_EQ(node.machines[kA]->state, "3=question;4=answer;");
}

TEST(MultiRaftTest, ALongStretchToApplyIsCutIntoTurns) {
  TestNode node(1, {kA}, {.core = {.committed_entries_max = 10}});
  node.Settle();
  for (int i = 0; i < 35; ++i) ASSERT_TRUE(node.Propose(kA, "x").ok());
  node.Flush();
  node.store.SyncAndReport();
  (void)node.machines[kA]->TakeEvents();
  std::vector<size_t> applied;
  bool more = true;
  while (more) {
    more = node.raft->Flush();
    applied.push_back(node.machines[kA]->TakeEvents().size());
  }
  EXPECT_THAT(applied, ElementsAre(10, 10, 10, 5));
}

TEST(MultiRaftTest, ADurableCheckpointLetsTheHeadersGoAndShortensTheRestart) {
  TestNode node(1, {kA});
  node.Settle();
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(node.Propose(kA, std::string(100, 'h')).ok());
  node.Settle();
  EXPECT_GT(node.raft->reclaimable_bytes(kA), 100 * 100u);
  node.SubmitCheckpoint(kA);
  EXPECT_GT(node.raft->reclaimable_bytes(kA), 100 * 100u) << "not before it is durable";
  node.Settle();
  EXPECT_EQ(node.raft->reclaimable_bytes(kA), 0u);
  EXPECT_THAT(node.store.headers(kA), IsEmpty());
  const std::string before = node.machines[kA]->state;
  ASSERT_TRUE(node.Propose(kA, "after").ok());
  node.Settle();
  node.CrashAndOpen();
  EXPECT_EQ(node.machines[kA]->state, before);
  EXPECT_EQ(node.raft->core(kA).membership(), kTestAlone) << "from the checkpoint";
  node.Settle();
  EXPECT_EQ(node.machines[kA]->state, before + "103=after;");
}

TEST(MultiRaftTest, ACheckpointCanBeSubmittedFromWithinApply) {
  TestNode node(1, {kA});
  node.Settle();
  node.machines[kA]->on_apply = [&](const Entry&) { node.SubmitCheckpoint(kA); };
  ASSERT_TRUE(node.Propose(kA, "x").ok());
  node.Settle();
  EXPECT_EQ(node.raft->core(kA).log().base(), (EntryId{Term{2}, Index{3}}));
}

TEST(MultiRaftTest, AReadIsAnsweredOnceEverythingCommittedBeforeItIsApplied) {
  TestNode node(1, {kA});
  EXPECT_EQ(node.raft->ReadIndex(kA, ReadId{1}).code(), absl::StatusCode::kFailedPrecondition);
  node.Settle();
  ASSERT_TRUE(node.Propose(kA, "x").ok());
  node.Flush();
  node.store.SyncAndReport();
  (void)node.machines[kA]->TakeEvents();
  ASSERT_EQ(node.raft->ReadIndex(kA, ReadId{2}), absl::OkStatus());
  node.Flush();
  EXPECT_THAT(node.machines[kA]->TakeEvents(), ElementsAre("apply 3", "read 2"));
}

TEST(MultiRaftTest, AReopenedGroupIgnoresWhatItsEarlierLifeLeftUnderWay) {
  TestNode node(1, {kA});
  node.Settle();
  ASSERT_TRUE(node.Propose(kA, "x").ok());
  node.Flush();
  node.store.Sync();
  node.raft->CloseGroup(kA);
  EXPECT_FALSE(node.raft->has_group(kA));
  RecordingMachine machine;
  node.ExpectReopened(kA);
  ASSERT_EQ(node.raft->OpenGroup(kA, node.store.RecoverBlocking(kA).value(), &machine),
            absl::OkStatus());
  node.Tick();
  node.Flush();
  node.store.Report();  // Of the first life: must not count as the vote of the second.
  EXPECT_EQ(node.raft->core(kA).role(), Role::kCandidate);
  node.Settle();
  EXPECT_EQ(machine.state, "3=x;");
}

TEST(MultiRaftTest, UnknownGroupsAreRefusedAndLateReportsForThemIgnored) {
  TestNode node(1, {kA});
  EXPECT_EQ(node.raft->Propose(kB, Term{1}, TestBytes("x"), {}).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(node.raft->ReadIndex(kB, ReadId{1}).code(), absl::StatusCode::kNotFound);
  node.raft->OnStorageDone(kB, IoSeq{1});
  node.raft->OnCheckpointDurable(kB, {});
  RecordingMachine machine;
  EXPECT_EQ(node.raft->OpenGroup(kA, {}, &machine).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(node.raft->OpenGroup(kB, {}, &machine, Membership{.voters = {{NodeId{8}, 1}}}).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_FALSE(node.raft->has_group(kB));
}

TEST(MultiRaftDeathTest, ACheckpointOfWhatIsNotAppliedIsABug) {
  TestNode node(1, {kA});
  node.Settle();
  StateTask task;
  task.group = kA;
  task.checkpoint = Checkpoint{{Term{2}, Index{9}}, {}, ""};
  EXPECT_DEATH(node.raft->SubmitState(task), "not applied");
}

}  // namespace
}  // namespace pontoon::raft
