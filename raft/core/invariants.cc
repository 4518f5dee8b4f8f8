#include "raft/core/invariants.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace pontoon::raft {
namespace {

template <typename... Parts>
absl::Status Broken(const Parts&... parts) {
  return absl::InternalError(absl::StrCat(parts...));
}

}  // namespace

absl::Status Invariants::Check(const Core& core) {
  for (const absl::Status& status : {CheckOrder(core), CheckProgress(core), CheckLeader(core)}) {
    if (!status.ok()) return status;
  }
  hard_state_ = {core.term(), core.vote()};
  durable_hard_state_ = core.durable_hard_state();
  base_ = core.log().base().index;
  durable_ = core.durable();
  commit_ = core.commit();
  handed_out_ = core.handed_out();
  applied_ = core.applied();
  last_io_seq_ = core.last_io_seq();
  restarted_ = false;
  return absl::OkStatus();
}

void Invariants::OnRestart() {
  restarted_ = true;
  hard_state_ = durable_hard_state_;
  // Also the base: a snapshot that was taken over may not have reached the disk.
  base_ = commit_ = handed_out_ = applied_ = {};
  last_io_seq_ = {};
}

// R14, R8: what one replica knows is in order.
absl::Status Invariants::CheckOrder(const Core& core) const {
  const Log& log = core.log();
  if (log.base().index > core.applied())
    return Broken("R14: compacted ", log.base().index.value, " > applied");
  if (core.applied() > core.handed_out())
    return Broken("R14: applied ", core.applied().value, " > handed out");
  if (core.handed_out() > core.commit())
    return Broken("R14: handed out ", core.handed_out().value, " > commit");
  if (core.commit() > log.last().index)
    return Broken("R14: commit ", core.commit().value, " > last");
  if (core.durable() > log.last().index)
    return Broken("R14: durable ", core.durable().value, " > last");
  if (core.membership() == Membership{.voters = {core.self()}} && core.commit() > core.durable()) {
    return Broken("R8: commit ", core.commit().value, " of a sole voter > durable ",
                  core.durable().value);
  }
  if (log.last().term > core.term()) return Broken("R2: the log is ahead of the term");
  if (log.held_from() > core.handed_out() + 1)
    return Broken("an entry left memory before it was applied");
  if (log.held_from() > std::max(core.durable(), log.base().index) + 1)
    return Broken("an entry left memory before it was on the disk");
  Term before = log.base().term;
  for (Index index = log.held_from(); index <= log.last().index; index = index + 1) {
    const Entry& entry = log.At(index);
    if (entry.id.index != index)
      return Broken("S2: entry ", entry.id.index.value, " at ", index.value);
    if (entry.id.term < before) return Broken("R4: the term falls at ", index.value);
    if (log.TermAt(index).value() != entry.id.term)
      return Broken("the term runs differ at ", index.value);
    before = entry.id.term;
  }
  return absl::OkStatus();
}

// R2, R3: what never goes back.
absl::Status Invariants::CheckProgress(const Core& core) const {
  if (core.term() < hard_state_.term) return Broken("R2: the term fell to ", core.term().value);
  if (core.term() == hard_state_.term && hard_state_.vote.has_value() &&
      core.vote() != hard_state_.vote) {
    return Broken("R3: a second vote in term ", core.term().value);
  }
  if (core.durable_hard_state().term < durable_hard_state_.term)
    return Broken("R2: the durable term fell");
  if (core.log().base().index < base_) return Broken("R2: the checkpoint fell");
  // Only another leader's entries can replace what is durable.
  if ((restarted_ || core.role() == Role::kLeader) && core.durable() < durable_) {
    return Broken("S1: durable fell from ", durable_.value, " to ", core.durable().value);
  }
  if (core.commit() < commit_) return Broken("R2: commit fell from ", commit_.value);
  if (core.handed_out() < handed_out_) return Broken("R7: entries are handed out twice");
  if (core.applied() < applied_) return Broken("R2: applied fell from ", applied_.value);
  if (core.last_io_seq() < last_io_seq_) return Broken("a storage task's number is used twice");
  return absl::OkStatus();
}

// R9, R10, R12, R13, R18.
absl::Status Invariants::CheckLeader(const Core& core) const {
  const MembershipLog& memberships = core.memberships();
  if (memberships.current_id().index > core.log().last().index)
    return Broken("R12: a membership past the log");
  const bool campaigns = core.role() == Role::kPreCandidate || core.role() == Role::kCandidate;
  if (core.quarantined() && core.role() != Role::kFollower)
    return Broken("R13: a quarantined replica takes part");
  if (campaigns && !memberships.IsVoterSince(core.commit(), core.self())) {
    return Broken("R13: a stranger campaigns");
  }
  if (core.role() != Role::kLeader) return absl::OkStatus();
  if (core.durable_hard_state() != HardState{core.term(), core.self()}) {
    return Broken("R10: leads by a vote that is not durable");
  }
  const absl::StatusOr<Term> start = core.log().TermAt(core.term_start());
  if (start.ok() && *start != core.term())
    return Broken("R9: the leader's first entry is not of its term");
  if (core.commit() > commit_ && core.commit() > core.ended_through() &&
      core.log().TermAt(core.commit()).value() != core.term()) {
    return Broken("R9: commit advanced to ", core.commit().value, " of an older term");
  }
  for (const auto& [peer, progress] : core.progress()) {
    if (!IsMember(core.membership(), peer))
      return Broken("R13: node ", peer.node.value, " is no member");
    if (progress.match >= progress.next)
      return Broken("R14: match ", progress.match.value, " >= next");
    if (progress.match > core.log().last().index || progress.next > core.log().last().index + 1) {
      return Broken("R14: node ", peer.node.value, " is said to have more than there is");
    }
    if (progress.in_flight.empty() != (progress.in_flight_bytes == 0))
      return Broken("R18: bytes in flight leak");
    if (!progress.in_flight.empty() && progress.in_flight.front().last <= progress.match)
      return Broken("R18: what node ", peer.node.value, " has answered is in flight");
  }
  if (core.ready() && core.applied() < core.term_start())
    return Broken("ready before its own entry is applied");
  if (core.handed_out() == core.log().last().index && core.uncommitted_bytes() != 0) {
    return Broken("R18: ", core.uncommitted_bytes(), " bytes are counted and nothing waits");
  }
  return absl::OkStatus();
}

}  // namespace pontoon::raft
