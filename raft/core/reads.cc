#include "raft/core/core.h"

// Linearizable reads: Raft thesis §6.4. A sole voter needs no round of heartbeats to know that it still leads, but it
// too does not know what is committed before an entry of its own term is.

namespace pontoon::raft {

absl::Status Core::ReadIndex(ReadId id) {
  if (role_ != Role::kLeader) return absl::FailedPreconditionError("not the leader");
  waiting_reads_.push_back(id);
  AnswerReads();
  return absl::OkStatus();
}

void Core::AnswerReads() {
  if (role_ != Role::kLeader || commit_ < term_start_) return;
  for (const ReadId& id : waiting_reads_) output_.reads.push_back({id, commit_});
  waiting_reads_.clear();
}

}  // namespace pontoon::raft
