// Three nodes as the server wires them (an event loop, a MultiRaft and a RocksDB each), which talk
// over gRPC on loopback.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <optional>

#include "base/mutex.h"
#include "bench/raft/bench_node.h"
#include "bench/raft/grpc_wire.h"
#include "bench/raft/measure.h"

namespace pontoon::bench {
namespace {

constexpr uint32_t kGroups = 4;
constexpr size_t kNodes = 3;

class RaftOverGrpcTest : public testing::Test {
 protected:
  struct Host {
    std::unique_ptr<ScratchFolder> folder;
    std::unique_ptr<GrpcWire> wire;  // Outlives the node's loop, which sends on it.
    std::unique_ptr<BenchNode> node;
    // Of its last turn, under the test's lock.
    std::array<bool, kGroups> leads{};
    std::array<uint64_t, kGroups> term{}, applied{}, digest{};
  };

  RaftOverGrpcTest() {
    for (size_t i = 0; i < kNodes; ++i) {
      hosts_[i].folder = std::make_unique<ScratchFolder>(testing::TempDir());
      founders_.voters.push_back({{i + 1}, 1});
    }
    for (size_t i = 0; i < kNodes; ++i) Open(i, 1);
    for (Host& from : hosts_) {
      for (Host& to : hosts_) from.wire->Connect(*to.wire);
    }
    for (Host& host : hosts_) host.node->Start();
  }
  ~RaftOverGrpcTest() override {
    for (size_t i = 0; i < kNodes; ++i) Kill(i);
  }

  void Open(size_t i, uint64_t boot) {
    Host& host = hosts_[i];
    host.node = std::make_unique<BenchNode>(BenchNode::Options{
        .number = i + 1, .folder = host.folder->path(), .tick = base::Millis(10)});
    host.wire = std::make_unique<GrpcWire>(host.node.get(), boot);
    ASSERT_EQ(host.wire->StartBlocking(), absl::OkStatus());
    std::vector<raft::GroupId> groups;
    for (uint32_t group = 1; group <= kGroups; ++group) groups.push_back({group});
    ASSERT_EQ(host.node->OpenBlocking(host.wire->transport(), groups, founders_), absl::OkStatus());
    host.node->on_turn = [this, &host] {
      const base::MutexLock lock(&mutex_);
      for (uint32_t group = 0; group < kGroups; ++group) {
        host.leads[group] = host.node->raft()->leads({group + 1});
        host.term[group] = host.node->raft()->term({group + 1}).value;
        host.applied[group] = host.node->raft()->applied({group + 1}).index.value;
        host.digest[group] = host.node->machines()[group]->Digest();
      }
      changed_.NotifyAll();
    };
  }
  // As a process that is killed: connections end, and nothing is said any more.
  void Kill(size_t i) {
    Host& host = hosts_[i];
    if (host.node == nullptr) return;
    host.wire->Stop();
    host.node->Stop();
    const base::MutexLock lock(&mutex_);
    host.node.reset();
    host.wire.reset();
    host.leads.fill(false);
  }
  bool Await(const std::function<bool()>& condition) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    base::MutexLock lock(&mutex_);
    while (!condition()) {
      if (std::chrono::steady_clock::now() > end) return false;
      changed_.WaitFor(&mutex_, std::chrono::milliseconds(50));
    }
    return true;
  }
  std::optional<size_t> LeaderOf(uint32_t group) {
    for (size_t i = 0; i < kNodes; ++i) {
      if (hosts_[i].leads[group]) return i;
    }
    return std::nullopt;
  }
  bool AwaitLeaders() {
    return Await([&] {
      for (uint32_t group = 0; group < kGroups; ++group) {
        if (!LeaderOf(group).has_value()) return false;
      }
      return true;
    });
  }
  // What was proposed last to a group, and in which term.
  struct Proposed {
    uint64_t term = 0, last = 0;
  };
  void Propose(uint32_t group, int count, Proposed* proposed) {
    const base::Slice body = base::Slice::Copy(std::string(1000, 'b'));
    while (count > 0) {
      std::optional<size_t> leader;
      ASSERT_TRUE(Await([&] { return (leader = LeaderOf(group)).has_value(); }));
      BenchNode* const node = hosts_[*leader].node.get();
      node->RunBlocking([&] {
        base::SliceWriter writer;
        std::vector<raft::Entry> entries;
        for (int i = 0; i < std::min(count, 50); ++i) {
          entries.push_back(BenchMachine::Put(&writer, body));
        }
        const raft::GroupId id{group + 1};
        const raft::Term term = node->raft()->term(id);
        const auto first = node->raft()->Propose(id, term, absl::MakeSpan(entries));
        if (!first.ok()) return;
        count -= static_cast<int>(entries.size());
        *proposed = {term.value, first->value + entries.size() - 1};
      });
    }
  }
  bool Applied(uint32_t group, uint64_t last) const {
    for (const Host& host : hosts_) {
      if (host.node != nullptr && host.applied[group] < last) return false;
    }
    return true;
  }
  // Proposes `count` puts to each group, wherever it is led, and waits until every living node has
  // applied the same. What a leader could not commit in its term is proposed to the next one.
  void Replicate(int count) {
    std::array<Proposed, kGroups> proposed;
    for (uint32_t group = 0; group < kGroups; ++group) Propose(group, count, &proposed[group]);
    for (uint32_t group = 0; group < kGroups; ++group) {
      bool is_applied = false;
      while (!is_applied) {
        ASSERT_TRUE(Await([&] {
          is_applied = Applied(group, proposed[group].last);
          const std::optional<size_t> leader = LeaderOf(group);
          return is_applied ||
                 (leader.has_value() && hosts_[*leader].term[group] > proposed[group].term);
        }));
        if (!is_applied) Propose(group, count, &proposed[group]);
      }
    }
    ExpectSameState();
  }
  void ExpectSameState() {
    EXPECT_TRUE(Await([&] {
      for (uint32_t group = 0; group < kGroups; ++group) {
        const Host* first = nullptr;
        for (const Host& host : hosts_) {
          if (host.node == nullptr) continue;
          if (first == nullptr) first = &host;
          if (host.applied[group] != first->applied[group]) return false;
          if (host.digest[group] != first->digest[group]) return false;
        }
      }
      return true;
    }));
  }

