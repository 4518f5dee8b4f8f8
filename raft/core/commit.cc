#include <algorithm>
#include <utility>

#include "base/check.h"
#include "raft/core/core.h"
#include "raft/core/entry.h"
#include "raft/core/mutants.h"

// What is committed, and what is applied of it: Raft thesis §3.5, §3.6.2.

namespace pontoon::raft {

void Core::AdvanceCommit() {
  const Index quorum = QuorumIndex(membership(), [this](const ReplicaId& voter) {
    if (voter == options_.self) {
      const bool unsynced = MutantIs(Mutant::kLeaderCountsUnsyncedOwn) ||
                            (MutantIs(Mutant::kSoleVoterCommitsUnsynced) && IsSoleVoter());
      return unsynced ? log_.last().index : durable_;
    }
    const auto progress = progress_.find(voter);
    return progress == progress_.end() ? Index{0} : progress->second.match;
  });
  // Older terms' entries are committed only together with one of this term (thesis §3.6.2), and
  // everything from term_start_ on is of this term.
  if (quorum < term_start_ && !MutantIs(Mutant::kCommitsOlderTermsByCounting)) return;
  if (quorum <= commit_) return;
  commit_ = quorum;
  FinishReconfiguration();
}

// A leader may apply before its own disk has it what a majority has; whoever follows waits for the
// own disk, and so does a sole voter, being the majority.
Index Core::HandOutLimit() const {
  if (role_ == Role::kLeader) return commit_;
  return std::min(commit_, durable_);
}

void Core::HandOutCommitted(Output* out) {
  const Index to = std::min(HandOutLimit(), handed_out_ + options_.committed_entries_max);
  if (to <= handed_out_) return;
  const bool keep = role_ == Role::kLeader && !progress_.empty();
  out->committed.reserve(to.value - handed_out_.value);
  for (Index index = handed_out_ + 1; index <= to; index = index + 1) {
    Entry& entry = log_.At(index);
    if (role_ == Role::kLeader && index > term_start_) uncommitted_bytes_ -= EntryCost(entry);
    if (keep) {
      out->committed.push_back(entry);
    } else {
      out->committed.push_back(std::move(entry));
    }
    // A part of a body is of no use to a state machine that expects the whole.
    if (out->committed.back().remains != nullptr) out->committed.back().body.Clear();
  }
  handed_out_ = MutantIs(Mutant::kSkipsPastThePage) ? HandOutLimit() : to;
  if (keep) {
    ReleaseHeld();
  } else {
    log_.ReleaseThrough(to);
  }
}

void Core::OnApplied(Index index) {
  PONTOON_CHECK_MSG(index <= handed_out_, "applied what was not handed out");
  if (index <= applied_) return;
  const bool was_whole = whole();
  applied_ = index;
  if (!was_whole && whole()) replicate_ = !progress_.empty();
  if (role_ == Role::kLeader && !ready_ && applied_ >= term_start_) {
    ready_ = true;
    TellRole();
  }
}

}  // namespace pontoon::raft
