#ifndef PONTOON_RAFT_CORE_CORE_H_
#define PONTOON_RAFT_CORE_CORE_H_

#include <cstdint>
#include <deque>
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
#include "raft/core/types.h"

namespace pontoon::raft {

enum class Role : uint8_t { kFollower, kCandidate, kLeader };

struct CoreOptions {
  GroupId group = {};
  base::RecoveryEpoch epoch = {};
  ReplicaId self = {};
  IoSeq last_io_seq = {};  // Numbers of storage tasks go on after this one (a group that was closed and opened again).
  // Bytes of own proposals that are not yet committed, at most; past it proposals are refused until some are.
  uint64_t uncommitted_bytes_max = 64 * 1024 * 1024;
  // What one TakeOutput hands out to apply, at most; the rest follows in the next (a turn is bounded in time).
  uint32_t committed_entries_max = 4096;
};

// Names a ReadIndex request; drawn by the caller.
using ReadId = base::StrongId<struct ReadIdTag, uint64_t>;

// A linearizable read may look at any state that contains `index` (Raft thesis §6.4).
struct ReadReady {
  ReadId id;
  Index index;
};

// This replica's part in the group has changed. Of several changes between two TakeOutputs only the last is told; a
// later term implies that the part in every earlier one is over, and that reads asked in it get no answer.
struct RoleChange {
  Role role = Role::kFollower;
  Term term;
  std::optional<ReplicaId> leader;
  // Leader only: an entry of its own term is applied here, so the applied state holds everything that was ever
  // committed: from now on it may decide (design section 3).
  bool ready = false;
};

// A message that may leave once the storage task `after` is done: it promises something that must be durable first.
struct HeldMessage {
  IoSeq after;
  Message message;
};

// Own proposals that are certain never to commit: another leader's entries took their places.
struct DroppedProposals {
  Term term;
  Index first;
  Index last;
};

// What the owner has to do, in this order. It holds no pointer into the core.
struct Output {
  std::vector<StorageTask> storage;      // 1. To LogStore::Submit; at most one, then OnStorageDone when it is done.
  std::vector<Message> send_now;         // 2. At once.
  std::vector<HeldMessage> send_after;   // 3. Kept until their task is done; never changed meanwhile.
  std::optional<RoleChange> role;        // 4. Told before the entries below are applied.
  std::vector<DroppedProposals> dropped;
  std::vector<Entry> committed;          // 5. Applied in order, each once in this life; then OnApplied.
  std::vector<ReadReady> reads;          // 6. Served once their index is applied.

  void Clear();
};

// One replica of one Raft group: the algorithm alone. Inputs change its state, TakeOutput says what has to be done
// about it; the same inputs give the same outputs. No thread, clock, I/O or chance of its own.
//
// Promises (each checked by Invariants after every step of every test):
//  1. checkpoint <= applied <= handed out <= commit <= last, each never going back (R2, R14).
//  2. A vote is cast at most once per term, and counts only once it is durable (R3, R10; thesis §3.8).
//  3. Nothing is committed before this replica itself has it durably, if it is the only voter (R8; etcd issue 14370),
//     nor before an entry of the leader's own term is (R9; thesis §3.6.2).
//  4. A completion counts for the task that it names, never for an index (R10).
//  5. The membership in force is the last one in the log, else the checkpoint's (R12; thesis §4.1).
//  6. Headers go only where a durable checkpoint covers them.
//
// Built so far: groups of one voter. What needs peers is refused with Unimplemented. Not thread-safe: one event loop
// owns it.
class Core {
 public:
  // A replica as its log store recovered it. DataLoss: what was recovered contradicts itself. Unimplemented: its
  // membership has more than one member. `random` is borrowed.
  static absl::StatusOr<std::unique_ptr<Core>> Create(CoreOptions options, RecoveredGroup recovered,
                                                      base::Random* random);

  // Founds the group with these members: its first entry. Only on a replica that has nothing at all
  // (FailedPrecondition); until it is durable a crash undoes it. All founding members pass the same.
  absl::Status Found(const Membership& members);

  // Inputs. ------------------------------------------------------------------------------------------------------

  // Time passes; `now` never goes back. Elections, heartbeats and the lease live by it.
  void Tick(base::MonotonicTime now);

  // A peer's message. Unimplemented so far.
  absl::Status Step(Message message);

  // Appends `entries` (moved from; kind kNormal; their ids are set here) if this replica leads `expected_term`, and
  // returns the index of the first. They are durable and committed when they come out of TakeOutput, or never.
  // FailedPrecondition: does not lead that term. ResourceExhausted: too much is uncommitted; try again when some has
  // been committed (never with Room::kAlways, for what frees room by itself). InvalidArgument: no entries, or one
  // with a header or body above its limit. On an error nothing is taken.
  enum class Room { kBounded, kAlways };
  absl::StatusOr<Index> Propose(Term expected_term, absl::Span<Entry> entries, Room room = Room::kBounded);

