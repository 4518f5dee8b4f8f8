#include "raft/node/heartbeats.h"

#include <gmock/gmock.h>

#include "absl/strings/str_join.h"
#include "raft/node/test_cluster.h"

namespace pontoon::raft {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const base::MonotonicTime kStart{base::Seconds(10).nanos};

Message Of(uint64_t group) {
  Message message;
  message.group = GroupId{static_cast<uint32_t>(group)};
  return message;
}

class HeartbeatGathererTest : public ::testing::Test {
 protected:
  // A turn of a loop; the groups that leave with it.
  std::vector<uint64_t> Turn(size_t loop, int64_t millis, std::vector<uint64_t> heartbeats,
                             std::vector<uint64_t> replies = {}) {
    std::vector<Message> beats;
    std::vector<Message> answers;
    std::vector<Message> leaving;
    for (const uint64_t group : heartbeats) beats.push_back(Of(group));
    for (const uint64_t group : replies) answers.push_back(Of(group));
    gatherer_.Gather(loop, kStart + base::Millis(millis), &beats, &answers, &leaving);
    EXPECT_THAT(beats, IsEmpty());
    EXPECT_THAT(answers, IsEmpty());
    std::vector<uint64_t> groups;
    for (const Message& message : leaving) groups.push_back(message.group.value);
    return groups;
  }

  HeartbeatGatherer gatherer_{{.loops = 3}};
};

TEST_F(HeartbeatGathererTest, TheHeartbeatsOfAllLoopsLeaveTogetherWithTheLastOne) {
  EXPECT_THAT(Turn(0, 50, {1, 2}), IsEmpty());
  EXPECT_THAT(Turn(1, 53, {3}), IsEmpty());
  EXPECT_THAT(Turn(2, 56, {4}), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(Turn(0, 60, {}), IsEmpty());
}

TEST_F(HeartbeatGathererTest, ALoopWithoutGroupsIsNotWaitedForOnceItHasTicked) {
  EXPECT_THAT(Turn(0, 50, {1}), IsEmpty());
  EXPECT_THAT(Turn(1, 49, {}), IsEmpty()) << "its tick of this interval is still to come";
  EXPECT_THAT(Turn(2, 51, {}), IsEmpty());
  EXPECT_THAT(Turn(1, 52, {}), ElementsAre(1));
}

// Design section 4, raft-notes: a group whose loop hangs must not be kept alive by the others.
TEST_F(HeartbeatGathererTest, ALoopThatIsStuckIsNotNamedAndHoldsNobodyUp) {
  EXPECT_THAT(Turn(0, 50, {1}), IsEmpty());
  EXPECT_THAT(Turn(1, 52, {2}), IsEmpty());
  EXPECT_THAT(Turn(0, 60, {}), IsEmpty());
  EXPECT_THAT(Turn(0, 70, {}), ElementsAre(1, 2)) << "the third has said nothing for 15 ms";
  EXPECT_THAT(Turn(1, 100, {2}), IsEmpty());
  EXPECT_THAT(Turn(0, 102, {1}), IsEmpty());
  EXPECT_THAT(Turn(1, 115, {}), ElementsAre(2, 1));
}

TEST_F(HeartbeatGathererTest, RepliesLeaveTogetherAndWaitForNoHeartbeat) {
  EXPECT_THAT(Turn(0, 52, {}, {1}), IsEmpty());
  EXPECT_THAT(Turn(1, 40, {}, {2}), IsEmpty());
  EXPECT_THAT(Turn(2, 40, {}, {}), ElementsAre(1, 2));
  EXPECT_THAT(Turn(0, 52, {}, {3}), IsEmpty());
  EXPECT_THAT(Turn(0, 67, {}, {}), ElementsAre(3));
}

// The groups of one loop are due together, so a node sends one batch of heartbeats to each peer
// and interval, and one of replies.
TEST(HeartbeatsTest, AllGroupsOfANodeShareOneBatchPerPeerAndInterval) {
  std::vector<GroupId> groups;
  for (uint32_t g = 1; g <= 40; ++g) groups.push_back(GroupId{g});
  TestCluster cluster(1, groups);
  cluster.Run(base::Seconds(2));
  size_t messages = 0;
  cluster.filter = [&](const Message& message) {
    EXPECT_TRUE(message.kind == MessageKind::kHeartbeat ||
                message.kind == MessageKind::kHeartbeatReply);
    ++messages;
    return true;
  };
  for (uint64_t n = 1; n <= 3; ++n) cluster.node(n).turns = 0;
  cluster.Run(base::Seconds(1));
  EXPECT_EQ(messages, 20u * 40 * 4) << "each leader asks two followers, which answer";
  for (uint64_t n = 1; n <= 3; ++n) EXPECT_LE(cluster.node(n).turns, 20 * 3);
}

// Design section 5: a read does not wait for other groups' heartbeats.
TEST(HeartbeatsTest, HeartbeatsOfAReadAndTheirAnswersDoNotWaitForOtherLoops) {
  HeartbeatGatherer gatherers[3] = {HeartbeatGatherer{{.loops = 2}},
                                    HeartbeatGatherer{{.loops = 2}},
                                    HeartbeatGatherer{{.loops = 2}}};
  TestCluster cluster(2, {GroupId{1}}, 3, {}, [&](uint64_t n, MultiRaftOptions* options) {
    options->heartbeats = &gatherers[n - 1];
  });
  const uint64_t leader = cluster.AwaitLeader(GroupId{1});
  cluster.Run(base::Seconds(1));
  EXPECT_EQ(cluster.LeaderOf(GroupId{1}), leader) << "the other loop is stuck all the time";
  EXPECT_TRUE(cluster.node(leader).raft->LeaseHolds(GroupId{1}, cluster.now));
  (void)cluster.node(leader).machines[GroupId{1}]->TakeEvents();
  ASSERT_EQ(cluster.node(leader).raft->ReadIndex(GroupId{1}, ReadId{7}), absl::OkStatus());
  cluster.Turns();
  EXPECT_THAT(cluster.node(leader).machines[GroupId{1}]->TakeEvents(), ElementsAre("read 7"));
}

}  // namespace
}  // namespace pontoon::raft
