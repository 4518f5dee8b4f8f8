#include <gmock/gmock.h>

#include <algorithm>

#include "base/crc32c.h"
#include "raft/core/snapshot.h"
#include "raft/node/test_cluster.h"
#include "raft/node/test_machine.h"

// Three nodes, of which one has missed what the others have compacted away.

namespace pontoon::raft {
namespace {

const GroupId kA{1};

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

  int installs = 0;
  std::function<void()> on_install;

 private:
  MultiRaft* raft_ = nullptr;
  GroupId group_;
};

class MultiRaftSnapshotTest : public ::testing::Test {
 protected:
  using Cluster = BasicTestCluster<HostedMachine>;

  static MultiRaftOptions Options() {
    // Nothing is kept for those who are slow.
    return {.core = {.held_bytes_max = 0, .kept_header_bytes_max = 0}};
  }

  HostedMachine& machine(uint64_t n) { return *cluster_.node(n).machines[kA]; }
  bool Propose(Entry entry) {
    const uint64_t leader = cluster_.LeaderOf(kA);
    if (leader == 0) return false;
    MultiRaft& raft = *cluster_.node(leader).raft;
    return raft.Propose(kA, raft.term(kA), {&entry, 1}).ok();
  }
  bool Put(size_t bytes) {
    std::string text;
    text.resize(bytes, 'm');
    return Propose(TestMachine::Put(std::vector<std::string>(2, text)));
  }
  // Settles every third of what waits, or half of it.
  void SettleSome() {
    std::vector<TestMachine::MessageRef> refs;
    for (const auto& live : machine(cluster_.LeaderOf(kA)).live_messages()) {
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
    const uint64_t leader = cluster_.LeaderOf(kA);
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
    const uint64_t leader = cluster_.LeaderOf(kA);
    for (uint64_t n = 1; n <= 3; ++n) {
      if (cluster_.node(n).raft == nullptr) continue;
      EXPECT_EQ(machine(n).Digest(), machine(leader).Digest()) << "node " << n;
      ExpectReadable(n);
      EXPECT_EQ(cluster_.node(n).raft->counters().astray, 0u);
    }
  }
  void ExpectReadable(uint64_t n) {
    auto& node = cluster_.node(n);
    for (const auto& [page, crc] : machine(n).pages()) {
      node.store.ReadPage(kA, node.raft->StoredPageOf(kA, page),
                          [n, page, crc](absl::StatusOr<base::Slice> read) {
                            ASSERT_TRUE(read.ok()) << "node " << n << ", page " << page.value;
                            EXPECT_EQ(base::Crc32c(read->view()), crc);
                          });
    }
    for (const TestMachine::LiveMessage& message : machine(n).live_messages()) {
      node.store.ReadBodies(kA, {{message.ref.index, message.extent.offset, message.extent.size}},
                            [n, message](std::vector<absl::StatusOr<base::Slice>> read) {
                              ASSERT_TRUE(read[0].ok())
                                  << "node " << n << ", body " << message.ref.index.value;
                              EXPECT_EQ(base::Crc32c(read[0]->view()), message.crc);
                            });
    }
    node.store.AnswerReads();
  }

  Cluster cluster_{1, {kA}, 3, Options()};
};

TEST_F(MultiRaftSnapshotTest, AFollowerThatWasAwayComesBackWhilePublishingGoesOn) {
  const uint64_t leader = cluster_.AwaitLeader(kA);
  const uint64_t away = leader % 3 + 1;
  PublishAndCompact(20, 1000);
  cluster_.Isolate(away);
  for (int round = 0; round < 4; ++round) PublishAndCompact(40, 30000);
  cluster_.Isolate(away, false);
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

TEST_F(MultiRaftSnapshotTest, ADiskThatWasWipedComesBackAsALearnerAndThenVotes) {
  uint64_t leader = cluster_.AwaitLeader(kA);
  const uint64_t wiped = leader % 3 + 1;
  for (int round = 0; round < 3; ++round) PublishAndCompact(30, 20000);
  cluster_.Crash(wiped);
  cluster_.node(wiped).store.Wipe(&cluster_.node(wiped));
  cluster_.Start(wiped, 2);
  leader = cluster_.AwaitLeader(kA);
  MultiRaft& raft = *cluster_.node(leader).raft;
  const ReplicaId old = TestReplica(wiped);
  const ReplicaId reborn{old.node, 2};
  Membership members = kTestThree;
  std::erase(members.voters, old);
  members.learners = {reborn};
  ASSERT_TRUE(raft.ProposeConfig(kA, raft.term(kA), members).ok());
  ASSERT_TRUE(cluster_.RunUntil([&] { return machine(wiped).installs > 0 && Converged(); },
                                base::Seconds(20)));
  members.learners.clear();
  members.voters.push_back(reborn);
  std::sort(members.voters.begin(), members.voters.end());
  ASSERT_TRUE(
      cluster_.RunUntil([&] { return raft.ProposeConfig(kA, raft.term(kA), members).ok(); }));
  ASSERT_TRUE(cluster_.RunUntil([&] { return raft.core(kA).membership() == members; }));
  ASSERT_TRUE(Put(100));
  ExpectSame();
}

// ra commit 919a6484: a replica that was elected straight after it had installed a snapshot.
TEST_F(MultiRaftSnapshotTest, TheReceiverMayLeadStraightAfterTheInstall) {
  const uint64_t leader = cluster_.AwaitLeader(kA);
  const uint64_t away = leader % 3 + 1;
  PublishAndCompact(20, 1000);
  cluster_.Isolate(away);
  for (int round = 0; round < 3; ++round) PublishAndCompact(40, 30000);
  cluster_.Isolate(away, false);
  ASSERT_TRUE(cluster_.RunUntil([&] { return machine(away).installs > 0; }, base::Seconds(20)));
  const Index installed = machine(away).last();
  cluster_.Crash(leader);
  ASSERT_TRUE(cluster_.RunUntil(
      [&] {
        (void)cluster_.node(away).raft->Campaign(kA);
        return cluster_.LeaderOf(kA) == away;
      },
      base::Seconds(20)));
  EXPECT_GE(machine(away).last(), installed);
  ASSERT_TRUE(Put(100));
  cluster_.Start(leader);
  ExpectSame();
}

// Whoever sends may die at any time, and whoever receives too.
TEST_F(MultiRaftSnapshotTest, CrashesOnBothSidesDelayASnapshotAndNothingElse) {
  const uint64_t first = cluster_.AwaitLeader(kA);
  const uint64_t away = first % 3 + 1;
  PublishAndCompact(20, 1000);
  cluster_.Isolate(away);
  for (int round = 0; round < 3; ++round) PublishAndCompact(40, 30000);
  cluster_.Isolate(away, false);
  for (int i = 0; i < 6; ++i) {
    cluster_.Run(base::Millis(30 + 20 * i));
    const uint64_t leader = cluster_.LeaderOf(kA);
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
  ASSERT_NE(cluster_.AwaitLeader(kA), 0u);
  EXPECT_TRUE(cluster_.RunUntil([&] { return Put(100); }));
  ExpectSame();
}

TEST_F(MultiRaftSnapshotTest, AStrangersRequestForASnapshotIsDroppedAndCounted) {
  const uint64_t leader = cluster_.AwaitLeader(kA);
  PublishAndCompact(20, 1000);
  MultiRaft& raft = *cluster_.node(leader).raft;
  Message request;
  request.kind = MessageKind::kSnapshotRequest;
  request.group = kA;
  request.from = {NodeId{77}, 1};
  request.to = TestReplica(leader);
  request.snapshot = std::make_shared<SnapshotPart>();
  const uint64_t invalid = raft.counters().invalid;
  raft.Deliver(NodeId{77}, 1, {request});
  EXPECT_EQ(raft.counters().invalid, invalid + 1);
}

}  // namespace
}  // namespace pontoon::raft
