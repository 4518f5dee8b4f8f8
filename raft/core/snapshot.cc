#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "raft/core/core.h"
#include "raft/core/mutants.h"

// A peer that lacks what is not in the log any more gets a snapshot: Raft thesis §5.1. The core
// says who needs one and takes over one that has arrived; how it travels is the host's affair
// (snapshot.h).

namespace pontoon::raft {

// Told again with every heartbeat while it is so. What follows the checkpoint offered first is kept
// in the log, or the peer would need the next snapshot as soon as it has this one.
void Core::OfferSnapshot(const ReplicaId& peer, Progress* progress) {
  if (progress->offered < log_.base().index) progress->offered = checkpoint_.index;
  // A state that others dispute is not passed on.
  if (checkpoint_.index == Index{0} || dispute_ > Index{0}) return;
  Message message = Make(MessageKind::kSnapshotOffer, peer);
  message.log = checkpoint_;
  message.commit = commit_;
  message.must_take = !MajorityHasRoom();
  Send(std::move(message));
}

absl::Status Core::CheckOffer(const Message& message) const {
  if (message.log.index == Index{0} || message.log.term == Term{0} ||
      message.log.term > message.term || ContradictsCommitted(message.log)) {
    return absl::InvalidArgumentError(
        absl::StrCat("an offer of an impossible checkpoint ", message.log.index.value));
  }
  return absl::OkStatus();
}

void Core::OnSnapshotOffer(const Message& message) {
  BecomeFollower(term(), message.from);
  leader_heard_ = now_;
  ResetElectionTimer();
  if (quarantined_) return;
  // What is committed is the same everywhere, and the offer's checkpoint is. A follower that has it
  // says so, or its leader would offer it for ever (ra pull 641).
  if (message.log.index <= commit_ || log_.Contains(message.log)) {
    if (MutantIs(Mutant::kSnapshotInHandNotAnswered)) return;
    Message reply = Make(MessageKind::kAppendReply, message.from);
    reply.stamp = message.stamp;
    reply.log = message.log;
    return SendWhenDurable(std::move(reply));
  }
  Out().fetch = SnapshotWanted{term(), message.from, message.log, message.must_take};
}

absl::Status Core::InstallSnapshot(std::shared_ptr<const Install> install) {
  const EntryId applied = install->checkpoint.applied;
  if (role_ == Role::kLeader) return absl::FailedPreconditionError("a leader needs no snapshot");
  if (quarantined_) return absl::FailedPreconditionError("this replica is quarantined");
  const bool has_it = applied.index <= commit_ || log_.Contains(applied);
  if (has_it && MutantIs(Mutant::kSnapshotResetsNewerMembers) && log_.Contains(applied))
    memberships_.Reset(applied, install->checkpoint.membership);
  if (has_it && !MutantIs(Mutant::kSnapshotOfThePastAccepted))
    return absl::AlreadyExistsError("this replica has got further");
  if (applied.term > std::max(term(), install->term) ||
      applied.term < log_.TermAt(commit_).value_or(Term{0}) || applied.term == Term{0} ||
      applied.index.value > kHighestNumber) {
    return absl::InvalidArgumentError("a snapshot that contradicts what is committed");
  }
  if (absl::Status valid = ValidateMembership(install->checkpoint.membership); !valid.ok())
    return absl::InvalidArgumentError(valid.message());

  // A campaign that began with another log and other members is over.
  if (role_ != Role::kFollower) BecomeFollower(term(), std::nullopt);
  SealPending();
  // What ended its bodies is committed in every later term, but an older leader may lack it: from
  // here on nothing more is taken from one.
  if (install->term > term()) BecomeFollower(install->term, std::nullopt);
  // Of the old log only what was committed is in the new one.
  durable_ = std::min(durable_, commit_);
  for (InFlight& task : in_flight_) task.durable_to = std::min(task.durable_to, commit_);
  if (MutantIs(Mutant::kDurableAheadOfSnapshot)) durable_ = applied.index;
  log_.Reset(MutantIs(Mutant::kWrongTermOfSnapshot) ? EntryId{term(), applied.index} : applied);
  memberships_.Reset(applied, install->checkpoint.membership);
  differs_ = false;
  commit_ = handed_out_ = applied_ = applied.index;
  checkpoint_ = applied;
  ended_through_ = std::max(ended_through_, install->ended_through);
  StorageTask& task = Pending();
  task.must_sync = true;
  task.install = install;
  Out().installed = std::move(install);
  if (leader_.has_value()) {
    Message reply = Make(MessageKind::kAppendReply, *leader_);
    reply.stamp = {};
    reply.log = applied;
    SendWhenDurable(std::move(reply));
  }
  return absl::OkStatus();
}

}  // namespace pontoon::raft
