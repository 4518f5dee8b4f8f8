#include "raft/sim/checker.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/crc32c.h"
#include "raft/core/snapshot.h"

namespace pontoon::raft::sim {

Checker::Checker(const Options& options, const std::vector<std::unique_ptr<Host>>* hosts)
    : options_(options),
      hosts_(hosts),
      histories_(options.groups),
      replicas_(options.nodes, std::vector<Replica>(options.groups)),
      leaders_(options.groups),
      missing_(options.groups),
      roots_(options.groups) {
  for (std::map<base::RecoveryEpoch, History>& epochs : histories_) epochs[{}];
}

void Checker::OnStart(Host* host) {
  for (uint32_t group = 0; group < options_.groups; ++group) OnOpened(host, GroupId{group});
  OnSynced(host);
}

void Checker::OnOpened(Host* host, GroupId group) {
  Replica& replica = replicas_[host->number() - 1][group.value];
  replica.invariants.OnRestart();
  replica.seen = false;
  replica.role = Role::kFollower;
  replica.commit = host->core(group).commit();
  replica.unread = kReadEvery;
  CheckStoredAtTimes(*host, group, &replica);
}

void Checker::OnClosed(Host* host, GroupId group) { std::erase(leaders_[group.value], host); }

void Checker::OnCrash(Host* host) {
  for (std::vector<Host*>& leaders : leaders_) std::erase(leaders, host);
}

void Checker::OnDamaged(const Host& host, const std::map<GroupId, Durable>& had) {
  for (const auto& [group, durable] : had) {
    // What never wrote anything has vouched for nothing.
    if (durable.hard_state == HardState{} && durable.last() == Index{0}) continue;
    lost_[{group, host.self(group)}].push_back(durable);
  }
}

void Checker::OnLost(const Host& host, const std::map<GroupId, Durable>& had) {
  if (!host.outcast()) OnDamaged(host, had);
  for (Replica& replica : replicas_[host.number() - 1]) replica = Replica();
}

bool Checker::IsLost(GroupId group, const ReplicaId& replica) const {
  const Host* host = HostOf(replica.node);
  return lost_.contains({group, replica}) || host->self(group) != replica || host->damaged() ||
         host->store().durable(group).quarantined;
}

Checker::Vouched Checker::VouchedOf(GroupId group, const ReplicaId& replica) const {
  Vouched vouched;
  if (const auto lost = lost_.find({group, replica}); lost != lost_.end())
    vouched.then = &lost->second;
  const Host* host = HostOf(replica.node);
  if (host->self(group) == replica) vouched.now = &host->store().durable(group);
  return vouched;
}

bool Checker::HasMajority(GroupId group, const std::vector<ReplicaId>& voters,
                          NodeId without) const {
  const auto healthy = std::count_if(voters.begin(), voters.end(), [&](const ReplicaId& voter) {
    return voter.node != without && !IsLost(group, voter);
  });
  return static_cast<size_t>(healthy) > voters.size() / 2;
}

bool Checker::HasMajorities(GroupId group, NodeId without) const {
  const std::vector<Membership> configs = history(group).Configs();
  return std::all_of(configs.begin(), configs.end(), [&](const Membership& members) {
    return HasMajority(group, members.voters, without) &&
           (!IsJoint(members) || HasMajority(group, members.outgoing_voters, without));
  });
}

bool Checker::CanLose(const Host& host) const {
  for (uint32_t id = 0; id < options_.groups; ++id) {
    if (!HasMajorities(GroupId{id}, host.node())) return false;
  }
  return true;
}

bool Checker::Covers(const Host& host, const std::map<GroupId, Durable>& then,
                     const std::map<GroupId, uint32_t>* incarnation) const {
  for (uint32_t id = 0; id < options_.groups; ++id) {
    const GroupId group{id};
    const ReplicaId self = host.self(group);
    if (incarnation != nullptr && incarnation->at(group) != self.incarnation) return false;
    const Durable& now = host.store().durable(group);
    const auto it = then.find(group);
    const Durable old = it == then.end() ? Durable() : it->second;
    if (now.quarantined || old.quarantined || !(now.hard_state == old.hard_state)) return false;
    if (now.epoch != old.epoch || now.epoch != epoch(group)) return false;
    const EntryId last{now.terms.back(), now.last()};
    if (old.Has(last)) continue;
    const History& history = this->history(group);
    for (const auto& [config, members] : history.configs()) {
      if (now.Has(config) && !old.Has(config)) return false;
    }
    const auto has = [&](const std::vector<ReplicaId>& voters) {
      const auto count = std::count_if(voters.begin(), voters.end(), [&](const ReplicaId& voter) {
        const Vouched vouched = VouchedOf(group, voter);
        return voter.node != host.node() && !IsLost(group, voter) && vouched.now->Has(last);
      });
      return voters.empty() || static_cast<size_t>(count) > voters.size() / 2;
    };
    for (const Membership& members : history.Configs()) {
      if (!has(members.voters) || !has(members.outgoing_voters)) return false;
    }
  }
  return true;
}

bool Checker::VotesAlone(const Host& host, const Host::Image& image) const {
  for (uint32_t id = 0; id < options_.groups; ++id) {
    const GroupId group{id};
    const auto it = image.store.record.find(group);
    const Membership* newest = nullptr;
    Index at;
    // The image may be older than the group's last reopening.
    for (const auto& [epoch, history] : histories_[id]) {
      for (const auto& [config, members] : history.configs()) {
        if (it == image.store.record.end() || !it->second.Has(config) || config.index < at)
          continue;
        at = config.index;
        newest = &members;
      }
    }
    if (newest == nullptr) {
      // Nothing yet; it would found the group, if it is to.
      if (options_.founders == 1) return true;
      continue;
    }
    const std::vector<ReplicaId> voters = AllVoters(*newest);
    if (voters.size() == 1 && voters[0].node == host.node()) return true;
  }
  return false;
}

void Checker::ExpectNoVote(Host* host, const Packet& packet) {
  for (const Message& message : packet.messages) {
    if (message.group.value >= options_.groups) continue;
    Replica& replica = replicas_[host->number() - 1][message.group.value];
    replica.no_vote = true;
  }
  for (const Message& message : packet.messages) {
    if (message.group.value >= options_.groups || message.kind == MessageKind::kPreVote) continue;
    replicas_[host->number() - 1][message.group.value].no_vote = false;
  }
}

ReadId Checker::OnReadAsked(const Host& host, GroupId group) {
  const ReadId id{++next_read_};
  reads_[id] = {group, HistoryAt(host, group).committed()};
  return id;
}

void Checker::OnReadReady(Host* host, GroupId group, ReadId id) {
  const auto read = reads_.find(id);
  if (read == reads_.end()) return Fail("R16: a read is answered twice, or was never asked");
  ++reads_answered_;
  const Index applied = host->raft(group).applied(group).index;
  if (read->second.group != group || applied < read->second.must_see) {
    Fail(absl::StrCat("R16: node ", host->number(), " answers a read with what it knew at entry ",
                      applied.value, "; ", read->second.must_see.value,
                      " was committed when it was asked"));
  }
  reads_.erase(read);
}

void Checker::OnSynced(Host* host) {
  // Nobody hears of them.
  if (host->outcast()) {
    host->store().TakeVotes();
    return;
  }
  for (const auto& [group, state] : host->store().TakeVotes())
    Fail(HistoryAt(*host, group).OnVote(host->self(group), state.term, *state.vote));
}

// R4, R13: what a replica is going to write.
void Checker::OnSubmit(Host* host, const StorageTask& task) {
  if (host->outcast()) return;
  if (!host->up()) return;  // An operator.
  History& history = HistoryAt(*host, task.group);
  const Core& core = host->core(task.group);
  std::optional<Term> before;
  for (const Entry& entry : task.append) {
    if (!before.has_value()) {
      const absl::StatusOr<Term> here = core.log().TermAt(entry.id.index);
      const absl::StatusOr<Term> previous = core.log().TermAt(entry.id.index - 1);
      if (here.ok() && *here == entry.id.term && previous.ok()) before = *previous;
    }
    Fail(history.OnAppend(entry, before));
    before = entry.id.term;
  }
  if (task.truncate_from.has_value() && *task.truncate_from <= history.committed()) {
    // What is committed may be cut only if this replica has another entry there.
    const Durable& durable = host->store().durable(task.group);
    const Index from = *task.truncate_from;
    if (durable.last() >= from && from > durable.checkpoint.index &&
        durable.terms[from.value] == history.TermOf(from)) {
      Fail(absl::StrCat("R6: node ", host->number(), " cuts off entry ", from.value,
                        ", which is committed"));
    }
  }
  const Durable& durable = host->store().durable(task.group);
  if (durable.quarantined && task.hard_state.has_value() && task.hard_state->vote.has_value() &&
      task.hard_state->vote != durable.hard_state.vote) {
    Fail(absl::StrCat("R13: node ", host->number(), " votes in quarantine"));
  }
  if (task.install != nullptr) {
    // R20: what is taken over is committed.
    const EntryId applied = task.install->checkpoint.applied;
    const uint32_t crc = base::Crc32c(task.install->checkpoint.root);
    if (!roots_[task.group.value].contains({applied, crc}))
      Fail(absl::StrCat("S7: node ", host->number(), " installs a snapshot of entry ",
                        applied.index.value, " that nobody made"));
    if (!history.IsCommitted(applied))
      Fail(absl::StrCat("R20: a snapshot of entry ", applied.index.value,
                        " is installed, which is not committed"));
  }
}

// R10: what a message promises is durable when it leaves.
void Checker::OnSend(Host* host, const Message& message) {
  if (host->outcast()) return;
  const Durable& durable = host->store().durable(message.group);
  const auto broken = [&](absl::string_view what) {
    Fail(absl::StrCat("R10: node ", host->number(), " ", what, " in group ", message.group.value));
  };
  if (message.from != host->self(message.group)) broken("speaks for another replica");
  const Core& core = host->core(message.group);
  switch (message.kind) {
    case MessageKind::kAppend:
      // Unless it was overthrown in the same turn.
      if (core.role() != Role::kLeader || core.term() != message.term) break;
      for (const Entry& entry : message.entries) {
        if (entry.id.index > core.log().base().index && !core.log().Contains(entry.id))
          Fail(absl::StrCat("R4: node ", host->number(), " sends entry ", entry.id.index.value,
                            " of term ", entry.id.term.value, ", which its log does not hold"));
      }
      break;
    case MessageKind::kVoteReply:
      if (message.refused) break;
      if (durable.quarantined) Fail("R13: a vote of a quarantined replica");
      if (!(durable.hard_state == HardState{message.term, message.to}) &&
          durable.hard_state.term <= message.term) {
        broken("grants a vote that is not durable");
      }
      break;
    case MessageKind::kAppendReply:
      // A refusal promises nothing.
      if (message.refused || message.quarantined) break;
      if (durable.hard_state.term < message.term) broken("answers in a term that is not durable");
      if (durable.quarantined) Fail("R13: an acknowledgement of a quarantined replica");
      // Entries of a later leader may have replaced what was acknowledged to an earlier one.
      if (durable.hard_state.term == message.term && !durable.Has(message.log))
        broken(
            absl::StrCat("acknowledges entry ", message.log.index.value, ", which is not durable"));
      break;
    case MessageKind::kSnapshotPart:
      if (message.snapshot->gone) break;
      if (durable.quarantined) Fail("R13: a snapshot of a quarantined replica");
      if (message.snapshot->kind == SnapshotPart::Kind::kRoot &&
          message.snapshot->checkpoint > durable.checkpoint) {
        broken(absl::StrCat("passes on the checkpoint of entry ",
                            message.snapshot->checkpoint.index.value, ", which is not durable"));
      }
      break;
    case MessageKind::kHeartbeatReply:
      if (durable.hard_state.term < message.term) broken("answers in a term that is not durable");
      break;
    default:
      break;
  }
}

void Checker::OnApplied(Host* host, GroupId group, Index index, uint64_t digest) {
  if (host->outcast()) return;
  Fail(HistoryAt(*host, group).OnDigest(index, digest, host->self(group)));
}

void Checker::OnCheckpoint(Host* host, GroupId group, const Checkpoint& made) {
  if (!host->outcast()) roots_[group.value].emplace(made.applied, base::Crc32c(made.root));
}

void Checker::OnInstalled(Host* host, GroupId group, const Checkpoint&) {
  ++installs_;
  replicas_[host->number() - 1][group.value].unread = kReadEvery;
}

void Checker::OnAstray(Host* host, GroupId group, const Astray& astray) {
  if (host->outcast()) return;
  astray_.emplace_back(group, astray.replica);
  if (!IsLost(group, astray.replica)) {
    Fail(absl::StrCat("R13: node ", astray.replica.node.value,
                      " is given up, though it has all that it vouched for (why ",
                      static_cast<int>(astray.why), ", entry ", astray.index.value, ")"));
  }
}

uint64_t Checker::OnReopened(const Host& host, GroupId group,
                             const std::vector<TestMachine::MessageRef>& missing) {
  const Durable& durable = host.store().durable(group);
  const Membership alone{.voters = {host.self(group)}};
  History& next = histories_[group.value][durable.epoch];
  const History& before = std::prev(histories_[group.value].end(), 2)->second;
  next = before.ReopenedFrom(durable.terms, durable.hard_state.term);
  next.Reopen({durable.terms.back(), durable.last()}, alone);
  Fail(next.OnVote(host.self(group), durable.hard_state.term, host.self(group)));
  missing_[group.value].insert(missing.begin(), missing.end());
  uint64_t lost = 0;
  for (Index index{1}; index <= before.committed(); index = index + 1)
    lost += !next.IsCommitted({before.TermOf(index), index});
  return lost;
}

void Checker::ExpectFurthest(const Host& host, GroupId group, const std::vector<Host*>& copies) {
  const History& history = this->history(group);
  for (Index index{1}; index <= history.committed(); index = index + 1) {
    const EntryId id{history.TermOf(index), index};
    for (const Host* copy : copies) {
      if (copy->store().durable(group).Has(id) && !host.store().durable(group).Has(id) &&
          !copy->IsIncomplete(group))
        Fail(absl::StrCat("epoch: node ", host.number(), " lacks entry ", index.value,
                          ", which is committed, and node ", copy->number(), " has it"));
    }
  }
}

uint64_t Checker::Fingerprint(const Host& host) const {
  uint64_t sum = 0;
  for (const Replica& replica : replicas_[host.number() - 1]) {
    for (const uint64_t part :
         {replica.term.value, replica.last.index.value, replica.commit.value, replica.applied.value,
          replica.durable.value, static_cast<uint64_t>(replica.role), replica.progress}) {
      sum = (sum ^ part) * 0x9e3779b97f4a7c15u;
      sum ^= sum >> 31;
    }
  }
  return sum;
}

}  // namespace pontoon::raft::sim
