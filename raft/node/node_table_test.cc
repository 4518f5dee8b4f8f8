#include "raft/node/node_table.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "raft/node/test_cluster.h"

namespace pontoon::raft {
namespace {

constexpr NodeId kPeer{7};

TEST(NodeTableTest, ABootThatGoesBackIsNotHeard) {
  NodeTable table;
  EXPECT_TRUE(table.Admit(kPeer, 4));
  EXPECT_FALSE(table.Admit(kPeer, 3));
  EXPECT_TRUE(table.Admit(kPeer, 4));
  EXPECT_TRUE(table.Admit(kPeer, 6));
  EXPECT_FALSE(table.Admit(kPeer, 4));
  EXPECT_TRUE(table.Admit(NodeId{8}, 1));
}

TEST(NodeTableTest, ANewBootIsHeardOnceItIsRememberedAndAskedForOnce) {
  std::vector<std::pair<NodeId, uint64_t>> writes;
  NodeTable table({{kPeer, 4}}, [&](NodeId node, uint64_t boot) {
    writes.push_back({node, boot});
  });
  EXPECT_TRUE(table.Admit(kPeer, 4)) << "known from an earlier life";
  EXPECT_FALSE(table.Admit(kPeer, 3));
  EXPECT_FALSE(table.Admit(kPeer, 5));
  EXPECT_FALSE(table.Admit(kPeer, 5));
  EXPECT_EQ(writes, (std::vector<std::pair<NodeId, uint64_t>>{{kPeer, 5}}));
  EXPECT_TRUE(table.Admit(kPeer, 4)) << "nothing of the new one counts yet";
  table.Learn(kPeer, 5);
  EXPECT_TRUE(table.Admit(kPeer, 5));
  EXPECT_FALSE(table.Admit(kPeer, 4));
  table.Learn(kPeer, 2);
  EXPECT_EQ(table.boot(kPeer), 5u);
}

TEST(NodeTableTest, WhoeverWritesAtOnceIsHeardAtOnce) {
  NodeTable* here = nullptr;
  NodeTable table({}, [&](NodeId node, uint64_t boot) { here->Learn(node, boot); });
  here = &table;
  EXPECT_TRUE(table.Admit(kPeer, 1));
}

// Design section 4: a disk that was put back is treated as wiped, however few remember it.
TEST(NodeTableTest, ADiskThatWasPutBackIsNotHeardAlthoughAllOthersHaveStartedAgain) {
  const GroupId group{1};
  TestCluster cluster(5, {group});
  ASSERT_NE(cluster.AwaitLeader(group), 0u);
  cluster.Run(base::Millis(200));
  const std::shared_ptr<const MemoryDisk> copy = cluster.node(3).store.Copy();
  const uint64_t boot = cluster.node(3).boot;
  for (int i = 0; i < 2; ++i) {
    cluster.Crash(3);
    cluster.Start(3);
    cluster.Run(base::Seconds(1));
  }
  const uint64_t leader = cluster.AwaitLeader(group);
  ASSERT_TRUE(cluster.node(leader).Propose(group, "x").ok());
  ASSERT_TRUE(cluster.RunUntil([&] {
    const std::string& state = cluster.node(leader).machines[group]->state;
    return !state.empty() && cluster.AllHave(group, state);
  }));
  for (uint64_t n = 1; n <= 3; ++n) cluster.Crash(n);
  cluster.node(3).store.PutBack(*copy, &cluster.node(3));
  cluster.node(3).boot = boot;
  cluster.node(3).invariants.clear();
  cluster.Start(3);
  cluster.Start(1);
  cluster.Run(base::Seconds(2));
  EXPECT_GT(cluster.node(1).raft->counters().old_boot, 0u);
  EXPECT_EQ(cluster.LeaderOf(group), 0u) << "made one with a replica that forgot what it promised";
  cluster.Start(2);
  ASSERT_NE(cluster.AwaitLeader(group), 0u);
  EXPECT_NE(cluster.AwaitLeader(group), 3u);
}

}  // namespace
}  // namespace pontoon::raft
