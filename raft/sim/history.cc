#include "raft/sim/history.h"

#include "absl/strings/str_cat.h"

namespace pontoon::raft::sim {

std::string History::OnAppend(const Entry& entry, std::optional<Term> before) {
  const EntryId id = entry.id;
  if (entries_.size() <= id.index.value) entries_.resize(id.index.value + 1);
  for (Seen& seen : entries_[id.index.value]) {
    if (seen.term != id.term) continue;
    const bool same = seen.header_crc == entry.header_crc && seen.body_crc == entry.body_crc &&
                      seen.body_bytes == entry.body_bytes && seen.kind == entry.kind;
    const bool same_before = !before.has_value() || !seen.knows_before || *before == seen.before;
    if (before.has_value() && !seen.knows_before) {
      seen.before = *before;
      seen.knows_before = true;
    }
    if (same && same_before) return "";
    return absl::StrCat("R4: two entries ", id.index.value, " of term ", id.term.value,
                        same ? " after different logs" : " differ");
  }
  entries_[id.index.value].push_back({id.term, before.value_or(Term{0}), before.has_value(),
                                      entry.header_crc, entry.body_crc, entry.body_bytes,
                                      entry.kind});
  if (entry.kind == EntryKind::kConfig) {
    absl::StatusOr<Membership> members = DecodeMembership(entry.header.Flatten().view());
    if (!members.ok()) return absl::StrCat("R12: ", members.status().message());
    configs_.emplace(id, *std::move(members));
  }
  return "";
}

std::string History::OnDigest(Index index, uint64_t digest, const ReplicaId& replica) {
  if (digests_.size() <= index.value) digests_.resize(index.value + 1);
  uint64_t& known = digests_[index.value];
  if (known == 0) known = digest;
  if (known == digest) return "";
  return absl::StrCat("R7: node ", replica.node.value, " holds another state after entry ",
                      index.value);
}

std::string History::OnVote(const ReplicaId& voter, Term term, const ReplicaId& candidate) {
  const auto [vote, first] = votes_.emplace(std::make_pair(voter, term), candidate);
  if (vote->second == candidate) return "";
  return absl::StrCat("R3: node ", voter.node.value, " votes in term ", term.value, " for node ",
                      vote->second.node.value, " and for node ", candidate.node.value);
}

std::optional<ReplicaId> History::VoteOf(const ReplicaId& voter, Term term) const {
  const auto vote = votes_.find({voter, term});
  return vote == votes_.end() ? std::nullopt : std::optional(vote->second);
}

const Membership* History::ConfigAt(EntryId id) const {
  const auto config = configs_.find(id);
  return config == configs_.end() ? nullptr : &config->second;
}

const Membership* History::CommittedConfigUpTo(Index index) const {
  const Membership* newest = nullptr;
  Index at;
  for (const auto& [id, members] : configs_) {
    if (id.index > index || id.index < at || !IsCommitted(id)) continue;
    at = id.index;
    newest = &members;
  }
  return newest;
}

History History::ReopenedFrom(const std::vector<Term>& terms, Term by) const {
  History next;
  bool same = true;
  for (Index index{1}; index.value < terms.size(); index = index + 1) {
    const Term term = terms[index.value] == Term{0} ? TermOf(index) : terms[index.value];
    same = same && index <= committed() && TermOf(index) == term;
    next.committed_.push_back({term, by});
    // The last is the one that reopens; another may have its id in the epoch before.
    if (index.value + 1 == terms.size()) break;
    if (index.value < entries_.size()) {
      next.entries_.resize(index.value + 1);
      for (const Seen& seen : entries_[index.value]) {
        if (seen.term == term) next.entries_[index.value].push_back(seen);
      }
    }
    if (same && index.value < digests_.size()) {
      next.digests_.resize(index.value + 1);
      next.digests_[index.value] = digests_[index.value];
    }
    if (const auto config = configs_.find({term, index}); config != configs_.end())
      next.configs_.insert(*config);
  }
  return next;
}

std::vector<Membership> History::Configs() const {
  Index newest;
  for (const auto& [id, members] : configs_) {
    if (IsCommitted(id)) newest = std::max(newest, id.index);
  }
  std::vector<Membership> configs;
  for (const auto& [id, members] : configs_) {
    if (id.index >= newest && (id.index > committed() || IsCommitted(id)))
      configs.push_back(members);
  }
  return configs;
}

}  // namespace pontoon::raft::sim
