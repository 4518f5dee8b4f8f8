#ifndef PONTOON_RAFT_SIM_HOST_H_
#define PONTOON_RAFT_SIM_HOST_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "raft/node/heartbeats.h"
#include "raft/node/multi_raft.h"
#include "raft/node/node_table.h"
#include "raft/node/test_machine.h"
#include "raft/sim/chance.h"
#include "raft/sim/clock.h"
#include "raft/sim/network.h"
#include "raft/sim/plan.h"
#include "raft/sim/store.h"

namespace pontoon::raft::sim {

class Host;

// Told what a host does, as it does it: the checker.
class HostWatcher {
 public:
  virtual ~HostWatcher() = default;
  virtual void OnSubmit(Host* host, const StorageTask& task) = 0;
  virtual void OnSend(Host* host, const Message& message) = 0;
  virtual void OnApplied(Host* host, GroupId group, Index index, uint64_t digest) = 0;
  virtual void OnCheckpoint(Host* host, GroupId group, const Checkpoint& made) = 0;
  virtual void OnInstalled(Host* host, GroupId group, const Checkpoint& checkpoint) = 0;
  virtual void OnReadReady(Host* host, GroupId group, ReadId id) = 0;
  virtual void OnAstray(Host* host, GroupId group, const Astray& astray) = 0;
};

// A machine with a process on it: the production classes of a node, its disk and its clock. It does
// nothing by itself; the simulation tells it when.
class Host final : public StorageEvents, public Transport, public StoreWatcher {
 public:
  // `options` and `watcher` are borrowed.
  Host(uint32_t number, const Options& options, HostWatcher* watcher);
  ~Host() override;

  // The process starts, and finds on its disk what a crash has left. `founders`: of groups of which
  // there is nothing yet.
  absl::Status Start(int64_t now_us, const std::map<GroupId, Membership>& founders);
  // It dies. An invariant (S1, S2) that is broken by what is left, or the empty string.
  // `lost`: something is gone that was vouched for.
  std::string Crash(MemoryLogStore::LogDamage damage, bool* lost);
  // The disk is replaced by an empty one, which belongs to the next incarnation. Only while down.
  void Wipe();
  // An operator's work while it is down: what this disk has of the group is what the group goes on
  // with, in the next epoch; of what the copy ends with, no more is known to be lost. An error of
  // MakeReopenTask, or of what was recovered. `missing`: of what waits in the copy.
  struct Missing {
    bool incomplete = false;
    std::vector<TestMachine::MessageRef> messages;  // Those whose bytes are not there.
  };
  absl::Status Reopen(GroupId group, base::RecoveryEpoch epoch, bool although_incomplete,
                      Missing* missing);
  // As it is on the disk, this copy of the group is no survivor to reopen from.
  bool IsIncomplete(GroupId group) const;
  // The group is in this epoch now, of which a copy of an older one can be no part: the next start
  // finds that out, and drops it.
  void SetEpoch(GroupId group, base::RecoveryEpoch epoch) { epoch_[group] = epoch; }
  base::RecoveryEpoch epoch(GroupId group) const {
    return up() ? core(group).epoch() : store_->durable(group).epoch;
  }
  // The group is closed and opened again. What it had submitted is written by then, and reported
  // only later. Only while up.
  absl::Status CloseAndOpen(GroupId group);
  // Copies that the last start has dropped for that.
  const std::vector<GroupId>& dropped_copies() const { return dropped_copies_; }
  // The catalog told it of a boot of that node.
  void Hear(NodeId node, uint64_t boot) {
    if (nodes_ != nullptr) nodes_->Admit(node, boot);
  }
  // A copy of the disk is kept; the disk is replaced by it, with the incarnations and the boot
  // number that it has. Only while down.
  struct Image {
    Store::Image store;
    std::map<GroupId, uint32_t> incarnation;
    uint64_t boot = 0;
  };
  void KeepImage() { image_ = Image{store_->Copy(), incarnation_, boot_}; }
  const std::optional<Image>& image() const { return image_; }
  void PutBack();
  // It goes on with what is left of an older disk, and others know that its boot went back: nothing
  // that it says counts, so what it does is not looked at.
  bool outcast() const { return outcast_; }
  void set_outcast() { outcast_ = true; }

