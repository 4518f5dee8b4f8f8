#ifndef PONTOON_RAFT_SIM_CHECKER_H_
#define PONTOON_RAFT_SIM_CHECKER_H_

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "raft/core/invariants.h"
#include "raft/sim/history.h"
#include "raft/sim/host.h"

namespace pontoon::raft::sim {

// Holds every step of every replica against the invariants R1 to R20 and S1 to S7 (README.md lists
// them, and where each is checked). The first that is broken is the run's failure.
class Checker final : public HostWatcher {
 public:
  // Both borrowed.
  Checker(const Options& options, const std::vector<std::unique_ptr<Host>>* hosts);

  // Empty, or the invariant's id and what broke it.
  const std::string& failure() const { return failure_; }
  void Fail(std::string what) {
    if (failure_.empty() && !what.empty()) failure_ = std::move(what);
  }

  void set_now_us(int64_t now_us) { now_us_ = now_us; }
  // After a step at this host: its groups that changed are checked.
  void AfterStep(Host* host);
  void OnStart(Host* host);
  void OnCrash(Host* host);
  void OnClosed(Host* host, GroupId group);
  void OnOpened(Host* host, GroupId group);
  // The disk of this replica is going to lose what it vouched for: what it had counts as said.
  void OnLost(const Host& host, const std::map<GroupId, Durable>& had);
  void OnLost(const Host& host) { OnLost(host, host.store().durable()); }
  // The same, and it goes on with what is left of it.
  void OnDamaged(const Host& host, const std::map<GroupId, Durable>& had);
  // R17: what is delivered now are pre-votes alone; nothing may come of them.
  void ExpectNoVote(Host* host, const Packet& packet);
  // R16: a read that is asked for now must see this.
  ReadId OnReadAsked(const Host& host, GroupId group);
  // Before a disk report: votes that are durable now (R3).
  void OnSynced(Host* host);

  // Of the group's newest epoch; of the one that this host's replica is in.
  const History& history(GroupId group) const { return histories_[group.value].rbegin()->second; }
  History& HistoryAt(const Host& host, GroupId group) {
    return histories_[group.value][host.epoch(group)];
  }
  base::RecoveryEpoch epoch(GroupId group) const { return histories_[group.value].rbegin()->first; }
  // The group is reopened with what this host has, which is down; what is not there of these
  // messages may be missed by whoever takes the group's state over from it. How many entries were
  // committed, and are lost.
  uint64_t OnReopened(const Host& host, GroupId group,
                      const std::vector<TestMachine::MessageRef>& missing);
  // What was committed and any of these copies has that is complete, this one has.
  void ExpectFurthest(const Host& host, GroupId group, const std::vector<Host*>& copies);
  bool IsMissing(GroupId group, const TestMachine::MessageRef& message) const {
    return missing_[group.value].contains(message);
  }
  // This replica's copy was dropped, since it was of an older epoch.
  void OnDropped(const Host& host, GroupId group) {
    replicas_[host.number() - 1][group.value] = Replica();
  }
  // Whether committed data outlives the loss of this host's disk: in every membership that may be
  // in force, a majority of the voters keeps what it has.
  bool CanLose(const Host& host) const;
  // Whether nobody notices if this host's disk is as it was at `then`, and nothing comes of it: it
  // has cast no vote since, and what it has written since is on a majority of the other voters.
  bool Covers(const Host& host, const std::map<GroupId, Durable>& then,
              const std::map<GroupId, uint32_t>* incarnation = nullptr) const;
  // In some group this disk is that of the only voter.
  bool VotesAlone(const Host& host, const Host::Image& image) const;
  // Whether a majority of these voters is neither lost nor `without`.
  bool HasMajority(GroupId group, const std::vector<ReplicaId>& voters, NodeId without = {}) const;
  // The same of every membership that may be in force.
  bool HasMajorities(GroupId group, NodeId without = {}) const;
  bool IsLost(GroupId group, const ReplicaId& replica) const;
  // What is durable of a replica, and was when it was lost; null: nothing.
  struct Vouched {
    const Durable* now = nullptr;
    const std::vector<Durable>* then = nullptr;  // What it lost, each time.
    bool Has(EntryId id) const {
      if (now != nullptr && now->Has(id)) return true;
      return then != nullptr && std::any_of(then->begin(), then->end(),
                                            [id](const Durable& had) { return had.Has(id); });
    }
    Index most() const {
      Index most = now == nullptr ? Index{0} : now->most;
      if (then != nullptr) {
        for (const Durable& had : *then) most = std::max(most, had.most);
      }
      return most;
    }
  };
  Vouched VouchedOf(GroupId group, const ReplicaId& replica) const;
  // Counts for nothing any more.
  std::vector<std::pair<GroupId, ReplicaId>> TakeAstray() { return std::exchange(astray_, {}); }
  // S3: what the state refers to is read back. Nothing while something is still to be written, or
  // where the disk was damaged on purpose.
  void CheckStored(const Host& host, GroupId group);
  // Told to what the run has come, for the trace.
  uint64_t Fingerprint(const Host& host) const;
  size_t reads_answered() const { return reads_answered_; }
  size_t installs() const { return installs_; }
  Host* HostOf(NodeId node) const { return (*hosts_)[node.value - 1].get(); }

