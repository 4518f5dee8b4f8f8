#include <algorithm>
#include <iterator>
#include <map>

#include "absl/strings/str_cat.h"
#include "base/crc32c.h"
#include "raft/sim/checker.h"

// What is checked of a host's replicas after each of its steps.

namespace pontoon::raft::sim {

void Checker::AfterStep(Host* host) {
  if (!host->up()) return;
  if (host->outcast()) {
    for (uint32_t group = 0; group < options_.groups; ++group) {
      if (host->core(GroupId{group}).role() == Role::kLeader)
        Fail(absl::StrCat("R13: node ", host->number(), " leads, and its disk was put back"));
    }
    return;
  }
  for (uint32_t group = 0; group < options_.groups; ++group) {
    CheckReplica(host, GroupId{group}, &replicas_[host->number() - 1][group]);
  }
}

void Checker::CheckReplica(Host* host, GroupId group, Replica* replica) {
  const Core& core = host->core(group);
  uint64_t progress = 0;
  if (core.role() == Role::kLeader) {
    for (const auto& [peer, known] : core.progress()) {
      progress = (progress ^ (known.match.value * 31 + known.next.value * 7 +
                              known.in_flight_bytes + static_cast<uint64_t>(known.state))) *
                 0x9e3779b97f4a7c15u;
    }
  }
  const bool same = replica->role == core.role() && replica->term == core.term() &&
                    replica->vote == core.vote() && replica->last == core.log().last() &&
                    replica->commit == core.commit() && replica->applied == core.applied() &&
                    replica->durable == core.durable() &&
                    replica->handed_out == core.handed_out() &&
                    replica->base == core.log().base().index && replica->io == core.last_io_seq() &&
                    replica->ready == core.ready() && replica->progress == progress &&
                    replica->quarantined == core.quarantined() && replica->seen;
  if (core.role() == Role::kLeader && leaders_[group.value].size() > 1) CheckLeases(group);
  if (core.transfer_target().has_value() && core.LeaseHolds(host->clock().Now(now_us_ * 1000))) {
    Fail(absl::StrCat("R15: node ", host->number(), " hands group ", group.value,
                      " over and holds its lease"));
  }
  if (same) {
    replica->no_vote = false;
    return;
  }
  const auto fail = [&](const std::string& what) {
    Fail(absl::StrCat(what, " (node ", host->number(), ", group ", group.value, ")"));
  };
  if (const absl::Status status = replica->invariants.Check(core); !status.ok())
    fail(std::string(status.message()));
  if (replica->no_vote && (replica->term != core.term() || replica->vote != core.vote()))
    fail("R17: a pre-vote changed the term or the vote");
  if (core.role() == Role::kLeader && replica->role == Role::kLeader &&
      replica->term == core.term() && !core.log().Contains(replica->last) &&
      replica->last.index > core.log().base().index) {
    fail("R5: a leader replaced entries of its own log");
  }
  if (core.role() == Role::kLeader) CheckLeader(host, group, *replica);
  CheckCommit(host, group, *replica);
  CheckMembership(*host, group);
  CheckStoredAtTimes(*host, group, replica);

  std::vector<Host*>& leaders = leaders_[group.value];
  const auto it = std::find(leaders.begin(), leaders.end(), host);
  if (core.role() == Role::kLeader && it == leaders.end()) leaders.push_back(host);
  if (core.role() != Role::kLeader && it != leaders.end()) leaders.erase(it);
  if (leaders.size() > 1) CheckLeases(group);

  replica->seen = true;
  replica->role = core.role();
  replica->term = core.term();
  replica->vote = core.vote();
  replica->last = core.log().last();
  replica->commit = core.commit();
  replica->applied = core.applied();
  replica->durable = core.durable();
  replica->handed_out = core.handed_out();
  replica->base = core.log().base().index;
  replica->io = core.last_io_seq();
  replica->ready = core.ready();
  replica->progress = progress;
  replica->quarantined = core.quarantined();
  replica->no_vote = false;
}

// R6, R8, R11: what is said to be committed.
void Checker::CheckCommit(Host* host, GroupId group, const Replica& before) {
  const Core& core = host->core(group);
  History& history = HistoryAt(*host, group);
  const Index commit = core.commit();
  if (commit <= before.commit && before.seen) return;
  const auto fail = [&](const std::string& what) {
    Fail(absl::StrCat(what, " (node ", host->number(), ", group ", group.value, ")"));
  };
  const bool led = core.role() == Role::kLeader || before.role == Role::kLeader;
  if (commit > history.committed() && !led)
    return fail(absl::StrCat("R11: entry ", commit.value,
                             " is taken for committed, and no leader said so"));
  if (commit > history.committed()) {
    // R8: by what the disks hold, not by what was said.
    const auto has = [&](const std::vector<ReplicaId>& voters, EntryId id) {
      const auto count = std::count_if(voters.begin(), voters.end(), [&](const ReplicaId& voter) {
        return VouchedOf(group, voter).Has(id);
      });
      return voters.empty() || static_cast<size_t>(count) > voters.size() / 2;
    };
    const auto agreed = [&has](const Membership& members, EntryId id) {
      return has(members.voters, id) && has(members.outgoing_voters, id);
    };
    bool fine = true;
    for (Index index = history.committed() + 1; index <= commit; index = index + 1) {
      const EntryId id{core.log().TermAt(index).value_or(Term{0}), index};
      history.Commit(id.term, core.term());
      // What ends a joint step is appended in the step that commits it, and may let more of the log
      // be committed at once; of the joint step itself both halves have to have the entry.
      const Membership* members = history.ConfigAt(id);
      if (members != nullptr && IsJoint(*members)) fine = fine && agreed(*members, id);
    }
    if (!fine || !agreed(core.membership(), {history.TermOf(commit), commit}))
      fail(absl::StrCat("R8: entry ", commit.value, " is committed without a majority of disks"));
  }
  const absl::StatusOr<Term> term = core.log().TermAt(commit);
  if (term.ok() && *term != history.TermOf(commit))
    fail(absl::StrCat("R6: another entry ", commit.value, " is committed"));
}

// R1, R6, R13, R14: of who leads.
void Checker::CheckLeader(Host* host, GroupId group, const Replica& before) {
  const Core& core = host->core(group);
  History& history = HistoryAt(*host, group);
  if (before.role != Role::kLeader || before.term != core.term()) {
    Fail(history.OnLeader(core.term(), core.self(), [&core](EntryId id) {
      return core.log().Contains(id) || id.index < core.log().base().index;
    }));
    const auto elected = [&](const std::vector<ReplicaId>& voters) {
      const auto count = std::count_if(voters.begin(), voters.end(), [&](const ReplicaId& voter) {
        return history.VoteOf(voter, core.term()) == core.self();
      });
      return voters.empty() || static_cast<size_t>(count) > voters.size() / 2;
    };
    if (!elected(core.membership().voters) || !elected(core.membership().outgoing_voters)) {
      Fail(absl::StrCat("R13: node ", host->number(), " leads term ", core.term().value,
                        " of group ", group.value, " without a majority of durable votes"));
    }
    if (core.quarantined()) Fail("R13: a quarantined replica leads");
  }
  for (const auto& [peer, progress] : core.progress()) {
    // Those of another epoch are another group.
    if (progress.match == Index{0} || HostOf(peer.node)->epoch(group) != core.epoch()) continue;
    const Vouched vouched = VouchedOf(group, peer);
    if (vouched.most() < progress.match) {
      Fail(absl::StrCat("R14: node ", peer.node.value, " is said to have entry ",
                        progress.match.value, ", and never had"));
    } else if (vouched.now != nullptr && vouched.now->hard_state.term == core.term() &&
               !vouched.Has(
                   {core.log().TermAt(progress.match).value_or(Term{0}), progress.match}) &&
               progress.match >= core.log().base().index) {
      Fail(absl::StrCat("R14: node ", peer.node.value, " is said to have entry ",
                        progress.match.value, ", and has not"));
    }
  }
}

namespace {

// Whether any majority of the one has somebody in common with any of the other. Both are sorted.
bool MajoritiesMeet(const std::vector<ReplicaId>& one, const std::vector<ReplicaId>& other) {
  std::vector<ReplicaId> both;
  std::set_intersection(one.begin(), one.end(), other.begin(), other.end(),
                        std::back_inserter(both));
  // So many of these a majority needs that takes whoever else there is.
  const auto needs = [&both](const std::vector<ReplicaId>& voters) {
    const size_t others = voters.size() - both.size();
    return std::max(voters.size() / 2 + 1, others) - others;
  };
  return needs(one) + needs(other) > both.size();
}

// Whether `next` may follow `now`: into a joint step and out of it, or with voters of whom two
// majorities cannot decide apart.
bool MayFollow(const Membership& now, const Membership& next) {
  if (IsJoint(now)) return !IsJoint(next) && next.voters == now.voters;
  if (IsJoint(next)) return next.outgoing_voters == now.voters;
  return MajoritiesMeet(now.voters, next.voters);
}

}  // namespace

// R12: the membership in force is the last in the log; at most one is not committed, and it may
// follow the one before.
void Checker::CheckMembership(const Host& host, GroupId group) {
  const Core& core = host.core(group);
  const MembershipLog& memberships = core.memberships();
  const EntryId id = memberships.current_id();
  const History& history = HistoryAt(host, group);
  // After a snapshot it is that of the last change that the snapshot covers.
  const Membership* members = history.ConfigAt(id);
  if (members == nullptr && id.index > Index{0}) members = history.CommittedConfigUpTo(id.index);
  if (members != nullptr && *members != memberships.current())
    Fail(absl::StrCat("R12: group ", group.value, " follows another membership than entry ",
                      id.index.value, " says"));
  const Membership* previous = nullptr;
  size_t uncommitted = 0;
  for (const auto& [newer, config] : history.configs()) {
    const bool in_log = newer.index > core.log().base().index && core.log().Contains(newer);
    if (in_log && newer.index > history.committed()) {
      if (++uncommitted > 1)
        Fail(absl::StrCat("R12: entry ", newer.index.value, " of group ", group.value,
                          " changes the members, and so does one before it that is not committed"));
      if (previous != nullptr && !MayFollow(*previous, config))
        Fail(absl::StrCat("R12: the membership of entry ", newer.index.value, " of group ",
                          group.value, " must not follow the one before"));
    }
    if (in_log || history.IsCommitted(newer)) previous = &config;
    if (newer.index > id.index && in_log) {
      Fail(absl::StrCat("R12: group ", group.value, " follows the membership of entry ",
                        id.index.value, ", and has that of entry ", newer.index.value));
    }
  }
  if (id.index > Index{0} && id.index >= core.log().base().index &&
      core.log().TermAt(id.index).value_or(Term{0}) != id.term &&
      id.index > core.log().base().index) {
    Fail(absl::StrCat("R12: the membership in force is of an entry ", id.index.value,
                      " that is not in the log"));
  }
}

// R15: in true time at most one may take itself for the only one.
void Checker::CheckLeases(GroupId group) {
  // Old copies of a group that was reopened are another group.
  std::map<base::RecoveryEpoch, const Host*> holders;
  for (const Host* host : leaders_[group.value]) {
    if (!host->up()) continue;
    const base::MonotonicTime now = host->clock().Now(now_us_ * 1000);
    const Core& core = host->core(group);
    if (!core.LeaseHolds(now) || now < core.PredecessorLeaseEnd()) continue;
    const Host*& holder = holders[host->epoch(group)];
    if (holder != nullptr) {
      Fail(absl::StrCat("R15: nodes ", holder->number(), " and ", host->number(),
                        " hold the lease of group ", group.value, " at once"));
    }
    holder = host;
  }
}

}  // namespace pontoon::raft::sim
