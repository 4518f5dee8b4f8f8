#include <gmock/gmock.h>

#include "absl/strings/str_join.h"
#include "raft/node/test_cluster.h"

// Groups of three voters, each replica in a MultiRaft of its own.

namespace pontoon::raft {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const GroupId kA{1};
const GroupId kB{2};

TEST(SeveralVotersTest, ThreeNodesElectOneLeaderAndApplyTheSame) {
  TestCluster cluster(1, {kA, kB});
  for (const GroupId group : {kA, kB}) {
    const uint64_t leader = cluster.AwaitLeader(group);
    ASSERT_TRUE(cluster.node(leader).Propose(group, "x", "body").ok());
    ASSERT_TRUE(cluster.RunUntil([&] { return cluster.AllHave(group, "3=x;"); }));
    int leading = 0;
    for (uint64_t n = 1; n <= 3; ++n) leading += cluster.node(n).raft->leads(group) ? 1 : 0;
    EXPECT_EQ(leading, 1);
    EXPECT_TRUE(cluster.node(leader).raft->LeaseHolds(group, cluster.now));
  }
}

TEST(SeveralVotersTest, WhatWasCommittedSurvivesTheLeader) {
  TestCluster cluster(2, {kA});
  const uint64_t first = cluster.AwaitLeader(kA);
  ASSERT_TRUE(cluster.node(first).Propose(kA, "x").ok());
  ASSERT_TRUE(cluster.RunUntil([&] { return cluster.AllHave(kA, "3=x;"); }));
  cluster.Crash(first);
  const uint64_t second = cluster.AwaitLeader(kA);
  EXPECT_NE(second, first);
  ASSERT_TRUE(cluster.node(second).Propose(kA, "y").ok());
  ASSERT_TRUE(cluster.RunUntil([&] { return cluster.AllHave(kA, "3=x;5=y;"); }));
  cluster.Start(first);
  EXPECT_TRUE(cluster.RunUntil([&] { return cluster.AllHave(kA, "3=x;5=y;"); }))
      << "the old leader comes back and catches up";
}

TEST(SeveralVotersTest, AllNodesMayRestartAtOnce) {
  TestCluster cluster(3, {kA});
  const uint64_t first = cluster.AwaitLeader(kA);
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(cluster.node(first).Propose(kA, "x", "b").ok());
  ASSERT_TRUE(cluster.RunUntil([&] { return cluster.AllHave(kA, "3=x;4=x;5=x;6=x;7=x;"); }));
  for (uint64_t n = 1; n <= 3; ++n) cluster.Crash(n);
  for (uint64_t n = 1; n <= 3; ++n) cluster.Start(n);
  ASSERT_NE(cluster.AwaitLeader(kA), 0u);
  EXPECT_TRUE(cluster.RunUntil([&] { return cluster.AllHave(kA, "3=x;4=x;5=x;6=x;7=x;"); }));
}

TEST(SeveralVotersTest, AFollowerThatWasAwayGetsEntriesReadBackFromTheStore) {
  TestCluster cluster(4, {kA}, 3, {.core = {.held_bytes_max = 0}});
  const uint64_t leader = cluster.AwaitLeader(kA);
  const uint64_t away = leader % 3 + 1;
  cluster.Isolate(away);
  std::string expected;
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(cluster.node(leader).Propose(kA, "x", "body").ok());
    absl::StrAppend(&expected, i + 3, "=x;");
  }
  ASSERT_TRUE(
      cluster.RunUntil([&] { return cluster.node(leader).machines[kA]->state == expected; }));
  cluster.Run(base::Millis(100));
  ASSERT_GT(cluster.node(leader).raft->core(kA).log().held_from(), Index{10}) << "still in memory";
  cluster.Isolate(away, false);
  EXPECT_TRUE(cluster.RunUntil([&] { return cluster.AllHave(kA, expected); }));
}