  void OnSubmit(Host* host, const StorageTask& task) override;
  void OnSend(Host* host, const Message& message) override;
  void OnApplied(Host* host, GroupId group, Index index, uint64_t digest) override;
  void OnCheckpoint(Host* host, GroupId group, const Checkpoint& made) override;
  void OnInstalled(Host* host, GroupId group, const Checkpoint& checkpoint) override;
  void OnReadReady(Host* host, GroupId group, ReadId id) override;
  void OnAstray(Host* host, GroupId group, const Astray& astray) override;

 private:
  // S3 is checked of a replica after so many changes of it, and when it starts or has taken over a
  // snapshot.
  static constexpr uint64_t kReadEvery = 8;

  // What a replica was when it was last looked at.
  struct Replica {
    Invariants invariants;
    bool seen = false;
    Role role = Role::kFollower;
    Term term;
    std::optional<ReplicaId> vote;
    EntryId last;
    Index commit, applied, durable, handed_out, base;
    IoSeq io;
    bool ready = false;
    bool quarantined = false;
    uint64_t progress = 0;  // A digest of what a leader knows of the others.
    bool no_vote = false;   // R17, for this step.
    // S3: how often it changed since its bodies and pages were read.
    uint64_t unread = 0;
  };

  void CheckReplica(Host* host, GroupId group, Replica* replica);
  void CheckCommit(Host* host, GroupId group, const Replica& before);
  void CheckLeader(Host* host, GroupId group, const Replica& before);
  void CheckMembership(const Host& host, GroupId group);
  void CheckLeases(GroupId group);
  void CheckStoredAtTimes(const Host& host, GroupId group, Replica* replica);
  void CheckPages(const Host& host, GroupId group);

  const Options& options_;
  const std::vector<std::unique_ptr<Host>>* const hosts_;
  int64_t now_us_ = 0;
  std::string failure_;
  std::vector<std::map<base::RecoveryEpoch, History>> histories_;  // By group.
  std::vector<std::vector<Replica>> replicas_;                     // By host, by group.
  std::vector<std::vector<Host*>> leaders_;  // By group: who takes itself for the leader.
  std::map<std::pair<GroupId, ReplicaId>, std::vector<Durable>> lost_;
  std::vector<std::pair<GroupId, ReplicaId>> astray_;
  struct Read {
    GroupId group;
    Index must_see;
  };
  std::map<ReadId, Read> reads_;
  // By group: their bytes were gone when it was reopened.
  std::vector<std::set<TestMachine::MessageRef>> missing_;
  // By group: checksums of the roots of all checkpoints that were made.
  std::vector<std::set<std::pair<EntryId, uint32_t>>> roots_;
  uint64_t next_read_ = 0;
  size_t reads_answered_ = 0;
  size_t installs_ = 0;
};

}  // namespace pontoon::raft::sim

#endif  // PONTOON_RAFT_SIM_CHECKER_H_
