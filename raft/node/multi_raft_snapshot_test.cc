#include <algorithm>
#include <memory>

#include "raft/core/snapshot.h"
#include "raft/node/hosted_snapshot_fixture.h"

// Three nodes, of which one has missed what the others have compacted away.

namespace pontoon::raft {
namespace {

TEST_F(MultiRaftSnapshotTest, AFollowerThatWasAwayComesBackWhilePublishingGoesOn) {
  const uint64_t away = LeaveOneBehind(4);
  int published = 0;
  ASSERT_TRUE(cluster_.RunUntil(
      [&] {
        published += Put(10000) ? 1 : 0;
        if (published % 10 == 0) SettleSome();
        return machine(away).installs > 0;
      },
      base::Seconds(20)));
  EXPECT_GT(published, 3);
  ExpectSame();
  EXPECT_LE(machine(away).installs, 2) << "the log behind the snapshot was kept for it";
}

TEST_F(MultiRaftSnapshotTest, ADiskThatWasWipedComesBackSnapshotGroupsALearnerAndThenVotes) {
  uint64_t leader = cluster_.AwaitLeader(kSnapshotGroup);
  const uint64_t wiped = leader % 3 + 1;
  for (int round = 0; round < 3; ++round) PublishAndCompact(30, 20000);
  cluster_.Crash(wiped);
  cluster_.node(wiped).store.Wipe(&cluster_.node(wiped));
  cluster_.Start(wiped, 2);
  leader = cluster_.AwaitLeader(kSnapshotGroup);
  MultiRaft& raft = *cluster_.node(leader).raft;
  const ReplicaId old = TestReplica(wiped);
  const ReplicaId reborn{old.node, 2};
  Membership members = kTestThree;
  std::erase(members.voters, old);
  members.learners = {reborn};
  ASSERT_TRUE(raft.ProposeConfig(kSnapshotGroup, raft.term(kSnapshotGroup), members).ok());
  ASSERT_TRUE(cluster_.RunUntil([&] { return machine(wiped).installs > 0 && Converged(); },
                                base::Seconds(20)));
  members.learners.clear();
  members.voters.push_back(reborn);
  std::sort(members.voters.begin(), members.voters.end());
  ASSERT_TRUE(cluster_.RunUntil(
      [&] { return raft.ProposeConfig(kSnapshotGroup, raft.term(kSnapshotGroup), members).ok(); }));
  ASSERT_TRUE(cluster_.RunUntil([&] { return raft.core(kSnapshotGroup).membership() == members; }));
  ASSERT_TRUE(Put(100));
  ExpectSame();
}

// ra commit 919a6484: a replica that was elected straight after it had installed a snapshot.
TEST_F(MultiRaftSnapshotTest, TheReceiverMayLeadStraightAfterTheInstall) {
  const uint64_t leader = cluster_.AwaitLeader(kSnapshotGroup);
  const uint64_t away = LeaveOneBehind(3);
  ASSERT_TRUE(cluster_.RunUntil([&] { return machine(away).installs > 0; }, base::Seconds(20)));
  const Index installed = machine(away).last();
  cluster_.Crash(leader);
  ASSERT_TRUE(cluster_.RunUntil(
      [&] {
        (void)cluster_.node(away).raft->Campaign(kSnapshotGroup);
        return cluster_.LeaderOf(kSnapshotGroup) == away;
      },
      base::Seconds(20)));
  EXPECT_GE(machine(away).last(), installed);
  ASSERT_TRUE(Put(100));
  cluster_.Start(leader);
  ExpectSame();
}

// Whoever sends may die at any time, and whoever receives too.
TEST_F(MultiRaftSnapshotTest, CrashesOnBothSidesDelayASnapshotAndNothingElse) {
  const uint64_t away = LeaveOneBehind(3);
  for (int i = 0; i < 6; ++i) {
    cluster_.Run(base::Millis(30 + 20 * i));
    const uint64_t leader = cluster_.LeaderOf(kSnapshotGroup);
    const uint64_t victim = i % 2 == 0 || leader == 0 ? away : leader;
    if (victim != away) {
      cluster_.Crash(victim);
      cluster_.Run(base::Millis(700));
      cluster_.Start(victim);
    } else {
      cluster_.Crash(away);
      cluster_.Start(away);
    }
  }
  ASSERT_NE(cluster_.AwaitLeader(kSnapshotGroup), 0u);
  EXPECT_TRUE(cluster_.RunUntil([&] { return Put(100); }));
  ExpectSame();
}

TEST_F(MultiRaftSnapshotTest, AFollowerWithoutRoomFetchesOnceItHasSome) {
  const uint64_t leader = cluster_.AwaitLeader(kSnapshotGroup);
  const uint64_t away = leader % 3 + 1;
  PublishAndCompact(20, 1000);
  cluster_.Isolate(away);
  for (int round = 0; round < 3; ++round) PublishAndCompact(40, 30000);
  cluster_.node(away).raft->SetRoom(false);
  cluster_.Isolate(away, false);
  cluster_.Run(base::Seconds(15));
  EXPECT_EQ(machine(away).installs, 0);
  EXPECT_TRUE(Put(100)) << "it stays a living member that lags, and holds up nobody";
  cluster_.node(away).raft->SetRoom(true);
  ASSERT_TRUE(cluster_.RunUntil([&] { return machine(away).installs > 0; }));
  ExpectSame();
}

TEST_F(MultiRaftSnapshotTest, AStrangersRequestForASnapshotIsDroppedAndCounted) {
  const uint64_t leader = cluster_.AwaitLeader(kSnapshotGroup);
  PublishAndCompact(20, 1000);
  MultiRaft& raft = *cluster_.node(leader).raft;
  Message request;
  request.kind = MessageKind::kSnapshotRequest;
  request.group = kSnapshotGroup;
  request.from = {NodeId{77}, 1};
  request.to = TestReplica(leader);
  request.term = raft.term(kSnapshotGroup);
  request.snapshot = std::make_shared<SnapshotPart>();
  const RaftCounters before = raft.counters();
  raft.Deliver(NodeId{77}, 1, {request});
  EXPECT_EQ(raft.counters().invalid, before.invalid + 1);
  request.from = {TestReplica(leader % 3 + 1).node, 0};
  raft.Deliver(request.from.node, 1, {request});
  EXPECT_EQ(raft.counters().old_incarnation, before.old_incarnation + 1);
  request.from = TestReplica(leader % 3 + 1);
  auto impossible = std::make_shared<SnapshotPart>();
  impossible->kind = SnapshotPart::Kind::kPages;
  request.snapshot = std::move(impossible);
  raft.Deliver(request.from.node, 1, {request});
  EXPECT_EQ(raft.counters().invalid, before.invalid + 2);
  EXPECT_EQ(raft.counters().messages_in, before.messages_in);
}

// Who was not asked has no say in anything, in the term of the snapshot neither.
TEST_F(MultiRaftSnapshotTest, PartsThatNobodyAskedForAreDroppedAndCountedDuringAFetch) {
  const uint64_t away = LeaveOneBehind(3);
  MultiRaft& raft = *cluster_.node(away).raft;
  uint64_t sent = 0;
  const auto speak = [&](ReplicaId from, uint64_t term) {
    Message part;
    part.kind = MessageKind::kSnapshotPart;
    part.group = kSnapshotGroup;
    part.from = from;
    part.to = TestReplica(away);
    part.term = Term{term};
    part.snapshot = std::make_shared<SnapshotPart>();
    const uint64_t boot = from.node == NodeId{77} ? 1 : cluster_.node(from.node.value).boot;
    raft.Deliver(from.node, boot, {part});
    ++sent;
  };
  ASSERT_TRUE(cluster_.RunUntil(
      [&] {
        speak({NodeId{77}, 1}, 1000);
        speak({NodeId{77}, 1}, UINT64_MAX);
        speak(TestReplica(away % 3 + 1), 1000);
        speak(TestReplica((away + 1) % 3 + 1), 1000);
        return machine(away).installs > 0;
      },
      base::Seconds(20)));
  EXPECT_EQ(raft.counters().dropped(), sent);
  EXPECT_LT(raft.term(kSnapshotGroup), Term{1000});
  ExpectSame();
}

}  // namespace
}  // namespace pontoon::raft
