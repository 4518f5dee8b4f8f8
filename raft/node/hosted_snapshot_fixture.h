#ifndef PONTOON_RAFT_NODE_HOSTED_SNAPSHOT_FIXTURE_H_
#define PONTOON_RAFT_NODE_HOSTED_SNAPSHOT_FIXTURE_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "raft/node/expect_readable.h"
#include "raft/node/test_cluster.h"
#include "raft/node/test_machine.h"

namespace pontoon::raft {

inline constexpr GroupId kSnapshotGroup{1};

// Has its host written what it asks for, as a shard does.
class HostedMachine final : public TestMachine {
 public:
  void Restore(const std::optional<Checkpoint>& checkpoint) {
    if (checkpoint.has_value()) TestMachine::Install(*checkpoint);
  }
  void Bind(MultiRaft* raft, GroupId group) {
    raft_ = raft;
    group_ = group;
  }
  void Apply(absl::Span<const Entry> committed) override {
    TestMachine::Apply(committed);
    if (auto task = TakeStateTask(group_)) raft_->SubmitState(*std::move(task));
  }
  void Install(const Checkpoint& checkpoint) override {
    TestMachine::Install(checkpoint);
    ++installs;
    if (on_install) on_install();
  }
  void SubmitCheckpoint() { raft_->SubmitState(MakeCheckpoint(group_, raft_->applied(group_))); }

  uint64_t Digest() const override { return TestMachine::Digest() ^ astray; }

  int installs = 0;
  uint64_t astray = 0;  // Not 0: the state is another one than that of the others.
  std::function<void()> on_install;

 private:
  MultiRaft* raft_ = nullptr;
  GroupId group_;
};

// Three nodes that keep nothing for those who are slow.
class MultiRaftSnapshotTest : public ::testing::Test {
 protected:
  using Cluster = BasicTestCluster<HostedMachine>;

  static MultiRaftOptions Options() {
    return {.core = {.held_bytes_max = 0, .kept_header_bytes_max = 0}};
  }

  HostedMachine& machine(uint64_t n) { return *cluster_.node(n).machines[kSnapshotGroup]; }
  bool Propose(Entry entry) {
    const uint64_t leader = cluster_.LeaderOf(kSnapshotGroup);
    if (leader == 0) return false;
    MultiRaft& raft = *cluster_.node(leader).raft;
    return raft.Propose(kSnapshotGroup, raft.term(kSnapshotGroup), {&entry, 1}).ok();
  }
  bool Put(size_t bytes) {
    std::string text;
    text.resize(bytes, 'm');
    return Propose(TestMachine::Put(std::vector<std::string>(2, text)));
  }
  // Settles every third of what waits, or half of it.
  void SettleSome() {
    std::vector<TestMachine::MessageRef> refs;
    for (const auto& live : machine(cluster_.LeaderOf(kSnapshotGroup)).live_messages()) {
      if (live.ref.index.value % 3 == 0 || (live.ref.index.value % 5 == 0 && live.ref.message == 0))
        refs.push_back(live.ref);
    }
    if (!refs.empty()) Propose(TestMachine::Settle(refs));
  }
  // So much that whoever is away needs a snapshot.
  void PublishAndCompact(int puts, size_t bytes) {
    for (int i = 0; i < puts; ++i) {
      EXPECT_TRUE(Put(bytes));
      if (i % 8 == 7) cluster_.Step();
    }
    SettleSome();
    cluster_.Run(base::Millis(50));
    for (uint64_t n = 1; n <= 3; ++n) {
      if (cluster_.node(n).raft != nullptr && !cluster_.IsCut(n)) machine(n).SubmitCheckpoint();
    }
    cluster_.Run(base::Millis(50));
  }
  bool Converged() {
    const uint64_t leader = cluster_.LeaderOf(kSnapshotGroup);
    if (leader == 0) return false;
    for (uint64_t n = 1; n <= 3; ++n) {
      if (cluster_.node(n).raft == nullptr) continue;
      if (machine(n).last() != machine(leader).last()) return false;
    }
    return true;
  }
  void ExpectSame() {
    ASSERT_TRUE(cluster_.RunUntil([&] { return Converged(); }, base::Seconds(20)));
    cluster_.Run(base::Millis(100));
    const uint64_t leader = cluster_.LeaderOf(kSnapshotGroup);
    for (uint64_t n = 1; n <= 3; ++n) {
      if (cluster_.node(n).raft == nullptr) continue;
      EXPECT_EQ(machine(n).Digest(), machine(leader).Digest()) << "node " << n;
      ExpectReadable(n);
      EXPECT_EQ(cluster_.node(n).raft->counters().astray, 0u);
    }
  }
  void ExpectReadable(uint64_t n) {
    SCOPED_TRACE(n);
    auto& node = cluster_.node(n);
    raft::ExpectReadable(&node.store, kSnapshotGroup, machine(n), [&node](PageId page) {
      return node.raft->StoredPageOf(kSnapshotGroup, page);
    });
  }
  // A follower misses `rounds` that the others compact, and is back. Returns which it is.
  uint64_t LeaveOneBehind(int rounds) {
    const uint64_t away = cluster_.AwaitLeader(kSnapshotGroup) % 3 + 1;
    PublishAndCompact(20, 1000);
    cluster_.Isolate(away);
    for (int round = 0; round < rounds; ++round) PublishAndCompact(40, 30000);
    cluster_.Isolate(away, false);
    return away;
  }

  Cluster cluster_{1, {kSnapshotGroup}, 3, Options()};
};

}  // namespace pontoon::raft

#endif  // PONTOON_RAFT_NODE_HOSTED_SNAPSHOT_FIXTURE_H_
