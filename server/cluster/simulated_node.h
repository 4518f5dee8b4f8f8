#ifndef PONTOON_SERVER_CLUSTER_SIMULATED_NODE_H_
#define PONTOON_SERVER_CLUSTER_SIMULATED_NODE_H_

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/random.h"
#include "raft/node/memory_log_store.h"
#include "server/cluster/loop_host.h"

// For tests: a whole node (several loops, shards, catalog, front-ends) in one thread, from one
// seed, over the log store in memory with its ways to crash. Time passes only when a test says so.

namespace pontoon::cluster {

// A channel that remembers what came to it.
class RecordingChannel final : public ChannelSink {
 public:
  void OnPublishDone(uint64_t tag, uint64_t bytes, bool refused) override {
    (void)bytes;
    (refused ? refused_tags : done_tags).push_back(tag);
  }
  void OnDelivery(const ShardRef& shard, broker::Delivery delivery) override {
    deliveries.emplace_back(shard, std::move(delivery));
  }
  void OnCreditNote(const broker::CreditNote& note) override { notes.push_back(note); }
  void OnConsumerCancelled(broker::ConsumerKey consumer) override { cancelled.push_back(consumer); }
  void OnDirectReply(uint64_t, broker::MessageBytes message) override {
    replies.push_back(std::move(message));
  }

  std::vector<uint64_t> done_tags, refused_tags;
  std::vector<std::pair<ShardRef, broker::Delivery>> deliveries;
  std::vector<broker::CreditNote> notes;
  std::vector<broker::ConsumerKey> cancelled;
  std::vector<broker::MessageBytes> replies;
};

class SimulatedNode final : public Fabric, public raft::StorageEvents {
 public:
  SimulatedNode(uint64_t seed, uint16_t loops, uint32_t shards = 4) : random_(seed), store_(this) {
    facts_.node = base::NodeId{77};
    facts_.name = "rabbit@simulated";
    facts_.loops = loops;
    facts_.shards = shards;
    Start();
  }

  FrontEnd* front_end(uint16_t loop) { return hosts_[loop]->front_end(); }
  LoopHost* host(uint16_t loop) { return hosts_[loop].get(); }
  raft::MemoryLogStore* store() { return &store_; }
  const NodeFacts& facts() const { return facts_; }

  // One turn of each loop, in an order that chance draws; messages between loops arrive in later
  // turns.
  void Turn() {
    now_ = now_ + base::Millis(1);
    wall_.nanos += 1000000;
    std::vector<size_t> order(hosts_.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = i;
    for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random_.Below(i)]);
    for (const size_t i : order) {
      LoopHost* host = hosts_[i].get();
      host->OnTurnStart(now_, wall_);
      for (LoopMessage& message : std::exchange(mail_[i], {})) host->OnMessage(std::move(message));
      if (now_.nanos % 10000000 == 0) host->OnTick(now_);
      host->OnTurnEnd();
    }
  }
  // Turns with the disk at work, until `done` says so. Fails the check after far more turns than
  // anything needs.
  void RunUntil(const std::function<bool()>& done) {
    for (int i = 0; i < 20000; ++i) {
      if (done()) return;
      Turn();
      store_.Sync(random_.Below(4) == 0 ? 1 : SIZE_MAX);
      store_.Report();
      store_.AnswerReads();
    }
    PONTOON_CHECK_MSG(false, "the simulated node did not get there");
  }
  // Time that passes while the node is down or stands still.
  void PassTime(base::Duration duration) { now_ = now_ + duration; }
  // Turns without the disk: nothing becomes durable.
  void RunWithoutDisk(int turns) {
    for (int i = 0; i < turns; ++i) Turn();
  }

  // While set, work beside the loops takes for ever; ReleaseAside does what has come together.
  bool hold_aside = false;
  size_t held_aside() const { return aside_.size(); }
  void ReleaseAside() {
    for (const std::function<void()>& work : std::exchange(aside_, {})) work();
  }

  // The process dies; what was synced stays, and as chance has it a part of the rest. Starts again.
  void CrashAndRestart() {
    hosts_.clear();
    mail_.clear();
    aside_.clear();
    store_.Crash(&random_, this);
    Start();
  }

 private:
  void Start() {
    ++facts_.boot.value;
    mail_.resize(facts_.loops);
    catalog::FoundCluster found;
    found.cluster_id = "simulated";
    found.shards = facts_.shards;
    found.default_vhost = "/";
    found.default_user.name = "guest";
    found.default_permission = {"guest", "/", ".*", ".*", ".*"};
    for (uint16_t loop = 0; loop < facts_.loops; ++loop) {
      hosts_.push_back(
          std::make_unique<LoopHost>(facts_, base::LoopId{loop}, &store_, this, &random_));
    }
    for (const auto& host : hosts_) PONTOON_CHECK(host->OpenBlocking(found).ok());
    RunUntil([this] {
      for (const auto& host : hosts_) {
        if (!host->ready()) return false;
      }
      return true;
    });
  }

  // Fabric.
  void Send(base::LoopId to, LoopMessage message) override {
    mail_[to.value].push_back(std::move(message));
  }
  void RunAside(std::function<void()> work) override {
    if (hold_aside) {
      aside_.push_back(std::move(work));
    } else {
      work();
    }
  }
  void OnDiskDead(base::Duration) override {
    PONTOON_CHECK_MSG(false, "the simulated disk never stands still for so long");
  }
  // raft::StorageEvents.
  void OnStorageDone(base::GroupId group, raft::IoSeq seq) override {
    Send(facts_.LoopOf(group), StorageDone{{{group, seq}}});
  }
  void OnCheckpointDurable(base::GroupId group, raft::EntryId applied) override {
    Send(facts_.LoopOf(group), CheckpointDurable{group, applied});
  }
  void OnStateWritten(base::GroupId group, uint64_t ticket) override {
    Send(facts_.LoopOf(group), StateWritten{group, ticket});
  }

  base::SeededRandom random_;
  raft::MemoryLogStore store_;
  NodeFacts facts_;
  std::vector<std::unique_ptr<LoopHost>> hosts_;
  std::vector<std::vector<LoopMessage>> mail_;
  std::vector<std::function<void()>> aside_;
  base::MonotonicTime now_{1000000000000};  // The machine has been up for a while.
  base::WallTime wall_{1700000000000000000};
};

}  // namespace pontoon::cluster

#endif  // PONTOON_SERVER_CLUSTER_SIMULATED_NODE_H_
