#include "server/cluster/storage_router.h"

#include <gtest/gtest.h>

#include <map>
#include <utility>
#include <variant>
#include <vector>

namespace pontoon::cluster {
namespace {

using Done = std::vector<std::pair<base::GroupId, raft::IoSeq>>;

// Keeps what each loop was sent.
class KeepingFabric final : public Fabric {
 public:
  void Send(base::LoopId to, LoopMessage message) override {
    sent[to.value].push_back(std::move(message));
  }
  void RunAside(std::function<void()> work) override { work(); }
  void OnDiskDead(base::Duration) override { FAIL(); }

  std::map<uint16_t, std::vector<LoopMessage>> sent;
};

TEST(StorageRouterTest, EachLoopGetsItsShareOfABatchInOneMessageAndInOrder) {
  const NodeFacts facts{.loops = 3};
  KeepingFabric fabric;
  StorageRouter router(&facts, &fabric);
  // Groups 1, 4 and 7 belong to the first loop, as the catalog does; 2 to the second.
  const Done done{{{4}, {40}}, {{2}, {20}}, {{1}, {10}}, {{0}, {5}}, {{7}, {70}}};
  router.OnBatchDone(done);
  ASSERT_EQ(fabric.sent.size(), 2u) << "nothing for the loop without a share";
  ASSERT_EQ(fabric.sent[0].size(), 1u);
  EXPECT_EQ(std::get<StorageDone>(fabric.sent[0][0]).done,
            (Done{{{4}, {40}}, {{1}, {10}}, {{0}, {5}}, {{7}, {70}}}));
  ASSERT_EQ(fabric.sent[1].size(), 1u);
  EXPECT_EQ(std::get<StorageDone>(fabric.sent[1][0]).done, (Done{{{2}, {20}}}));
}

TEST(StorageRouterTest, ALoneReportGoesToTheLoopOfItsGroup) {
  const NodeFacts facts{.loops = 2};
  KeepingFabric fabric;
  StorageRouter router(&facts, &fabric);
  router.OnStorageDone({2}, {9});
  ASSERT_EQ(fabric.sent[1].size(), 1u);
  EXPECT_EQ(std::get<StorageDone>(fabric.sent[1][0]).done, (Done{{{2}, {9}}}));
  EXPECT_TRUE(fabric.sent[0].empty());
}

}  // namespace
}  // namespace pontoon::cluster
