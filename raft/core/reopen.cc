#include "raft/core/reopen.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "raft/core/entry.h"
#include "raft/core/membership.h"

namespace pontoon::raft {

absl::StatusOr<StorageTask> MakeReopenTask(GroupId group, const RecoveredGroup& copy,
                                           ReplicaId self, base::RecoveryEpoch epoch,
                                           bool although_incomplete) {
  if (epoch <= copy.epoch) {
    return absl::InvalidArgumentError(absl::StrCat("group ", group.value, " is in epoch ",
                                                   copy.epoch.value, " already, not below ",
                                                   epoch.value));
  }
  EntryId last;
  if (copy.checkpoint.has_value()) last = copy.checkpoint->applied;
  if (!copy.entries.empty()) last = copy.entries.back().id;
  if (last.index == Index{0}) {
    return absl::InvalidArgumentError(absl::StrCat("group ", group.value, " has no log here"));
  }
  if (copy.ended_through > last.index && !although_incomplete) {
    return absl::FailedPreconditionError(
        absl::StrCat("this copy of group ", group.value, " ends at ", last.index.value,
                     " and lacks bodies of messages that were settled as late as by ",
                     copy.ended_through.value));
  }
  if (copy.staging.has_value() && !although_incomplete) {
    // Where this log has other entries than the sender's, bodies of those have taken their places.
    return absl::FailedPreconditionError(absl::StrCat(
        "this copy of group ", group.value, " was receiving a snapshot from node ",
        copy.staging->sender.node.value, ", with bodies that may not be those of its own log"));
  }
  StorageTask task;
  task.ended_through = std::min(copy.ended_through, last.index);
  task.group = group;
  task.seq = {1};
  task.epoch = epoch;
  // A term of its own, as if an election had been won in it.
  task.hard_state = HardState{{std::max(copy.hard_state.term, last.term).value + 1}, self};
  Entry entry = MakeEntry(
      base::SliceChain(base::Slice::Copy(EncodeMembership(Membership{.voters = {self}}))));
  entry.kind = EntryKind::kConfig;
  entry.id = {task.hard_state->term, last.index + 1};
  task.append.push_back(std::move(entry));
  task.must_sync = true;
  return task;
}

}  // namespace pontoon::raft