  // Changes the members to `wanted`, in a joint step (thesis §4.3). Unimplemented so far.
  absl::StatusOr<Index> ProposeConfig(Term expected_term, const Membership& wanted);

  // Asks for an index that a linearizable read must have seen; the answer comes in Output::reads, or never once the
  // role changed. FailedPrecondition: not the leader.
  absl::Status ReadIndex(ReadId id);

  // Hands leadership to `target` (thesis §3.10). Unimplemented so far.
  absl::Status TransferTo(ReplicaId target);

  // Starts an election now. FailedPrecondition: not a voter, or leader already.
  absl::Status Campaign();

  // All storage tasks up to `seq` are done. One that is older than what was reported before says nothing new.
  void OnStorageDone(IoSeq seq);
  // All entries up to `index` that TakeOutput has handed out are applied.
  void OnApplied(Index index);
  // A checkpoint of the state as of `applied` is durable here: the headers up to it may go. Older ones say nothing.
  void OnCheckpointDurable(EntryId applied);

  // Outputs. -----------------------------------------------------------------------------------------------------

  bool has_output() const;
  // Replaces what `out` holds (its memory is used again).
  void TakeOutput(Output* out);

  // State. -------------------------------------------------------------------------------------------------------

  GroupId group() const { return options_.group; }
  const ReplicaId& self() const { return options_.self; }
  Role role() const { return role_; }
  Term term() const { return hard_state_.term; }
  std::optional<ReplicaId> vote() const { return hard_state_.vote; }
  const HardState& durable_hard_state() const { return durable_hard_state_; }
  std::optional<ReplicaId> leader() const { return leader_; }
  // Leader, and has applied an entry of its own term.
  bool ready() const { return role_ == Role::kLeader && ready_; }
  // Nobody else can lead at `now`: what only the leader may do (dispatch) is safe. A sole voter always holds it.
  bool LeaseHolds(base::MonotonicTime now) const;
  Index commit() const { return commit_; }
  Index applied() const { return applied_; }
  Index durable() const { return durable_; }
  Index handed_out() const { return handed_out_; }
  IoSeq last_io_seq() const { return last_io_seq_; }
  Index term_start() const { return term_start_; }
  const Log& log() const { return log_; }
  const Membership& membership() const { return memberships_.current(); }
  const MembershipLog& memberships() const { return memberships_; }
  uint64_t uncommitted_bytes() const { return uncommitted_bytes_; }

 private:
  // A storage task that was handed out and is not yet done.
  struct InFlight {
    IoSeq seq;
    Index durable_to;  // What its completion makes durable at most; a truncation lowers it.
    HardState hard_state;
  };

  Core(CoreOptions options, base::Random* random) : options_(options), random_(random) {}

  absl::Status Restore(RecoveredGroup recovered);  // core.cc
  absl::Status RequireLeaderOf(Term expected_term) const;
  // The task being built; made if there is none.
  StorageTask& Pending();
  void SetHardState(HardState hard_state);
  void AppendOwn(Entry entry);  // replication.cc
  void TellRole();

  bool IsSoleVoter() const;  // election.cc
  void StartElection();
  void CountVotes();
  void BecomeLeader();

  void AdvanceCommit();              // commit.cc
  void HandOutCommitted(Output* out);
  void AnswerReads();                // reads.cc

  const CoreOptions options_;
  base::Random* const random_;
  base::MonotonicTime now_;

  HardState hard_state_;          // As decided; durable once its task is done.
  HardState durable_hard_state_;  // As known to be on the disk.
  Log log_;
  MembershipLog memberships_;

  Role role_ = Role::kFollower;
  std::optional<ReplicaId> leader_;
  Index term_start_;   // Leader: its kNoop.
  bool ready_ = false;
  Index durable_;      // Own log up to here is on the disk.
  Index commit_;
  Index handed_out_;
  Index applied_;
  uint64_t uncommitted_bytes_ = 0;  // Leader: cost of own kNormal entries not yet handed out.

  IoSeq last_io_seq_;
  std::optional<StorageTask> pending_;
  std::deque<InFlight> in_flight_;

  std::vector<ReadId> waiting_reads_;  // Leader that has committed nothing in its own term yet.
  Output output_;                      // What is ready but for storage and committed.
};

}  // namespace pontoon::raft

#endif  // PONTOON_RAFT_CORE_CORE_H_
