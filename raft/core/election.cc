#include "raft/core/core.h"

// Elections: Raft thesis §3.4, §3.6.1. With one voter there is nobody to ask, but the order is the same: a term and a
// vote are on the disk before the vote counts, also the own one.

namespace pontoon::raft {

bool Core::IsSoleVoter() const {
  return membership().voters.size() == 1 && !IsJoint(membership()) && membership().voters[0] == options_.self;
}

void Core::Tick(base::MonotonicTime now) {
  PONTOON_CHECK(now >= now_);
  now_ = now;
  // Nobody else can lead, so there is nothing to wait for.
  if (role_ == Role::kFollower && IsSoleVoter()) StartElection();
}

absl::Status Core::Campaign() {
  if (role_ == Role::kLeader) return absl::FailedPreconditionError("leads already");
  if (!IsVoter(membership(), options_.self)) return absl::FailedPreconditionError("not a voter");
  if (role_ == Role::kFollower) StartElection();
  return absl::OkStatus();
}

absl::Status Core::TransferTo(ReplicaId target) {
  if (role_ != Role::kLeader) return absl::FailedPreconditionError("not the leader");
  if (target == options_.self) return absl::OkStatus();
  return absl::UnimplementedError("leadership transfer");
}

absl::Status Core::Step(Message message) {
  if (message.group != options_.group || message.to != options_.self || message.epoch != options_.epoch) {
    return absl::InvalidArgumentError("a message for another replica, group or epoch");
  }
  return absl::UnimplementedError("messages of peers");
}

void Core::StartElection() {
  role_ = Role::kCandidate;
  leader_.reset();
  SetHardState({Term{term().value + 1}, options_.self});
  TellRole();
}

void Core::CountVotes() {
  const VoteResult result = raft::CountVotes(membership(), [this](const ReplicaId& voter) -> std::optional<bool> {
    if (voter != options_.self || durable_hard_state_ != hard_state_) return std::nullopt;
    return hard_state_.vote == options_.self;
  });
  if (result == VoteResult::kWon) BecomeLeader();
}

void Core::BecomeLeader() {
  role_ = Role::kLeader;
  leader_ = options_.self;
  ready_ = false;
  uncommitted_bytes_ = 0;
  Entry noop;
  noop.kind = EntryKind::kNoop;
  AppendOwn(std::move(noop));
  term_start_ = log_.last().index;
  TellRole();
}

bool Core::LeaseHolds(base::MonotonicTime) const { return role_ == Role::kLeader && IsSoleVoter(); }

}  // namespace pontoon::raft
