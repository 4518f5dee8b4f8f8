#ifndef PONTOON_RAFT_NODE_TEST_CLUSTER_H_
#define PONTOON_RAFT_NODE_TEST_CLUSTER_H_

#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "raft/node/test_world.h"

namespace pontoon::raft {

inline ReplicaId TestReplica(uint64_t node) { return {NodeId{node}, 1}; }
inline const Membership kTestThree{.voters = {TestReplica(1), TestReplica(2), TestReplica(3)}};

// Several nodes of one loop each in one thread, with a network that keeps order and loses only what
// a test cuts off. Nothing happens but in Step and what it is made of.
template <typename Machine>
class BasicTestCluster {
 public:
  struct Batch {
    NodeId from;
    uint64_t boot;
    std::vector<Message> messages;
  };

  class Node final : public StorageEvents, public Transport {
   public:
    Node(BasicTestCluster* cluster, NodeId id, uint64_t seed)
        : id(id), random(seed), store(this), cluster_(cluster) {}

    void OnStorageDone(GroupId group, IoSeq seq) override { raft->OnStorageDone(group, seq); }
    void OnCheckpointDurable(GroupId group, EntryId applied) override {
      raft->OnCheckpointDurable(group, applied);
    }
    void OnStateWritten(GroupId group, uint64_t ticket) override {
      raft->OnStateWritten(group, ticket);
    }
    void Send(Message message) override { sending[message.to.node].push_back(std::move(message)); }
    void EndTurn() override {
      ++turns;
      for (auto& [to, messages] : std::exchange(sending, {}))
        cluster_->Carry(id, to, boot, std::move(messages));
    }

    absl::StatusOr<Index> Propose(GroupId group, const std::string& header,
                                  const std::string& body = "") {
      return raft->Propose(group, raft->term(group), TestBytes(header), TestBytes(body));
    }

    const NodeId id;
    base::SeededRandom random;
    MemoryLogStore store;
    std::map<NodeId, uint64_t> heard;  // Boots of others; on its disk.
    std::unique_ptr<NodeTable> table;
    std::unique_ptr<MultiRaft> raft;  // Null: down.
    std::map<GroupId, std::unique_ptr<Machine>> machines;
    uint64_t boot = 0;
    uint32_t incarnation = 1;
    bool disk_stalled = false;
    bool frozen = false;  // Neither hears nor does anything.
    std::map<NodeId, std::vector<Message>> sending;
    std::deque<Batch> inbox;
    std::map<GroupId, Invariants> invariants;
    int turns = 0;

   private:
    BasicTestCluster* const cluster_;
  };

  // `adapt` may change a node's options, each time it starts.
  BasicTestCluster(uint64_t seed, std::vector<GroupId> groups, int nodes = 3,
                   MultiRaftOptions options = {},
                   std::function<void(uint64_t, MultiRaftOptions*)> adapt = nullptr)
      : groups_(std::move(groups)), options_(std::move(options)), adapt_(std::move(adapt)) {
    for (int n = 1; n <= nodes; ++n) {
      founders_.voters.push_back(TestReplica(n));
      nodes_.push_back(std::make_unique<Node>(this, NodeId{static_cast<uint64_t>(n)}, seed + n));
    }
    for (int n = 1; n <= nodes; ++n) Start(n);
  }

  // Nodes count from 1.
  Node& node(uint64_t n) { return *nodes_[n - 1]; }
  size_t size() const { return nodes_.size(); }

  // As the `incarnation`th life of its disk; only the first one is a founder.
  void Start(uint64_t n, uint32_t incarnation = 1) {
    Node& node = this->node(n);
    ++node.boot;
    if (std::exchange(node.incarnation, incarnation) != incarnation) node.invariants.clear();
    MultiRaftOptions options = options_;
    options.boot = base::BootId{static_cast<uint32_t>(node.boot)};
    options.self = {NodeId{n}, incarnation};
    node.table = std::make_unique<NodeTable>(node.heard, [&node](NodeId peer, uint64_t boot) {
      node.heard[peer] = boot;
      node.table->Learn(peer, boot);
    });
    options.nodes = node.table.get();
    if (adapt_) adapt_(n, &options);
    node.raft = std::make_unique<MultiRaft>(options, &node.store, &node, &node.random);
    for (const GroupId group : groups_) {
      absl::StatusOr<RecoveredGroup> recovered = node.store.RecoverBlocking(group);
      ASSERT_TRUE(recovered.ok());
      auto machine = std::make_unique<Machine>();
      machine->Restore(recovered->checkpoint);
      if constexpr (requires { machine->Bind(node.raft.get(), group); })
        machine->Bind(node.raft.get(), group);
      const auto founders = incarnation == 1 ? std::optional<Membership>(founders_) : std::nullopt;
      ASSERT_EQ(node.raft->OpenGroup(group, *std::move(recovered), machine.get(), founders),
                absl::OkStatus());
      node.machines[group] = std::move(machine);
      node.invariants[group].OnRestart();
    }
  }
  void Crash(uint64_t n) {
    Node& node = this->node(n);
    node.raft.reset();
    node.machines.clear();
    node.inbox.clear();
    node.sending.clear();
    node.store.Crash(&node.random, &node);
  }