// Raft: a vote or an acknowledgement must be durable before anybody hears of it.
TEST(SeveralVotersTest, HeldMessagesLeaveOnlyAfterTheirOwnTask) {
  TestCluster cluster(5, {kA});
  const uint64_t leader = cluster.AwaitLeader(kA);
  cluster.Run(base::Millis(100));
  const uint64_t slow = leader % 3 + 1;
  const Index before = cluster.node(leader).raft->core(kA).progress().at(TestReplica(slow)).match;
  cluster.node(slow).disk_stalled = true;
  ASSERT_TRUE(cluster.node(leader).Propose(kA, "x").ok());
  cluster.Run(base::Millis(200));
  EXPECT_EQ(cluster.node(leader).raft->core(kA).progress().at(TestReplica(slow)).match, before)
      << "acknowledged before it was synced";
  ASSERT_EQ(cluster.node(slow).store.unsynced(), 1u);
  // A second task: the completion of the first one releases only the first answer.
  ASSERT_TRUE(cluster.node(leader).Propose(kA, "y").ok());
  cluster.Run(base::Millis(50));
  ASSERT_EQ(cluster.node(slow).store.unsynced(), 2u);
  cluster.node(slow).store.SyncAndReport(1);
  cluster.Run(base::Millis(50));
  EXPECT_EQ(cluster.node(leader).raft->core(kA).progress().at(TestReplica(slow)).match, before + 1);
  cluster.node(slow).disk_stalled = false;
  EXPECT_TRUE(cluster.RunUntil([&] {
    return cluster.node(leader).raft->core(kA).progress().at(TestReplica(slow)).match == before + 2;
  }));
}

TEST(SeveralVotersTest, ATurnEndsOnceHoweverManyGroupsSpoke) {
  TestCluster cluster(6, {kA, kB, GroupId{3}, GroupId{4}});
  cluster.Run(base::Seconds(2));
  TestCluster::Node& node = cluster.node(1);
  node.turns = 0;
  node.sending.clear();
  node.raft->Tick(cluster.now + base::Seconds(1));
  EXPECT_FALSE(node.raft->Flush());
  EXPECT_EQ(node.turns, 1);
  EXPECT_FALSE(node.raft->Flush());
  EXPECT_EQ(node.turns, 1) << "nothing was sent";
}

class StrangerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    leader_ = cluster_.AwaitLeader(kA);
    ASSERT_TRUE(cluster_.node(leader_).Propose(kA, "x").ok());
    ASSERT_TRUE(cluster_.RunUntil([&] { return cluster_.AllHave(kA, "3=x;"); }));
    victim_ = leader_ % 3 + 1;
    cluster_.Isolate(victim_);
    cluster_.Step();
  }
  Message FromLeader(MessageKind kind) {
    Message message;
    message.kind = kind;
    message.group = kA;
    message.from = TestReplica(leader_);
    message.to = TestReplica(victim_);
    message.term = raft().term(kA);
    return message;
  }
  MultiRaft& raft() { return *cluster_.node(victim_).raft; }
  std::string Describe() {
    const Core& core = raft().core(kA);
    return absl::StrCat(core.term().value, " ", static_cast<int>(core.role()), " ",
                        core.commit().value, " ", core.log().last().index.value, " ",
                        core.last_io_seq().value, " ", core.has_output());
  }
  // Delivers it; says by how much which counter has grown.
  void ExpectDropped(Message message, uint64_t RaftCounters::*reason, uint64_t boot = 1) {
    const std::string before = Describe();
    const RaftCounters counters = raft().counters();
    const NodeId from = TestReplica(leader_).node;
    std::vector<Message> messages;
    messages.push_back(std::move(message));
    raft().Deliver(from, boot, std::move(messages));
    EXPECT_EQ(raft().counters().*reason, counters.*reason + 1);
    EXPECT_EQ(raft().counters().dropped(), counters.dropped() + 1);
    EXPECT_EQ(raft().counters().messages_in, counters.messages_in);
    EXPECT_EQ(Describe(), before);
  }

  TestCluster cluster_{7, {kA}};
  uint64_t leader_ = 0;
  uint64_t victim_ = 0;
};

TEST_F(StrangerTest, MessagesThatAreNotForThisReplicaChangeNothingAndAreCounted) {
  Message group = FromLeader(MessageKind::kHeartbeat);
  group.group = GroupId{99};
  ExpectDropped(group, &RaftCounters::no_such_group);
  Message epoch = FromLeader(MessageKind::kHeartbeat);
  epoch.epoch = base::RecoveryEpoch{1};
  ExpectDropped(epoch, &RaftCounters::wrong_epoch);
  Message to = FromLeader(MessageKind::kHeartbeat);
  to.to.incarnation = 2;
  ExpectDropped(to, &RaftCounters::wrong_replica);
  Message sender = FromLeader(MessageKind::kHeartbeat);
  sender.from = TestReplica(6 - leader_ - victim_);
  ExpectDropped(sender, &RaftCounters::wrong_sender);
  Message old = FromLeader(MessageKind::kVote);
  old.term = Term{1000};
  old.from.incarnation = 0;
  ExpectDropped(old, &RaftCounters::old_incarnation);
}

