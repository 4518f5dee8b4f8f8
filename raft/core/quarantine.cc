#include <utility>

#include "raft/core/core.h"

// A replica that lost or damaged what it vouched for is given up (design section 4, "Damage"): by
// itself, or by a leader to whom it acknowledged more than it has, or that knows its state to
// differ from the majority's. It says so whenever it is asked, and comes back as a new incarnation.

namespace pontoon::raft {

void Core::Quarantine() {
  if (quarantined_) return;
  if (role_ == Role::kLeader) LetSuccessorCampaign();
  quarantined_ = true;
  if (role_ != Role::kFollower) BecomeFollower(term(), std::nullopt);
  Pending().quarantine = true;
  Pending().must_sync = true;
}

void Core::NoteQuarantined(const ReplicaId& peer, Progress* progress, Astray::Why why) {
  if (progress->state == Progress::State::kQuarantined) return;
  Out().astray.push_back({peer, why, progress->match});
  progress->BecomeQuarantined();
  if (transfer_target_ == peer) transfer_target_.reset();
}

}  // namespace pontoon::raft
