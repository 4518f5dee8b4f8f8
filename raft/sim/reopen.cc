#include <algorithm>

#include "absl/strings/str_cat.h"
#include "raft/sim/simulation.h"

// Groups that an operator reopens: because a majority is given up, or because it is gone.

namespace pontoon::raft::sim {

bool Simulation::IsCopy(const Host& host, GroupId group) const {
  const Durable& durable = host.store().durable(group);
  return !host.damaged() && !host.outcast() && now_us_ >= host.full_until_us &&
         durable.epoch == checker_.epoch(group) && durable.last() > Index{0} &&
         !checker_.IsLost(group, host.self(group));
}

// A majority of the group is given up: it goes on with one copy, alone, and all others are of an
// older epoch from then on. They do not know it yet, and go on among themselves.
bool Simulation::Reopen(GroupId group, uint64_t dice, uint64_t follow_us, bool incomplete) {
  std::vector<Host*> copies;
  for (const auto& host : hosts_) {
    if (!host->up() || !IsCopy(*host, group)) continue;
    const Core& core = host->core(group);
    if (core.epoch() == checker_.epoch(group) && IsVoter(core.membership(), core.self()))
      copies.push_back(host.get());
  }
  // One reopening at a time.
  if (copies.empty() || now_us_ < follow_at_us_[group.value]) return false;
  Host* host = copies[dice % copies.size()];
  const auto odd = std::find_if(copies.begin(), copies.end(), [&](const Host* copy) {
    return incomplete && copy->IsIncomplete(group);
  });
  if (odd != copies.end()) host = *odd;
  CrashHost(host, static_cast<int64_t>(100000 + dice % 400000));
  return ReopenFrom(group, host, follow_us, incomplete);
}

bool Simulation::ReopenFrom(GroupId group, Host* host, uint64_t follow_us, bool incomplete) {
  Host::Missing missing;
  const absl::Status reopened = host->Reopen(
      group, base::RecoveryEpoch{static_cast<uint16_t>(checker_.epoch(group).value + 1)},
      incomplete, &missing);
  // It is no survivor.
  if (absl::IsFailedPrecondition(reopened)) return false;
  if (!reopened.ok()) {
    checker_.Fail(absl::StrCat("epoch: node ", host->number(), " cannot reopen group ", group.value,
                               ": ", reopened.message()));
    return false;
  }
  const uint64_t lost = checker_.OnReopened(*host, group, missing.messages);
  trace_.Say(now_us_, "group ", group.value, " is reopened on node ", host->number(),
             " up to entry ", host->store().durable(group).last().value, "; ", lost,
             " committed entries are lost, and the bytes of ", missing.messages.size(),
             " messages");
  if (missing.incomplete) Note(Coincidence::kReopenedIncomplete);
  Note(Coincidence::kEntryLost, lost);
  Note(Coincidence::kMessageLost, missing.messages.size());
  follow_at_us_[group.value] = Until(follow_us);
  return true;
}

// So many disks are gone that no majority of the group is left, as may be true for other groups
// then. They stay closed until an operator looks.
bool Simulation::LoseMost(GroupId group, uint64_t dice, uint64_t reopen_us, bool incomplete) {
  std::vector<Host*> copies;
  for (const auto& host : hosts_) {
    if (IsCopy(*host, group) && (!incomplete || host->IsIncomplete(group)))
      copies.push_back(host.get());
  }
  if (copies.empty() || now_us_ < follow_at_us_[group.value]) return false;
  const Host* const left = copies[dice % copies.size()];
  Chance chance(dice);
  std::vector<Host*> gone;
  for (const auto& host : hosts_) {
    // Those who bring an old disk, or a damaged one, are being looked after already.
    if (host.get() == left || host->damaged() || host->outcast()) continue;
    if (incomplete || chance.Permille(700)) gone.push_back(host.get());
  }
  const auto is_gone = [&](const Host& host) {
    return std::any_of(gone.begin(), gone.end(), [&](const Host* each) { return each == &host; });
  };
  for (uint32_t id = 0; id < options_.groups; ++id) {
    const bool some = std::any_of(hosts_.begin(), hosts_.end(), [&](const auto& host) {
      return IsCopy(*host, GroupId{id}) && !is_gone(*host);
    });
    if (!some || now_us_ < follow_at_us_[id]) return false;
  }
  for (Host* host : gone) {
    CrashHost(host, static_cast<int64_t>(Chance(dice + host->number()).Between(20000, 3000000)));
    checker_.OnLost(*host);
    host->Wipe();
    ++outcome_.replaced;
  }
  for (uint32_t id = 0; id < options_.groups; ++id) {
    if (checker_.HasMajorities(GroupId{id})) continue;
    reopen_at_us_[id] = Until(reopen_us);
    Note(Coincidence::kMajorityLost);
    trace_.Say(now_us_, "no majority of group ", id, " is left");
  }
  return true;
}

// The operator takes the copy that goes furthest; of those that are incomplete only if there is no
// other.
void Simulation::ReopenWhatIsLeft(GroupId group) {
  if (now_us_ < reopen_at_us_[group.value]) return;
  if (checker_.HasMajorities(group)) {
    reopen_at_us_[group.value] = INT64_MAX;
    return;
  }
  std::vector<Host*> copies;
  for (const auto& host : hosts_) {
    if (IsCopy(*host, group)) copies.push_back(host.get());
  }
  const auto last = [&](const Host* host) {
    const Durable& durable = host->store().durable(group);
    return EntryId{durable.terms.back(), durable.last()};
  };
  std::stable_sort(copies.begin(), copies.end(),
                   [&](const Host* a, const Host* b) { return last(a) > last(b); });
  // Complete ones first.
  std::stable_partition(copies.begin(), copies.end(),
                        [&](const Host* host) { return !host->IsIncomplete(group); });
  for (Host* host : copies) {
    const bool incomplete = host->IsIncomplete(group);
    if (!incomplete) checker_.ExpectFurthest(*host, group, copies);
    CrashHost(host, 100000);
    if (!ReopenFrom(group, host, 0, incomplete)) continue;
    reopen_at_us_[group.value] = INT64_MAX;
    return;
  }
}

// What was lost with an incomplete copy is told to the group, which goes on without it.
void Simulation::SettleWhatIsLost(GroupId group) {
  Host* leader = LeaderOf(group, 0, /*newest=*/true);
  if (leader == nullptr) return;
  std::vector<TestMachine::MessageRef> refs;
  for (const TestMachine::LiveMessage& live : leader->machine(group).live_messages()) {
    if (checker_.IsMissing(group, live.ref)) refs.push_back(live.ref);
  }
  if (refs.empty()) return;
  Entry entry = TestMachine::Settle(refs);
  (void)leader->raft(group).Propose(group, leader->raft(group).term(group),
                                    absl::MakeSpan(&entry, 1), Core::Room::kAlways);
  AfterHost(leader);
}

// The operator tells the node of the epochs that its groups are in by now.
void Simulation::FollowEpochs(Host* host) {
  bool behind = false;
  for (uint32_t id = 0; id < options_.groups; ++id) {
    const GroupId group{id};
    if (host->epoch(group) == checker_.epoch(group) || now_us_ < follow_at_us_[id]) continue;
    behind = behind || host->up();
    host->SetEpoch(group, checker_.epoch(group));
  }
  if (behind) CrashHost(host, 50000);
}

}  // namespace pontoon::raft::sim
