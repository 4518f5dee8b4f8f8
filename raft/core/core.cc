#include "raft/core/core.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/crc32c.h"
#include "raft/core/entry.h"
#include "raft/core/mutants.h"

namespace pontoon::raft {

void Output::Clear() {
  storage.clear();
  send_now.clear();
  send_after.clear();
  role.reset();
  astray.clear();
  installed.reset();
  committed.clear();
  reads.clear();
  entry_reads.clear();
  fetch.reset();
}

absl::Status CoreOptions::Validate() const {
  const base::Duration zero;
  const bool times = zero < heartbeat && heartbeat < election_min && election_min < election_max &&
                     clock_drift_percent < 100 &&
                     heartbeat < lease * (100 - clock_drift_percent) / 100;
  if (!times) {
    return absl::InvalidArgumentError(
        "a heartbeat has to be shorter than a lease and than the shortest wait for an election, "
        "and "
        "that shorter than the longest");
  }
  if (inflight_messages_max == 0 || inflight_bytes_max == 0 || digest_interval == 0 ||
      committed_entries_max == 0)
    return absl::InvalidArgumentError("a limit of nothing");
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Core>> Core::Create(CoreOptions options, RecoveredGroup recovered,
                                                   base::Random* random) {
  if (absl::Status valid = options.Validate(); !valid.ok()) return valid;
  const base::RecoveryEpoch stored = recovered.epoch;
  const bool empty = !recovered.checkpoint.has_value() && recovered.entries.empty();
  if (options.epoch > stored && !empty && !MutantIs(Mutant::kOldCopyJoins)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "group ", options.group.value, ": a copy of recovery epoch ", stored.value,
        " cannot join epoch ", options.epoch.value, "; it comes back as a new incarnation"));
  }
  options.epoch = std::max(options.epoch, stored);
  std::unique_ptr<Core> core(new Core(options, random));
  if (absl::Status status = core->Restore(std::move(recovered)); !status.ok()) return status;
  if (core->epoch() > stored) {
    core->Pending().epoch = core->epoch();
    core->Pending().must_sync = true;
  }
  return core;
}

absl::Status Core::Restore(RecoveredGroup recovered) {
  const auto damaged = [this](auto... what) {
    return absl::DataLossError(absl::StrCat("group ", options_.group.value, ": ", what...));
  };
  EntryId base;
  Membership members;
  if (recovered.checkpoint.has_value()) {
    base = recovered.checkpoint->applied;
    members = std::move(recovered.checkpoint->membership);
    if (absl::Status valid = ValidateMembership(members); !valid.ok()) {
      return damaged("the checkpoint's membership: ", valid.message());
    }
    if (base.index == Index{0} || base.term == Term{0}) return damaged("a checkpoint of nothing");
  }
  log_.Reset(base);
  memberships_.Reset(base, std::move(members));
  for (Entry& entry : recovered.entries) {
    if (entry.id.index != log_.last().index + 1) {
      return damaged("entry ", entry.id.index.value, " follows ", log_.last().index.value);
    }
    if (entry.id.term < log_.last().term || entry.id.term == Term{0}) {
      return damaged("entry ", entry.id.index.value, " has term ", entry.id.term.value,
                     " after term ", log_.last().term.value);
    }
    if (base::Crc32c(entry.header) != entry.header_crc) {
      return damaged("the header of entry ", entry.id.index.value, " does not match its checksum");
    }
    const bool overlooked =
        (MutantIs(Mutant::kRecoveryMissesMembership) && entry.id.index > recovered.ended_through &&
         entry.id.index > Index{1}) ||
        (MutantIs(Mutant::kMembersOfFirstEntryOnly) && !memberships_.current().voters.empty());
    if (entry.kind == EntryKind::kConfig && !overlooked) {
      absl::StatusOr<Membership> decoded = DecodeMembership(entry.header.Flatten().view());
      if (!decoded.ok()) return decoded.status();
      memberships_.Append(entry.id, *std::move(decoded));
    }
    log_.Append(std::move(entry));
  }
  if (log_.last().term > recovered.hard_state.term) {
    return damaged("the log is in term ", log_.last().term.value, ", the replica only in ",
                   recovered.hard_state.term.value);
  }
  if (log_.last().index > Index{0} && memberships_.current().voters.empty()) {
    return damaged("a log without a membership");
  }
  hard_state_ = durable_hard_state_ = recovered.hard_state;
  durable_ = log_.last().index;
  checkpoint_ = base;
  handed_out_ = applied_ = base.index;
  // What is committed beyond is not known before an election, but for what bodies were let go by:
  // up to there this log came from leaders that had it committed (design section 4).
  ended_through_ = recovered.ended_through;
  commit_ = std::max(base.index, std::min(ended_through_, durable_));
  quarantined_ = recovered.quarantined;
  last_io_seq_ = options_.last_io_seq;
  return absl::OkStatus();
}

