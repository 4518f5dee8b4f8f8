#ifndef PONTOON_RAFT_CORE_CORE_H_
#define PONTOON_RAFT_CORE_CORE_H_

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/ids.h"
#include "base/random.h"
#include "base/time.h"
#include "raft/core/log.h"
#include "raft/core/log_store.h"
#include "raft/core/membership.h"
#include "raft/core/message.h"
#include "raft/core/mutants.h"
#include "raft/core/progress.h"
#include "raft/core/types.h"

namespace pontoon::raft {

// kPreCandidate asks whether it would be elected, and changes nothing by it (Raft thesis §9.6).
enum class Role : uint8_t { kFollower, kPreCandidate, kCandidate, kLeader };

struct CoreOptions {
  GroupId group = {};
  base::RecoveryEpoch epoch = {};
  ReplicaId self = {};
  IoSeq last_io_seq = {};  // Numbers of storage tasks go on after this one (a group that was closed
                           // and opened again).

  base::Duration heartbeat = base::Millis(50);
  // A follower that hears no leader for a time drawn from [min, max) asks for an election; a leader
  // that no majority answers for election_max steps down.
  base::Duration election_min = base::Millis(300);
  base::Duration election_max = base::Millis(600);
  // For so long after it sent what a majority answered, the leader may take itself for the only
  // one. A new leader must wait for as long before it does what that permits (PredecessorLeaseEnd).
  base::Duration lease = base::Millis(300);
  uint32_t clock_drift_percent = 1;  // By how much two nodes' monotonic clocks may differ in rate.

  uint64_t append_bytes_max = 256 * 1024;         // Of one kAppend, but always at least one entry.
  uint32_t inflight_messages_max = 64;            // Appends under way to one peer, at most.
  uint64_t inflight_bytes_max = 4 * 1024 * 1024;  // Their bytes, at most.
  // What a leader keeps for slow peers: applied entries in memory, and headers below the
  // checkpoint.
  uint64_t held_bytes_max = 64 * 1024 * 1024;
  uint64_t kept_header_bytes_max = 256 * 1024 * 1024;
  // A learner may become a voter once it has all but so many of the leader's entries.
  uint64_t promotion_lag_max = 1024;

  // Replicas compare digests of their state at every index that this divides.
  uint64_t digest_interval = 64;

  // Bytes of own proposals that are not yet committed, at most; past it proposals are refused until
  // some are.
  uint64_t uncommitted_bytes_max = 64 * 1024 * 1024;
  // What one TakeOutput hands out to apply, at most; the rest follows in the next (a turn is
  // bounded in time).
  uint32_t committed_entries_max = 4096;

  // InvalidArgument: times that do not fit together (no lease would ever hold, or elections disturb
  // a living leader), or a limit under which nothing moves.
  absl::Status Validate() const;
};

// Names a ReadIndex request; drawn by the caller.
using ReadId = base::StrongId<struct ReadIdTag, uint64_t>;

// A linearizable read may look at any state that contains `index` (Raft thesis §6.4).
struct ReadReady {
  ReadId id;
  Index index;
};

// This replica's part in the group has changed. Of several changes between two TakeOutputs only the
// last is told; a later term implies that the part in every earlier one is over, and that reads
// asked in it get no answer.
struct RoleChange {
  Role role = Role::kFollower;
  Term term;
  std::optional<ReplicaId> leader;
  // Leader only: an entry of its own term is applied here, so the applied state holds everything
  // that was ever committed: from now on it may decide (design section 3).
  bool ready = false;
};

// Entries that a peer needs and that are not in memory (any more): to be read from the log store,
// with their bodies, at least one and about `bytes_max` of them, and handed to OnEntriesRead.
struct EntryRead {
  Term term;
  ReplicaId peer;
  Index from;
  Index to;
  uint64_t bytes_max = 0;
};

// A leader says that this replica lacks what is not in the log any more: the host fetches a
// snapshot from it (its newest; at or above `at_least`) and hands it to InstallSnapshot. Told again
// and again while that is so.
struct SnapshotWanted {
  Term term;
  ReplicaId from;
  EntryId at_least;
  // No majority has room for bodies: those of the snapshot are taken from the reserve.
  bool must_take = false;
};

// A replica that has lost what it acknowledged, or whose state differs from the majority's: it
// counts for nothing any more and comes back only as a new incarnation.
struct Astray {
  ReplicaId replica;
  enum class Why : uint8_t { kSaidSo, kDigestDiffers, kDamaged } why;
  Index index;
};

// A message that may leave once the storage task `after` is done: it promises something that must
// be durable first.
struct HeldMessage {
  IoSeq after;
  Message message;
};

// What the owner has to do, in this order. It holds no pointer into the core.
struct Output {
  // 1. To LogStore::Submit, in this order. OnStorageDone when one is done.
  std::vector<StorageTask> storage;
  // 2. At once.
  std::vector<Message> send_now;
  // 3. Kept until their task is done, and not changed meanwhile.
  std::vector<HeldMessage> send_after;
  // 4. Told before the entries below are applied.
  std::optional<RoleChange> role;
  std::vector<Astray> astray;
  // 5. The state machine takes it over; `committed` follows it.
  std::shared_ptr<const Install> installed;
  // 6. Applied in order, each once in this life; then OnApplied.
  std::vector<Entry> committed;
  // 7. Served once their index is applied.
  std::vector<ReadReady> reads;
  std::vector<EntryRead> entry_reads;
  std::optional<SnapshotWanted> fetch;

