#include <algorithm>
#include <string>
#include <utility>

#include "raft/sim/simulation.h"

// What clients ask for.

namespace pontoon::raft::sim {

bool Simulation::Propose(const Event& event) {
  const GroupId group{static_cast<uint32_t>(event.args[0] % options_.groups)};
  Chance chance(event.args[3]);
  Host* leader = LeaderOf(group, chance.Next() >> 1);
  if (leader == nullptr) return false;
  std::vector<Entry> entries;
  for (uint64_t i = 0; i < event.args[1]; ++i) {
    std::vector<std::string> messages(chance.Between(1, 4));
    for (std::string& message : messages)
      message.assign(chance.Between(1, std::max<uint64_t>(1, event.args[2])),
                     static_cast<char>('a' + chance.Below(26)));
    entries.push_back(TestMachine::Put(messages));
  }
  const bool taken = leader->raft(group)
                         .Propose(group, leader->raft(group).term(group), absl::MakeSpan(entries))
                         .ok();
  AfterHost(leader);
  return taken;
}

bool Simulation::Settle(GroupId group, uint64_t percent, uint64_t dice) {
  Chance chance(dice);
  Host* leader = LeaderOf(group, chance.Next() >> 1);
  if (leader == nullptr) return false;
  std::vector<TestMachine::MessageRef> refs;
  for (const TestMachine::LiveMessage& live : leader->machine(group).live_messages()) {
    if (percent < 100 && chance.Below(100) >= percent) continue;
    refs.push_back(live.ref);
    if (refs.size() >= 200 && percent < 100) break;
  }
  if (refs.empty()) return false;
  Entry entry = TestMachine::Settle(refs);
  const bool taken = leader->raft(group)
                         .Propose(group, leader->raft(group).term(group), absl::MakeSpan(&entry, 1),
                                  Core::Room::kAlways)
                         .ok();
  AfterHost(leader);
  return taken;
}

// Of everybody who takes itself for the leader.
bool Simulation::Read(GroupId group) {
  bool asked = false;
  for (const auto& host : hosts_) {
    if (!host->up()) continue;
    checker_.CheckStored(*host, group);
    if (now_us_ < host->frozen_until_us || host->core(group).role() != Role::kLeader) continue;
    for (const auto& other : hosts_) {
      if (other->up() && other->core(group).term() > host->core(group).term()) {
        Note(Coincidence::kReadOfDeposed);
        break;
      }
    }
    if (host->epoch(group) != checker_.epoch(group)) Note(Coincidence::kOldEpochLed);
    const ReadId id = checker_.OnReadAsked(*host, group);
    asked = host->raft(group).ReadIndex(group, id).ok() || asked;
    AfterHost(host.get());
  }
  return asked;
}

}  // namespace pontoon::raft::sim
