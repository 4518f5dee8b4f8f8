#ifndef PONTOON_BENCH_RAFT_BENCH_NODE_H_
#define PONTOON_BENCH_RAFT_BENCH_NODE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "base/mutex.h"
#include "base/random.h"
#include "bench/raft/bench_machine.h"
#include "raft/node/heartbeats.h"
#include "raft/node/multi_raft.h"
#include "raft/node/node_table.h"
#include "raft/node/transport.h"
#include "server/net/event_loop.h"
#include "server/net/mailbox.h"
#include "storage/rocks_log_store.h"

namespace pontoon::bench {

class BenchNode;

// Between the nodes of this process: a batch of messages is handed from loop to loop, bodies are
// shared and nothing is serialized. Lives as long as the nodes.
class LocalNetwork {
 public:
  // Any thread. What is sent to a node before it is added is lost.
  void Add(BenchNode* node);
  void Carry(raft::NodeId from, raft::NodeId to, std::vector<raft::Message> messages);

 private:
  base::Mutex mutex_;
  std::vector<BenchNode*> nodes_ ABSL_GUARDED_BY(mutex_);
};

// A node as the server wires it: one event loop with its groups, one RocksDB with its writer.
class BenchNode final : public raft::StorageEvents {
 public:
  struct Options {
    uint64_t number = 1;                     // Counts from 1; also the node's id.
    std::string folder;                      // Of its store.
    base::Duration tick = base::Millis(50);  // As server/app.
  };

  explicit BenchNode(Options options);
  ~BenchNode() override;  // Stops.

  // Before Start. `transport` (borrowed) may be null while groups have one voter.
  absl::Status OpenBlocking(raft::Transport* transport, const std::vector<raft::GroupId>& groups,
                            const raft::Membership& founders);
  void Start();
  void Stop();

  // Any thread. `run` runs on the loop; RunBlocking waits until it has.
  void Post(std::function<void()> run);
  void RunBlocking(const std::function<void()>& run);
  // `unread` is let go once they were delivered.
  void PostMessages(raft::NodeId from, uint64_t boot, std::vector<raft::Message> messages,
                    std::shared_ptr<const void> unread = nullptr);

  // Called once per turn on the loop, after what was committed is applied and before what was
  // proposed leaves. Set before Start.
  std::function<void()> on_turn;

  raft::ReplicaId replica() const { return replica_; }
  net::EventLoop* loop() { return &loop_; }
  storage::RocksLogStore* store() { return store_.get(); }
  // On the loop.
  raft::MultiRaft* raft() { return raft_.get(); }
  const std::vector<std::unique_ptr<BenchMachine>>& machines() const { return machines_; }

  void OnStorageDone(raft::GroupId group, raft::IoSeq seq) override;
  void OnBatchDone(absl::Span<const std::pair<raft::GroupId, raft::IoSeq>> done) override;
  void OnCheckpointDurable(raft::GroupId group, raft::EntryId applied) override;
  void OnStateWritten(raft::GroupId group, uint64_t ticket) override;

 private:
  struct BatchDone {
    std::vector<std::pair<raft::GroupId, raft::IoSeq>> done;
  };
  struct CheckpointDurable {
    raft::GroupId group;
    raft::EntryId applied;
  };
  struct StateWritten {
    raft::GroupId group;
    uint64_t ticket;
  };
  struct Arrived {
    raft::NodeId from;
    uint64_t boot;
    std::vector<raft::Message> messages;
    std::shared_ptr<const void> unread;
  };
  using Mail =
      std::variant<BatchDone, CheckpointDurable, StateWritten, Arrived, std::function<void()>>;

  void OnMail(Mail mail);
  void Tick();
  void OnTurnEnd();

  const Options options_;
  const raft::ReplicaId replica_;
  base::SystemRandom random_;
  raft::NodeTable table_;
  raft::HeartbeatGatherer heartbeats_{{}};
  net::EventLoop loop_;
  net::Mailbox<Mail> mailbox_;
  std::unique_ptr<storage::RocksLogStore> store_;
  std::unique_ptr<raft::MultiRaft> raft_;
  std::vector<std::unique_ptr<BenchMachine>> machines_;
  base::MonotonicTime next_checkpoint_look_;
};

// Carries what one node's groups say, through a LocalNetwork.
class LocalTransport final : public raft::Transport {
 public:
  LocalTransport(raft::NodeId self, LocalNetwork* network) : self_(self), network_(network) {}
  void Send(raft::Message message) override;
  void EndTurn() override;

 private:
  struct Batch {
    raft::NodeId to;
    std::vector<raft::Message> messages;
  };
  const raft::NodeId self_;
  LocalNetwork* const network_;
  std::vector<Batch> sending_;
};

}  // namespace pontoon::bench

#endif  // PONTOON_BENCH_RAFT_BENCH_NODE_H_
