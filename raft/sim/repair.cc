#include <algorithm>

#include "absl/strings/str_cat.h"
#include "raft/sim/simulation.h"

// What an operator does about replicas that are gone for good, and what is demanded once everything
// has healed.

namespace pontoon::raft::sim {
namespace {

// In a run whose elections take no longer than usual and whose messages and disks take no time.
// Pages that a snapshot needs are held for 10 s.
constexpr int64_t kServeWithinUs = 8'000'000;
constexpr int64_t kCleanWithinUs = 30'000'000;
// A replica that is behind may need so many round trips, each with a write at both ends: where an
// append or a part of a snapshot holds but one of some hundred entries, few are under way at a
// time, and one replica after the other is replaced.
constexpr int64_t kRoundTrips = 256;

bool Holds(const std::vector<ReplicaId>& list, const ReplicaId& replica) {
  return std::find(list.begin(), list.end(), replica) != list.end();
}

}  // namespace

void Simulation::Operate() {
  for (const auto& host : hosts_) {
    // A replica in quarantine comes back with an empty disk.
    bool quarantined = false;
    for (uint32_t group = 0; group < options_.groups; ++group)
      quarantined = quarantined || host->store().durable(GroupId{group}).quarantined;
    if (quarantined && host->up() && !host->outcast()) LoseDisk(host.get(), 0);
  }
  for (const auto& host : hosts_) FollowEpochs(host.get());
  for (uint32_t id = 0; id < options_.groups; ++id) {
    ReopenWhatIsLeft(GroupId{id});
    SettleWhatIsLost(GroupId{id});
    OperateGroup(GroupId{id});
  }
  Push(now_us_ + static_cast<int64_t>(200000 * options_.scale), What::kOperator);
}

// A member that is gone is replaced by its node's next incarnation: a learner first, then a voter
// in its place, in one joint change.
void Simulation::OperateGroup(GroupId group) {
  Host* leader = LeaderOf(group, 0, /*newest=*/true);
  if (leader == nullptr) return;
  const Core& core = leader->core(group);
  const Membership& members = core.membership();
  if (IsJoint(members)) return;
  Membership wanted = members;
  for (const ReplicaId& gone : AllMembers(members)) {
    if (!checker_.IsLost(group, gone)) continue;
    const ReplicaId fresh = hosts_[gone.node.value - 1]->self(group);
    if (fresh == gone) continue;  // Its disk is not replaced yet.
    if (!Holds(members.voters, gone)) {
      std::erase(wanted.learners, gone);
    } else if (Holds(members.learners, fresh)) {
      std::erase(wanted.voters, gone);
      std::erase(wanted.learners, fresh);
      wanted.voters.push_back(fresh);
    } else if (Holds(members.voters, fresh)) {
      std::erase(wanted.voters, gone);
    } else if (!checker_.IsLost(group, fresh)) {
      wanted.learners.push_back(fresh);
    }
    std::sort(wanted.voters.begin(), wanted.voters.end());
    std::sort(wanted.learners.begin(), wanted.learners.end());
    if (wanted == members) continue;
    const bool taken = leader->raft(group).ProposeConfig(group, core.term(), wanted).ok();
    trace_.Say(now_us_, "the operator replaces node ", gone.node.value, " in group ", group.value,
               taken ? "" : ", not now");
    AfterHost(leader);
    return;
  }
  if (core.epoch() == base::RecoveryEpoch{}) return;
  // A group that was reopened grows again.
  for (const auto& host : hosts_) {
    const ReplicaId fresh = host->self(group);
    if (members.voters.size() >= options_.founders) return;
    if (host->epoch(group) != core.epoch() || Holds(members.voters, fresh) ||
        checker_.IsLost(group, fresh))
      continue;
    if (std::erase(wanted.learners, fresh) > 0) {
      wanted.voters.push_back(fresh);
    } else {
      wanted.learners.push_back(fresh);
    }
    std::sort(wanted.voters.begin(), wanted.voters.end());
    std::sort(wanted.learners.begin(), wanted.learners.end());
    (void)leader->raft(group).ProposeConfig(group, core.term(), wanted);
    AfterHost(leader);
    return;
  }
}

// Somebody leads, with a lease, and everybody who is a member is there to stay.
std::string Simulation::WhyNotServing(GroupId group) {
  Host* leader = nullptr;
  for (const auto& host : hosts_) {
    if (!host->up()) return absl::StrCat("node ", host->number(), " is down");
    if (host->epoch(group) != checker_.epoch(group))
      return absl::StrCat("node ", host->number(), " is in an older epoch");
    if (host->raft(group).leads(group) &&
        (leader == nullptr || host->core(group).term() > leader->core(group).term()))
      leader = host.get();
  }
  if (leader == nullptr) return "nobody leads";
  const Core& core = leader->core(group);
  if (!core.LeaseHolds(leader->clock().Now(now_us_ * 1000))) return "the leader has no lease";
  if (IsJoint(core.membership())) return "a change of members is under way";
  for (const ReplicaId& member : AllMembers(core.membership())) {
    if (checker_.IsLost(group, member))
      return absl::StrCat("node ", member.node.value, " was not replaced");
  }
  Index& probe = probes_[group.value];
  if (probe == Index{0}) {
    Entry entry = TestMachine::Put("probe");
    const absl::StatusOr<Index> taken =
        leader->raft(group).Propose(group, core.term(), absl::MakeSpan(&entry, 1));
    if (taken.ok()) probe = *taken;
    AfterHost(leader);
    return taken.ok() ? "the proposal is not committed yet" : std::string(taken.status().message());
  }
  if (core.applied() >= probe) return "";
  // A write that was to fail may have failed only now, and the proposal is gone.
  if (core.applied() == core.log().last().index) probe = {};
  return "the proposal is not committed";
}

std::string Simulation::WhyNotAgreed(GroupId group) {
  Host* leader = LeaderOf(group, 0);
  if (leader == nullptr) return "nobody leads";
  const Core& core = leader->core(group);
  if (core.commit() != core.log().last().index) return "not everything is committed";
  for (const ReplicaId& member : AllMembers(core.membership())) {
    Host& host = *hosts_[member.node.value - 1];
    const Core& other = host.core(group);
    if (other.applied() != core.applied())
      return absl::StrCat("node ", host.number(), " has applied ", other.applied().value, " of ",
                          core.applied().value);
    if (host.machine(group).Digest() != leader->machine(group).Digest())
      return absl::StrCat("node ", host.number(), " holds another state");
    if (host.store().unsynced() > 0) return "not everything is written";
    checker_.CheckStored(host, group);
  }
  if (!leader->machine(group).live_messages().empty()) {
    Settle(group, 100, 0);
    return "not everything is settled";
  }
  return "";
}

// R18: nothing is in flight. S6: the disk holds what lives, and that is nothing.
std::string Simulation::WhyNotClean(GroupId group) {
  Host* leader = LeaderOf(group, 0);
  if (leader == nullptr) return "nobody leads";
  const Core& core = leader->core(group);
  if (core.uncommitted_bytes() != 0) return "R18: uncommitted bytes are counted";
  for (const auto& [peer, progress] : core.progress()) {
    if (progress.in_flight_bytes != 0 || !progress.in_flight.empty())
      return absl::StrCat("R18: bytes in flight to node ", peer.node.value);
    if (progress.match != core.log().last().index)
      return absl::StrCat("R14: node ", peer.node.value, " is not known to have everything");
  }
  for (const ReplicaId& member : AllMembers(core.membership())) {
    Host& host = *hosts_[member.node.value - 1];
    for (Index index{1}; index <= core.commit(); index = index + 1) {
      if (host.store().memory().HasBody(group, index))
        return absl::StrCat("S6: node ", host.number(), " keeps the body of entry ", index.value,
                            ", which is settled");
    }
    if (host.core(group).log().base().index < host.raft(group).applied(group).index) {
      host.MakeCheckpoint(group);
      AfterHost(&host);
    }
    if (host.store().durable(group).checkpoint.index < host.raft(group).applied(group).index)
      return absl::StrCat("S6: node ", host.number(), " has no checkpoint of everything");
    for (const EntryId& header : host.store().memory().headers(group)) {
      if (header.index <= host.core(group).log().base().index)
        return absl::StrCat("S6: node ", host.number(), " keeps the header of entry ",
                            header.index.value, ", which was compacted");
    }
    if (!host.machine(group).pages().empty()) {
      // Nothing lives; what a peer was fetching is named until a while after.
      host.MakeCheckpoint(group, /*again=*/true);
      AfterHost(&host);
      return absl::StrCat("S6: node ", host.number(), " names pages of what is settled");
    }
    for (const PageId page : host.store().memory().pages(group)) {
      // What a crash has left of a snapshot that was on its way in goes with the next one, or when
      // the node starts the next time but one.
      const bool staged = host.raft(group).StoredPageOf(group, {0}).value >> 48 != page.value >> 48;
      if (staged && host.starts() > 1) continue;
      return absl::StrCat("S6: node ", host.number(), " keeps page ", page.value & kPageIdMax,
                          " of generation ", page.value >> 48);
    }
  }
  return "";
}

void Simulation::Heal() {
  trace_.Say(now_us_, "everything heals");
  for (std::vector<Trap>& traps : traps_) traps.clear();
  end_traps_.clear();
  change_traps_.clear();
  damage_traps_.clear();
  loss_traps_.clear();
  std::fill(probes_.begin(), probes_.end(), Index{0});
}

// A time of peace amid the disasters, which go on after it from what it has left.
void Simulation::CalmDown(int64_t us) {
  if (InPeace()) return;
  Heal();
  network_.Heal(now_us_ + us);
  calm_since_us_ = now_us_;
  calm_until_us_ = std::min(now_us_ + us, heal_at_us_);
  Push(now_us_, What::kCalmPoll);
}

std::string Simulation::WhyNotServing() {
  for (uint32_t id = 0; id < options_.groups; ++id) {
    const std::string why = WhyNotServing(GroupId{id});
    if (!why.empty()) return absl::StrCat(why, " (group ", id, ")");
  }
  return "";
}

// R19, in between.
void Simulation::PollCalm() {
  if (!InPeace()) return;
  const std::string why = WhyNotServing();
  const int64_t passed = now_us_ - calm_since_us_;
  if (why.empty()) {
    Note(Coincidence::kServedBetween);
    trace_.Say(now_us_, "all serve");
  } else if (passed > WithinUs(Phase::kServe)) {
    checker_.Fail(absl::StrCat("R19: ", why, ", ", passed / 1000000, " s into a time of peace"));
  } else {
    Push(now_us_ + static_cast<int64_t>(20000 * options_.scale), What::kCalmPoll);
  }
}

int64_t Simulation::WithinUs(Phase phase) const {
  const auto round_trip = static_cast<int64_t>(2 * options_.delay_us + 2 * options_.disk_us);
  return static_cast<int64_t>(options_.scale) *
             (phase == Phase::kServe ? kServeWithinUs : kCleanWithinUs) +
         kRoundTrips * round_trip;
}

// R19, B16: within a time after everything has healed.
void Simulation::Poll() {
  const int64_t passed = now_us_ - heal_at_us_;
  std::string why;
  for (uint32_t id = 0; id < options_.groups && why.empty(); ++id) {
    const GroupId group{id};
    why = phase_ == Phase::kServe   ? WhyNotServing(group)
          : phase_ == Phase::kAgree ? WhyNotAgreed(group)
                                    : WhyNotClean(group);
    if (!why.empty()) absl::StrAppend(&why, " (group ", id, ")");
  }
  if (!checker_.failure().empty()) return;
  if (why.empty()) {
    trace_.Say(now_us_, "phase ", static_cast<int>(phase_), " is done");
    if (phase_ == Phase::kServe) outcome_.served_us = passed;
    phase_ = static_cast<Phase>(static_cast<int>(phase_) + 1);
    if (phase_ == Phase::kDone) outcome_.agreed_us = passed;
  } else if (passed > WithinUs(phase_)) {
    return checker_.Fail(absl::StrCat(phase_ == Phase::kClean ? "" : "R19: ", why, ", ",
                                      passed / 1000000, " s after everything has healed"));
  }
  Push(now_us_ + static_cast<int64_t>(20000 * options_.scale), What::kPoll);
}

}  // namespace pontoon::raft::sim