  raft::Membership founders_;
  std::array<Host, kNodes> hosts_;
  base::Mutex mutex_;
  base::CondVar changed_;
};

TEST_F(RaftOverGrpcTest, ThreeNodesReplicateLoseTheLeaderAndGoOnAndTakeItBack) {
  ASSERT_TRUE(AwaitLeaders());
  Replicate(1000);
  size_t killed = 0;
  ASSERT_TRUE(Await([&] {
    const std::optional<size_t> leader = LeaderOf(0);
    if (leader.has_value()) killed = *leader;
    return leader.has_value();
  }));
  const auto died = std::chrono::steady_clock::now();
  Kill(killed);
  ASSERT_TRUE(AwaitLeaders());
  const auto gap = std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::steady_clock::now() - died);
  RecordProperty("milliseconds_without_leader", static_cast<int>(gap.count()));
  Replicate(1000);

  Open(killed, 2);
  for (Host& host : hosts_) {
    host.wire->Connect(*hosts_[killed].wire);
    hosts_[killed].wire->Connect(*host.wire);
  }
  hosts_[killed].node->Start();
  Replicate(100);
  for (Host& host : hosts_) {
    const cluster::RaftTransport::Metrics metrics = host.wire->raft_metrics();
    EXPECT_EQ(metrics.damaged + metrics.malformed + metrics.truncated + metrics.oversized, 0u);
    EXPECT_EQ(metrics.unsendable + metrics.unread + metrics.no_loop, 0u);
  }
}

}  // namespace
}  // namespace pontoon::bench
