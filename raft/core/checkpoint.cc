#include <algorithm>

#include "base/check.h"
#include "raft/core/core.h"
#include "raft/core/mutants.h"

// Checkpoints stand in for the log before them: Raft thesis §5.1.

namespace pontoon::raft {
namespace {

// Headers that one storage task lets go, at most: a hundred thousand deletions in one batch would
// hold up what all groups commit meanwhile for a good tenth of a second.
constexpr uint64_t kCompactionStep = 4096;

}  // namespace

void Core::OnCheckpointDurable(EntryId applied) {
  if (applied.index <= checkpoint_.index) return;
  // Of a life before this opening of the group.
  if (applied.index > applied_) return;
  PONTOON_CHECK_MSG(log_.Contains(applied), "a checkpoint of another history");
  checkpoint_ = applied;
  Compact();
}

// A leader keeps headers for the peers that it hears and that lack them, within bounds. A step at a
// time: the next when the disk has done this one. Looked at when there is a new checkpoint, with
// each round of heartbeats (who lagged has caught up, or is gone), and after CompactLater: never
// for each task of a busy group.
void Core::Compact() {
  if (checkpoint_.index <= log_.base().index) return;
  if (compact_after_.has_value() && (pending_.has_value() || !in_flight_.empty())) return;
  compact_after_.reset();
  Index to = checkpoint_.index;
  if (log_.header_bytes() <= options_.kept_header_bytes_max) {
    for (const auto& [peer, progress] : progress_) {
      if (!IsHeard(progress)) continue;
      const bool fetches = progress.state == Progress::State::kNeedsSnapshot;
      to = std::min(to, fetches ? progress.offered : progress.match);
    }
  }
  if (MutantIs(Mutant::kReleasesOneTooMany)) to = std::min(to + 1, applied_);
  if (to <= log_.base().index) return;
  const Index step = std::min(to, log_.base().index + kCompactionStep);
  log_.CompactTo({log_.TermAt(step).value(), step});
  memberships_.CompactTo(step);
  Pending().compact_to = step;
  if (step < to) compact_after_ = last_io_seq_;
}

// There may be nobody any more for whom headers are kept. Not at once: whoever notices that is in
// the middle of something that looks at the log.
void Core::CompactLater() {
  if (checkpoint_.index > log_.base().index && !compact_after_.has_value())
    compact_after_ = last_io_seq_;
}

}  // namespace pontoon::raft
