#include <memory>
#include <vector>

#include "raft/core/snapshot.h"
#include "raft/node/hosted_snapshot_fixture.h"

// What is damaged, out of date or given up at one replica stays there.

namespace pontoon::raft {
namespace {

class MultiRaftFaultsTest : public MultiRaftSnapshotTest {
 protected:
  const Core& core(uint64_t n) { return cluster_.node(n).raft->core(kSnapshotGroup); }
  // A request for the newest root, as a fetcher sends it first.
  void AskForSnapshot(uint64_t from, uint64_t to) {
    Message request;
    request.kind = MessageKind::kSnapshotRequest;
    request.group = kSnapshotGroup;
    request.from = TestReplica(from);
    request.to = TestReplica(to);
    request.term = core(from).term();
    request.snapshot = std::make_shared<SnapshotPart>();
    cluster_.node(to).raft->Deliver(NodeId{from}, cluster_.node(from).boot, {request});
  }
};

// What a snapshot brought lies beside a log that nobody followed. A leader that still has its log
// replaces the end of it, and with it bodies that had been received.
TEST_F(MultiRaftFaultsTest, WhatWasFetchedIsFetchedAgainIfTheLogWasCutBelowIt) {
  const uint64_t receiver = cluster_.AwaitLeader(kSnapshotGroup);
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(Put(100));
  cluster_.Run(base::Millis(100));
  const Index agreed = core(receiver).commit();
  cluster_.Isolate(receiver);
  for (int i = 0; i < 40; ++i) ASSERT_TRUE(Put(100));
  ASSERT_TRUE(cluster_.RunUntil([&] {
    const uint64_t leader = cluster_.LeaderOf(kSnapshotGroup);
    return leader != 0 && leader != receiver;
  }));
  const uint64_t sender = cluster_.LeaderOf(kSnapshotGroup);
  const uint64_t other = 6 - receiver - sender;
  for (int i = 0; i < 60; ++i) ASSERT_TRUE(Put(30000));
  cluster_.Run(base::Millis(100));
  machine(sender).SubmitCheckpoint();  // The other one keeps its log.
  cluster_.Run(base::Millis(100));
  ASSERT_GT(core(sender).log().base().index, agreed + 40);
  ASSERT_EQ(core(other).log().base().index, Index{0});

  // Half of the bodies arrive.
  size_t bodies = 0;
  cluster_.filter = [&](const Message& message) {
    if (message.kind != MessageKind::kSnapshotPart || message.snapshot->body_answers.empty())
      return true;
    if (bodies > 20) return false;
    bodies += message.snapshot->body_answers.size();
    return true;
  };
  cluster_.Cut(receiver, sender, false);
  ASSERT_TRUE(cluster_.RunUntil([&] { return bodies > 20; }));
  cluster_.Run(base::Millis(50));
  ASSERT_GT(core(receiver).log().last().index, agreed + 20);

  // The other one leads for as long as one append takes.
  cluster_.Isolate(sender);
  cluster_.Cut(receiver, other, false);
  cluster_.filter = [&](const Message& message) {
    const bool late = message.log.index > agreed && !message.entries.empty();
    return message.kind != MessageKind::kSnapshotPart &&
           (message.kind != MessageKind::kAppend || !late);
  };
  ASSERT_TRUE(cluster_.RunUntil([&] { return core(receiver).log().last().index < agreed + 20; }));
  ASSERT_EQ(machine(receiver).installs, 0);
  cluster_.Isolate(sender, false);
  cluster_.Isolate(other);
  cluster_.filter = nullptr;
  ASSERT_TRUE(cluster_.RunUntil([&] { return machine(receiver).installs > 0; }));
  ExpectReadable(receiver);
  cluster_.Isolate(other, false);
  ExpectSame();
}

TEST_F(MultiRaftFaultsTest, AReplicaThatIsGivenUpPassesItsStateOnToNobody) {
  const uint64_t leader = cluster_.AwaitLeader(kSnapshotGroup);
  const uint64_t bad = leader % 3 + 1;
  PublishAndCompact(20, 1000);
  size_t parts = 0;
  cluster_.filter = [&](const Message& message) {
    parts += message.kind == MessageKind::kSnapshotPart && message.from == TestReplica(bad);
    return true;
  };
  AskForSnapshot(leader, bad);
  cluster_.Run(base::Millis(50));
  ASSERT_EQ(parts, 1u);
  ASSERT_EQ(cluster_.node(bad).raft->Quarantine(kSnapshotGroup), absl::OkStatus());
  AskForSnapshot(leader, bad);
  cluster_.Run(base::Millis(50));
  EXPECT_EQ(parts, 1u);
}

// While nobody knows which of two states is right, neither is passed on: the third replica would
// make a majority of the wrong one.
TEST_F(MultiRaftFaultsTest, AStateThatIsDisputedIsPassedOnToNobody) {
  const uint64_t leader = cluster_.AwaitLeader(kSnapshotGroup);
  const uint64_t away = leader % 3 + 1;
  const uint64_t other = 6 - leader - away;
  PublishAndCompact(20, 1000);
  cluster_.Isolate(away);
  PublishAndCompact(80, 1000);
  size_t parts = 0;
  cluster_.filter = [&](const Message& message) {
    parts += message.kind == MessageKind::kSnapshotPart;
    return true;
  };
  AskForSnapshot(other, leader);
  AskForSnapshot(leader, other);
  cluster_.Run(base::Millis(50));
  ASSERT_EQ(parts, 2u);
  machine(leader).astray = 1;
  for (int i = 0; i < 80; ++i) ASSERT_TRUE(Put(1000));
  ASSERT_TRUE(cluster_.RunUntil([&] { return core(leader).disputed() && core(other).disputed(); }));
  AskForSnapshot(other, leader);
  AskForSnapshot(leader, other);
  cluster_.Isolate(away, false);
  cluster_.Run(base::Seconds(5));
  EXPECT_EQ(parts, 2u);
  EXPECT_EQ(machine(away).installs, 0);
}

// Nor does a log end where it cannot be read.
TEST_F(MultiRaftFaultsTest, ALeaderThatCannotReadItsLogMakesWayForOneThatCan) {
  const uint64_t leader = cluster_.AwaitLeader(kSnapshotGroup);
  const uint64_t away = leader % 3 + 1;
  ASSERT_TRUE(Put(100));
  cluster_.Run(base::Millis(100));
  cluster_.Isolate(away);
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(Put(100));
  cluster_.Run(base::Millis(100));
  ASSERT_TRUE(
      cluster_.node(leader).store.DamageHeader(kSnapshotGroup, core(away).log().last().index + 1));
  cluster_.Isolate(away, false);
  ASSERT_TRUE(cluster_.RunUntil([&] { return core(leader).quarantined(); }));
  EXPECT_GT(cluster_.node(leader).raft->counters().astray, 0u);
  ASSERT_TRUE(cluster_.RunUntil([&] { return cluster_.LeaderOf(kSnapshotGroup) != 0; }));
  ASSERT_TRUE(Put(100));
  EXPECT_TRUE(cluster_.RunUntil([&] {
    return cluster_.LeaderOf(kSnapshotGroup) != 0 &&
           machine(away).last() == machine(6 - leader - away).last() &&
           machine(away).entries_held() == 22;
  }));
}

}  // namespace
}  // namespace pontoon::raft
