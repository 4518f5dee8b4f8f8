#ifndef PONTOON_RAFT_SIM_HISTORY_H_
#define PONTOON_RAFT_SIM_HISTORY_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "raft/core/membership.h"
#include "raft/core/types.h"

namespace pontoon::raft::sim {

// What ever happened in one group, on whichever replica: seen from above, where no replica can
// look. Every check returns the empty string, or the invariant that is broken and how.
class History {
 public:
  // The group is reopened from a copy whose log is `terms` (by index; 0: of a checkpoint): all of
  // it counts as committed, and what else there was, no more.
  History ReopenedFrom(const std::vector<Term>& terms, Term by) const;
  // The entry with which it begins anew, the last that is committed.
  void Reopen(EntryId id, const Membership& members) { configs_[id] = members; }
  // R4: an entry that some replica appends after an entry of term `before`.
  std::string OnAppend(const Entry& entry, std::optional<Term> before);
  // R1: `replica` leads `term`. R6: its log has what was committed before (`has` says so).
  template <typename Has>
  std::string OnLeader(Term term, const ReplicaId& replica, const Has& has);
  // R6, R11: a leader of `by` says that the entry is committed. Ascending from committed() + 1.
  void Commit(Term term, Term by) { committed_.push_back({term, by}); }
  // R7: the state after `index`.
  std::string OnDigest(Index index, uint64_t digest, const ReplicaId& replica);
  // R3: a vote is durable.
  std::string OnVote(const ReplicaId& voter, Term term, const ReplicaId& candidate);

  Index committed() const { return {committed_.size()}; }
  Term TermOf(Index index) const {
    return index == Index{0} ? Term{0} : committed_[index.value - 1].term;
  }
  bool IsCommitted(EntryId id) const {
    return id.index <= committed() && TermOf(id.index) == id.term;
  }
  std::optional<ReplicaId> VoteOf(const ReplicaId& voter, Term term) const;
  // The membership that an entry carries; null if it is none.
  const Membership* ConfigAt(EntryId id) const;
  const std::map<EntryId, Membership>& configs() const { return configs_; }
  // Of the committed ones the newest up to there; null if there is none.
  const Membership* CommittedConfigUpTo(Index index) const;
  // All that may be in force somewhere: the last that is committed, and what was appended later.
  std::vector<Membership> Configs() const;
  size_t elections() const { return leaders_.size(); }

 private:
  struct Seen {
    Term term;
    Term before;
    bool knows_before = false;
    uint32_t header_crc;
    uint32_t body_crc;
    uint32_t body_bytes;
    EntryKind kind;
  };
  struct Committed {
    Term term;
    Term by;
  };

  std::vector<std::vector<Seen>> entries_;  // By index, from 1.
  std::vector<Committed> committed_;
  std::vector<uint64_t> digests_;  // By index; 0: not known.
  std::map<Term, ReplicaId> leaders_;
  std::map<std::pair<ReplicaId, Term>, ReplicaId> votes_;
  std::map<EntryId, Membership> configs_;  // In the order of terms.
};

template <typename Has>
std::string History::OnLeader(Term term, const ReplicaId& replica, const Has& has) {
  const auto [leader, first] = leaders_.emplace(term, replica);
  if (leader->second != replica) {
    return "R1: nodes " + std::to_string(leader->second.node.value) + " and " +
           std::to_string(replica.node.value) + " lead term " + std::to_string(term.value);
  }
  if (!first) return "";
  // A later leader may have committed more already: that one need not have it.
  size_t count = committed_.size();
  while (count > 0 && committed_[count - 1].by >= term) --count;
  if (count == 0 || has(EntryId{committed_[count - 1].term, Index{count}})) return "";
  return "R6: the leader of term " + std::to_string(term.value) + " lacks entry " +
         std::to_string(count) + ", which was committed in term " +
         std::to_string(committed_[count - 1].by.value);
}

}  // namespace pontoon::raft::sim

#endif  // PONTOON_RAFT_SIM_HISTORY_H_