  void Clear();
};

// One replica of one Raft group: the algorithm alone. Inputs change its state, TakeOutput says what
// has to be done about it; the same inputs give the same outputs. No thread, clock, I/O or chance
// of its own.
//
// Promises. Invariants checks after every step of every test what one replica can show of them,
// raft/script and raft/sim what several show together (the ids are those of raft/sim/README.md):
//  1. checkpoint <= applied <= handed out <= commit <= last, each never going back (R2, R14).
//  2. A vote is cast at most once per term, and counts only once it is durable (R3, R10).
//  3. What is committed is durable on a majority, of a sole voter here (R8; etcd issue 14370),
//     and with it an entry of the leader's own term (R9; thesis §3.6.2).
//  4. A completion counts for the task that it names, never for an index (R10).
//  5. The membership in force is the last one in the log, else the checkpoint's (R12).
//  6. Headers go only where a durable checkpoint covers them.
//  7. Whoever lacks a body that was left out because it was settled feeds nobody until it has
//     applied the index by which that was so (design section 4).
//  8. Who is quarantined votes, campaigns and acknowledges no more (R13).
//
// Not thread-safe: one event loop owns it.
class Core {
 public:
  // A replica as its log store recovered it. DataLoss: what was recovered contradicts itself.
  // InvalidArgument: options that are not valid, or options.epoch is above that of a copy that is
  // not empty.
  // `random` is borrowed; only election timeouts draw from it.
  static absl::StatusOr<std::unique_ptr<Core>> Create(CoreOptions options, RecoveredGroup recovered,
                                                      base::Random* random);

  // Founds the group with these members: its first entry. Only on a replica that has nothing at all
  // (FailedPrecondition); until it is durable a crash undoes it. All founding members pass the
  // same.
  absl::Status Found(const Membership& members);

  // Inputs.

  // Time passes; `now` never goes back. Elections, heartbeats and the lease live by it.
  void Tick(base::MonotonicTime now);

  // A peer's message. InvalidArgument: not for this replica, or it cannot be true (damaged, out of
  // order, against what is committed): dropped, and nothing has changed. What is merely late is
  // ignored.
  absl::Status Step(Message message);

  // What Step asks of every message before it looks at what it says: that it can be for this
  // replica, and from that sender. For messages that are the hosts' and not the core's.
  absl::Status CheckSender(const Message& message) const;

  // Appends `entries` (moved from; kind kNormal; their ids are set here) if this replica leads
  // `expected_term`, and returns the index of the first. They are durable and committed when they
  // come out of TakeOutput, or never. FailedPrecondition: does not lead that term.
  // ResourceExhausted: too much is uncommitted; try again when some has been committed (never with
  // Room::kAlways, for what frees room by itself). Unavailable: leadership is being handed over.
  // InvalidArgument: no entries, or one with a header or body above its limit. On an error nothing
  // is taken.
  enum class Room { kBounded, kAlways };
  absl::StatusOr<Index> Propose(Term expected_term, absl::Span<Entry> entries,
                                Room room = Room::kBounded);

