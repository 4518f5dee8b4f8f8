#include "raft/core/membership.h"

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "raft/core/mutants.h"

namespace pontoon::raft {
namespace {

constexpr uint8_t kMembershipVersion = 1;

bool Has(const std::vector<ReplicaId>& sorted, const ReplicaId& replica) {
  return std::binary_search(sorted.begin(), sorted.end(), replica);
}

bool SortedWithoutDoubles(const std::vector<ReplicaId>& replicas) {
  return std::adjacent_find(replicas.begin(), replicas.end(),
                            [](const ReplicaId& a, const ReplicaId& b) { return a >= b; }) ==
         replicas.end();
}

size_t Majority(size_t voters) { return voters / 2 + 1; }

// The highest index that a majority of `voters`, which must not be empty, has.
Index MajorityIndex(const std::vector<ReplicaId>& voters,
                    absl::FunctionRef<Index(const ReplicaId&)> match) {
  absl::InlinedVector<Index, 8> indexes;
  for (const ReplicaId& voter : voters) indexes.push_back(match(voter));
  // An order kept from before and repaired one place at a time misses the last to move.
  std::sort(indexes.begin(), indexes.end() - (MutantIs(Mutant::kQuorumOfStaleOrder) ? 1 : 0));
  return indexes[indexes.size() - Majority(indexes.size())];
}

VoteResult CountHalf(const std::vector<ReplicaId>& voters,
                     absl::FunctionRef<std::optional<bool>(const ReplicaId&)> vote) {
  size_t granted = 0;
  size_t refused = 0;
  for (const ReplicaId& voter : voters) {
    const std::optional<bool> answer = vote(voter);
    if (!answer.has_value()) continue;
    ++(*answer ? granted : refused);
  }
  if (granted >= Majority(voters.size())) return VoteResult::kWon;
  if (voters.size() - refused < Majority(voters.size())) return VoteResult::kLost;
  return VoteResult::kPending;
}

void Put(uint64_t value, int bytes, std::string* out) {
  for (int i = 0; i < bytes; ++i) out->push_back(static_cast<char>(value >> (8 * i)));
}

void PutReplicas(const std::vector<ReplicaId>& replicas, std::string* out) {
  PONTOON_CHECK(replicas.size() <= UINT16_MAX);
  Put(replicas.size(), 2, out);
  for (const ReplicaId& replica : replicas) {
    Put(replica.node.value, 8, out);
    Put(replica.incarnation, 4, out);
  }
}

// False if `in` is too short. Advances it.
bool Get(absl::string_view* in, size_t bytes, uint64_t* value) {
  if (in->size() < bytes) return false;
  *value = 0;
  for (size_t i = 0; i < bytes; ++i) *value |= uint64_t{static_cast<uint8_t>((*in)[i])} << (8 * i);
  in->remove_prefix(bytes);
  return true;
}

bool GetReplicas(absl::string_view* in, std::vector<ReplicaId>* replicas) {
  uint64_t count = 0;
  if (!Get(in, 2, &count) || in->size() < count * 12) return false;
  for (uint64_t i = 0; i < count; ++i) {
    uint64_t node = 0;
    uint64_t incarnation = 0;
    if (!Get(in, 8, &node) || !Get(in, 4, &incarnation)) return false;
    replicas->push_back({NodeId{node}, static_cast<uint32_t>(incarnation)});
  }
  return true;
}

}  // namespace

bool IsJoint(const Membership& members) { return !members.outgoing_voters.empty(); }

bool IsVoter(const Membership& members, const ReplicaId& replica) {
  return Has(members.voters, replica) || Has(members.outgoing_voters, replica);
}

bool IsMember(const Membership& members, const ReplicaId& replica) {
  return IsVoter(members, replica) || Has(members.learners, replica);
}

std::vector<ReplicaId> AllVoters(const Membership& members) {
  std::vector<ReplicaId> all;
  std::set_union(members.voters.begin(), members.voters.end(), members.outgoing_voters.begin(),
                 members.outgoing_voters.end(), std::back_inserter(all));
  return all;
}

std::vector<ReplicaId> AllMembers(const Membership& members) {
  const std::vector<ReplicaId> voters = AllVoters(members);
  std::vector<ReplicaId> all;
  std::set_union(voters.begin(), voters.end(), members.learners.begin(), members.learners.end(),
                 std::back_inserter(all));
  return all;
}

absl::Status ValidateMembership(const Membership& members) {
  if (members.voters.empty()) return absl::InvalidArgumentError("nobody votes");
  for (const auto* list : {&members.voters, &members.outgoing_voters, &members.learners}) {
    if (!SortedWithoutDoubles(*list))
      return absl::InvalidArgumentError("a replica is named twice or out of order");
    if (list->size() > UINT16_MAX) return absl::InvalidArgumentError("too many replicas");
  }
  for (const ReplicaId& learner : members.learners) {
    if (Has(members.voters, learner)) {
      return absl::InvalidArgumentError(
          absl::StrCat("node ", learner.node.value, " votes and learns"));
    }
  }
  return absl::OkStatus();
}

Membership JointOf(const Membership& current, const Membership& wanted) {
  PONTOON_CHECK(!IsJoint(current));
  return {.voters = wanted.voters, .outgoing_voters = current.voters, .learners = wanted.learners};
}

Membership AfterJoint(const Membership& members) {
  return {.voters = members.voters, .outgoing_voters = {}, .learners = members.learners};
}

Index QuorumIndex(const Membership& members, absl::FunctionRef<Index(const ReplicaId&)> match) {
  PONTOON_CHECK(!members.voters.empty());
  const Index incoming = MajorityIndex(members.voters, match);
  if (!IsJoint(members) || MutantIs(Mutant::kJointCountsNewHalfOnly)) return incoming;
  return std::min(incoming, MajorityIndex(members.outgoing_voters, match));
}

VoteResult CountVotes(const Membership& members,
                      absl::FunctionRef<std::optional<bool>(const ReplicaId&)> vote) {
  if (members.voters.empty()) return VoteResult::kLost;
  const VoteResult incoming = CountHalf(members.voters, vote);
  if (!IsJoint(members)) return incoming;
  const VoteResult outgoing = CountHalf(members.outgoing_voters, vote);
  if (incoming == VoteResult::kLost || outgoing == VoteResult::kLost) return VoteResult::kLost;
  if (incoming == VoteResult::kWon && outgoing == VoteResult::kWon) return VoteResult::kWon;
  return VoteResult::kPending;
}

std::string EncodeMembership(const Membership& members) {
  std::string out(1, static_cast<char>(kMembershipVersion));
  PutReplicas(members.voters, &out);
  PutReplicas(members.outgoing_voters, &out);
  PutReplicas(members.learners, &out);
  return out;
}

absl::StatusOr<Membership> DecodeMembership(absl::string_view bytes) {
  uint64_t version = 0;
  if (!Get(&bytes, 1, &version)) return absl::DataLossError("membership: empty");
  if (version > kMembershipVersion) {
    return absl::UnimplementedError(
        absl::StrCat("membership: version ", version, " is newer than ", kMembershipVersion));
  }
  Membership members;
  if (version == 0 || !GetReplicas(&bytes, &members.voters) ||
      !GetReplicas(&bytes, &members.outgoing_voters) || !GetReplicas(&bytes, &members.learners) ||
      !bytes.empty()) {
    return absl::DataLossError("membership: damaged");
  }
  if (absl::Status valid = ValidateMembership(members); !valid.ok()) {
    return absl::DataLossError(absl::StrCat("membership: ", valid.message()));
  }
  return members;
}

void MembershipLog::Reset(EntryId base, Membership members) {
  history_.clear();
  history_.emplace_back(base, std::move(members));
  NoteCurrent();
}

void MembershipLog::Append(EntryId id, Membership members) {
  PONTOON_CHECK(id.index > current_id().index);
  history_.emplace_back(id, std::move(members));
  NoteCurrent();
}

void MembershipLog::TruncateFrom(Index index) {
  if (history_.back().first.index < index) return;
  while (history_.size() > 1 && history_.back().first.index >= index) history_.pop_back();
  NoteCurrent();
}

void MembershipLog::NoteCurrent() {
  const std::vector<ReplicaId> all = AllMembers(current());
  everybody_.assign(all.begin(), all.end());
  one_voter_ = current().voters.size() == 1 && !IsJoint(current());
}

void MembershipLog::CompactTo(Index index) {
  while (history_.size() > 1 && history_[1].first.index <= index) history_.pop_front();
}

bool MembershipLog::IsVoterSince(Index index, const ReplicaId& replica) const {
  for (auto it = history_.rbegin(); it != history_.rend(); ++it) {
    if (IsVoter(it->second, replica)) return true;
    if (it->first.index <= index) return false;
  }
  return false;
}

const Membership& MembershipLog::At(Index index) const {
  PONTOON_CHECK(history_.front().first.index <= index);
  auto it = history_.rbegin();
  while (it->first.index > index) ++it;
  return it->second;
}

}  // namespace pontoon::raft
