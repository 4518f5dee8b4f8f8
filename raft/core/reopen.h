#ifndef PONTOON_RAFT_CORE_REOPEN_H_
#define PONTOON_RAFT_CORE_REOPEN_H_

#include "absl/status/statusor.h"
#include "raft/core/log_store.h"
#include "raft/core/types.h"

namespace pontoon::raft {

// Reopens a group of which no healthy majority is left, from this copy (design section 4,
// "Recovery epoch"): all that its log holds counts as committed, `self` alone votes, and whatever
// comes from an older epoch is refused from then on. Done to a closed group, by an operator who has
// seen what may be lost: submit the task, and open the group from what is recovered after it. Other
// copies come back as learners of a new incarnation.
//
// `self` may be a new incarnation, and must be one if the copy was quarantined: reopening ends
// that. FailedPrecondition: the copy is no survivor, since it lacks bodies that were settled by
// entries which it lacks, too, or was receiving a snapshot, whose bodies may have taken the places
// of its own; `although_incomplete` takes it nevertheless. InvalidArgument: `epoch` is not above
// the group's, or there is nothing to reopen.
absl::StatusOr<StorageTask> MakeReopenTask(GroupId group, const RecoveredGroup& copy,
                                           ReplicaId self, base::RecoveryEpoch epoch,
                                           bool although_incomplete = false);

}  // namespace pontoon::raft

#endif  // PONTOON_RAFT_CORE_REOPEN_H_
