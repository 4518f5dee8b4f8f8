#include <gmock/gmock.h>

#include "absl/strings/str_join.h"
#include "raft/core/entry.h"
#include "raft/node/test_cluster.h"

// What MultiRaft adds to its cores between replicas: bodies that were let go, digests, room,
// quarantine, connections that break.

namespace pontoon::raft {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const GroupId kA{1};

class LeftOutBodiesTest : public ::testing::Test {
 protected:
  // Three entries with bodies, of which one follower knows nothing; no entry in memory any more.
  void SetUp() override {
    leader_ = cluster_.AwaitLeader(kA);
    away_ = leader_ % 3 + 1;
    cluster_.Run(base::Millis(100));
    cluster_.Isolate(away_);
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(leader().Propose(kA, "x", "body").ok());
    ASSERT_TRUE(cluster_.RunUntil([&] { return leader().machines[kA]->state == kState; }));
  }
  void Drop(Index index) {
    for (uint64_t n = 1; n <= 3; ++n) {
      if (n == away_) continue;
      StateTask task;
      task.group = kA;
      task.drop_bodies.push_back(index);
      cluster_.node(n).machines[kA]->settled.insert(index);
      cluster_.node(n).raft->SubmitState(std::move(task));
    }
    cluster_.Run(base::Millis(50));
  }
  TestCluster::Node& leader() { return cluster_.node(leader_); }
  TestCluster::Node& away() { return cluster_.node(away_); }

