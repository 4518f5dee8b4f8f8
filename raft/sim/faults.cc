#include <algorithm>

#include "absl/strings/str_cat.h"
#include "raft/sim/simulation.h"

// What goes wrong.

namespace pontoon::raft::sim {

void Simulation::StartHost(Host* host) {
  if (host->up()) return;
  const uint32_t number = host->number();
  if (host->outcast() && !KnownBetter(*host)) {
    // Its boot number would catch up with what others know: the operator comes first.
    host->Wipe();
    ++outcome_.replaced;
  }
  absl::Status started = host->Start(now_us_, founders_);
  if (absl::IsDataLoss(started) && host->damaged()) {
    // A node with peers does not start from a damaged disk.
    trace_.Say(now_us_, "node ", number, " finds its disk damaged");
    host->GiveUp();
    checker_.OnLost(*host);
    host->Wipe();
    ++outcome_.replaced;
    started = host->Start(now_us_, founders_);
  }
  trace_.Say(now_us_, "node ", number, " starts");
  ++outcome_.steps;
  if (!started.ok()) {
    return checker_.Fail(absl::StrCat("S1: node ", number, " does not start: ", started.message()));
  }
  for (const GroupId group : host->dropped_copies()) {
    Note(Coincidence::kCopyRefused);
    ++outcome_.replaced;
    checker_.OnDropped(*host, group);
  }
  checker_.OnStart(host);
  if (now_us_ < host->full_until_us) {
    host->store().FillUp();
    host->SetRoom(false);
  }
  ArmTick(host);
  AfterHost(host);
}

bool Simulation::Leads(const Host& host) const {
  for (uint32_t group = 0; group < options_.groups && host.up(); ++group) {
    if (host.core(GroupId{group}).role() == Role::kLeader) return true;
  }
  return false;
}

bool Simulation::InSnapshot(const Host& host) const {
  return now_us_ - part_at_us_[host.number()] < static_cast<int64_t>(100'000 * options_.scale);
}

bool Simulation::InChange(const Host& host) const {
  for (uint32_t group = 0; group < options_.groups && host.up(); ++group) {
    if (IsJoint(host.core(GroupId{group}).membership())) return true;
  }
  return false;
}

void Simulation::CrashHost(Host* host, int64_t down_us, Damage damage) {
  if (!host->up()) return;
  trace_.Say(now_us_, "node ", host->number(), " crashes");
  ++outcome_.steps;
  using LogDamage = MemoryLogStore::LogDamage;
  LogDamage log = damage == Damage::kNone ? LogDamage::kNone : LogDamage::kAboveMark;
  const auto notice_later = [&] {
    host->set_damaged();
    Push(Until(static_cast<uint64_t>(down_us) + 1000000 + dice_.Below(4000000)), What::kScrub,
         host->number(), 0, host->life());
  };
  if (damage == Damage::kVouched && checker_.CanLose(*host)) {
    log = LogDamage::kBelowMark;
    checker_.OnLost(*host);
    notice_later();
  }
  // What is synced behind the mark may be lost, of which at most others will know.
  if (damage == Damage::kEnd) log = LogDamage::kEnd;
  const bool unmarked =
      (log == LogDamage::kAboveMark || log == LogDamage::kEnd) && host->store().is_unmarked();
  if (unmarked && !(checker_.CanLose(*host) && checker_.Covers(*host, host->store().marked())))
    log = LogDamage::kNone;
  std::map<GroupId, Durable> vouched;
  if (unmarked) vouched = host->store().durable();
  const bool unsynced = host->store().unsynced() > 0 || host->store().has_unsynced_writes();
  if (Leads(*host)) Note(Coincidence::kCrashOfLeader);
  if (unsynced) Note(Coincidence::kCrashWithUnsynced);
  if (InSnapshot(*host)) Note(Coincidence::kCrashInSnapshot);
  if (InChange(*host)) Note(Coincidence::kCrashInChange);
  if (log == LogDamage::kAboveMark && unsynced) Note(Coincidence::kDamageOfUnsynced);
  if (log == LogDamage::kBelowMark) Note(Coincidence::kDamageOfVouched);
  bool lost = false;
  checker_.Fail(host->Crash(log, &lost));
  if (lost && (log == LogDamage::kAboveMark || log == LogDamage::kEnd)) {
    Note(Coincidence::kSilentLoss);
    checker_.OnLost(*host, vouched);
    notice_later();
  }
  // What had got to the disk all the same is of this life, whoever lives there in the next.
  checker_.OnSynced(host);
  checker_.OnCrash(host);
  Push(Until(static_cast<uint64_t>(down_us)), What::kStart, host->number());
}

int64_t Simulation::Until(uint64_t us) const {
  if (InPeace()) return now_us_;
  const auto calm = std::upper_bound(calm_at_us_.begin(), calm_at_us_.end(), now_us_);
  return std::min({now_us_ + static_cast<int64_t>(us), heal_at_us_,
                   calm == calm_at_us_.end() ? INT64_MAX : *calm});
}

bool Simulation::LoseDisk(Host* host, int64_t down_us) {
  if (!checker_.CanLose(*host)) return false;
  if (host->up()) {
    CrashHost(host, down_us);
  }
  checker_.OnLost(*host);
  host->Wipe();
  ++outcome_.replaced;
  return true;
}

// All others have heard of a later boot than that of the next start.
bool Simulation::KnownBetter(const Host& host) const {
  return std::all_of(hosts_.begin(), hosts_.end(), [&](const auto& other) {
    return other.get() == &host || other->BootOf(host.node()) > host.boot() + 1;
  });
}

// An old copy of its disk. Either the others remember that its boot was higher, so that nothing
// which it says counts; or they do not, and it lacks nothing that a majority of the others has not.
bool Simulation::PutBack(Host* host, int64_t down_us, uint64_t noticed_us) {
  if (!host->image().has_value() || host->outcast() || !checker_.CanLose(*host)) return false;
  const Host::Image& image = *host->image();
  const bool known = options_.remember_boots != 0 && !checker_.VotesAlone(*host, image) &&
                     host->boot() > image.boot + 1;
  // What it will have by the time it is down.
  CrashHost(host, down_us);
  if (!known && !checker_.Covers(*host, image.store.record, &image.incarnation)) return false;
  Note(known ? Coincidence::kPutBackOutcast : Coincidence::kPutBackUnknown);
  const uint64_t boot = host->boot();
  checker_.OnLost(*host);
  host->PutBack();
  if (known) {
    // Whoever has not met it since has it from the catalog.
    for (const auto& other : hosts_) other->Hear(host->node(), boot);
    host->set_outcast();
  }
  trace_.Say(now_us_, "node ", host->number(), " gets an old disk, of boot ", image.boot);
  Push(Until(static_cast<uint64_t>(down_us) + noticed_us), What::kScrub, host->number(), 0,
       host->life());
  return true;
}

Host* Simulation::LeaderOf(GroupId group, uint64_t dice, bool newest) {
  std::vector<Host*> leaders;
  for (const auto& host : hosts_) {
    if (host->up() && now_us_ >= host->frozen_until_us && host->raft(group).leads(group) &&
        (!newest || host->epoch(group) == checker_.epoch(group)))
      leaders.push_back(host.get());
  }
  return leaders.empty() ? nullptr : leaders[dice % leaders.size()];
}

// A flipped bit in one value, of which there are enough good copies elsewhere. Whoever reads it is
// told; sooner or later the node's operator notices, and replaces the disk.
bool Simulation::DamageValue(Host* host, GroupId group, uint64_t dice, bool of_snapshot) {
  if (!host->up() || !checker_.CanLose(*host)) return false;
  Chance chance(dice);
  MemoryLogStore& disk = host->store().memory();
  const TestMachine& machine = host->machine(group);
  bool hit = false;
  enum { kBody, kPage, kCheckpoint, kHeader };
  uint64_t which = chance.Below(of_snapshot ? kHeader : kHeader + 1);
  // A page, if there is one.
  if (of_snapshot && which == kCheckpoint && !disk.pages(group).empty()) which = kPage;
  switch (which) {
    case kBody: {
      const std::vector<TestMachine::LiveMessage> live = machine.live_messages();
      hit = !live.empty() && disk.DamageBody(group, live[chance.Below(live.size())].ref.index);
      break;
    }
    case kHeader: {
      const std::vector<EntryId> headers = disk.headers(group);
      hit =
          !headers.empty() && disk.DamageHeader(group, headers[chance.Below(headers.size())].index);
      break;
    }
    case kPage: {
      const std::vector<PageId> pages = disk.pages(group);
      hit = !pages.empty() && disk.DamagePage(group, pages[chance.Below(pages.size())]);
      break;
    }
    default:
      hit = disk.DamageCheckpoint(group);
      break;
  }
  if (hit) {
    checker_.OnDamaged(*host, host->store().durable());
    host->set_damaged();
  }
  return hit;
}

// Some replicas change their part: nothing, learner, voter, learner or nothing.
bool Simulation::Change(GroupId group, uint64_t dice) {
  Host* leader = LeaderOf(group, dice, /*newest=*/true);
  if (leader == nullptr) return false;
  Chance chance(dice);
  const Core& core = leader->core(group);
  Membership wanted = core.membership();
  for (const auto& host : hosts_) {
    if (!chance.Permille(350) || host->epoch(group) != core.epoch()) continue;
    const ReplicaId id = host->self(group);
    const bool voter = std::erase(wanted.voters, id) > 0;
    const bool learner = std::erase(wanted.learners, id) > 0;
    if (learner) {
      wanted.voters.push_back(id);
    } else if (!voter || chance.Permille(500)) {
      wanted.learners.push_back(id);
    }
  }
  std::sort(wanted.voters.begin(), wanted.voters.end());
  std::sort(wanted.learners.begin(), wanted.learners.end());
  // Nobody takes out who is needed.
  if (!checker_.HasMajority(group, wanted.voters)) return false;
  const bool taken = leader->raft(group).ProposeConfig(group, core.term(), wanted).ok();
  outcome_.changes += taken;
  if (taken && std::any_of(hosts_.begin(), hosts_.end(),
                           [this](const auto& host) { return InSnapshot(*host); }))
    Note(Coincidence::kChangeInSnapshot);
  AfterHost(leader);
  return taken;
}

}  // namespace pontoon::raft::sim
