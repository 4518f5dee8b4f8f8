#include "raft/sim/simulation.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "raft/sim/wire.h"

namespace pontoon::raft::sim {
namespace {

// So many steps, and it goes round in circles.
constexpr uint64_t kStepsMax = 5'000'000;
// What needs no sync of its own gets one after so long, where nothing else does.
constexpr int64_t kIdleSyncUs = 5000;

}  // namespace

Simulation::Simulation(const Plan& plan, bool keep_text)
    : plan_(plan),
      options_(plan.options),
      trace_(keep_text),
      checker_(plan.options, &hosts_),
      network_(plan.options),
      dice_(plan.options.seed, Purpose::kDice),
      heal_at_us_(static_cast<int64_t>(plan.options.seconds) * 1000000),
      traps_(plan.options.nodes + 1),
      part_at_us_(plan.options.nodes + 1, INT64_MIN / 2),
      part_of_from_(plan.options.groups),
      part_of_at_us_(plan.options.groups, INT64_MIN / 2),
      follow_at_us_(plan.options.groups),
      reopen_at_us_(plan.options.groups, INT64_MAX),
      probes_(plan.options.groups) {
  for (uint32_t number = 1; number <= options_.nodes; ++number)
    hosts_.push_back(std::make_unique<Host>(number, options_, &checker_));
  for (uint32_t group = 0; group < options_.groups; ++group) {
    // Each group begins elsewhere.
    Membership& members = founders_[GroupId{group}];
    for (uint32_t i = 0; i < options_.founders; ++i)
      members.voters.push_back({NodeId{1 + (group + i) % options_.nodes}, 1});
    std::sort(members.voters.begin(), members.voters.end());
  }
}

Outcome Simulation::Run() {
  for (const auto& host : hosts_) Push(0, What::kStart, host->number());
  for (size_t i = 0; i < plan_.events.size(); ++i) {
    if (plan_.events[i].at_us < heal_at_us_)
      Push(plan_.events[i].at_us, What::kPlanned, 0, static_cast<uint32_t>(i));
  }
  for (const Event& event : plan_.events) {
    if (event.what == Happening::kCalm) calm_at_us_.push_back(event.at_us);
  }
  Push(heal_at_us_, What::kHeal);
  Push(500000, What::kOperator);
  while (phase_ != Phase::kDone && checker_.failure().empty() && !queue_.empty()) {
    const Item item = queue_.top();
    queue_.pop();
    now_us_ = item.at_us;
    checker_.set_now_us(now_us_);
    Handle(item);
    if (outcome_.steps > kStepsMax) checker_.Fail("R19: steps without end");
  }
  outcome_.failure = checker_.failure();
  if (trace_.keeps_text() && !outcome_.failure.empty()) Describe();
  for (uint32_t group = 0; group < options_.groups; ++group) {
    outcome_.committed += checker_.history(GroupId{group}).committed().value;
    outcome_.elections += checker_.history(GroupId{group}).elections();
  }
  for (size_t astray = checker_.TakeAstray().size(); astray > 0; --astray)
    Note(Coincidence::kQuarantined);
  outcome_.reads = checker_.reads_answered();
  outcome_.installs = checker_.installs();
  outcome_.trace = trace_.digest();
  outcome_.text = trace_.text();
  return outcome_;
}

void Simulation::Push(int64_t at_us, What what, uint32_t host, uint32_t slot, uint64_t boot) {
  queue_.push({at_us, ++order_, what, host, slot, boot});
}

void Simulation::Handle(const Item& item) {
  Host* host = item.host == 0 ? nullptr : hosts_[item.host - 1].get();
  switch (item.what) {
    case What::kPlanned:
      return Happen(plan_.events[item.slot]);
    case What::kStart:
      return StartHost(host);
    case What::kRoom:
      if (now_us_ < host->full_until_us) return;
      host->store().MakeRoom();
      if (!host->up()) return;
      host->SetRoom(true);
      return AfterHost(host);
    case What::kScrub:
      if (host->life() == item.boot && !LoseDisk(host, 0))
        Push(now_us_ + 500000, What::kScrub, item.host, 0, item.boot);
      return;
    case What::kOperator:
      return Operate();
    case What::kHeal:
      Heal();
      network_.Heal(INT64_MAX);
      phase_ = Phase::kServe;
      Push(now_us_, What::kPoll);
      return;
    case What::kCalmPoll:
      return PollCalm();
    case What::kPoll:
      return Poll();
    default:
      break;
  }
  HandleRunning(host, item);
}

// What is for a process that runs, of the life that it was meant for.
void Simulation::HandleRunning(Host* host, const Item& item) {
  Packet packet;
  if (item.what == What::kPacket) {
    packet = std::move(packets_[item.slot]);
    packets_[item.slot] = Packet();
    free_packets_.push_back(item.slot);
    if (!host->up() || !network_.Passes(now_us_, packet.from, packet.to)) return;
  } else if (!host->up() || host->starts() != item.boot) {
    return;
  }
  if (now_us_ < host->frozen_until_us) {
    // It comes to it when it goes on.
    uint32_t slot = item.slot;
    if (item.what == What::kPacket) {
      slot = free_packets_.back();
      free_packets_.pop_back();
      packets_[slot] = std::move(packet);
    }
    return Push(host->frozen_until_us, item.what, item.host, slot, item.boot);
  }
  bool goes_on = true;
  switch (item.what) {
    case What::kTick:
      goes_on = TickHost(host);
      break;
    case What::kPacket:
      goes_on = OpenPacket(&packet) && !HitsTrap(item.host, packet.messages, false);
      if (goes_on) DeliverPacket(host, std::move(packet));
      break;
    case What::kRefused:
      host->OnPeerUnreachable(NodeId{item.slot});
      break;
    default:
      goes_on = HandleDisk(host, item);
      break;
  }
  if (goes_on) AfterHost(host);
  if (item.what == What::kSynced && !end_traps_.empty()) SpringEndTraps();
  if (!change_traps_.empty()) SpringChangeTraps();
  if (!damage_traps_.empty()) SpringDamageTraps();
  if (item.what == What::kSynced && !loss_traps_.empty()) SpringLossTraps();
}

bool Simulation::TickHost(Host* host) {
  host->Tick(now_us_);
  if (host->disk_dead) {
    trace_.Say(now_us_, "node ", host->number(), " gives its disk up");
    CrashHost(host, 1000000);
    return false;
  }
  ArmTick(host);
  return true;
}

bool Simulation::HandleDisk(Host* host, const Item& item) {
  const auto is_late = [&] {
    return host->disk_chance().Permille(InPeace() ? 0 : options_.late_permille);
  };
  switch (item.what) {
    case What::kSynced:
      if (!host->store().Write(item.slot)) {
        // Fail-stop: nobody knows what is on the disk now.
        trace_.Say(now_us_, "a write fails");
        Note(Coincidence::kWriteFailed);
        CrashHost(host, host->down_after_failure_us);
        return false;
      }
      checker_.OnSynced(host);
      ArmMark(host);
      if (is_late()) {
        Push(now_us_ + static_cast<int64_t>(host->disk_chance().Below(100000)), What::kReport,
             item.host, 0, host->starts());
        return true;
      }
      [[fallthrough]];
    case What::kReport:
      host->disk_busy = false;
      host->store().Report();
      return true;
    case What::kMark:
      host->mark_armed = false;
      host->store().WriteMark();
      return false;
    case What::kReads:
      host->store().PerformReads();
      // What was read may be out of date when it arrives.
      if (is_late()) {
        Note(Coincidence::kLateAnswer);
        Push(now_us_ + static_cast<int64_t>(host->disk_chance().Below(
                           host->disk_chance().Permille(200) ? 5'000'000 : 100'000)),
             What::kAnswers, item.host, 0, host->starts());
        return true;
      }
      [[fallthrough]];
    default:
      host->reads_busy = false;
      host->store().AnswerReads();
      return true;
  }
}

void Simulation::AfterHost(Host* host) {
  ++outcome_.steps;
  std::vector<Packet> sent = host->Run();
  checker_.AfterStep(host);
  trace_.Add(static_cast<uint64_t>(now_us_) * 16 + host->number());
  trace_.Add(checker_.Fingerprint(*host));
  for (Packet& packet : sent) {
    if (HitsTrap(host->number(), packet.messages, true)) return;
    SendPacket(std::move(packet));
  }
  ArmDisk(host);
}

void Simulation::SendPacket(Packet packet) {
  const Host& to = *hosts_[packet.to - 1];
  if (packet.traffic == TrafficClass::kSnapshot) {
    part_at_us_[packet.from] = part_at_us_[packet.to] = now_us_;
    for (const Message& message : packet.messages) {
      if (message.kind != MessageKind::kSnapshotPart) continue;
      part_of_at_us_[message.group.value] = now_us_;
      part_of_from_[message.group.value] = packet.from;
    }
  }
  for (const Network::Arrival& arrival : network_.Route(now_us_, &packet, to.up())) {
    if (arrival.refused) {
      Push(arrival.at_us, What::kRefused, packet.from, packet.to, packet.start);
      continue;
    }
    uint32_t slot = static_cast<uint32_t>(packets_.size());
    if (free_packets_.empty()) {
      packets_.emplace_back();
    } else {
      slot = free_packets_.back();
      free_packets_.pop_back();
    }
    packets_[slot] = packet;
    const bool damaged_parts = arrival.damaged_parts && DamageParts(&packets_[slot], &dice_);
    if (damaged_parts || (arrival.damaged && packet.traffic == TrafficClass::kSnapshot))
      Note(Coincidence::kDamagedPart);
    if (options_.wire != 0 || arrival.damaged) {
      Packet& sent = packets_[slot];
      sent.bytes = EncodePacket(sent);
      sent.messages.clear();
      sent.damaged = arrival.damaged;
      if (sent.damaged) sent.bytes = DamageBytes(sent.bytes, &dice_);
    }
    Push(arrival.at_us, What::kPacket, packet.to, slot);
  }
}

// False: what arrived is no batch, and nothing comes of it.
bool Simulation::OpenPacket(Packet* packet) {
  if (packet->bytes.empty()) return true;
  const absl::Status opened = DecodePacket(packet);
  if (opened.ok()) return true;
  if (packet->damaged) {
    Note(Coincidence::kDamagedPacket);
  } else {
    checker_.Fail(absl::StrCat("wire: what was sent cannot be read: ", opened.message()));
  }
  return false;
}

void Simulation::DeliverPacket(Host* host, Packet packet) {
  if (trace_.keeps_text()) {
    for (const Message& message : packet.messages)
      trace_.Say(now_us_, "g", message.group.value, " ", packet.from, "->", packet.to, " ",
                 DescribeMessage(message));
  }
  checker_.ExpectNoVote(host, packet);
  const bool outcast = packet.outcast && !host->outcast();
  const size_t messages = packet.messages.size();
  const auto foreign =
      std::count_if(packet.messages.begin(), packet.messages.end(), [&](const Message& message) {
        return message.group.value < options_.groups &&
               message.epoch != host->core(message.group).epoch();
      });

  std::vector<std::pair<GroupId, Term>> damaged;
  if (packet.damaged) damaged = DamagedAppends(packet);
  const uint64_t dropped = host->dropped();
  const uint32_t sender = packet.from;
  host->Deliver(std::move(packet));
  if (outcast) {
    Note(Coincidence::kOldBootRefused);
    if (host->dropped() < dropped + messages)
      checker_.Fail(absl::StrCat("R13: node ", host->number(), " listens to node ", sender,
                                 ", whose disk was put back"));
  }
  if (foreign > 0) {
    Note(Coincidence::kOldEpochRefused);
    if (host->dropped() < dropped + static_cast<uint64_t>(foreign))
      checker_.Fail(absl::StrCat("epoch: node ", host->number(), " listens to another epoch"));
  }
  if (damaged.empty()) return;
  Note(Coincidence::kDamagedEntry);
  // Nobody looks at what a deposed leader wants.
  std::erase_if(damaged, [&](const auto& append) {
    return append.first.value < options_.groups && append.second < host->core(append.first).term();
  });
  if (host->dropped() < dropped + damaged.size())
    checker_.Fail(absl::StrCat("wire: node ", host->number(), " takes a damaged entry"));
}

void Simulation::ArmTick(Host* host) {
  int64_t local_ns = static_cast<int64_t>(options_.tick_us) * 1000;
  // A loop that is busy ticks late.
  if (dice_.Permille(50)) local_ns += static_cast<int64_t>(dice_.Below(local_ns * 4));
  Push(now_us_ + host->clock().TrueSpan(local_ns) / 1000, What::kTick, host->number(), 0,
       host->starts());
}

void Simulation::ArmDisk(Host* host) {
  const auto latency = [&] {
    uint64_t us = options_.disk_us / 2 + host->disk_chance().Below(options_.disk_us * 3 / 2 + 1);
    if (now_us_ < host->disk_slow_until_us) us *= host->disk_slow_factor;
    return std::max(now_us_, host->disk_stalled_until_us) + static_cast<int64_t>(us);
  };
  const bool lazy = host->store().has_unsynced_writes();
  if (!host->disk_busy && host->store().unsynced() > 0 &&
      !(lazy && host->disk_chance().Permille(200))) {
    host->disk_busy = true;
    // Rarely not all that waits goes in one batch.
    size_t count = host->store().unsynced();
    if (host->disk_chance().Permille(200)) count = 1 + host->disk_chance().Below(count);
    Push(latency(), What::kSynced, host->number(), static_cast<uint32_t>(count), host->starts());
  } else if (!host->disk_busy && lazy) {
    host->disk_busy = true;
    Push(latency() + kIdleSyncUs, What::kSynced, host->number(), 0, host->starts());
  }
  if (!host->reads_busy && host->store().has_reads()) {
    host->reads_busy = true;
    Push(latency(), What::kReads, host->number(), 0, host->starts());
  }
}

void Simulation::ArmMark(Host* host) {
  if (host->mark_armed || !host->store().is_unmarked()) return;
  host->mark_armed = true;
  Push(now_us_ + static_cast<int64_t>(options_.mark_lag_us), What::kMark, host->number(), 0,
       host->starts());
}

Outcome RunPlan(const Plan& plan, bool keep_text) { return Simulation(plan, keep_text).Run(); }

}  // namespace pontoon::raft::sim
