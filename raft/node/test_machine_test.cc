#include "raft/node/test_machine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pontoon::raft {
namespace {

using ::testing::ElementsAre;

const GroupId kGroup{1};

void Apply(TestMachine* machine, uint64_t index, Entry entry) {
  entry.id = {Term{1}, Index{index}};
  machine->Apply({&entry, 1});
}

TEST(TestMachineTest, WhatIsSettledIsDroppedAndCut) {
  TestMachine machine;
  Apply(&machine, 1, TestMachine::Put({"aa", "bbb", "c"}));
  Apply(&machine, 2, TestMachine::Put("whole"));
  EXPECT_FALSE(machine.TakeStateTask(kGroup).has_value());
  Apply(&machine, 4, TestMachine::Settle({{Index{1}, 1}, {Index{2}, 0}}));
  const StateTask task = machine.TakeStateTask(kGroup).value();
  EXPECT_THAT(task.drop_bodies, ElementsAre(Index{2}));
  ASSERT_EQ(task.cut_bodies.size(), 1u);
  EXPECT_THAT(task.cut_bodies[0].keep, ElementsAre(BodyExtent{0, 2}, BodyExtent{5, 1}));
  EXPECT_EQ(task.ended_through, Index{4});
  EXPECT_TRUE(machine.NeedsBody(Index{1}));
  EXPECT_FALSE(machine.NeedsBody(Index{2}));
}

TEST(TestMachineTest, AnotherReplicaTakesOverTheCheckpoint) {
  TestMachine machine;
  for (uint64_t i = 1; i <= 20; ++i) Apply(&machine, i, TestMachine::Put(std::string(i, 'x')));
  Apply(&machine, 21, TestMachine::Settle({{Index{3}, 0}}));
  const StateTask task = machine.MakeCheckpoint(kGroup, {Term{1}, Index{21}});
  EXPECT_EQ(task.put_pages.size(), 3u);
  const StateMachine::Contents contents = machine.ListContents(task.checkpoint->root).value();
  EXPECT_THAT(contents.pages, ElementsAre(PageId{1}, PageId{2}, PageId{3}));
  EXPECT_THAT(contents.bodies, ElementsAre(IndexRun{Index{1}, 2}, IndexRun{Index{4}, 17}));
  TestMachine other(task.checkpoint);
  EXPECT_EQ(other.Digest(), machine.Digest());
  Apply(&machine, 22, TestMachine::Settle({{Index{1}, 0}, {Index{2}, 0}, {Index{4}, 0}}));
  Apply(&other, 22, TestMachine::Settle({{Index{1}, 0}, {Index{2}, 0}, {Index{4}, 0}}));
  EXPECT_EQ(other.Digest(), machine.Digest());
  Apply(&other, 23, TestMachine::Settle({{Index{5}, 0}}));
  EXPECT_THAT(other.MakeCheckpoint(kGroup, {Term{1}, Index{23}}).drop_pages,
              ElementsAre(PageId{1}));
}

TEST(TestMachineTest, ADamagedRootIsNoticed) {
  TestMachine machine;
  Apply(&machine, 1, TestMachine::Put("x"));
  std::string root = machine.MakeCheckpoint(kGroup, {Term{1}, Index{1}}).checkpoint->root;
  root[5] ^= 1;
  EXPECT_EQ(machine.ListContents(root).status().code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace pontoon::raft
