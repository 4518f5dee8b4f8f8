#include "raft/node/disk_watchdog.h"

#include <gmock/gmock.h>

#include "raft/node/test_cluster.h"

namespace pontoon::raft {
namespace {

using State = DiskWatchdog::State;
const GroupId kA{1};
const GroupId kB{2};

class DiskWatchdogTest : public ::testing::Test {
 protected:
  void SetUp() override { watchdog_.Tick(now_); }
  State Pass(base::Duration duration) {
    const base::MonotonicTime end = now_ + duration;
    while (now_ < end) {
      now_ = now_ + base::Millis(10);
      watchdog_.Tick(now_);
    }
    return watchdog_.state();
  }
  base::MonotonicTime now_{base::Seconds(1000).nanos};
  DiskWatchdog watchdog_;
};

TEST_F(DiskWatchdogTest, ATaskThatWaitsForMoreThanASecondIsAStall) {
  EXPECT_EQ(Pass(base::Seconds(60)), State::kGood) << "nothing to do is no stall";
  watchdog_.OnSubmit(kA, IoSeq{1});
  EXPECT_EQ(Pass(base::Millis(990)), State::kGood);
  EXPECT_EQ(Pass(base::Millis(10)), State::kStalled);
  EXPECT_EQ(watchdog_.oldest_wait(), base::Seconds(1));
}

TEST_F(DiskWatchdogTest, ADiskThatIsBusyButKeepsUpIsGood) {
  uint64_t seq = 0;
  for (int i = 0; i < 100; ++i) {
    watchdog_.OnSubmit(kA, IoSeq{++seq});
    watchdog_.OnSubmit(kB, IoSeq{seq});
    EXPECT_EQ(Pass(base::Millis(100)), State::kGood);
    if (seq > 3) watchdog_.OnDone(kA, IoSeq{seq - 3});
    if (seq > 3) watchdog_.OnDone(kB, IoSeq{seq - 3});
  }
}

TEST_F(DiskWatchdogTest, TheOldestTaskCountsWhateverTheOtherGroupsDo) {
  watchdog_.OnSubmit(kA, IoSeq{1});
  watchdog_.OnSubmit(kB, IoSeq{1});
  watchdog_.OnDone(kA, IoSeq{1});
  Pass(base::Millis(600));
  watchdog_.OnSubmit(kA, IoSeq{2});
  EXPECT_EQ(Pass(base::Millis(400)), State::kStalled);
}

TEST_F(DiskWatchdogTest, AfterThirtySecondsTheDiskIsDeadForGood) {
  watchdog_.OnSubmit(kA, IoSeq{1});
  EXPECT_EQ(Pass(base::Millis(29990)), State::kStalled);
  EXPECT_EQ(Pass(base::Millis(10)), State::kDead);
  watchdog_.OnDone(kA, IoSeq{1});
  EXPECT_EQ(Pass(base::Seconds(60)), State::kDead);
}

TEST_F(DiskWatchdogTest, ADiskIsTrustedAgainOnlyAfterFiveGoodSeconds) {
  watchdog_.OnSubmit(kA, IoSeq{1});
  EXPECT_EQ(Pass(base::Seconds(3)), State::kStalled);
  watchdog_.OnDone(kA, IoSeq{1});
  EXPECT_EQ(Pass(base::Seconds(4)), State::kStalled);
  watchdog_.OnSubmit(kA, IoSeq{2});
  Pass(base::Millis(700));
  watchdog_.OnDone(kA, IoSeq{2});
  EXPECT_EQ(Pass(base::Millis(4900)), State::kStalled) << "it was slow again";
  EXPECT_EQ(Pass(base::Millis(200)), State::kGood);
}

// A process that was frozen for a minute has a disk that could not report, not a dead one.
TEST_F(DiskWatchdogTest, TimeInWhichTheLoopStoodStillIsNotHeldAgainstTheDisk) {
  watchdog_.OnSubmit(kA, IoSeq{1});
  Pass(base::Millis(100));
  now_ = now_ + base::Seconds(60);
  EXPECT_EQ(watchdog_.Tick(now_), State::kGood);
}

TEST(DiskWatchdogHostTest, ALeaderWhoseDiskStallsHandsOverAndKeepsAway) {
  const std::vector<GroupId> groups = {kA, kB, GroupId{3}, GroupId{4}};
  TestCluster cluster(1, groups);
  for (const GroupId group : groups) ASSERT_NE(cluster.AwaitLeader(group), 0u);
  // All groups to node 1.
  for (const GroupId group : groups) {
    const uint64_t leader = cluster.LeaderOf(group);
    ASSERT_EQ(cluster.node(leader).raft->TransferTo(group, TestReplica(1)), absl::OkStatus());
  }
  ASSERT_TRUE(cluster.RunUntil([&] {
    for (const GroupId group : groups) {
      if (cluster.LeaderOf(group) != 1) return false;
    }
    return true;
  }));
  cluster.node(1).disk_stalled = true;
  ASSERT_TRUE(cluster.node(1).Propose(kA, "x").ok());
  cluster.Run(base::Millis(900));
  EXPECT_EQ(cluster.LeaderOf(kA), 1u) << "a moment is no reason";
  ASSERT_TRUE(cluster.RunUntil(
      [&] {
        for (const GroupId group : groups) {
          if (cluster.LeaderOf(group) <= 1) return false;
        }
        return true;
      },
      base::Seconds(1)))
      << "also of groups that had nothing to write";
  EXPECT_EQ(cluster.node(1).raft->disk_state(), State::kStalled);
  for (int i = 0; i < 300; ++i) {
    cluster.Step();
    ASSERT_NE(cluster.LeaderOf(kA), 1u);
  }
  // A disk that works may lead again.
  cluster.node(1).disk_stalled = false;
  cluster.Run(base::Seconds(6));
  EXPECT_EQ(cluster.node(1).raft->disk_state(), State::kGood);
  const uint64_t leader = cluster.LeaderOf(kA);
  ASSERT_EQ(cluster.node(leader).raft->TransferTo(kA, TestReplica(1)), absl::OkStatus());
  EXPECT_TRUE(cluster.RunUntil([&] { return cluster.LeaderOf(kA) == 1; }));
  cluster.Run(base::Seconds(2));
  EXPECT_EQ(cluster.LeaderOf(kA), 1u);
}

TEST(DiskWatchdogHostTest, TheOwnerIsToldOnceThatTheDiskIsDead) {
  int told = 0;
  TestCluster cluster(2, {kA}, 3, {}, [&](uint64_t n, MultiRaftOptions* options) {
    if (n == 1) options->on_disk_dead = [&] { ++told; };
  });
  ASSERT_NE(cluster.AwaitLeader(kA), 0u);
  cluster.node(1).disk_stalled = true;
  const uint64_t leader = cluster.LeaderOf(kA);
  ASSERT_TRUE(cluster.node(leader).Propose(kA, "x").ok());
  cluster.Run(base::Seconds(29));
  EXPECT_EQ(told, 0);
  cluster.Run(base::Seconds(5));
  EXPECT_EQ(told, 1);
}

TEST(DiskWatchdogHostTest, ASoleVoterStaysForThereIsNobodyElse) {
  TestCluster cluster(3, {kA}, 1);
  ASSERT_NE(cluster.AwaitLeader(kA), 0u);
  cluster.node(1).disk_stalled = true;
  ASSERT_TRUE(cluster.node(1).Propose(kA, "x").ok());
  cluster.Run(base::Seconds(3));
  EXPECT_EQ(cluster.LeaderOf(kA), 1u);
  cluster.node(1).disk_stalled = false;
  EXPECT_TRUE(cluster.RunUntil([&] { return cluster.AllHave(kA, "3=x;"); }));
}

}  // namespace
}  // namespace pontoon::raft
