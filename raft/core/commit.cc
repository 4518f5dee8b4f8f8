#include <algorithm>
#include <utility>

#include "base/check.h"
#include "raft/core/core.h"
#include "raft/core/entry.h"

// What is committed, and what is applied of it: Raft thesis §3.5, §3.6.2.

namespace pontoon::raft {

void Core::AdvanceCommit() {
  const Index quorum = QuorumIndex(
      membership(), [this](const ReplicaId& voter) { return voter == options_.self ? durable_ : Index{0}; });
  // Older terms' entries are committed only together with one of this term (thesis §3.6.2), and everything from
  // term_start_ on is of this term.
  if (quorum < term_start_ || quorum <= commit_) return;
  commit_ = quorum;
  AnswerReads();
}

void Core::HandOutCommitted(Output* out) {
  const Index to = std::min(commit_, handed_out_ + options_.committed_entries_max);
  if (to == handed_out_) return;
  out->committed.reserve(to.value - handed_out_.value);
  for (Index index = handed_out_ + 1; index <= to; index = index + 1) {
    Entry& entry = log_.At(index);
    // Own proposals only: everything after the own kNoop, and nothing that was there before.
    if (role_ == Role::kLeader && index > term_start_) uncommitted_bytes_ -= EntryCost(entry);
    out->committed.push_back(std::move(entry));
  }
  // Durable and applied soon, and nobody else needs them: their memory can go.
  log_.ReleaseThrough(to);
  handed_out_ = to;
}

void Core::OnApplied(Index index) {
  PONTOON_CHECK_MSG(index <= handed_out_, "applied what was not handed out");
  if (index <= applied_) return;
  applied_ = index;
  if (role_ == Role::kLeader && !ready_ && applied_ >= term_start_) {
    ready_ = true;
    TellRole();
  }
}

}  // namespace pontoon::raft
