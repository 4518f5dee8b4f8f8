#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "raft/core/core.h"
#include "raft/core/entry.h"
#include "raft/core/mutants.h"

// Changing the members: Raft thesis §4.3. The membership in force is always the last one in the
// log, so there is no other state that could contradict it; one change at a time, and none before
// the leader has committed in its own term (the flaw of 2015 in single-server changes).

namespace pontoon::raft {
namespace {

bool DifferByOneVoter(const Membership& one, const Membership& other) {
  std::vector<ReplicaId> differ;
  std::set_symmetric_difference(one.voters.begin(), one.voters.end(), other.voters.begin(),
                                other.voters.end(), std::back_inserter(differ));
  return differ.size() == 1;
}

}  // namespace

absl::StatusOr<Index> Core::ProposeConfig(Term expected_term, const Membership& wanted) {
  if (absl::Status leads = RequireLeaderOf(expected_term); !leads.ok()) return leads;
  if (absl::Status valid = ValidateMembership(wanted); !valid.ok()) return valid;
  if (IsJoint(wanted))
    return absl::InvalidArgumentError("the joint step is not for the caller to choose");
  if (wanted == membership()) return absl::InvalidArgumentError("this changes nothing");
  if (transfer_target_.has_value())
    return absl::UnavailableError("leadership is being handed over");
  if (commit_ < term_start_ && !MutantIs(Mutant::kChangeBeforeOwnCommit))
    return absl::UnavailableError("nothing of this term is committed yet");
  const bool under_way = IsJoint(membership()) || memberships_.current_id().index > commit_;
  const bool overlooked = !IsJoint(membership()) && MutantIs(Mutant::kSeveralChangesAtOnce);
  if (under_way && !overlooked) return absl::UnavailableError("another change is not complete");
  for (const ReplicaId& voter : wanted.voters) {
    if (IsVoter(membership(), voter)) continue;
    const auto progress = progress_.find(voter);
    if (progress == progress_.end() || progress->second.state != Progress::State::kReplicate ||
        progress->second.no_room || !IsHeard(progress->second) ||
        progress->second.match + options_.promotion_lag_max < log_.last().index) {
      return absl::FailedPreconditionError(absl::StrCat(
          "node ", voter.node.value, " has to learn what there is before it may vote"));
    }
  }
  const bool voters_change = wanted.voters != membership().voters;
  // One voter more or less needs no joint step, if nothing else goes wrong: the old way, in which
  // the bugs were.
  const bool old_way =
      DifferByOneVoter(membership(), wanted)
          ? MutantIs(Mutant::kSeveralChangesAtOnce) || MutantIs(Mutant::kChangeBeforeOwnCommit)
          : MutantIs(Mutant::kTwoVotersWithoutJointStep);
  AppendOwnMembership(voters_change && !old_way ? JointOf(membership(), wanted) : wanted);
  return log_.last().index;
}

void Core::AppendOwnMembership(const Membership& members) {
  Entry entry = MakeEntry(base::SliceChain(base::Slice::Copy(EncodeMembership(members))));
  memberships_.Append({term(), log_.last().index + 1}, members);
  AppendOwn(EntryKind::kConfig, std::move(entry));
  SyncProgress();
  replicate_ = !progress_.empty();
  AnswerReads();  // Those who have answered may be enough now.
}

// Called when commit has advanced: leaves a joint membership that is committed, and leadership
// where the members that are now in force do not include this replica as a voter.
void Core::FinishReconfiguration() {
  if (memberships_.current_id().index > commit_) return;
  if (IsJoint(membership())) return AppendOwnMembership(AfterJoint(membership()));
  if (IsVoter(membership(), options_.self)) return;
  SendHeartbeats();  // The others learn that the change is complete.
  LetSuccessorCampaign();
  BecomeFollower(term(), std::nullopt);
}

}  // namespace pontoon::raft
