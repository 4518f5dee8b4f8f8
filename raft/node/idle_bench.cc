#include <malloc.h>

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "base/random.h"
#include "raft/node/memory_log_store.h"
#include "raft/node/multi_raft.h"
#include "raft/node/wire.h"

// What groups cost that have nothing to do: three nodes in one process, each replica in a real
// MultiRaft, with a log store and a network in memory and simulated time; every batch is encoded
// and decoded as between processes. Prints the processor time of a node per second of simulated
// time, and the memory of a replica.
//   raft_idle_bench [groups] [seconds]

namespace pontoon::raft {
namespace {

class NullMachine final : public StateMachine {
 public:
  void Apply(absl::Span<const Entry> committed) override { applied += committed.size(); }
  void OnLeader(Term) override {}
  void OnFollower(Term, std::optional<ReplicaId>) override {}
  void Install(const Checkpoint&) override {}
  absl::StatusOr<Contents> ListContents(absl::string_view) const override { return Contents(); }
  bool NeedsBody(Index) const override { return false; }
  uint64_t Digest() const override { return applied; }

  uint64_t applied = 0;
};

class Node final : public StorageEvents, public Transport {
 public:
  Node(std::vector<std::unique_ptr<Node>>* nodes, uint64_t id)
      : id_{id}, nodes_(nodes), random_(id), store_(this), writers_(4 * kTrafficClasses) {}

  void Open(int groups, const Membership& members) {
    MultiRaftOptions options;
    options.self = {id_, 1};
    options.heartbeats = &gatherer_;
    raft_ = std::make_unique<MultiRaft>(options, &store_, this, &random_);
    machines_.resize(groups);
    for (int g = 0; g < groups; ++g) {
      const absl::Status opened =
          raft_->OpenGroup(GroupId{static_cast<uint32_t>(g + 1)}, {}, &machines_[g], members);
      if (!opened.ok()) std::abort();
    }
  }
  void OnStorageDone(GroupId group, IoSeq seq) override { raft_->OnStorageDone(group, seq); }
  void OnCheckpointDurable(GroupId group, EntryId applied) override {
    raft_->OnCheckpointDurable(group, applied);
  }
  void Send(Message message) override {
    ++messages;
    Writer& writer = writers_[message.to.node.value * kTrafficClasses +
                              static_cast<size_t>(ClassOf(message.kind))];
    if (writer == nullptr) {
      writer = std::make_unique<BatchWriter>(BatchHeader{.cluster_id = 1,
                                                         .sender = {id_, 1},
                                                         .boot = base::BootId{1},
                                                         .receiver = message.to.node,
                                                         .traffic = ClassOf(message.kind)});
    }
    if (!writer->Add(message).ok()) std::abort();
  }
  void EndTurn() override {
    for (size_t i = 0; i < writers_.size(); ++i) {
      if (writers_[i] == nullptr || writers_[i]->empty()) continue;
      ++batches;
      base::Slice batch = writers_[i]->Take().Flatten();
      bytes += batch.size();
      (*nodes_)[i / kTrafficClasses - 1]->inbox_.push_back(std::move(batch));
    }
  }
  void Tick(base::MonotonicTime now) {
    raft_->Tick(now);
    while (raft_->Flush()) {
    }
  }
  bool Turn() {
    const bool idle = inbox_.empty() && store_.unsynced() == 0;
    for (const base::Slice& bytes : std::exchange(inbox_, {})) {
      absl::StatusOr<Batch> batch = DecodeBatch(bytes, 1, id_);
      if (!batch.ok()) std::abort();
      raft_->Deliver(batch->header.sender.node, batch->header.boot.value,
                     std::move(batch->messages));
    }
    while (raft_->Flush()) {
    }
    store_.SyncAndReport();
    while (raft_->Flush()) {
    }
    return !idle;
  }
  MultiRaft* raft() { return raft_.get(); }

  uint64_t messages = 0;
  uint64_t batches = 0;
  uint64_t bytes = 0;

 private:
  using Writer = std::unique_ptr<BatchWriter>;

  const NodeId id_;
  std::vector<std::unique_ptr<Node>>* const nodes_;
  base::SeededRandom random_;
  MemoryLogStore store_;
  HeartbeatGatherer gatherer_{{}};
  std::unique_ptr<MultiRaft> raft_;
  std::vector<NullMachine> machines_;
  std::vector<Writer> writers_;  // By node and class.
  std::vector<base::Slice> inbox_;
};

double ProcessSeconds() {
  timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

int Run(int groups, int seconds) {
  std::vector<std::unique_ptr<Node>> nodes;
  Membership members;
  for (uint64_t n = 1; n <= 3; ++n) members.voters.push_back({NodeId{n}, 1});
  const size_t before = mallinfo2().uordblks;
  for (uint64_t n = 1; n <= 3; ++n) nodes.push_back(std::make_unique<Node>(&nodes, n));
  for (auto& node : nodes) node->Open(groups, members);
  base::MonotonicTime now;
  const auto pass = [&](base::Duration duration) {
    for (const base::MonotonicTime end = now + duration; now < end;) {
      now = now + base::Millis(10);
      for (auto& node : nodes) node->Tick(now);
      for (bool more = true; more;) {
        more = false;
        for (auto& node : nodes) more = node->Turn() || more;
      }
    }
  };
  pass(base::Seconds(5));
  int led = 0;
  for (auto& node : nodes) {
    for (int g = 1; g <= groups; ++g)
      led += node->raft()->leads(GroupId{static_cast<uint32_t>(g)}) ? 1 : 0;
    node->messages = node->batches = node->bytes = 0;
  }
  if (led != groups) {
    std::fprintf(stderr, "%d of %d groups have a leader\n", led, groups);
    return 1;
  }
  const size_t after = mallinfo2().uordblks;
  const double start = ProcessSeconds();
  pass(base::Seconds(seconds));
  const double used = ProcessSeconds() - start;
  uint64_t messages = 0;
  uint64_t batches = 0;
  uint64_t bytes = 0;
  for (auto& node : nodes) {
    messages += node->messages;
    batches += node->batches;
    bytes += node->bytes;
  }
  std::printf(
      "%d idle groups of three voters: %.2f %% of a core per node, %.1f KiB per replica; per node "
      "and second %.0f messages in %.0f batches of %.0f KiB in all\n",
      groups, 100 * used / seconds / 3, static_cast<double>(after - before) / 1024 / 3 / groups,
      static_cast<double>(messages) / 3 / seconds, static_cast<double>(batches) / 3 / seconds,
      static_cast<double>(bytes) / 3 / seconds / 1024);
  return 0;
}

}  // namespace
}  // namespace pontoon::raft

int main(int argc, char** argv) {
  const int groups = argc > 1 ? std::atoi(argv[1]) : 1000;
  const int seconds = argc > 2 ? std::atoi(argv[2]) : 20;
  if (groups < 1 || seconds < 1) return 2;
  return pontoon::raft::Run(groups, seconds);
}
