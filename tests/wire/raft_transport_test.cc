// Raft's messages between nodes over gRPC, on loopback.
#include "server/cluster/raft_transport.h"

#include <absl/synchronization/mutex.h>
#include <gtest/gtest.h>

#include <deque>

#include "raft/core/entry.h"
#include "raft/node/wire.h"
#include "tests/wire/test_peer.h"

namespace pontoon::cluster {
namespace {

using net::PeerLane;
using net::PeerTransport;
using net::PeerTransportOptions;
using net::TestPeer;
using raft::Message;
using raft::MessageKind;

// Debian's gRPC takes locks in an order that its own checker finds wrong.
[[maybe_unused]] const bool kDetectorIsOff = [] {
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  return true;
}();

// A node of two loops (even and odd groups) that keeps what its loops were given.
class Node {
 public:
  explicit Node(uint64_t id, size_t unread_bytes_max = 1 << 20)
      : self_{{id}, 1},
        peers({.cluster_id = net::kTestCluster,
               .self = self_.node,
               .boot = {5},
               .cookie = net::kTestCookie},
              &random_, &logger_),
        raft({.cluster_id = net::kTestCluster,
              .self = self_,
              .boot = {5},
              .loops = {LoopOf(0), LoopOf(1)},
              .loop_of = [](base::GroupId g) { return g.value == 99 ? 7 : size_t{g.value % 2}; },
              .unread_bytes_max = unread_bytes_max},
             &peers) {
    EXPECT_EQ(peers.StartBlocking(), absl::OkStatus());
  }
  ~Node() { peers.StopBlocking(); }

  void Connect(const Node& other) {
    peers.SetPeer(other.self_.node, "127.0.0.1", other.peers.port());
    // What is sent before may be lost.
    EXPECT_TRUE(Await([&] { return peers.metrics().connected >= net::kPeerLanes; }));
  }
  bool Await(const std::function<bool()>& condition) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    base::MutexLock lock(&mutex_);
    while (!condition()) {
      if (std::chrono::steady_clock::now() > end) return false;
      changed_.WaitFor(&mutex_, std::chrono::milliseconds(20));
    }
    return true;
  }
  Message To(const Node& other, MessageKind kind, uint32_t group) const {
    Message m;
    m.kind = kind;
    m.group = {group};
    m.from = self_;
    m.to = other.self_;
    m.term = {3};
    return m;
  }
  Message AppendTo(const Node& other, uint32_t group, uint64_t index, size_t body_bytes) const {
    Message m = To(other, MessageKind::kAppend, group);
    m.entries.push_back(
        raft::MakeEntry(base::SliceChain(base::Slice::Static("header")),
                        base::SliceChain(base::Slice::Copy(std::string(body_bytes, 'b')))));
    m.entries.back().id = {{3}, {index}};
    return m;
  }
  void Send(std::vector<Message> messages) {
    for (Message& m : messages) raft.loop(0)->Send(std::move(m));
    raft.loop(0)->EndTurn();
  }

  const raft::ReplicaId self_;
  // Under the lock, by loop.
  std::array<std::deque<RaftTransport::Arrived>, 2> arrived;
  std::vector<base::NodeId> unreachable;

 private:
  class NoLogger final : public base::Logger {
    void Log(base::LogLevel, uint64_t, absl::string_view) override {}
  };
  RaftTransport::Loop LoopOf(size_t loop) {
    return {.deliver =
                [this, loop](RaftTransport::Arrived mail) {
                  base::MutexLock lock(&mutex_);
                  arrived[loop].push_back(std::move(mail));
                  changed_.NotifyAll();
                },
            .on_unreachable =
                [this](base::NodeId peer) {
                  base::MutexLock lock(&mutex_);
                  unreachable.push_back(peer);
                  changed_.NotifyAll();
                }};
  }

  base::SystemRandom random_;
  NoLogger logger_;
  base::Mutex mutex_;
  base::CondVar changed_;

