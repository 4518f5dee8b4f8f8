#include "base/crc32c.h"
#include "raft/core/reopen.h"
#include "raft/core/replica_test.h"

// Schedules in which several parts of the algorithm meet, each of which once went wrong.

namespace pontoon::raft {
namespace {

using SchedulesTest = ReplicaTest;

std::shared_ptr<const Install> SnapshotAt(uint64_t term, uint64_t index, uint64_t ended) {
  auto install = std::make_shared<Install>();
  install->checkpoint = {.applied = {Term{term}, Index{index}}, .membership = kThree, .root = "r"};
  install->ended_through = Index{ended};
  install->term = Term{4};
  return install;
}

// The tail is of a leader that is older than the one that told what ended a body.
TEST_F(SchedulesTest, AnOldTailIsNotCommittedByWhatEndedABodyOfASnapshot) {
  Create({1});
  ASSERT_EQ(
      Step(Append(3, {Term{1}, Index{2}}, {At(1, 3), At(1, 4), At(2, 5), At(3, 6), At(3, 7)}, 2)),
      absl::OkStatus());
  Settle();
  if (core_->InstallSnapshot(SnapshotAt(1, 4, 8)).ok()) Settle();
  ASSERT_EQ(Step(Append(3, {Term{3}, Index{7}}, {}, 2)), absl::OkStatus());
  EXPECT_LE(core_->commit(), Index{4}) << "6 and 7 of term 3 are committed nowhere";
  RecoveredGroup recovered;
  recovered.checkpoint = Checkpoint{.applied = {Term{1}, Index{4}}, .membership = kThree};
  recovered.entries = {At(2, 5), At(3, 6), At(3, 7)};
  recovered.hard_state = {Term{3}, std::nullopt};
  recovered.ended_through = core_->ended_through();
  auto again = Core::Create({.group = GroupId{1}, .self = R(1)}, recovered, &random_);
  EXPECT_LE((*again)->commit(), Index{4});
}

// Nor what a stale leader appends behind the snapshot.
TEST_F(SchedulesTest, WhatAStaleLeaderAppendsBehindASnapshotIsNotCommittedByIt) {
  Create({1}, kThree, HardState{Term{3}, std::nullopt});
  ASSERT_EQ(Step(From(2, MessageKind::kHeartbeat, 3)), absl::OkStatus());
  Settle();
  ASSERT_EQ(core_->InstallSnapshot(SnapshotAt(1, 4, 8)), absl::OkStatus());
  Settle();
  ASSERT_EQ(Step(Append(3, {Term{1}, Index{4}}, {At(2, 5), At(3, 6), At(3, 7)}, 2)),
            absl::OkStatus());
  EXPECT_LE(core_->commit(), Index{4});
}

// The sender leads term 4, replica 2 still believes to lead term 3.
TEST_F(SchedulesTest, WhoInstalledASnapshotOfALaterTermIsNotAccusedByAStaleLeader) {
  Create({1, 1});
  ASSERT_EQ(Step(Append(3, {Term{1}, Index{3}}, {At(1, 4), At(3, 5)}, 3)), absl::OkStatus());
  Settle();
  ASSERT_EQ(core_->InstallSnapshot(SnapshotAt(2, 5, 0)), absl::OkStatus());
  for (const Message& message : Settle())
    EXPECT_FALSE(message.to == R(2) && message.kind == MessageKind::kAppendReply &&
                 !message.refused && message.log.index == Index{5})
        << "tells the leader of term 3 that it has its entry 5";
  // Replica 2 has 5@3 and believes that this one has it too.
  Message beat = From(2, MessageKind::kHeartbeat, 3);
  beat.log = {Term{3}, Index{5}};
  Step(beat).IgnoreError();  // Refused or not, what counts is what it leads to.
  EXPECT_FALSE(core_->quarantined());
}

TEST_F(SchedulesTest, AnAnswerAboutAnotherEntryAtThatIndexCountsForNothing) {
  Create({1});
  LeadReady();
  Entry entry = MakeEntry(Bytes("h"));
  ASSERT_TRUE(core_->Propose(core_->term(), absl::MakeSpan(&entry, 1)).ok());
  Settle();
  Message other = Accepted(2, core_->log().last().index.value);
  other.log.term = Term{1};
  Step(other).IgnoreError();  // The same.
  EXPECT_LT(core_->commit(), core_->log().last().index);
}

// What nobody needs from the moment on when it is applied (a number of a session that came
// twice, a queue that is gone).
TEST_F(SchedulesTest, ABodyMayBeSettledByItsOwnEntry) {
  Create({1});
  Entry entry = At(2, 3, "h", "0123456789");
  entry.body = {};
  auto remains = std::make_shared<BodyRemains>();
  remains->ended = Index{3};
  remains->crc = base::Crc32c(entry.body);
  entry.remains = remains;
  EXPECT_EQ(Step(Append(2, {Term{1}, Index{2}}, {entry}, 3)), absl::OkStatus());
}

TEST_F(SchedulesTest, AReadIsAnsweredAlsoIfTheLeaderBecomesTheOnlyMemberMeanwhile) {
  Create({1}, Membership{.voters = {R(1), R(2)}});
  Lead();
  Settle();
  ASSERT_EQ(Step(Accepted(2, core_->log().last().index.value)), absl::OkStatus());
  Settle();
  ASSERT_TRUE(core_->ready());
  ASSERT_EQ(core_->ReadIndex(ReadId{7}), absl::OkStatus());
  size_t answered = 0;
  const auto settle = [&] {
    while (core_->has_output()) {
      Output out = Take();
      answered += out.reads.size();
      for (const StorageTask& task : out.storage) core_->OnStorageDone(task.seq);
      if (!out.committed.empty()) core_->OnApplied(out.committed.back().id.index);
    }
  };
  settle();
  ASSERT_TRUE(core_->ProposeConfig(core_->term(), Membership{.voters = {R(1)}}).ok());
  settle();
  ASSERT_EQ(Step(Accepted(2, core_->log().last().index.value)), absl::OkStatus());
  settle();
  ASSERT_EQ(core_->membership(), Membership{.voters = {R(1)}});
  ASSERT_EQ(core_->commit(), core_->log().last().index);
  for (int i = 0; i < 100; ++i) {
    Pass(base::Millis(50));
    settle();
  }
  ASSERT_EQ(core_->role(), Role::kLeader);
  EXPECT_EQ(answered, 1u);
}

TEST_F(SchedulesTest, ALearnerThatNeverAnsweredDoesNotVote) {
  Create({1}, Membership{.voters = {R(1)}, .learners = {R(2)}});
  for (int i = 0; i < 20; ++i) {
    Pass(base::Millis(50));
    Settle();
  }
  ASSERT_TRUE(core_->ready());
  EXPECT_TRUE(absl::IsFailedPrecondition(
      core_->ProposeConfig(core_->term(), Membership{.voters = {R(1), R(2)}}).status()));
}

TEST_F(SchedulesTest, ALearnerThatIsQuarantinedDoesNotVote) {
  Create({1}, Membership{.voters = {R(1)}, .learners = {R(2)}});
  for (int i = 0; i < 20; ++i) {
    Pass(base::Millis(50));
    Settle();
  }
  ASSERT_TRUE(core_->ready());
  Message beat = From(2, MessageKind::kHeartbeatReply, core_->term().value);
  beat.quarantined = true;
  ASSERT_EQ(Step(beat), absl::OkStatus());
  EXPECT_TRUE(absl::IsFailedPrecondition(
      core_->ProposeConfig(core_->term(), Membership{.voters = {R(1), R(2)}}).status()));
}

// The core's clock stands where the last tick left it; the votes were given later.
TEST_F(SchedulesTest, ThePredecessorsLeaseIsCountedFromTheElectionAndNotFromTheTickBefore) {
  Create({1, 2});
  Pass(base::Millis(700));
  Settle();
  ASSERT_EQ(Step(From(2, MessageKind::kPreVoteReply, core_->term().value + 1)), absl::OkStatus());
  Settle();
  // 40 ms pass; replica 2 answers a heartbeat of the old leader, loses the connection to it, and
  // votes.
  const base::MonotonicTime voted = now_ + base::Millis(40);
  ASSERT_EQ(Step(From(2, MessageKind::kVoteReply, core_->term().value)), absl::OkStatus());
  ASSERT_EQ(core_->role(), Role::kLeader);
  Pass(base::Millis(41));
  const base::MonotonicTime held = voted + base::Millis(300) * 99 / 100;
  EXPECT_GE(core_->PredecessorLeaseEnd().nanos, held.nanos)
      << "short by " << (held.nanos - core_->PredecessorLeaseEnd().nanos) / 1000000 << " ms";
}

TEST_F(SchedulesTest, WhatCannotBeReadIsNotTriedAgainWithoutAPause) {
  RecoveredGroup recovered;
  recovered.entries = {ConfigAt(1, 1, kThree), At(1, 2), At(1, 3, "h", "0123456789"), At(1, 4)};
  recovered.entries[2].body = {};  // A header alone, as after any restart.
  recovered.hard_state = {Term{1}, std::nullopt};
  core_ = *Core::Create({.group = GroupId{1}, .self = R(1)}, std::move(recovered), &random_);
  Pass(base::Millis(1));
  Lead();
  Settle();
  ASSERT_EQ(Step(Accepted(2, core_->log().last().index.value)), absl::OkStatus());
  Settle();
  core_->OnCheckpointDurable({Term{1}, Index{2}});
  int reads = 0;
  ASSERT_EQ(Step(Accepted(3, 2)), absl::OkStatus());
  for (int i = 0; i < 100; ++i) {
    Output out = Take();
    for (const StorageTask& task : out.storage) core_->OnStorageDone(task.seq);
    for (const EntryRead& read : out.entry_reads) {
      ++reads;
      core_->OnEntriesRead(read, absl::DataLossError("a flipped bit"));
    }
    for (const Message& message : out.send_now) {
      if (message.kind == MessageKind::kSnapshotOffer && message.to == R(3)) {
        Message has = Accepted(3, 2);
        has.log = message.log;
        ASSERT_EQ(Step(has), absl::OkStatus());
      }
    }
  }
  EXPECT_LT(reads, 5) << "in no time at all";
}

TEST_F(SchedulesTest, ACopyThatHasNotAppliedWhatEndedItsBodiesIsNoneToReopenFrom) {
  RecoveredGroup copy;
  copy.entries = {ConfigAt(1, 1, kThree), At(1, 2), At(4, 3)};
  copy.hard_state = {Term{6}, R(2)};
  copy.ended_through = Index{100};
  EXPECT_FALSE(MakeReopenTask(GroupId{1}, copy, R(1), base::RecoveryEpoch{1}).ok());
}

// All disks fill up together, since all hold the same.
TEST_F(SchedulesTest, SettlesAreCommittedThoughNobodyHasRoomForBodies) {
  Create({1});
  LeadReady();
  Entry body = MakeEntry(Bytes("publish"), Bytes("0123456789"));
  ASSERT_TRUE(core_->Propose(core_->term(), absl::MakeSpan(&body, 1)).ok());
  const uint64_t before = core_->log().last().index.value - 1;
  Settle();
  for (const uint64_t node : {2, 3}) {
    Message full = Accepted(node, before);
    full.no_room = true;
    ASSERT_EQ(Step(full), absl::OkStatus());
  }
  Entry settle = MakeEntry(Bytes("settle"));
  ASSERT_TRUE(core_->Propose(core_->term(), absl::MakeSpan(&settle, 1)).ok());
  int appends = 0;
  for (int i = 0; i < 100; ++i) {
    for (const Message& message : Settle())
      appends += message.kind == MessageKind::kAppend && !message.entries.empty();
    for (const uint64_t node : {2, 3}) {
      Message beat = From(node, MessageKind::kHeartbeatReply, core_->term().value);
      beat.no_room = true;
      beat.log = {core_->term(), Index{before}};
      ASSERT_EQ(Step(beat), absl::OkStatus());
    }
    Pass(base::Millis(50));
  }
  EXPECT_GT(appends, 0) << "what would free room is never sent";
}

}  // namespace
}  // namespace pontoon::raft
