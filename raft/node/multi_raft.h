#ifndef PONTOON_RAFT_NODE_MULTI_RAFT_H_
#define PONTOON_RAFT_NODE_MULTI_RAFT_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/random.h"
#include "base/time.h"
#include "raft/core/core.h"
#include "raft/core/entry.h"
#include "raft/core/log_store.h"
#include "raft/core/snapshot.h"
#include "raft/node/counters.h"
#include "raft/node/disk_watchdog.h"
#include "raft/node/heartbeats.h"
#include "raft/node/node_table.h"
#include "raft/node/on_loop.h"
#include "raft/node/state_machine.h"
#include "raft/node/transport.h"

namespace pontoon::raft {

struct MultiRaftOptions {
  // Of groups that are opened without one of their own.
  ReplicaId self = {};
  // Limits and times of every group; group, epoch, self and last_io_seq are set by OpenGroup.
  CoreOptions core = {};
  Post post = nullptr;  // To this loop.
  // Which start of this node this is; higher at each.
  base::BootId boot = {};
  // The boots of other nodes, shared by the loops of this one (borrowed). Null: all boots count.
  NodeTable* nodes = nullptr;
  // Shared by the loops of this node, of which this is number `loop` (borrowed). Null: heartbeats
  // leave with the other messages of the turn.
  HeartbeatGatherer* heartbeats = nullptr;
  size_t loop = 0;
  // When a disk stalls, and when it is dead, of which the owner is told within Tick, once: it has
  // to end the process.
  DiskWatchdog::Options disk = {};
  std::function<void()> on_disk_dead = nullptr;
  // About so much of a snapshot is sent at once; at most kSnapshotPartBytes.
  uint64_t snapshot_part_bytes = kSnapshotPartBytes;
  // Told, within Flush, of a replica (also this one) that counts for nothing any more.
  std::function<void(GroupId, const Astray&)> on_astray = nullptr;
};

// The groups of one event loop: feeds their cores, carries out what they ask for (write, then send,
// then apply), and tells their state machines. Runs entirely on that loop and has no thread; what
// the log store reports is posted to the loop by its owner. Everything only gathers until Flush,
// which the loop calls once per turn: all that was proposed to a group in one turn is one storage
// task.
class MultiRaft {
 public:
  // All are borrowed. `transport` may be null while groups have one voter.
  MultiRaft(MultiRaftOptions options, LogStore* store, Transport* transport, base::Random* random);
  ~MultiRaft();
  MultiRaft(const MultiRaft&) = delete;
  MultiRaft& operator=(const MultiRaft&) = delete;

  // Opens a group from what LogStore::RecoverBlocking found. `machine` (borrowed until CloseGroup)
  // is already restored from recovered.checkpoint; the entries after it come through Apply once
  // they are known to be committed (with one voter, soon after the next Tick). Where nothing was
  // recovered, the group is founded with `founders` (all founding members the same); without
  // `founders` it waits for a leader. `self`: this replica's id in the group, whose incarnation may
  // differ from other groups'. `epoch`: of the group, for a replica that joins it with nothing;
  // else what was recovered tells. AlreadyExists; DataLoss: the recovered log contradicts itself;
  // InvalidArgument: `founders` is no membership, or without this replica.
  absl::Status OpenGroup(GroupId group, RecoveredGroup recovered, StateMachine* machine,
                         const std::optional<Membership>& founders = std::nullopt,
                         const std::optional<ReplicaId>& self = std::nullopt,
                         base::RecoveryEpoch epoch = {});
  // Forgets the group; its files stay. Completions that are still under way are ignored.
  void CloseGroup(GroupId group);

  // Inputs; take effect at the next Flush.

  // Time passes for all groups; those for which nothing is due are not touched. Call every 10 ms or
  // so, at least every 50. While the disk stalls, what is led here is handed over.
  void Tick(base::MonotonicTime now);
  // See Core::Propose for the errors; NotFound: no such group here. The entries are moved from if
  // taken.
  absl::StatusOr<Index> Propose(GroupId group, Term expected_term, absl::Span<Entry> entries,
                                Core::Room room = Core::Room::kBounded);
  // One entry, its checksums made here.
  absl::StatusOr<Index> Propose(GroupId group, Term expected_term, base::SliceChain header,
                                base::SliceChain body, Core::Room room = Core::Room::kBounded);
  // What the state machine wants written: goes to the store in order with the group's log, its
  // pages under StoredPageOf their ids. Filled in here: the membership and page generation of a
  // checkpoint, whose `applied` must be applied (checked), and the index by which bodies that it
  // drops or cuts had ended. When the store reports the checkpoint durable, the log's headers up to
  // it are dropped.
  void SubmitState(StateTask task);
  // Answered by StateMachine::OnReadReady, or never if leadership ends. FailedPrecondition: not the
  // leader.
  absl::Status ReadIndex(GroupId group, ReadId id);
  // See Core for these; NotFound: no such group here.
  absl::StatusOr<Index> ProposeConfig(GroupId group, Term expected_term, const Membership& wanted);
  absl::Status TransferTo(GroupId group, ReplicaId target);
  absl::Status Campaign(GroupId group);
  // This replica of the group lost or damaged something that it vouched for; see
  // Core::Quarantine.
  absl::Status Quarantine(GroupId group);
  // Whether the disk has room for bodies; of all groups, also of those opened later.
  void SetRoom(bool has_room);
  // A connection to this node was refused or reset, or its name cannot be resolved; for all groups.
  void OnPeerUnreachable(NodeId node);

