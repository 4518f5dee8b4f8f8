#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "raft/core/core.h"
#include "raft/core/mutants.h"

// Staying leader, knowing it, and handing it over: heartbeats and check-quorum (Raft thesis §6.2),
// the lease (§6.4.1), transfer (§3.10).

namespace pontoon::raft {

void Core::TickLeader() {
  if (predecessor_lease_end_ == kNever)
    predecessor_lease_end_ = now_ + options_.lease * (100 + options_.clock_drift_percent) / 100;
  if (transfer_target_.has_value() && now_ >= transfer_undo_) transfer_target_.reset();
  if (progress_.empty() || now_ < heartbeat_due_) return;
  if (!MajorityAnswers()) return BecomeFollower(term(), std::nullopt);
  SendHeartbeats();
  for (auto& [peer, progress] : progress_) {
    if (progress.state == Progress::State::kNeedsSnapshot) OfferSnapshot(peer, &progress);
  }
  MaybeHandOver();
  Compact();
}

bool Core::IsHeard(const Progress& progress) const {
  return progress.state != Progress::State::kQuarantined &&
         now_ - progress.heard < options_.election_max;
}

bool Core::AllAnswer() const {
  for (const auto& [peer, progress] : progress_) {
    if (!IsHeard(progress)) return false;
  }
  return progress_.size() + 1 >= memberships_.everybody().size();
}

bool Core::MajorityAnswers() const {
  if (AllAnswer()) return true;
  return CountVotes(membership(), [this](const ReplicaId& voter) -> std::optional<bool> {
           if (voter == options_.self) return true;
           const auto progress = progress_.find(voter);
           return progress != progress_.end() && IsHeard(progress->second);
         }) == VoteResult::kWon;
}

void Core::SendHeartbeats() {
  // The groups of a loop keep step, so that their heartbeats travel together.
  heartbeat_due_ = {(now_.nanos / options_.heartbeat.nanos + 1) * options_.heartbeat.nanos};
  for (const auto& [peer, progress] : progress_) {
    Message message = Make(MessageKind::kHeartbeat, peer);
    // No further than where the logs are known to agree (R11).
    message.commit = std::min(commit_, progress.match);
    message.round = read_round_;
    // What it acknowledged it must have.
    if (progress.match >= log_.base().index && progress.match > Index{0})
      message.log = {log_.TermAt(progress.match).value(), progress.match};
    AddDigest(progress, &message);
    message.quarantined = progress.state == Progress::State::kQuarantined;
    Send(std::move(message));
  }
}

void Core::OnHeartbeat(const Message& message) {
  BecomeFollower(term(), message.from);
  leader_heard_ = now_;
  ResetElectionTimer();
  // The leader was told of more than there is: this replica has lost what it had acknowledged. Or
  // the leader knows on other grounds that it went astray.
  const bool lost = message.log.index >= log_.base().index && message.log.index > Index{0} &&
                    !log_.Contains(message.log);
  if ((lost && !MutantIs(Mutant::kLostAcknowledgedGoesOn)) || message.quarantined) Quarantine();
  if (!quarantined_ && message.commit <= message.log.index)
    commit_ = std::max(commit_, message.commit);
  Message reply = Make(MessageKind::kHeartbeatReply, message.from);
  reply.quarantined = quarantined_;
  reply.no_room = !has_room_;
  reply.commit = applied_;
  AnswerDigest(message, &reply);
  reply.stamp = message.stamp;
  reply.round = message.round;
  reply.log = log_.last();
  // To answer is to belong to this term.
  if (durable_hard_state_.term < term()) return SendWhenDurable(std::move(reply));
  Send(std::move(reply));
}

void Core::NoteAnswer(const Message& message, Progress* progress) {
  progress->heard = now_;
  if (MutantIs(Mutant::kLeaseFromAnswerTime)) {
    progress->stamp = now_;
  } else if (message.stamp <= now_) {
    progress->stamp = std::max(progress->stamp, message.stamp);
  }
}

void Core::OnHeartbeatReply(const Message& message) {
  const auto it = progress_.find(message.from);
  if (role_ != Role::kLeader || it == progress_.end()) return;
  Progress& progress = it->second;
  if (message.quarantined) return NoteQuarantined(message.from, &progress, Astray::Why::kSaidSo);
  if (progress.state == Progress::State::kQuarantined) return;
  NoteAnswer(message, &progress);
  progress.applied = std::max(progress.applied, message.commit);
  OnPeerDigest(message, &progress);
  if (role_ != Role::kLeader || progress.state == Progress::State::kQuarantined) return;
  if (progress.no_room || message.no_room) {
    progress.no_room = message.no_room;
    progress.try_without_bodies = message.no_room;
    replicate_ = true;
  }
  if (MutantIs(Mutant::kReadAnsweredByOldHeartbeat)) progress.round = read_round_;
  if (message.round <= read_round_) progress.round = std::max(progress.round, message.round);
  AnswerReads();
  if (progress.state == Progress::State::kNeedsSnapshot && message.log.index > log_.base().index &&
      message.log.index >= progress.unreadable) {
    // It has come by more (an append that was under way, another leader in between): look again.
    progress.state = Progress::State::kProbe;
    progress.next = std::max(progress.match, log_.base().index) + 1;
    progress.waiting = false;
    replicate_ = true;
    return;
  }
  // It answers a heartbeat that was sent after the last append, and not that append: one of the two
  // got lost on the way, or its disk is slow. An append without entries asks again.
  if (message.stamp <= progress.sent) return;
  if (progress.state == Progress::State::kProbe && progress.waiting) {
    SendEntries(message.from, &progress, {});
  } else if (progress.state == Progress::State::kReplicate && !progress.in_flight.empty()) {
    if (message.log.index + 1 < progress.next) {
      progress.BecomeProbe();
      replicate_ = true;
    } else {
      SendEntries(message.from, &progress, {});
    }
  }
}

bool Core::LeaseHolds(base::MonotonicTime now) const {
  if (role_ != Role::kLeader) return false;
  if (transfer_target_.has_value() && !MutantIs(Mutant::kLeaseDuringTransfer)) return false;
  if (IsSoleVoter()) return true;
  // The newest own send that a majority has answered; the same arithmetic as for indexes.
  const Index stamp = QuorumIndex(membership(), [this, now](const ReplicaId& voter) -> Index {
    if (voter == options_.self) return {static_cast<uint64_t>(now.nanos)};
    const auto progress = progress_.find(voter);
    return {progress == progress_.end() ? 0 : static_cast<uint64_t>(progress->second.stamp.nanos)};
  });
  if (stamp == Index{0}) return false;
  const base::MonotonicTime begin{static_cast<int64_t>(stamp.value)};
  return now < begin + options_.lease * (100 - options_.clock_drift_percent) / 100;
}

absl::Status Core::TransferTo(ReplicaId target) {
  if (role_ != Role::kLeader) return absl::FailedPreconditionError("not the leader");
  if (target == options_.self) return absl::OkStatus();
  if (!std::binary_search(membership().voters.begin(), membership().voters.end(), target) &&
      !MutantIs(Mutant::kTransferToLearner)) {
    return absl::FailedPreconditionError("only a voter can lead");
  }
  if (const auto progress = progress_.find(target);
      progress == progress_.end() || !IsHeard(progress->second)) {
    return absl::FailedPreconditionError(
        absl::StrCat("node ", target.node.value, " does not answer"));
  }
  transfer_target_ = target;
  transfer_undo_ = now_ + options_.election_max;
  replicate_ = true;
  MaybeHandOver();
  return absl::OkStatus();
}

bool Core::MajorityWithoutSelf() const {
  return CountVotes(membership(), [this](const ReplicaId& voter) -> std::optional<bool> {
           const auto progress = progress_.find(voter);
           return progress != progress_.end() && IsHeard(progress->second);
         }) == VoteResult::kWon;
}

std::optional<ReplicaId> Core::BestSuccessor() const {
  std::optional<ReplicaId> best;
  Index match;
  for (const ReplicaId& voter : membership().voters) {
    const auto it = progress_.find(voter);
    if (it == progress_.end() || !IsHeard(it->second)) continue;
    // Never to one that is astray in the same way.
    const uint64_t* digest = dispute_ > Index{0} ? DigestAt(dispute_) : nullptr;
    if (digest != nullptr && it->second.digest_index == dispute_ && it->second.digest == *digest)
      continue;
    if (best.has_value() && it->second.match <= match) continue;
    best = voter;
    match = it->second.match;
  }
  return best;
}

void Core::LetSuccessorCampaign() {
  if (const std::optional<ReplicaId> best = BestSuccessor(); best.has_value()) LetCampaign(*best);
}

void Core::LetCampaign(const ReplicaId& voter) {
  const auto progress = progress_.find(voter);
  if (progress == progress_.end() || progress->second.match != log_.last().index) return;
  Message message = Make(MessageKind::kTimeoutNow, voter);
  message.log = log_.last();
  Send(std::move(message));
}

void Core::MaybeHandOver() {
  if (transfer_target_.has_value()) LetCampaign(*transfer_target_);
}

void Core::OnTimeoutNow(const Message& message) {
  if (quarantined_ || role_ == Role::kCandidate || message.log != log_.last() ||
      (!IsVoter(membership(), options_.self) && !MutantIs(Mutant::kTransferToLearner)))
    return;
  ResetElectionTimer();
  StartElection(Reason::kTransfer);
}

}  // namespace pontoon::raft
