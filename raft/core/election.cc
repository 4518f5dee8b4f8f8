#include <algorithm>
#include <cstdint>
#include <utility>

#include "raft/core/core.h"
#include "raft/core/mutants.h"

// Terms, votes and who becomes leader: Raft thesis §3.4, §3.6.1, §9.6 (pre-vote). With one voter
// there is nobody to ask, but the order is the same: a term and a vote are on the disk before the
// vote counts, also the own one.

namespace pontoon::raft {

bool Core::IsSoleVoter() const {
  return memberships_.has_one_voter() && membership().voters[0] == options_.self;
}

// A voter that still hears the leader helps no candidate.
bool Core::HearsLeader() const {
  if (role_ == Role::kLeader) return true;
  if (MutantIs(Mutant::kHearsDeadLeader)) return leader_.has_value();
  return leader_.has_value() && now_ - leader_heard_ < options_.election_min;
}

// Candidates that stood in each other's way draw from a wider and wider stretch: where messages
// take longer than the stretch is wide, they would do so for ever.
void Core::ResetElectionTimer() {
  const uint64_t spread =
      std::min(static_cast<uint64_t>((options_.election_max - options_.election_min).nanos)
                   << std::min(lost_elections_ / 2, 16u),
               static_cast<uint64_t>(options_.election_max.nanos));
  election_due_ =
      now_ + options_.election_min + base::Duration{static_cast<int64_t>(random_->Below(spread))};
}

void Core::Tick(base::MonotonicTime now) {
  PONTOON_CHECK(now >= now_);
  const bool first = now_ == base::MonotonicTime{};
  now_ = now;
  if (first) ResetElectionTimer();
  if (role_ == Role::kLeader) return TickLeader();
  if (quarantined_) return;
  if (IsSoleVoter()) {
    // Nobody else can be elected, so there is nothing to wait for but for a leader that is about to
    // leave.
    if (role_ != Role::kCandidate && !HearsLeader()) StartElection(Reason::kTimeout);
    return;
  }
  if (now_ < election_due_) return;
  ResetElectionTimer();
  if (MayCampaign()) StartPreVote();
}

base::MonotonicTime Core::next_due() const {
  if (role_ == Role::kLeader) {
    if (predecessor_lease_end_ == kNever) return now_;
    if (progress_.empty()) return kNever;
    return transfer_target_.has_value() ? std::min(heartbeat_due_, transfer_undo_) : heartbeat_due_;
  }
  if (quarantined_) return kNever;
  return IsSoleVoter() && role_ != Role::kCandidate ? now_ : election_due_;
}

// All who are left notice at about the same time, and those who stand for election at once split
// the votes: each gives those before it a heartbeat's time. Who is first depends on the group, so
// that one node does not inherit all that another one led.
void Core::OnPeerUnreachable(NodeId node) {
  if (role_ == Role::kLeader || !leader_.has_value() || leader_->node != node) return;
  leader_heard_ = {now_.nanos - options_.election_min.nanos};
  uint64_t left = 0;
  uint64_t before = 0;
  for (const ReplicaId& voter : AllVoters(membership())) {
    if (voter.node == node) continue;
    if (voter == options_.self) before = left;
    ++left;
  }
  if (left > 0) before = (before + options_.group.value) % left;
  const uint64_t jitter = random_->Below(static_cast<uint64_t>(options_.heartbeat.nanos) / 5 + 1);
  election_due_ = std::min(election_due_, now_ + options_.heartbeat * static_cast<int64_t>(before) +
                                              base::Duration{static_cast<int64_t>(jitter)});
}

absl::Status Core::Campaign() {
  if (role_ == Role::kLeader) return absl::FailedPreconditionError("leads already");
  if (!MayCampaign()) return absl::FailedPreconditionError("not a voter");
  if (role_ == Role::kCandidate) return absl::OkStatus();
  ResetElectionTimer();
  if (IsSoleVoter()) {
    StartElection(Reason::kTimeout);
  } else {
    StartPreVote();
  }
  return absl::OkStatus();
}

void Core::BecomeFollower(Term term, std::optional<ReplicaId> leader) {
  const bool changed = role_ != Role::kFollower || term != this->term() || leader != leader_;
  if (term > this->term()) SetHardState({term, std::nullopt});
  if (MutantIs(Mutant::kForgetsVoteOnStepDown) && role_ != Role::kFollower) {
    hard_state_.vote.reset();
    Pending().hard_state = hard_state_;
  }
  if (role_ == Role::kLeader) {
    progress_.clear();
    early_reads_.clear();
    waiting_reads_.clear();
    output_.reads.clear();
    transfer_target_.reset();
    if (!MutantIs(Mutant::kUncommittedBytesLeak)) uncommitted_bytes_ = 0;
    ready_ = false;
    dispute_ = {};
    CompactLater();
    ResetElectionTimer();
  }
  role_ = Role::kFollower;
  leader_ = leader;
  if (leader.has_value()) lost_elections_ = 0;
  if (changed) TellRole();
}

void Core::StartPreVote() {
  role_ = Role::kPreCandidate;
  leader_.reset();
  votes_.clear();
  TellRole();
  for (const ReplicaId& voter : AllVoters(membership())) {
    if (voter == options_.self) continue;
    Message message = Make(MessageKind::kPreVote, voter);
    message.term = {term().value + 1};
    message.log = log_.last();
    Send(std::move(message));
  }
}

void Core::StartElection(Reason reason) {
  role_ = Role::kCandidate;
  leader_.reset();
  votes_.clear();
  SetHardState({Term{term().value + 1}, options_.self});
  TellRole();
  for (const ReplicaId& voter : AllVoters(membership())) {
    if (voter == options_.self) continue;
    Message message = Make(MessageKind::kVote, voter);
    message.log = log_.last();
    message.transfer = reason == Reason::kTransfer;
    // Forgotten by a crash, the same term would be campaigned for again, perhaps with a shorter
    // log.
    SendWhenDurable(std::move(message));
  }
}

void Core::SettleElection() {
  const VoteResult result =
      CountVotes(membership(), [this](const ReplicaId& voter) -> std::optional<bool> {
        if (voter == options_.self) {
          if (role_ == Role::kPreCandidate) return true;
          if (durable_hard_state_ != hard_state_ && !MutantIs(Mutant::kVotesBeforeDurable))
            return std::nullopt;
          return true;
        }
        const auto vote = votes_.find(voter);
        return vote == votes_.end() ? std::nullopt : std::optional<bool>(vote->second);
      });
  if (result == VoteResult::kPending) return;
  if (result == VoteResult::kLost) {
    lost_elections_ += role_ == Role::kCandidate ? 1 : 0;
    return BecomeFollower(term(), std::nullopt);
  }
  if (role_ == Role::kPreCandidate) return StartElection(Reason::kTimeout);
  BecomeLeader();
}

void Core::BecomeLeader() {
  role_ = Role::kLeader;
  leader_ = options_.self;
  lost_elections_ = 0;
  ready_ = false;
  if (!MutantIs(Mutant::kUncommittedBytesLeak)) uncommitted_bytes_ = 0;
  read_round_ = 0;
  heartbeat_due_ = now_;
  dispute_ = {};
  differs_ = false;  // The others are compared with it now.
  // A leader has everything that was ever committed, this too (promise 7).
  commit_ = std::max(commit_, std::min(ended_through_, log_.last().index));
  // Also where this is the only voter: it may have become that a moment ago. Nobody led the term of
  // the founding. Counted from the next tick: now_ may be older than the votes, and than what the
  // predecessor's lease was renewed by in between.
  predecessor_lease_end_ = term() > Term{2} ? kNever : now_;
  term_start_ = log_.last().index + 1;
  progress_.clear();
  SyncProgress();
  AppendOwn(EntryKind::kNoop, Entry());
  TellRole();
}

// Asks nothing but a term of the receiver and leaves no trace there (R17).
void Core::OnPreVote(const Message& message) {
  Message reply = Make(MessageKind::kPreVoteReply, message.from);
  reply.quarantined = quarantined_;
  reply.refused =
      quarantined_ || message.term <= term() || message.log < log_.last() || HearsLeader();
  if (!reply.refused) reply.term = message.term;
  Send(std::move(reply));
}

// The term of `message` is the own one by now. Whether this replica is a voter is for the candidate
// to know, whose log may hold a membership that has not arrived here: a learner that did not answer
// could leave a group without a leader that promoted it a moment ago. Answers of others than voters
// are not counted.
void Core::OnVote(const Message& message) {
  Message reply = Make(MessageKind::kVoteReply, message.from);
  const bool free = !hard_state_.vote.has_value() || hard_state_.vote == message.from;
  reply.quarantined = quarantined_;
  reply.refused = quarantined_ || !free || message.log < log_.last();
  if (reply.refused) return Send(std::move(reply));
  if (!hard_state_.vote.has_value()) SetHardState({term(), message.from});
  if (role_ == Role::kPreCandidate) BecomeFollower(term(), std::nullopt);
  ResetElectionTimer();
  if (MutantIs(Mutant::kVotesBeforeDurable)) return Send(std::move(reply));
  SendWhenDurable(std::move(reply));
}

void Core::OnVoteReply(const Message& message) {
  const Role asked =
      message.kind == MessageKind::kPreVoteReply ? Role::kPreCandidate : Role::kCandidate;
  if (role_ != asked) return;
  if (MutantIs(Mutant::kCountsVotesOfStrangers)) {
    votes_[message.from] = !message.refused;
    const auto granted =
        std::count_if(votes_.begin(), votes_.end(), [](const auto& vote) { return vote.second; });
    if (granted + 1 <= static_cast<int64_t>(membership().voters.size() / 2)) return;
    return role_ == Role::kPreCandidate ? StartElection(Reason::kTimeout) : BecomeLeader();
  }
  if (!IsVoter(membership(), message.from)) return;
  if (message.kind == MessageKind::kPreVoteReply && !message.refused &&
      message.term != Term{term().value + 1})
    return;
  votes_[message.from] = !message.refused;
  SettleElection();
}

}  // namespace pontoon::raft