 public:
  PeerTransport peers;
  RaftTransport raft;
};

TEST(RaftTransportTest, MessagesOfATurnComeToTheLoopsThatOwnTheirGroups) {
  Node a(1), b(2);
  a.Connect(b);
  a.Send({a.To(b, MessageKind::kHeartbeat, 2), a.To(b, MessageKind::kHeartbeat, 3),
          a.To(b, MessageKind::kVote, 4), a.To(b, MessageKind::kHeartbeat, 99),
          a.AppendTo(b, 5, 1, 100000)});
  ASSERT_TRUE(b.Await([&] { return b.arrived[0].size() == 1 && b.arrived[1].size() == 2; }));
  const RaftTransport::Arrived& even = b.arrived[0].front();
  EXPECT_EQ(even.from, a.self_.node);
  EXPECT_EQ(even.boot, 5u);
  ASSERT_EQ(even.messages.size(), 2u) << "one batch for all of a turn";
  EXPECT_EQ(even.messages[0].group.value, 2u);
  EXPECT_EQ(even.messages[1].kind, MessageKind::kVote);
  for (const RaftTransport::Arrived& odd : b.arrived[1]) {
    const Message& m = odd.messages[0];
    if (m.kind != MessageKind::kAppend) continue;
    EXPECT_EQ(m.entries[0].body.size(), 100000u);
    EXPECT_EQ(m.entries[0].id.index.value, 1u);
  }
  EXPECT_EQ(b.raft.metrics().no_loop, 1u);
}

TEST(RaftTransportTest, UnreachablePeerIsToldToEveryLoop) {
  Node a(1);
  auto b = std::make_unique<Node>(2);
  a.Connect(*b);
  a.Send({a.To(*b, MessageKind::kHeartbeat, 2)});
  ASSERT_TRUE(b->Await([&] { return !b->arrived[0].empty(); }));
  b.reset();
  EXPECT_TRUE(a.Await([&] { return a.unreachable.size() == 2; }));
}

TEST(RaftTransportTest, LoopThatDoesNotTakeItsMailPausesAppendsAndLosesNone) {
  Node a(1), b(2, 256 << 10);
  a.Connect(b);
  constexpr uint64_t kAppends = 200;
  for (uint64_t i = 1; i <= kAppends; ++i) a.Send({a.AppendTo(b, 2, i, 50000)});
  a.Send({a.To(b, MessageKind::kHeartbeat, 3)});
  ASSERT_TRUE(b.Await([&] { return b.arrived[1].size() == 1; })) << "control goes on";
  // One message of about half a MiB may have been on its way beyond the limit.
  EXPECT_LT(b.peers.metrics().lanes[1].received_bytes, uint64_t{3} << 20);
  uint64_t next = 1;
  while (next <= kAppends) {
    std::deque<RaftTransport::Arrived> taken;
    ASSERT_TRUE(b.Await([&] {
      taken.swap(b.arrived[0]);
      return !taken.empty();
    }));
    for (const RaftTransport::Arrived& arrived : taken) {
      for (const Message& m : arrived.messages) {
        ASSERT_EQ(m.entries[0].id.index.value, next) << "in order, each once";
        ++next;
      }
    }
  }
}

TEST(RaftTransportTest, ControlMessagesThatNobodyTakesAreDroppedBeyondALimit) {
  Node a(1), b(2, 10000);
  a.Connect(b);
  const auto fill = [&] { a.Send({a.To(b, MessageKind::kHeartbeat, 2)}); };
  ASSERT_TRUE(b.Await([&] {
    fill();
    return b.raft.metrics().unread > 0;
  }));
  // Once they are taken, it goes on.
  size_t taken = 0;
  ASSERT_TRUE(b.Await([&] {
    if (taken++ == 0) b.arrived[0].clear();
    fill();
    return !b.arrived[0].empty();
  }));
}

TEST(RaftTransportTest, BatchesThatAreNotWhatTheyShouldBeAreDroppedAndCountedByReason) {
  Node a(1), b(2);
  a.Connect(b);
  TestPeer c(3, {.boot = {5}});  // Knows the cookie, and says nonsense.
  c.transport->SetPeer(b.self_.node, "127.0.0.1", b.peers.port());
  ASSERT_TRUE(c.Await([&] { return c.transport->metrics().connected == net::kPeerLanes; }));
  const auto heartbeat = [&](const raft::BatchHeader& header) {
    raft::BatchWriter writer(header);
    Message m;
    m.kind = header.traffic == raft::TrafficClass::kAppend ? MessageKind::kAppend
                                                           : MessageKind::kHeartbeat;
    m.group = {2};
    m.from = header.sender;
    m.to = {header.receiver, 1};
    EXPECT_TRUE(writer.Add(m).ok());
    const base::Slice flat = writer.Take().Flatten();
    return std::string(flat.view());
  };
  const raft::BatchHeader right{.cluster_id = net::kTestCluster,
                                .sender = {{3}, 1},
                                .boot = {5},
                                .receiver = {2},
                                .traffic = raft::TrafficClass::kControl};
  const auto send = [&](const std::string& bytes) {
    c.transport->Send({2}, PeerLane::kControl, base::SliceChain(base::Slice::Copy(bytes)));
  };
  raft::BatchHeader header = right;
  header.cluster_id = 1;
  send(heartbeat(header));
  header = right;
  header.receiver = {9};
  send(heartbeat(header));
  header = right;
  header.sender.node = {1};  // In the name of another.
  send(heartbeat(header));
  header = right;
  header.boot = {6};
  send(heartbeat(header));
  header = right;
  header.traffic = raft::TrafficClass::kAppend;  // In the lane of heartbeats.
  send(heartbeat(header));
  std::string bytes = heartbeat(right);
  send(bytes.substr(0, bytes.size() - 1));
  bytes.back() ^= 1;
  send(bytes);
  send(std::string(200, 'x'));
  send(heartbeat(right));
  ASSERT_TRUE(b.Await([&] { return b.arrived[0].size() == 1; }));
  EXPECT_EQ(b.arrived[0].front().from.value, 3u);
  const RaftTransport::Metrics metrics = b.raft.metrics();
  EXPECT_EQ(metrics.other_cluster, 1u);
  EXPECT_EQ(metrics.other_node, 1u);
  EXPECT_EQ(metrics.wrong_sender, 3u);
  EXPECT_EQ(metrics.truncated, 1u);
  EXPECT_EQ(metrics.damaged, 1u);
  EXPECT_EQ(metrics.wrong_version, 1u);
  a.Send({a.To(b, MessageKind::kHeartbeat, 2)});
  EXPECT_TRUE(b.Await([&] { return b.arrived[0].size() == 2; })) << "others are not disturbed";
}

TEST(RaftTransportTest, MessageThatIsLargerThanABatchIsCountedAndTheOthersLeave) {
  Node a(1), b(2);
  a.Connect(b);
  a.Send({a.AppendTo(b, 2, 1, 10), a.AppendTo(b, 2, 2, raft::kBatchBytesMax),
          a.AppendTo(b, 2, 3, 10)});
  ASSERT_TRUE(b.Await([&] {
    size_t messages = 0;
    for (const auto& arrived : b.arrived[0]) messages += arrived.messages.size();
    return messages == 2;
  }));
  EXPECT_EQ(a.raft.metrics().unsendable, 1u);
}

}  // namespace
}  // namespace pontoon::cluster