TEST_F(StrangerTest, MessagesThatCannotBeTrueChangeNothingAndAreCounted) {
  Message append = FromLeader(MessageKind::kAppend);
  append.log = {Term{9}, Index{0}};
  ExpectDropped(append, &RaftCounters::invalid);
  Message damaged = FromLeader(MessageKind::kAppend);
  damaged.log = raft().core(kA).log().last();
  Entry entry = MakeEntry(TestBytes("h"), TestBytes("b"));
  entry.id = {damaged.term, damaged.log.index + 1};
  entry.header_crc ^= 1;
  damaged.entries.push_back(entry);
  ExpectDropped(damaged, &RaftCounters::invalid);
  Message committed = FromLeader(MessageKind::kAppend);
  committed.term = Term{1000};
  committed.log = {Term{900}, Index{2}};
  ExpectDropped(committed, &RaftCounters::invalid);
  ExpectDropped(FromLeader(MessageKind::kSnapshotPart), &RaftCounters::unasked_snapshot);
}

// Design section 4: a boot number that goes back means that the disk was put back.
TEST_F(StrangerTest, ANodeThatSpeaksInAnEarlierBootIsNotHeard) {
  raft().Deliver(TestReplica(leader_).node, 5, {});
  ExpectDropped(FromLeader(MessageKind::kHeartbeat), &RaftCounters::old_boot, 4);
  raft().Deliver(TestReplica(leader_).node, 5, {FromLeader(MessageKind::kHeartbeat)});
  EXPECT_EQ(raft().counters().old_boot, 1u);
}

TEST(SeveralVotersTest, AGroupThatVanishesWhileItsEntriesAreReadIsSafe) {
  TestCluster cluster(8, {kA}, 3, {.core = {.held_bytes_max = 0}});
  const uint64_t leader = cluster.AwaitLeader(kA);
  std::vector<std::function<void()>> posted;
  TestCluster::Node& node = cluster.node(leader);
  const uint64_t away = leader % 3 + 1;
  cluster.Isolate(away);
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(node.Propose(kA, "x", "body").ok());
  cluster.Run(base::Millis(100));
  cluster.Isolate(away, false);
  // Steps by hand, so that a read is asked for and not answered.
  for (int i = 0; i < 100; ++i) {
    cluster.now = cluster.now + base::Millis(10);
    for (uint64_t n = 1; n <= 3; ++n) {
      cluster.node(n).raft->Tick(cluster.now);
      for (TestCluster::Batch& batch : std::exchange(cluster.node(n).inbox, {}))
        cluster.node(n).raft->Deliver(batch.from, batch.boot, std::move(batch.messages));
      (void)cluster.node(n).raft->Flush();
      cluster.node(n).store.SyncAndReport();
    }
  }
  const auto& progress = node.raft->core(kA).progress();
  ASSERT_TRUE(progress.at(TestReplica(away)).reading);
  node.raft->CloseGroup(kA);
  node.store.AnswerReads();
  EXPECT_FALSE(node.raft->has_group(kA));
}

TEST(SeveralVotersTest, LeadershipIsHandedOverOnRequest) {
  TestCluster cluster(9, {kA});
  const uint64_t leader = cluster.AwaitLeader(kA);
  const uint64_t next = leader % 3 + 1;
  EXPECT_EQ(cluster.node(next).raft->TransferTo(kA, TestReplica(leader)).code(),
            absl::StatusCode::kFailedPrecondition);
  ASSERT_EQ(cluster.node(leader).raft->TransferTo(kA, TestReplica(next)), absl::OkStatus());
  EXPECT_TRUE(cluster.RunUntil([&] { return cluster.LeaderOf(kA) == next; }));
}

TEST(SeveralVotersTest, AReadOfTheLeaderIsAnsweredOnceAMajorityHasConfirmedIt) {
  TestCluster cluster(10, {kA});
  const uint64_t leader = cluster.AwaitLeader(kA);
  cluster.Run(base::Millis(100));
  ASSERT_EQ(cluster.node(leader).raft->ReadIndex(kA, ReadId{7}), absl::OkStatus());
  cluster.Run(base::Millis(100));
  EXPECT_THAT(absl::StrJoin(cluster.node(leader).machines[kA]->TakeEvents(), ","),
              HasSubstr("read 7"));
  cluster.Isolate(leader);
  ASSERT_EQ(cluster.node(leader).raft->ReadIndex(kA, ReadId{8}), absl::OkStatus());
  cluster.Run(base::Seconds(1));
  EXPECT_THAT(absl::StrJoin(cluster.node(leader).machines[kA]->TakeEvents(), ","),
              Not(HasSubstr("read 8")));
}

}  // namespace
}  // namespace pontoon::raft
