#include "raft/script/checks.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "raft/core/membership.h"
#include "raft/script/trace.h"

namespace pontoon::raft::script {
namespace {

template <typename... Parts>
absl::Status Broken(const Parts&... parts) {
  return absl::InternalError(absl::StrCat(parts...));
}

const Replica* Find(const Checks::Replicas& replicas, const ReplicaId& id) {
  const auto it = replicas.find(id.node);
  return it == replicas.end() || it->second->id != id ? nullptr : it->second.get();
}

}  // namespace

absl::Status Checks::Check(const Replicas& replicas,
                           const std::function<base::MonotonicTime(const Replica&)>& clock) {
  const Replica* permitted = nullptr;
  for (const auto& [node, replica] : replicas) {
    if (replica->core == nullptr) continue;
    const Core& core = *replica->core;
    if (absl::Status status = replica->invariants.Check(core); !status.ok()) return status;
    if (absl::Status status = CheckCommitted(replicas, replica.get()); !status.ok()) return status;
    if (core.role() != Role::kLeader) continue;
    if (absl::Status status = CheckLeader(replicas, *replica); !status.ok()) return status;
    const base::MonotonicTime now = clock(*replica);
    if (!core.LeaseHolds(now) || now < core.PredecessorLeaseEnd()) continue;
    if (permitted != nullptr) {
      return Broken("R15: ", Show(permitted->id), " and ", Show(core.self()),
                    " hold leases at once");
    }
    permitted = replica.get();
  }
  return absl::OkStatus();
}

absl::Status Checks::CheckCommitted(const Replicas& replicas, Replica* replica) {
  const Core& core = *replica->core;
  const Index from = std::max(replica->committed_checked, core.log().base().index);
  replica->committed_checked = core.commit();
  if (core.commit() <= from) return absl::OkStatus();
  for (Index index = from + 1; index <= core.commit(); index = index + 1) {
    const EntryId id{core.log().TermAt(index).value(), index};
    const auto [first, fresh] = committed_.emplace(index, id);
    if (first->second != id) {
      return Broken("R6: ", Show(replica->id), " takes ", Show(id), " for committed, which is ",
                    Show(first->second));
    }
  }
  if (core.role() != Role::kLeader) return absl::OkStatus();
  const EntryId id = committed_.at(core.commit());
  const MembershipLog& memberships = core.memberships();
  const auto agreed = [&replicas](const Membership& members, EntryId id) {
    return CountVotes(members, [&](const ReplicaId& voter) -> std::optional<bool> {
             const Replica* found = Find(replicas, voter);
             return found != nullptr && !found->disk.quarantined() && found->disk.Has(id);
           }) == VoteResult::kWon;
  };
  bool fine = agreed(memberships.At(id.index), id) || agreed(memberships.current(), id);
  // What ends a joint step is appended in the step that commits it, and may let more be committed
  // at once; of the joint step itself both halves have to have the entry.
  for (Index index = from + 1; index <= core.commit(); index = index + 1) {
    const Membership& members = memberships.At(index);
    if (IsJoint(members) && !IsJoint(memberships.At(index - 1)))
      fine = fine && agreed(members, committed_.at(index));
  }
  if (!fine) return Broken("R8: ", Show(id), " is committed without a majority of disks");
  return absl::OkStatus();
}

absl::Status Checks::CheckLeader(const Replicas& replicas, const Replica& replica) {
  const Core& core = *replica.core;
  const auto [leader, first] = leaders_.emplace(core.term(), replica.id);
  if (leader->second != replica.id) {
    return Broken("R1: ", Show(leader->second), " and ", Show(replica.id), " lead term ",
                  core.term().value);
  }
  if (first) {
    for (const auto& [index, id] : committed_) {
      if (index > core.log().base().index && id.term < core.term() && !core.log().Contains(id)) {
        return Broken("R6: ", Show(replica.id), " leads term ", core.term().value, " without ",
                      Show(id), ", which is committed");
      }
    }
  }
  for (const auto& [peer, progress] : core.progress()) {
    const Replica* found = Find(replicas, peer);
    if (found == nullptr || progress.match <= core.log().base().index) continue;
    const EntryId match{core.log().TermAt(progress.match).value(), progress.match};
    if (!found->disk.EverHad(match)) {
      return Broken("R14: ", Show(peer), " never had ", Show(match), ", and counts for it");
    }
  }
  return absl::OkStatus();
}

absl::Status Checks::OnSend(const Replica& from, const Message& message) {
  const bool grants = message.kind == MessageKind::kVoteReply && !message.refused;
  if (grants || message.kind == MessageKind::kVote) {
    const ReplicaId& candidate = grants ? message.to : message.from;
    const auto [vote, first] = votes_.emplace(std::pair(from.id, message.term), candidate);
    if (vote->second != candidate) {
      return Broken("R3: ", Show(from.id), " votes for ", Show(vote->second), " and ",
                    Show(candidate), " in term ", message.term.value);
    }
    const HardState& durable = from.disk.hard_state();
    if (durable.term < message.term || (durable.term == message.term && durable.vote != candidate))
      return Broken("R10: ", Show(from.id), " tells a vote that is not on its disk");
    if (from.disk.quarantined()) return Broken("R13: ", Show(from.id), " is given up, and votes");
  }
  if (message.kind != MessageKind::kAppendReply || message.refused) return absl::OkStatus();
  if (message.log.index > Index{0} && !from.disk.EverHad(message.log)) {
    return Broken("R10: ", Show(from.id), " acknowledges ", Show(message.log),
                  ", which is not on its disk");
  }
  return absl::OkStatus();
}

absl::Status Checks::OnApply(const Replica& replica, const Entry& entry) {
  const auto committed = committed_.find(entry.id.index);
  if (committed == committed_.end() || committed->second != entry.id)
    return Broken("R7: ", Show(replica.id), " applies ", Show(entry), ", which is not committed");
  const auto [applied, first] = applied_.emplace(entry.id.index, entry.header_crc);
  if (applied->second != entry.header_crc)
    return Broken("R7: ", Show(replica.id), " applies another entry ", Show(entry));
  if (replica.state().applied.index + 1 != entry.id.index)
    return Broken("R7: ", Show(replica.id), " applies ", Show(entry), " out of order");
  return absl::OkStatus();
}

absl::Status Checks::OnRead(Replica* replica, const ReadReady& read) const {
  const auto asked =
      std::find_if(replica->asked.begin(), replica->asked.end(),
                   [&read](const Replica::Asked& asked) { return asked.id == read.id; });
  if (asked == replica->asked.end())
    return Broken("R16: read ", read.id.value, " was not asked, or answered before");
  if (read.index < asked->committed) {
    return Broken("R16: read ", read.id.value, " misses what was committed before it was asked");
  }
  replica->asked.erase(asked);
  return absl::OkStatus();
}

}  // namespace pontoon::raft::script