  // Changes the members to `wanted`; where voters change, in a joint step that it leaves by itself
  // once that is committed (thesis §4.3). In force at once. FailedPrecondition: does not lead that
  // term, or a new voter is not a learner that has nearly everything. Unavailable: another change
  // is not complete, or no entry of this term is committed yet; try again. InvalidArgument: no
  // valid membership, or none that changes anything.
  absl::StatusOr<Index> ProposeConfig(Term expected_term, const Membership& wanted);

  // Asks for an index that a linearizable read must have seen; the answer comes in Output::reads,
  // or never once the role changed. FailedPrecondition: not the leader.
  absl::Status ReadIndex(ReadId id);

  // Hands leadership to the voter `target` once it has everything (thesis §3.10). No proposals
  // meanwhile; undone if it takes longer than election_max. FailedPrecondition: not the leader, or
  // `target` does not vote.
  absl::Status TransferTo(ReplicaId target);

  // Starts an election now. FailedPrecondition: may not campaign, or leads already.
  absl::Status Campaign();

  // A connection to this node was refused or reset, or its name cannot be resolved: if it led, the
  // election need not wait for silence (design section 5).
  void OnPeerUnreachable(NodeId node);

  // All of a snapshot is in the store but for `install` itself. AlreadyExists: the log here has its
  // last entry by now, and goes on from there. FailedPrecondition: it leads, or is quarantined.
  // InvalidArgument: it contradicts what is committed here, or is no valid checkpoint. On an error
  // nothing has changed.
  absl::Status InstallSnapshot(std::shared_ptr<const Install> install);

  // The state machine's digest after the entry at `index`, a multiple of digest_interval, was
  // applied. Ascending.
  void OnDigest(Index index, uint64_t digest);

  // This replica has lost or damaged something that it vouched for: it votes, campaigns and
  // acknowledges no more, for good.
  void Quarantine();

  // Whether the disk has room for bodies beside its reserve. While it has none, entries with one
  // are not taken over unless the leader says that they must be; and a leader proposes none unless
  // a majority has room.
  void SetRoom(bool has_room);

  // The answer to an EntryRead. An entry without its whole body has `remains`; `ended` is the index
  // that was applied here, or zero if the state still needs what is missing. NotFound or DataLoss:
  // a header or body of them is gone.
  void OnEntriesRead(const EntryRead& read, absl::StatusOr<std::vector<Entry>> entries);

  // All storage tasks up to `seq` are done. One that is older than what was reported before says
  // nothing new.
  void OnStorageDone(IoSeq seq);
  // All entries up to `index` that TakeOutput has handed out are applied.
  void OnApplied(Index index);
  // A checkpoint of the state as of `applied` is durable here: the headers up to it may go. Older
  // ones say nothing.
  void OnCheckpointDurable(EntryId applied);

  // Outputs.

  bool has_output() const;
  // Replaces what `out` holds (its memory is used again).
  void TakeOutput(Output* out);
  // If all there is to do is to send messages at once, swaps them with `messages` (empty); else
  // false.
  bool TakeMessages(std::vector<Message>* messages);

  // State.

  GroupId group() const { return options_.group; }
  const ReplicaId& self() const { return options_.self; }
  Role role() const { return role_; }
  Term term() const { return hard_state_.term; }
  std::optional<ReplicaId> vote() const { return hard_state_.vote; }
  const HardState& durable_hard_state() const { return durable_hard_state_; }
  std::optional<ReplicaId> leader() const { return leader_; }
  // There are committed entries to hand out. A follower applies only what it has durably itself.
  bool has_committed() const { return handed_out_ < HandOutLimit(); }
  // Leader, and has applied an entry of its own term.
  bool ready() const { return role_ == Role::kLeader && ready_; }
  // Whether it asks for elections at all: a voter, or one whose removal is not known to be
  // committed. Without the latter, a leader that crashes in the middle of its own removal could
  // leave a group in which nobody can be elected (thesis §4.2.2).
  bool MayCampaign() const {
    if (MutantIs(Mutant::kLearnersCampaign) && IsMember(membership(), options_.self)) return true;
    return !quarantined_ && memberships_.IsVoterSince(commit_, options_.self);
  }
  bool quarantined() const { return quarantined_; }
  // Its state differs from another replica's, and it is not known here which of them is right.
  bool disputed() const { return dispute_ > Index{0} || differs_; }
  base::RecoveryEpoch epoch() const { return options_.epoch; }
  // Bodies may be lacking here until this index is applied.
  Index ended_through() const { return ended_through_; }
  bool whole() const { return applied_ >= ended_through_; }
  // Nothing happens by itself before: Tick may be left out until then, but for Step's sake.
  base::MonotonicTime next_due() const;
  // Nobody else can lead at `now`: what only the leader may do (dispatch) is safe. A sole voter
  // always holds it.
  bool LeaseHolds(base::MonotonicTime now) const;
  // From then on nobody who led an earlier term can still hold a lease. Only of a leader; not known
  // (and far away) until its first tick as one.
  base::MonotonicTime PredecessorLeaseEnd() const { return predecessor_lease_end_; }
  std::optional<ReplicaId> transfer_target() const { return transfer_target_; }
  // Leader: what it knows of each other member.
  const std::map<ReplicaId, Progress>& progress() const { return progress_; }
  Index commit() const { return commit_; }
  Index applied() const { return applied_; }
  Index durable() const { return durable_; }
  Index handed_out() const { return handed_out_; }
  IoSeq last_io_seq() const { return last_io_seq_; }
  EntryId checkpoint() const { return checkpoint_; }
  Index term_start() const { return term_start_; }
  const Log& log() const { return log_; }
  const Membership& membership() const { return memberships_.current(); }
  const MembershipLog& memberships() const { return memberships_; }
  uint64_t uncommitted_bytes() const { return uncommitted_bytes_; }