absl::Status Core::Found(const Membership& members) {
  if (hard_state_ != HardState{} || log_.last() != EntryId{} || pending_.has_value() ||
      !in_flight_.empty()) {
    return absl::FailedPreconditionError("this replica has a history");
  }
  if (absl::Status valid = ValidateMembership(members); !valid.ok()) return valid;
  if (!IsVoter(members, options_.self))
    return absl::InvalidArgumentError("this replica is not among the founders");
  // The same at every founder, as if all had received it from a leader of term 1.
  SetHardState({Term{1}, std::nullopt});
  Entry entry = MakeEntry(base::SliceChain(base::Slice::Copy(EncodeMembership(members))));
  entry.kind = EntryKind::kConfig;
  entry.id = {Term{1}, Index{1}};
  memberships_.Append(entry.id, members);
  AppendToLog(std::move(entry));
  return absl::OkStatus();
}

absl::Status Core::RequireLeaderOf(Term expected_term) const {
  if (role_ != Role::kLeader) return absl::FailedPreconditionError("not the leader");
  if (term() != expected_term) {
    return absl::FailedPreconditionError(
        absl::StrCat("leads term ", term().value, ", not ", expected_term.value));
  }
  return absl::OkStatus();
}

StorageTask& Core::Pending() {
  more_ = true;
  if (!pending_.has_value()) {
    pending_.emplace();
    pending_->group = options_.group;
    last_io_seq_.value += 1;
    pending_->seq = last_io_seq_;
    pending_->must_sync = false;
  }
  return *pending_;
}

void Core::SealPending() {
  if (!pending_.has_value()) return;
  in_flight_.push_back({pending_->seq, log_.last().index, hard_state_});
  Out().storage.push_back(*std::move(pending_));
  pending_.reset();
}

void Core::SetHardState(HardState hard_state) {
  PONTOON_CHECK(hard_state.term >= hard_state_.term);
  PONTOON_CHECK_MSG(hard_state.term > hard_state_.term || !hard_state_.vote.has_value() ||
                        hard_state.vote == hard_state_.vote,
                    "one vote per term");
  hard_state_ = hard_state;
  Pending().hard_state = hard_state;
  Pending().must_sync = true;
}

void Core::TellRole() { Out().role = RoleChange{role_, term(), leader_, ready()}; }

void Core::OnStorageDone(IoSeq seq) {
  PONTOON_CHECK_MSG(seq <= last_io_seq_ && (!pending_.has_value() || seq < pending_->seq),
                    "done before it was handed out");
  bool advanced = false;
  while (!in_flight_.empty() && in_flight_.front().seq <= seq) {
    const InFlight& task = in_flight_.front();
    if (task.durable_to > durable_) durable_ = task.durable_to;
    durable_hard_state_ = task.hard_state;
    in_flight_.pop_front();
    advanced = true;
  }
  if (!advanced) return;
  if (role_ == Role::kCandidate) SettleElection();
  if (role_ == Role::kLeader) AdvanceCommit();
  if (compact_after_.has_value() && seq >= *compact_after_) {
    compact_after_.reset();
    Compact();
  }
}

void Core::AppendToLog(Entry entry) {
  StorageTask& task = Pending();
  task.must_sync = true;
  if (entry.remains != nullptr) {
    task.ended_through = std::max(task.ended_through, entry.remains->ended);
    ended_through_ = std::max(ended_through_, entry.remains->ended);
  }
  task.append.push_back(entry);
  log_.Append(std::move(entry));
}

// What another leader's entries replace (Raft thesis §3.5). Completions of tasks that wrote the old
// ones still come in, and must not count for the new ones.
void Core::TruncateFrom(Index index) {
  PONTOON_CHECK_MSG(index > commit_, "what is committed is never replaced");
  log_.TruncateFrom(index);
  if (!MutantIs(Mutant::kTruncatedChangeStays)) memberships_.TruncateFrom(index);
  if (!MutantIs(Mutant::kDurableSurvivesTruncation)) durable_ = std::min(durable_, index - 1);
  if (!MutantIs(Mutant::kLateCompletionCreditsNewEntries)) {
    for (InFlight& task : in_flight_) task.durable_to = std::min(task.durable_to, index - 1);
  }
  StorageTask& task = Pending();
  task.must_sync = true;
  task.truncate_from = std::min(index, task.truncate_from.value_or(index));
  while (!task.append.empty() && task.append.back().id.index >= index) task.append.pop_back();
}

Message Core::Make(MessageKind kind, const ReplicaId& to) const {
  Message message;
  message.kind = kind;
  message.group = options_.group;
  message.epoch = options_.epoch;
  message.from = options_.self;
  message.to = to;
  message.term = term();
  message.stamp = now_;
  return message;
}

void Core::SendWhenDurable(Message message) {
  if (pending_.has_value()) {
    Out().send_after.push_back({pending_->seq, std::move(message)});
  } else if (!in_flight_.empty()) {
    Out().send_after.push_back({in_flight_.back().seq, std::move(message)});
  } else {
    Send(std::move(message));
  }
}

bool Core::has_output() const {
  return more_ || !output_.send_now.empty() || replicate_ || has_committed() ||
         (!early_reads_.empty() && commit_ >= term_start_);
}

bool Core::TakeMessages(std::vector<Message>* messages) {
  if (more_ || output_.send_now.empty() || replicate_ || has_committed() || !early_reads_.empty())
    return false;
  std::swap(*messages, output_.send_now);
  return true;
}

void Core::TakeOutput(Output* out) {
  StartReads();
  Replicate();
  SealPending();
  out->Clear();
  std::swap(*out, output_);
  more_ = false;
  HandOutCommitted(out);
}

}  // namespace pontoon::raft
