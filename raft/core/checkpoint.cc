#include "base/check.h"
#include "raft/core/core.h"

// Checkpoints stand in for the log before them: Raft thesis §5.1.

namespace pontoon::raft {

void Core::OnCheckpointDurable(EntryId applied) {
  if (applied.index <= log_.base().index) return;
  PONTOON_CHECK_MSG(applied.index <= applied_ && log_.Contains(applied), "a checkpoint of another history");
  log_.CompactTo(applied);
  memberships_.CompactTo(applied.index);
  Pending().compact_to = applied.index;
}

}  // namespace pontoon::raft