 private:
  static constexpr base::MonotonicTime kNever{INT64_MAX};

  // A storage task that was handed out and is not yet done.
  struct InFlight {
    IoSeq seq;
    Index durable_to;  // What its completion makes durable at most; a truncation lowers it.
    HardState hard_state;
  };

  struct WaitingRead {
    ReadId id;
    Index index;
    uint64_t round;  // Answered once a majority has answered a heartbeat of this round.
  };

  Core(CoreOptions options, base::Random* random) : options_(options), random_(random) {}

  // core.cc
  absl::Status Restore(RecoveredGroup recovered);
  absl::Status RequireLeaderOf(Term expected_term) const;
  StorageTask& Pending();  // The task being built; made if there is none.
  void SealPending();      // What comes now is another task.
  void SetHardState(HardState hard_state);
  void AppendToLog(Entry entry);  // Its id is set.
  void TruncateFrom(Index index);
  void TellRole();
  Message Make(MessageKind kind, const ReplicaId& to) const;
  void Send(Message message) { output_.send_now.push_back(std::move(message)); }
  // For all else.
  Output& Out() {
    more_ = true;
    return output_;
  }
  // For a message that promises what is decided by now: after all storage tasks so far.
  void SendWhenDurable(Message message);

  // step.cc
  void RefuseOldTerm(const Message& message);
  absl::Status StepInTerm(Message message);  // Of the own term by now.

  // election.cc
  bool IsSoleVoter() const;
  bool HearsLeader() const;
  void ResetElectionTimer();
  void BecomeFollower(Term term, std::optional<ReplicaId> leader);
  void StartPreVote();
  enum class Reason { kTimeout, kTransfer };
  void StartElection(Reason reason);
  // Whether the (pre-)election under way is won or lost by now, and what follows.
  void SettleElection();
  void BecomeLeader();
  void OnPreVote(const Message& message);
  void OnVote(const Message& message);
  void OnVoteReply(const Message& message);

  // leadership.cc
  void TickLeader();
  // It answers, and what it says counts.
  bool IsHeard(const Progress& progress) const;
  // All other members do.
  bool AllAnswer() const;
  bool MajorityAnswers() const;
  void SendHeartbeats();
  void OnHeartbeat(const Message& message);
  void OnHeartbeatReply(const Message& message);
  void NoteAnswer(const Message& message, Progress* progress);
  void MaybeHandOver();
  void OnTimeoutNow(const Message& message);
  // The others that are heard suffice to go on without this replica.
  bool MajorityWithoutSelf() const;
  // The voter that could take over at once, or else soonest; nullopt: none is heard.
  std::optional<ReplicaId> BestSuccessor() const;
  // Has it campaign at once if it has everything; otherwise the others notice by themselves.
  void LetSuccessorCampaign();
  void LetCampaign(const ReplicaId& voter);

