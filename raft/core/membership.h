#ifndef PONTOON_RAFT_CORE_MEMBERSHIP_H_
#define PONTOON_RAFT_CORE_MEMBERSHIP_H_

#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "raft/core/types.h"

namespace pontoon::raft {

// Members of a group and the arithmetic of its quorums (Raft thesis §4.3). Pure functions of their
// arguments.

bool IsJoint(const Membership& members);
// A voter of either half.
bool IsVoter(const Membership& members, const ReplicaId& replica);
bool IsMember(const Membership& members, const ReplicaId& replica);

// Of both halves, each once, sorted; AllMembers with the learners.
std::vector<ReplicaId> AllVoters(const Membership& members);
std::vector<ReplicaId> AllMembers(const Membership& members);

// InvalidArgument unless each list is sorted and free of doubles, somebody votes, and no voter is a
// learner too. While joint, an outgoing voter may be a learner already: it votes in the outgoing
// half until the change is complete.
absl::Status ValidateMembership(const Membership& members);

// The joint step from `current`, which must not be joint, to `wanted` (whose outgoing_voters are
// not looked at).
Membership JointOf(const Membership& current, const Membership& wanted);
// What the joint `members` become when the change is complete.
Membership AfterJoint(const Membership& members);

// The highest index that a majority has, while joint a majority of both halves. `match`: what is
// durable on a voter.
Index QuorumIndex(const Membership& members, absl::FunctionRef<Index(const ReplicaId&)> match);

enum class VoteResult { kPending, kWon, kLost };
// `vote`: granted, refused, or not known yet. Lost once a majority of a half can no longer be
// reached.
VoteResult CountVotes(const Membership& members,
                      absl::FunctionRef<std::optional<bool>(const ReplicaId&)> vote);

// [format] The header of a kConfig entry. Version 1: u8 version, three lists (voters, outgoing
// voters, learners), each u16 count and per replica u64 node, u32 incarnation; little endian.
std::string EncodeMembership(const Membership& members);
// DataLoss: damaged or invalid. Unimplemented: a newer version than this program knows.
absl::StatusOr<Membership> DecodeMembership(absl::string_view bytes);

// The memberships of a log: the one of its checkpoint, then those of its kConfig entries. The last
// is in force, from the moment when it is appended (thesis §4.1); truncating the log takes it back.
class MembershipLog {
 public:
  void Reset(EntryId base, Membership members);
  void Append(EntryId id, Membership members);
  void TruncateFrom(Index index);
  // Forgets what no checkpoint at or above `index` can need.
  void CompactTo(Index index);

  const Membership& current() const { return history_.back().second; }
  // AllMembers of current(), and whether it has but one voter: asked for with every message.
  const absl::InlinedVector<ReplicaId, 5>& everybody() const { return everybody_; }
  bool has_one_voter() const { return one_voter_; }
  // The entry that made current().
  EntryId current_id() const { return history_.back().first; }
  // A voter of current(), or of one before it that is in force at `index` or later.
  bool IsVoterSince(Index index, const ReplicaId& replica) const;
  // As of the entry at `index`, which must not lie below what was compacted.
  const Membership& At(Index index) const;

 private:
  void NoteCurrent();

  absl::InlinedVector<ReplicaId, 5> everybody_;
  bool one_voter_ = false;
  std::deque<std::pair<EntryId, Membership>> history_{{EntryId{}, Membership{}}};
};

}  // namespace pontoon::raft

#endif  // PONTOON_RAFT_CORE_MEMBERSHIP_H_