  const std::string kState = "3=x;4=x;5=x;";
  TestCluster cluster_{21, {kA}, 3, {.core = {.held_bytes_max = 0}}};
  uint64_t leader_ = 0;
  uint64_t away_ = 0;
};

// Design section 4: a body is left out of an append only with the index by which it had ended.
TEST_F(LeftOutBodiesTest, ASettledBodyIsLeftOutWithTheIndexThatEndedIt) {
  Drop(Index{4});
  std::vector<std::string> sent;
  cluster_.filter = [&](const Message& message) {
    for (const Entry& entry : message.entries) {
      sent.push_back(absl::StrCat(
          entry.id.index.value, ":", entry.body.size(),
          entry.remains == nullptr ? "" : absl::StrCat(" ended ", entry.remains->ended.value)));
    }
    return true;
  };
  cluster_.Isolate(away_, false);
  ASSERT_TRUE(cluster_.RunUntil([&] { return cluster_.AllHave(kA, kState); }));
  EXPECT_THAT(sent, ElementsAre("3:4", "4:0 ended 5", "5:4"));
  EXPECT_TRUE(away().store.HasBody(kA, Index{3}));
  EXPECT_FALSE(away().store.HasBody(kA, Index{4}));
  EXPECT_EQ(away().store.RecoverBlocking(kA)->ended_through, Index{5});
}

// A publish that no queue took: the entry that brings the body ends it as well.
TEST_F(LeftOutBodiesTest, ABodyThatItsOwnEntryEndedIsLeftOut) {
  Drop(Index{5});
  cluster_.Isolate(away_, false);
  ASSERT_TRUE(cluster_.RunUntil([&] { return cluster_.AllHave(kA, kState); }));
  EXPECT_FALSE(away().store.HasBody(kA, Index{5}));
}

// "Missing" never means "settled".
TEST_F(LeftOutBodiesTest, ABodyThatIsLostIsNotPassedOffAsSettled) {
  Drop(Index{4});
  for (uint64_t n = 1; n <= 3; ++n) cluster_.node(n).machines[kA]->settled.clear();
  cluster_.filter = [&](const Message& message) {
    for (const Entry& entry : message.entries) {
      if (message.to.node.value == away_) {
        EXPECT_NE(entry.id.index, Index{4});
      }
    }
    return true;
  };
  cluster_.Isolate(away_, false);
  cluster_.Run(base::Seconds(1));
  EXPECT_EQ(away().raft->core(kA).log().last().index, Index{3});
}

TEST_F(LeftOutBodiesTest, WhoeverDropsABodySaysInWhichStateItDidSo) {
  EXPECT_EQ(leader().store.RecoverBlocking(kA)->ended_through, Index{0});
  Drop(Index{3});
  EXPECT_EQ(leader().store.RecoverBlocking(kA)->ended_through, Index{5});
}

TEST(PeersTest, PagesLieUnderTheGenerationOfTheGroup) {
  TestCluster cluster(22, {kA});
  TestCluster::Node& node = cluster.node(cluster.AwaitLeader(kA));
  EXPECT_EQ(node.raft->StoredPageOf(kA, PageId{7}), PageId{7});
  const auto put = [&] {
    StateTask task;
    task.group = kA;
    task.put_pages.emplace_back(PageId{7}, TestBytes("page"));
    task.checkpoint = Checkpoint{node.raft->applied(kA), {}, "root", 99};
    node.raft->SubmitState(std::move(task));
    cluster.Run(base::Millis(50));
    return node.store.RecoverBlocking(kA)->checkpoint->page_generation;
  };
  EXPECT_EQ(put(), 0) << "filled in by the host";
  EXPECT_THAT(node.store.pages(kA), ElementsAre(PageId{7}));
}

TEST(PeersTest, AReplicaWhoseStateDiffersIsToldOfAndCountsNoMore) {
  std::vector<std::string> astray;
  TestCluster cluster(
      23, {kA}, 3, {.core = {.digest_interval = 8}}, [&](uint64_t n, MultiRaftOptions* options) {
        options->on_astray = [&astray, n](GroupId group, const Astray& which) {
          astray.push_back(
              absl::StrCat(n, " of group ", group.value, ": ", which.replica.node.value));
        };
      });
  const uint64_t leader = cluster.AwaitLeader(kA);
  const uint64_t wrong = leader % 3 + 1;
  cluster.node(wrong).machines[kA]->state = "wrong";
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(cluster.node(leader).Propose(kA, "x").ok());
  ASSERT_TRUE(cluster.RunUntil([&] { return cluster.node(leader).raft->counters().astray > 0; }));
  EXPECT_THAT(absl::StrJoin(astray, ", "), HasSubstr(absl::StrCat(leader, " of group 1: ", wrong)));
  ASSERT_TRUE(cluster.RunUntil([&] { return cluster.node(wrong).raft->core(kA).quarantined(); }));
  for (uint64_t n = 1; n <= 3; ++n) {
    EXPECT_EQ(cluster.node(n).raft->core(kA).quarantined(), n == wrong);
  }
}

TEST(PeersTest, DigestsAreComparedAtEveryMultipleOfTheIntervalWhateverTheEntryThereIs) {
  TestCluster cluster(24, {kA}, 3, {.core = {.digest_interval = 2}});
  const uint64_t leader = cluster.AwaitLeader(kA);  // Its first entry, kNoop, is number 2.
  (void)cluster.node(leader).machines[kA]->TakeEvents();
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(cluster.node(leader).Propose(kA, "x").ok());
  ASSERT_TRUE(cluster.RunUntil([&] { return cluster.AllHave(kA, "3=x;4=x;5=x;6=x;"); }));
  cluster.Run(base::Millis(200));
  for (const auto& [peer, progress] : cluster.node(leader).raft->core(kA).progress())
    EXPECT_EQ(progress.digest_index, Index{6});
}

TEST(PeersTest, AFollowerWithoutRoomTakesNoBodiesAndLosesNothing) {
  TestCluster cluster(25, {kA});
  const uint64_t leader = cluster.AwaitLeader(kA);
  const uint64_t full = leader % 3 + 1;
  cluster.node(full).raft->SetRoom(false);
  cluster.Run(base::Millis(200));
  ASSERT_TRUE(cluster.node(leader).Propose(kA, "x", "body").ok());
  cluster.Run(base::Millis(500));
  EXPECT_EQ(cluster.node(leader).machines[kA]->state, "3=x;");
  EXPECT_EQ(cluster.node(full).machines[kA]->state, "");
  EXPECT_EQ(cluster.LeaderOf(kA), leader);
  cluster.node(full).raft->SetRoom(true);
  EXPECT_TRUE(cluster.RunUntil([&] { return cluster.AllHave(kA, "3=x;"); }));
}

TEST(PeersTest, AQuarantinedReplicaStaysSoAfterARestart) {
  TestCluster cluster(26, {kA});
  const uint64_t leader = cluster.AwaitLeader(kA);
  const uint64_t bad = leader % 3 + 1;
  ASSERT_EQ(cluster.node(bad).raft->Quarantine(kA), absl::OkStatus());
  EXPECT_EQ(cluster.node(bad).raft->Quarantine(GroupId{9}).code(), absl::StatusCode::kNotFound);
  cluster.Run(base::Millis(200));
  EXPECT_TRUE(cluster.node(leader).raft->counters().astray > 0);
  cluster.Crash(bad);
  cluster.Start(bad);
  cluster.Run(base::Millis(200));
  EXPECT_TRUE(cluster.node(bad).raft->core(kA).quarantined());
  ASSERT_TRUE(cluster.node(leader).Propose(kA, "x").ok());
  cluster.Run(base::Millis(200));
  EXPECT_EQ(cluster.node(leader).machines[kA]->state, "3=x;");
}

// Its disk may have lost what it is about to acknowledge, and what lies before it.
TEST(PeersTest, WhatAReplicaWasAboutToPromiseIsTakenBackByItsQuarantine) {
  TestCluster cluster(29, {kA});
  const uint64_t leader = cluster.AwaitLeader(kA);
  cluster.Run(base::Millis(200));
  const uint64_t bad = leader % 3 + 1;
  cluster.node(bad).disk_stalled = true;
  ASSERT_TRUE(cluster.node(leader).Propose(kA, "x").ok());
  cluster.Run(base::Millis(20));
  ASSERT_EQ(cluster.node(bad).store.unsynced(), 1u);
  std::vector<MessageKind> sent;
  cluster.filter = [&](const Message& message) {
    if (message.from == TestReplica(bad) && !message.quarantined) sent.push_back(message.kind);
    return true;
  };
  ASSERT_EQ(cluster.node(bad).raft->Quarantine(kA), absl::OkStatus());
  cluster.node(bad).disk_stalled = false;
  cluster.Run(base::Millis(500));
  EXPECT_TRUE(sent.empty()) << static_cast<int>(sent.front());
}

// Design section 5: after a refused connection nobody waits for an election timeout (300 ms at
// least), and those who are left do not stand for election at the same time.
TEST(PeersTest, ABrokenConnectionToTheLeaderStartsTheElectionAtOnce) {
  int at_once = 0;
  for (uint64_t seed = 100; seed < 120; ++seed) {
    TestCluster cluster(seed, {kA});
    const uint64_t leader = cluster.AwaitLeader(kA);
    cluster.Run(base::Millis(200));
    cluster.Crash(leader);
    for (uint64_t n = 1; n <= 3; ++n) {
      if (n != leader) cluster.node(n).raft->OnPeerUnreachable(TestReplica(leader).node);
    }
    if (cluster.RunUntil([&] { return cluster.LeaderOf(kA) != 0; }, base::Millis(150))) ++at_once;
  }
  EXPECT_EQ(at_once, 20);
}

// A disk that was replaced is a new incarnation in the groups that it lost, and only there.
TEST(PeersTest, AReplicaMayHaveAnotherIncarnationInEachGroup) {
  const GroupId kB{2};
  TestCluster cluster(28, {kA});
  const ReplicaId anew{NodeId{2}, 5};
  const Membership founders{.voters = {TestReplica(1), anew, TestReplica(3)}};
  RecordingMachine machines[3];
  for (uint64_t n = 1; n <= 3; ++n) {
    ASSERT_EQ(cluster.node(n).raft->OpenGroup(kB, {}, &machines[n - 1], founders,
                                              n == 2 ? std::optional(anew) : std::nullopt),
              absl::OkStatus());
  }
  ASSERT_NE(cluster.AwaitLeader(kA), 0u);
  const uint64_t leader = cluster.AwaitLeader(kB);
  ASSERT_TRUE(cluster.node(leader).Propose(kB, "x").ok());
  ASSERT_TRUE(cluster.RunUntil([&] { return machines[1].state == "3=x;"; }));
  EXPECT_EQ(cluster.node(2).raft->core(kA).self().incarnation, 1u);
  EXPECT_EQ(cluster.node(2).raft->core(kB).self().incarnation, 5u);
  Message old;
  old.group = kB;
  old.from = TestReplica(1);
  old.to = TestReplica(2);
  old.term = Term{1};
  cluster.node(2).raft->Deliver(NodeId{1}, 1, {old});
  EXPECT_EQ(cluster.node(2).raft->counters().wrong_replica, 1u);
}

}  // namespace
}  // namespace pontoon::raft