  // Counts the disks that this node had.
  uint64_t life() const { return life_; }
  bool damaged() const { return damaged_; }
  void set_damaged() { damaged_ = true; }
  // What a failed Start left.
  void GiveUp();
  bool up() const { return !loops_.empty(); }
  uint32_t number() const { return number_; }
  NodeId node() const { return {number_}; }
  uint64_t boot() const { return boot_; }
  // Counts all its starts, whatever disk it had.
  uint64_t starts() const { return starts_; }
  // The highest boot of that node that it has heard of.
  uint64_t BootOf(NodeId node) const { return nodes_ == nullptr ? 0 : nodes_->boot(node); }
  ReplicaId self(GroupId group) const { return {node(), incarnation_.at(group)}; }
  MultiRaft& raft(GroupId group) { return *loops_[group.value % loops_.size()]; }
  const MultiRaft& raft(GroupId group) const { return *loops_[group.value % loops_.size()]; }
  const Core& core(GroupId group) const { return raft(group).core(group); }
  const TestMachine& machine(GroupId group) const;
  Store& store() { return *store_; }
  const Store& store() const { return *store_; }
  Clock& clock() { return clock_; }
  const Clock& clock() const { return clock_; }
  Chance& disk_chance() { return disk_chance_; }

  // All loops tick at once.
  void Tick(int64_t now_us);
  void SetRoom(bool has_room);
  void OnPeerUnreachable(NodeId node);
  void Deliver(Packet packet);
  // Runs the process until it has nothing to do, and takes what it sent.
  std::vector<Packet> Run();
  // Messages that came and were not for anybody here, or could not be true; since the start.
  uint64_t dropped() const;
  // Only while up and of an open group; if anything has been applied since the last (or `again`).
  void MakeCheckpoint(GroupId group, bool again = false);

  // What the simulation keeps about this host.
  int64_t frozen_until_us = 0;
  bool mark_armed = false;
  bool disk_busy = false;
  bool reads_busy = false;
  int64_t disk_slow_until_us = 0;
  uint64_t disk_slow_factor = 1;
  int64_t disk_stalled_until_us = 0;
  int64_t full_until_us = 0;
  bool disk_dead = false;             // So says the watchdog; the process has to end.
  int64_t down_after_failure_us = 0;  // Once a write has failed.

 private:
  class Machine;

  absl::Status Open(GroupId group, const std::map<GroupId, Membership>& founders);
  void IncarnateAnew(GroupId group);
  void OnStorageDone(GroupId group, IoSeq seq) override;
  void OnCheckpointDurable(GroupId group, EntryId applied) override;
  void OnStateWritten(GroupId group, uint64_t ticket) override;
  void Send(Message message) override;
  void OnSubmit(const StorageTask& task) override { watcher_->OnSubmit(this, task); }

  const uint32_t number_;
  const Options& options_;
  HostWatcher* const watcher_;
  std::map<GroupId, uint32_t> incarnation_;
  std::map<GroupId, base::RecoveryEpoch> epoch_;
  std::vector<GroupId> dropped_copies_;
  std::map<GroupId, uint32_t> highest_incarnation_;
  uint64_t boot_ = 0;
  uint64_t highest_boot_ = 0;
  uint64_t starts_ = 0;
  std::optional<Image> image_;
  bool outcast_ = false;
  uint64_t life_ = 1;
  bool damaged_ = false;  // Some value on the disk is.
  Clock clock_;
  Chance disk_chance_;
  Chance election_chance_;
  Chance clock_chance_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<NodeTable> nodes_;
  std::map<GroupId, std::unique_ptr<Machine>> machines_;
  std::unique_ptr<HeartbeatGatherer> heartbeats_;
  std::vector<std::unique_ptr<MultiRaft>> loops_;  // Group g belongs to loop g modulo their number.
  std::vector<Packet> outbox_;
};

}  // namespace pontoon::raft::sim

#endif  // PONTOON_RAFT_SIM_HOST_H_
