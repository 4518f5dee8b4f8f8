#include "raft/core/core.h"

// Linearizable reads: Raft thesis §6.4. One round of heartbeats serves all reads of a turn, and
// each round has a number of its own, so that no late answer to an earlier one counts (etcd raft
// pull 397). A sole voter needs no round, but it too does not know what is committed before an
// entry of its own term is.

namespace pontoon::raft {

absl::Status Core::ReadIndex(ReadId id) {
  if (role_ != Role::kLeader) return absl::FailedPreconditionError("not the leader");
  early_reads_.push_back(id);
  return absl::OkStatus();
}

void Core::StartReads() {
  if (role_ != Role::kLeader || early_reads_.empty() || commit_ < term_start_) return;
  if (IsSoleVoter()) {
    for (const ReadId& id : early_reads_) Out().reads.push_back({id, commit_});
  } else {
    ++read_round_;
    for (const ReadId& id : early_reads_) waiting_reads_.push_back({id, commit_, read_round_});
    SendHeartbeats();
  }
  early_reads_.clear();
}

void Core::AnswerReads() {
  if (waiting_reads_.empty()) return;
  const Index round = QuorumIndex(membership(), [this](const ReplicaId& voter) -> Index {
    if (voter == options_.self) return {read_round_};
    const auto progress = progress_.find(voter);
    return {progress == progress_.end() ? 0 : progress->second.round};
  });
  while (!waiting_reads_.empty() && waiting_reads_.front().round <= round.value) {
    Out().reads.push_back({waiting_reads_.front().id, waiting_reads_.front().index});
    waiting_reads_.pop_front();
  }
}

}  // namespace pontoon::raft