  // replication.cc
  void AppendOwn(EntryKind kind, Entry entry);
  void AppendOwnMembership(const Membership& members);  // reconfiguration.cc
  // Without room at a majority no more bodies are proposed, and what is in the log already is taken
  // by all, also from their reserve: what frees room comes behind it.
  bool MajorityHasRoom() const;
  void SyncProgress();
  void Replicate();
  bool SendAppend(const ReplicaId& peer, Progress* progress);
  void SendEntries(const ReplicaId& peer, Progress* progress, std::vector<Entry> entries);
  absl::Status OnAppendReply(const Message& message);
  void ReleaseHeld();

  // follower.cc
  void OnAppend(Message message);
  // Another entry is committed here in its place.
  bool ContradictsCommitted(EntryId id) const;
  absl::Status CheckAppend(const Message& message) const;

  // commit.cc
  void AdvanceCommit();
  Index HandOutLimit() const;
  void HandOutCommitted(Output* out);
  // reconfiguration.cc
  void FinishReconfiguration();
  // reads.cc
  void StartReads();
  void AnswerReads();
  // checkpoint.cc
  void Compact();
  void CompactLater();
  // snapshot.cc
  void OfferSnapshot(const ReplicaId& peer, Progress* progress);
  absl::Status CheckOffer(const Message& message) const;
  void OnSnapshotOffer(const Message& message);
  // quarantine.cc
  void NoteQuarantined(const ReplicaId& peer, Progress* progress, Astray::Why why);
  // digest.cc
  const uint64_t* DigestAt(Index index) const;
  void AddDigest(const Progress& progress, Message* heartbeat) const;
  void AnswerDigest(const Message& heartbeat, Message* reply);
  void OnPeerDigest(const Message& reply, Progress* progress);
  void SettleDispute();

  // First what every heartbeat of an idle group looks at: with a thousand groups each further line
  // of memory is one more that has to be fetched.
  const CoreOptions options_;  // With the epoch that was recovered.
  base::Random* const random_;
  base::MonotonicTime now_;

  Role role_ = Role::kFollower;
  bool more_ = false;       // output_ or pending_ holds more than messages to send at once.
  bool replicate_ = false;  // Leader: there may be something to send.
  bool quarantined_ = false;
  bool has_room_ = true;
  bool differs_ = false;          // Follower: from the leader, the last time that both could tell.
  bool ready_ = false;            // Leader.
  uint32_t lost_elections_ = 0;   // Since there was a leader.
  HardState hard_state_;          // As decided; durable once its task is done.
  HardState durable_hard_state_;  // As known to be on the disk.
  std::optional<ReplicaId> leader_;
  base::MonotonicTime leader_heard_;  // Follower: when the leader last spoke.
  base::MonotonicTime election_due_;  // Not a leader: when to ask for an election.
  Index durable_;                     // Own log up to here is on the disk.
  Index commit_;
  Index handed_out_;
  Index applied_;
  Index ended_through_;
  Index term_start_;  // Leader: its kNoop.
  base::MonotonicTime heartbeat_due_;
  base::MonotonicTime predecessor_lease_end_;
  std::optional<ReplicaId> transfer_target_;
  base::MonotonicTime transfer_undo_;
  uint64_t read_round_ = 0;  // Leader: the newest round of heartbeats.
  Index dispute_;       // Digests of this index differ; all are asked for theirs. Zero: none do.
  EntryId checkpoint_;  // The newest durable one; the log's base may lie below.
  // Of this turn, or of a leader that has committed nothing in its own term yet.
  std::vector<ReadId> early_reads_;
  Output output_;  // What is ready but for storage and committed.
  Log log_;
  MembershipLog memberships_;
  std::map<ReplicaId, Progress> progress_;          // Leader only.
  std::deque<std::pair<Index, uint64_t>> digests_;  // The newest few, ascending.

  std::map<ReplicaId, bool> votes_;  // Answers to the (pre-)election under way.
  uint64_t uncommitted_bytes_ =
      0;  // Leader: cost of own entries after the kNoop not yet handed out.
  IoSeq last_io_seq_;
  std::optional<StorageTask> pending_;
  std::deque<InFlight> in_flight_;
  // More headers may go once this task is done: it is a step of that, or somebody for whom they
  // were kept needs them no longer.
  std::optional<IoSeq> compact_after_;
  std::deque<WaitingRead> waiting_reads_;  // Their round is under way; ascending.
};

}  // namespace pontoon::raft

#endif  // PONTOON_RAFT_CORE_CORE_H_
