#include "raft/sim/simulation.h"

// Faults that wait for their moment.

namespace pontoon::raft::sim {

bool Simulation::HitsTrap(uint32_t host, const std::vector<Message>& messages, bool on_send) {
  std::vector<Trap>& traps = traps_[host];
  if (traps.empty()) return false;
  for (const Message& message : messages) {
    for (Trap& trap : traps) {
      if (trap.on_send != on_send || trap.kind != message.kind || --trap.count > 0) continue;
      const int64_t down_us = trap.down_us;
      traps.erase(traps.begin() + (&trap - traps.data()));
      trace_.Say(now_us_, "the trap springs");
      Note(Coincidence::kTrapSprung);
      CrashHost(hosts_[host - 1].get(), down_us);
      return true;
    }
  }
  return false;
}

void Simulation::SpringEndTraps() {
  for (size_t i = 0; i < end_traps_.size(); ++i) {
    const EndTrap trap = end_traps_[i];
    Host* const host = trap.host;
    if (now_us_ < trap.until_us) {
      const Store& store = host->store();
      if (!host->up() || host->outcast() || host->damaged() || !store.is_unmarked() ||
          !store.ends_with_entries() || !checker_.CanLose(*host) ||
          !checker_.Covers(*host, store.marked()))
        continue;
      trace_.Say(now_us_, "the trap springs");
      Note(Coincidence::kTrapSprung);
      CrashHost(host, trap.down_us, Damage::kEnd);
    }
    end_traps_.erase(end_traps_.begin() + static_cast<ptrdiff_t>(i--));
  }
}

void Simulation::SpringChangeTraps() {
  for (size_t i = 0; i < change_traps_.size(); ++i) {
    const ChangeTrap trap = change_traps_[i];
    bool over = now_us_ >= trap.until_us;
    for (uint32_t group = 0; group < options_.groups && !over; ++group) {
      over = part_of_at_us_[group] == now_us_ && Change(GroupId{group}, trap.dice);
      if (over) Note(Coincidence::kTrapSprung);
    }
    if (over) change_traps_.erase(change_traps_.begin() + static_cast<ptrdiff_t>(i--));
  }
}

void Simulation::SpringLossTraps() {
  for (size_t i = 0; i < loss_traps_.size(); ++i) {
    const LossTrap trap = loss_traps_[i];
    if (now_us_ < trap.until_us) {
      bool sprung = false;
      for (uint32_t id = 0; id < options_.groups && !sprung; ++id) {
        const bool receiving =
            now_us_ - part_of_at_us_[id] < static_cast<int64_t>(100'000 * options_.scale);
        sprung = (receiving || trap.group.value == id) &&
                 LoseMost(GroupId{id}, trap.dice, trap.reopen_us, /*incomplete=*/true);
      }
      if (!sprung) continue;
      Note(Coincidence::kTrapSprung);
    }
    loss_traps_.erase(loss_traps_.begin() + static_cast<ptrdiff_t>(i--));
  }
}

void Simulation::SpringDamageTraps() {
  for (size_t i = 0; i < damage_traps_.size(); ++i) {
    const DamageTrap trap = damage_traps_[i];
    bool over = now_us_ >= trap.until_us;
    for (uint32_t group = 0; group < options_.groups && !over; ++group) {
      if (part_of_at_us_[group] != now_us_) continue;
      Host* const host = hosts_[part_of_from_[group] - 1].get();
      if (host->damaged() || host->outcast() ||
          !DamageValue(host, GroupId{group}, trap.dice, /*of_snapshot=*/true))
        continue;
      over = true;
      Note(Coincidence::kTrapSprung);
      Note(Coincidence::kDamagedSender);
      Push(Until(trap.noticed_us), What::kScrub, host->number(), 0, host->life());
    }
    if (over) damage_traps_.erase(damage_traps_.begin() + static_cast<ptrdiff_t>(i--));
  }
}

}  // namespace pontoon::raft::sim