  // 10 ms pass: every node hears what was sent to it, does its turn, and its disk writes.
  void Step() {
    now = now + base::Millis(10);
    for (auto& node : nodes_) Turn(node.get(), true);
    Turns();
  }
  // No time passes: what is under way arrives, and what it leads to.
  void Turns() {
    for (int i = 0; i < 3; ++i) {
      for (auto& node : nodes_) Turn(node.get(), false);
    }
  }
  void Run(base::Duration duration) {
    for (const base::MonotonicTime end = now + duration; now < end;) Step();
  }
  // False: it did not come to that within `limit`.
  bool RunUntil(const std::function<bool()>& reached, base::Duration limit = base::Seconds(5)) {
    for (const base::MonotonicTime end = now + limit; now < end;) {
      if (reached()) return true;
      Step();
    }
    return reached();
  }
  // The node that leads and may decide, in the highest term; 0: none.
  uint64_t LeaderOf(GroupId group) {
    uint64_t leader = 0;
    for (uint64_t n = 1; n <= size(); ++n) {
      const Node& here = node(n);
      if (here.raft == nullptr || here.frozen || !here.raft->leads(group)) continue;
      if (leader == 0 || here.raft->term(group) > node(leader).raft->term(group)) leader = n;
    }
    return leader;
  }
  uint64_t AwaitLeader(GroupId group) {
    EXPECT_TRUE(RunUntil([&] { return LeaderOf(group) != 0; })) << "nobody was elected";
    return LeaderOf(group);
  }
  bool AllHave(GroupId group, const std::string& state) {
    for (auto& node : nodes_) {
      if (node->raft != nullptr && node->machines.at(group)->state != state) return false;
    }
    return true;
  }
  // Nothing passes between the two any more, or again.
  void Cut(uint64_t a, uint64_t b, bool cut = true) {
    for (const auto& way : {std::pair(a, b), std::pair(b, a)}) {
      if (cut) {
        cut_.insert(way);
      } else {
        cut_.erase(way);
      }
    }
  }
  void Isolate(uint64_t n, bool isolated = true) {
    for (uint64_t other = 1; other <= size(); ++other) {
      if (other != n) Cut(n, other, isolated);
    }
  }

  // Hears nobody.
  bool IsCut(uint64_t n) const {
    for (uint64_t other = 1; other <= size(); ++other) {
      if (other != n && !cut_.contains({other, n})) return false;
    }
    return true;
  }

  base::MonotonicTime now;
  // Somebody says what is not true: what must hold among honest replicas is not checked.
  bool lies = false;
  // May lose a message: false does.
  std::function<bool(const Message&)> filter;

 private:
  void Carry(NodeId from, NodeId to, uint64_t boot, std::vector<Message> messages) {
    if (cut_.contains({from.value, to.value}) || to.value == 0 || to.value > size()) return;
    if (filter) std::erase_if(messages, [this](const Message& m) { return !filter(m); });
    if (messages.empty() || node(to.value).raft == nullptr) return;
    node(to.value).inbox.push_back({from, boot, std::move(messages)});
  }
  void Turn(Node* node, bool tick) {
    if (node->raft == nullptr || node->frozen) return;
    if (tick) node->raft->Tick(now);
    for (Batch& batch : std::exchange(node->inbox, {}))
      node->raft->Deliver(batch.from, batch.boot, std::move(batch.messages));
    while (node->raft->Flush()) {
    }
    if (!node->disk_stalled) node->store.SyncAndReport();
    node->store.AnswerReads();
    while (node->raft->Flush()) {
    }
    if (lies) return;
    for (const GroupId group : groups_) {
      ASSERT_EQ(node->invariants[group].Check(node->raft->core(group)), absl::OkStatus())
          << "node " << node->id.value << ", group " << group.value;
    }
  }

  const std::vector<GroupId> groups_;
  const MultiRaftOptions options_;
  const std::function<void(uint64_t, MultiRaftOptions*)> adapt_;
  Membership founders_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::set<std::pair<uint64_t, uint64_t>> cut_;
};

using TestCluster = BasicTestCluster<RecordingMachine>;

}  // namespace pontoon::raft

#endif  // PONTOON_RAFT_NODE_TEST_CLUSTER_H_