  // What the node `from` sent in its start number `boot`, for groups of this loop. A message that
  // is not for one of them, or cannot be true, is dropped and counted, and changes nothing.
  void Deliver(NodeId from, uint64_t boot, std::vector<Message> messages);
  // From the log store, posted to this loop. What belongs to a closed group is ignored.
  void OnStorageDone(GroupId group, IoSeq seq);
  void OnCheckpointDurable(GroupId group, EntryId applied);
  void OnStateWritten(GroupId group, uint64_t ticket);

  // Carries out what the inputs since the last Flush led to. True if there is more to do at once (a
  // long stretch of entries to apply): call again, after giving others their turn. Messages leave
  // in here, the transport is told at the end (Transport::EndTurn). Not from within a StateMachine.
  [[nodiscard]] bool Flush();

  // State; the group must be open (checked).

  bool has_group(GroupId group) const { return groups_.contains(group); }
  std::vector<GroupId> groups() const;  // Ascending.
  const Core& core(GroupId group) const;
  // Leads, and may decide: between OnLeader and OnFollower.
  bool leads(GroupId group) const;
  bool LeaseHolds(GroupId group, base::MonotonicTime now) const {
    return core(group).LeaseHolds(now);
  }
  Term term(GroupId group) const { return core(group).term(); }
  std::optional<ReplicaId> leader(GroupId group) const { return core(group).leader(); }
  // The newest applied entry, also one that the state machine did not see (kNoop, kConfig): what a
  // checkpoint of the state as it is now covers.
  EntryId applied(GroupId group) const;
  // The id under which the store has this page of the group's state machine.
  PageId StoredPageOf(GroupId group, PageId page) const;
  // Peers are fetching a checkpoint of the group: pages that it names are better dropped later.
  // Those that SubmitState is given meanwhile are held back, but a crash forgets them.
  bool ServesSnapshot(GroupId group) const;
  const RaftCounters& counters() const { return counters_; }
  DiskWatchdog::State disk_state() const { return watchdog_.state(); }
  Index last(GroupId group) const { return core(group).log().last().index; }
  // Header bytes that a checkpoint of everything would let go, and the restart cost that it saves.
  uint64_t reclaimable_bytes(GroupId group) const { return core(group).log().header_bytes(); }

 private:
  struct Group;
  class Snapshots;

  Group* Find(GroupId id) const;
  // The same for an input: its core is told the time first.
  Group* Enter(GroupId id);
  void Touch(Group* group);
  // After an input: there may be output, and another time at which something is due.
  void Leave(Group* group);
  void NumberPlaces();
  void WatchDisk();
  void HandOver(Group* group);
  void MarkDirty(Group* group);
  void Drain(Group* group);
  void TellRole(Group* group, const RoleChange& change);
  void SubmitStorage(Group* group, StorageTask task);
  // Within Flush tasks gather, so that those of all groups reach the store at one stroke and make
  // one batch; at its end they are handed over, or earlier (SubmitGathered) if there are many bytes
  // of them or much is applied meanwhile. In between they go to the store at once.
  void SubmitToStore(StoreTask task);
  void SubmitGathered();
  void TakeOver(Group* group, const Install& install);
  void ApplyCommitted(Group* group, std::vector<Entry>* committed);
  void Send(Message message);
  void SendAll(Group* group, std::vector<Message>* messages);
  void EndTurn();
  void Step(Group* group, Message message);
  // kSnapshotRequest and kSnapshotPart, which are the hosts' and not the core's.
  void OnSnapshotMessage(Group* group, const Message& message);
  void FetchSnapshot(Group* group, const SnapshotWanted& wanted);
  void TickSnapshots();
  void NoteLogChange(Group* group, Index from);
  void AfterSnapshotInput(GroupId group);
  void InstallFetched(Group* group);
  void CloseSnapshots(GroupId group);
  void ReadEntries(Group* group, const EntryRead& read);
  void OnEntriesRead(GroupId group, uint64_t opening, const EntryRead& read,
                     absl::StatusOr<std::vector<Entry>> entries);

  const MultiRaftOptions options_;
  LogStore* const store_;
  Transport* const transport_;
  base::Random* const random_;

  absl::flat_hash_map<GroupId, std::unique_ptr<Group>> groups_;  // Never iterated.
  std::vector<Group*> in_order_;                                 // By id, ascending.
  std::vector<base::MonotonicTime> due_;  // Core::next_due of each, or earlier.
  std::map<GroupId, IoSeq> closed_;       // Last storage task of groups closed in this life.
  std::vector<Group*> dirty_;
  std::vector<Group*> turn_;       // The dirty ones that this Flush works on; kept for its memory.
  Output output_;                  // Kept for its memory.
  std::vector<Message> messages_;  // Likewise; empty but within Leave.
  bool flushing_ = false;
  // What this Flush has for the store; empty in between.
  std::vector<StoreTask> gathered_;
  size_t gathered_bytes_ = 0;
  uint64_t applied_meanwhile_ = 0;  // Entries applied while it waited.
  bool sent_ = false;               // Since the last Transport::EndTurn.
  base::MonotonicTime now_;
  DiskWatchdog watchdog_;
  base::MonotonicTime hand_over_at_;  // While the disk stalls: not again before.
  // Of this turn, for the gatherer; `leaving_` is what it gives back.
  std::vector<Message> heartbeats_;
  std::vector<Message> replies_;
  std::vector<Message> leaving_;
  bool has_room_ = true;
  uint64_t openings_ = 0;
  RaftCounters counters_;
  std::unique_ptr<Snapshots> snapshots_;
  // What the store calls back later looks here whether this object is still there.
  std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);
};

}  // namespace pontoon::raft

#endif  // PONTOON_RAFT_NODE_MULTI_RAFT_H_
