#include <algorithm>

#include "raft/core/message.h"
#include "raft/sim/chance.h"
#include "raft/sim/plan.h"

// What a seed stands for: which options, what work, and what goes wrong when.

namespace pontoon::raft::sim {
namespace {

// Each seed has only some kinds of faults, so that one kind does not hide what another shows.
struct Kind {
  Happening what;
  uint64_t permille_of_seeds;
  uint64_t weight;
};

constexpr Kind kKinds[] = {
    {Happening::kCrash, 700, 10},    {Happening::kFreeze, 300, 4},
    {Happening::kCut, 400, 6},       {Happening::kSplit, 500, 6},
    {Happening::kClog, 300, 3},      {Happening::kSlowLink, 300, 3},
    {Happening::kLoss, 400, 3},      {Happening::kDuplicate, 400, 3},
    {Happening::kGarble, 250, 3},    {Happening::kScramble, 400, 3},
    {Happening::kRefuse, 300, 3},    {Happening::kLoseKind, 300, 4},
    {Happening::kSlowDisk, 300, 3},  {Happening::kStallDisk, 300, 3},
    {Happening::kFullDisk, 250, 2},  {Happening::kFailWrite, 200, 2},
    {Happening::kClockRate, 300, 2}, {Happening::kClockJump, 150, 1},
    {Happening::kTransfer, 500, 6},  {Happening::kCampaign, 250, 3},
    {Happening::kChange, 550, 10},   {Happening::kWipe, 350, 3},
    {Happening::kPutBack, 350, 4},   {Happening::kCloseGroup, 250, 4},
    {Happening::kReopen, 150, 2},    {Happening::kDamage, 300, 3},
    {Happening::kTrap, 350, 4},      {Happening::kTrapSend, 350, 4},
};

constexpr MessageKind kTrapKinds[] = {
    MessageKind::kVote,         MessageKind::kVoteReply,     MessageKind::kAppend,
    MessageKind::kAppendReply,  MessageKind::kTimeoutNow,    MessageKind::kSnapshotOffer,
    MessageKind::kSnapshotPart, MessageKind::kSnapshotPart,  MessageKind::kSnapshotRequest,
    MessageKind::kHeartbeat,    MessageKind::kHeartbeatReply};

Options DrawOptions(uint64_t seed, Chance* chance) {
  Options options;
  options.seed = seed;
  options.nodes = chance->Between(3, 5);
  options.groups = chance->Between(2, 8);
  // Rarely a group of one voter that grows.
  options.founders = chance->Permille(150)
                         ? 1
                         : chance->Between(std::min<uint64_t>(3, options.nodes), options.nodes);
  options.loops = chance->Between(1, 2);
  options.scale = chance->Between(2, 4);
  options.tick_us = 10000 * options.scale * chance->Between(1, 3);
  options.delay_us =
      chance->Permille(200) ? chance->Between(1000, 60000) : chance->Between(100, 3000);
  options.loss_permille = chance->Permille(600) ? 0 : chance->Below(60);
  options.duplicate_permille = chance->Permille(600) ? 0 : chance->Below(60);
  options.straggler_permille = chance->Permille(700) ? 0 : chance->Below(30);
  options.keep_order = chance->Permille(600) ? 1 : 0;
  options.wire = chance->Permille(300) ? 1 : 0;
  options.disk_us =
      chance->Permille(200) ? chance->Between(5000, 80000) : chance->Between(200, 4000);
  options.late_permille = chance->Permille(500) ? 0 : chance->Below(300);
  options.mark_lag_us = chance->Permille(500) ? 0 : chance->Between(20000, 200000);
  options.remember_boots = chance->Permille(850) ? 1 : 0;
  options.drift_ppm = chance->Permille(500) ? chance->Below(500) : 4900;
  options.election_spread_us = chance->Permille(200) ? chance->Between(5000, 50000) : 300000;
  options.append_bytes = chance->Between(100, 4000);
  options.inflight_messages = chance->Between(1, 16);
  options.inflight_bytes = chance->Between(200, 20000);
  options.held_bytes = chance->Between(200, 20000);
  options.kept_header_bytes = chance->Between(100, 8000);
  options.committed_entries = chance->Between(1, 32);
  options.uncommitted_bytes = chance->Between(2000, 30000);
  options.digest_interval = chance->Between(1, 16);
  options.checkpoint_bytes =
      chance->Permille(300) ? chance->Between(200, 1000) : chance->Between(1000, 8000);
  options.promotion_lag = chance->Between(0, 64);
  options.snapshot_part_bytes = chance->Between(20, 4000);
  options.cut_bodies = chance->Permille(800) ? 1 : 0;
  return options;
}

uint64_t Us(Chance* chance, uint64_t least_ms, uint64_t most_ms) {
  return chance->Between(least_ms * 1000, most_ms * 1000);
}

Event DrawFault(Happening what, const Options& options, Chance* chance) {
  const uint64_t node = chance->Between(1, options.nodes);
  const uint64_t all = (uint64_t{1} << options.nodes) - 1;
  const uint64_t some = chance->Between(1, all - 1);
  const uint64_t one = uint64_t{1} << (node - 1);
  const uint64_t group = chance->Below(options.groups);
  const uint64_t dice = chance->Next() >> 32;
  const uint64_t us =
      chance->Permille(500) ? Us(chance, 20, 1500) * options.scale : Us(chance, 1000, 10000);
  Event event;
  event.what = what;
  switch (what) {
    case Happening::kCrash:
      event.args = {node, us,
                    chance->Permille(600) ? 0 : chance->Below(static_cast<uint64_t>(Damage::kEnd)),
                    0};
      break;
    case Happening::kCut:
    case Happening::kClog:
      event.args = {chance->Permille(500) ? one : some, chance->Permille(500) ? all : some ^ all,
                    us, 0};
      break;
    case Happening::kSplit:
      event.args = {chance->Permille(500) ? one : some, us, 0, 0};
      break;
    case Happening::kSlowLink:
      event.args = {one, all, us, Us(chance, 1, 300)};
      break;
    case Happening::kLoss:
    case Happening::kDuplicate:
    case Happening::kGarble:
      event.args = {chance->Between(50, 500), us, 0, 0};
      break;
    case Happening::kScramble:
      event.args = {us, 0, 0, 0};
      break;
    case Happening::kLoseKind:
      event.args = {static_cast<uint64_t>(kTrapKinds[chance->Below(std::size(kTrapKinds))]),
                    chance->Permille(300) ? 1000 : chance->Between(200, 900), us, 0};
      break;
    case Happening::kSlowDisk:
      event.args = {node, chance->Between(3, 100), us, 0};
      break;
    case Happening::kClockRate:
      event.args = {node, 1000000 + chance->Below(2 * options.drift_ppm + 1) - options.drift_ppm, 0,
                    0};
      break;
    case Happening::kClockJump:
      event.args = {node, chance->Below(2000000), 0, 0};
      break;
    case Happening::kTransfer:
    case Happening::kChange:
      event.args = {group, dice, 0, 0};
      break;
    case Happening::kCampaign:
      event.args = {group, node, 0, 0};
      break;
    case Happening::kPutBack:
      event.args = {node, us, Us(chance, 500, 8000), 0};
      break;
    case Happening::kCloseGroup:
      event.args = {node, group, dice, 0};
      break;
    case Happening::kReopen:
      event.args = {group, dice, Us(chance, 200, 8000), 0};
      break;
    case Happening::kDamage:
      event.args = {node, group, us, dice};
      break;
    case Happening::kTrap:
    case Happening::kTrapSend:
      event.args = {node, static_cast<uint64_t>(kTrapKinds[chance->Below(std::size(kTrapKinds))]),
                    chance->Between(1, chance->Permille(500) ? 3 : 30), us};
      break;
    default:
      event.args = {node, us, 0, 0};
      break;
  }
  return event;
}

// What makes a fault matter, where chance alone would rarely bring it: as events at their own
// times.
void DrawCompanions(const Event& event, const Options& options, Chance* chance,
                    std::vector<Event>* events) {
  const auto add = [&](int64_t at_us, Happening what, std::array<uint64_t, kArguments> args) {
    events->push_back({std::max<int64_t>(at_us, 0), what, args});
  };
  const auto group = [&] { return chance->Below(options.groups); };
  const auto dice = [&] { return chance->Next() >> 32; };
  switch (event.what) {
    case Happening::kCut:
    case Happening::kSplit:
      // Somebody else leads by then, and who led does not know yet.
      for (uint64_t reads = chance->Permille(500) ? chance->Between(4, 12) : 0; reads > 0; --reads)
        add(event.at_us + static_cast<int64_t>(Us(chance, 350, 900) * options.scale),
            Happening::kRead, {group(), dice(), 0, 0});
      break;
    case Happening::kCrash:
      // Something that is synced, and not yet vouched for.
      for (uint64_t id = 0; id < options.groups && event.args[2] == 1 && options.mark_lag_us > 0;
           ++id) {
        const uint64_t before =
            2 * options.delay_us + 2 * options.disk_us + chance->Below(options.mark_lag_us);
        add(event.at_us - static_cast<int64_t>(before), Happening::kPropose,
            {id, chance->Between(1, 3), chance->Between(1, 200), dice()});
      }
      break;
    case Happening::kFreeze:
      // The first that it hears of when it goes on.
      for (uint64_t id = 0; id < options.groups; ++id)
        add(event.at_us + static_cast<int64_t>(event.args[1]), Happening::kRead,
            {id, dice(), 0, 0});
      break;
    case Happening::kChange:
      if (chance->Permille(600)) {
        const uint64_t soon = 4 * (options.delay_us + options.disk_us);
        add(event.at_us + static_cast<int64_t>(chance->Below(soon)), Happening::kTransfer,
            {event.args[0], dice(), 0, 0});
      }
      break;
    case Happening::kPutBack:
      if (chance->Permille(600)) {
        // Long ago: the node has started again since, and everybody has heard of it.
        const auto long_ago =
            static_cast<int64_t>(chance->Below(static_cast<uint64_t>(event.at_us)));
        add(long_ago, Happening::kKeepImage, {event.args[0], 0, 0, 0});
        for (int i = 0; i < 2; ++i)
          add(long_ago + static_cast<int64_t>(
                             chance->Below(static_cast<uint64_t>(event.at_us - long_ago) + 1)),
              Happening::kCrash, {event.args[0], Us(chance, 20, 500), 0, 0});
      } else {
        // Just now, and everybody else starts again while it is away.
        add(event.at_us - static_cast<int64_t>(Us(chance, 20, 3000)), Happening::kKeepImage,
            {event.args[0], 0, 0, 0});
        for (uint64_t node = 1; node <= options.nodes && chance->Permille(800); ++node) {
          if (node != event.args[0])
            add(event.at_us + static_cast<int64_t>(chance->Below(event.args[1])), Happening::kCrash,
                {node, Us(chance, 20, 300), 0, 0});
        }
      }
      break;
    default:
      break;
  }
}

// What needs a moment that chance rarely meets waits for it. Beside all the rest, which does not
// become rarer for it.
void DrawRare(const Options& options, Chance* rare, std::vector<Event>* events) {
  Chance& chance = *rare;
  const uint64_t end = options.seconds * 1000000;
  const auto add = [&](Happening what, std::array<uint64_t, kArguments> args) {
    events->push_back({static_cast<int64_t>(chance.Between(500000, end - 1000000)), what, args});
  };
  const auto dice = [&] { return chance.Next() >> 32; };
  for (uint64_t left = chance.Permille(700) ? chance.Between(1, 4) : 0; left > 0; --left) {
    if (options.mark_lag_us == 0) break;
    add(Happening::kTrapEnd,
        {chance.Between(1, options.nodes), Us(&chance, 1000, 10000), Us(&chance, 20, 3000), 0});
  }
  for (uint64_t left = chance.Permille(750) ? chance.Between(1, 3) : 0; left > 0; --left)
    add(Happening::kTrapChange, {dice(), Us(&chance, 2000, 15000), 0, 0});
  for (uint64_t left = chance.Permille(500) ? chance.Between(1, 2) : 0; left > 0; --left)
    add(Happening::kTrapDamage, {dice(), Us(&chance, 2000, 15000), Us(&chance, 500, 10000), 0});
  for (uint64_t left = chance.Permille(500) ? chance.Between(1, 3) : 0; left > 0; --left)
    add(Happening::kGarble,
        {chance.Between(50, 500), Us(&chance, 500, 10000), chance.Between(0, 2), 0});
  if (chance.Permille(150))
    add(Happening::kLoseMost, {chance.Below(options.groups), dice(), Us(&chance, 100, 5000), 0});
  if (chance.Permille(250))
    add(Happening::kLoseMost,
        {chance.Below(options.groups), dice(), Us(&chance, 100, 5000), Us(&chance, 2000, 15000)});
  if (chance.Permille(150))
    add(Happening::kReopen, {chance.Below(options.groups), dice(), Us(&chance, 200, 8000), 1});
  if (chance.Permille(300)) {
    // Who is alone does not know yet that others lead.
    const int64_t at = static_cast<int64_t>(chance.Between(500000, end - 1000000));
    const uint64_t alone = uint64_t{1} << chance.Below(options.nodes);
    events->push_back({at, Happening::kSplit, {alone, Us(&chance, 500, 2000) * options.scale}});
    for (uint64_t id = 0; id < options.groups; ++id) {
      const int64_t later = at + static_cast<int64_t>(Us(&chance, 350, 900) * options.scale);
      events->push_back({later, Happening::kRead, {id, dice()}});
    }
  }
  // More of those that need what the others above take from them: a group that works, and disks
  // that may still be lost.
  for (const Happening what : {Happening::kPutBack, Happening::kDamage, Happening::kCrash,
                               Happening::kSplit, Happening::kChange}) {
    if (!chance.Permille(200)) continue;
    Event event = DrawFault(what, options, &chance);
    if (what == Happening::kCrash) event.args[2] = static_cast<uint64_t>(Damage::kVouched);
    event.at_us = static_cast<int64_t>(chance.Between(500000, end - 1000000));
    events->push_back(event);
    DrawCompanions(event, options, &chance, events);
  }
}

void DrawWork(const Options& options, Chance* chance, std::vector<Event>* events) {
  const int64_t end = static_cast<int64_t>(options.seconds) * 1000000;
  for (uint64_t group = 0; group < options.groups; ++group) {
    const uint64_t pause_us = Us(chance, 100, chance->Permille(300) ? 3000 : 800);
    const uint64_t settle_permille = chance->Between(200, 600);
    const uint64_t body = chance->Permille(800) ? 120 : 3000;
    for (int64_t at = 500000; at < end;) {
      at += static_cast<int64_t>(chance->Below(2 * pause_us) + 1);
      Event event;
      event.at_us = at;
      const uint64_t dice = chance->Next() >> 32;
      const uint64_t draw = chance->Below(1000);
      if (draw < settle_permille) {
        event.what = Happening::kSettle;
        event.args = {group, chance->Permille(200) ? 100 : chance->Between(10, 90), dice, 0};
      } else if (draw < settle_permille + 80) {
        event.what = Happening::kRead;
        event.args = {group, dice, 0, 0};
      } else if (draw < settle_permille + 90) {
        event.what = Happening::kCheckpoint;
        event.args = {chance->Between(1, options.nodes), group, 0, 0};
      } else {
        event.what = Happening::kPropose;
        event.args = {group, chance->Between(1, chance->Permille(100) ? 40 : 4),
                      chance->Between(1, body), dice};
      }
      events->push_back(event);
    }
  }
}

// Some time of peace in between: what comes after it comes so much later.
void DrawCalm(Plan* plan, Chance* chance) {
  Options& options = plan->options;
  const int64_t at = static_cast<int64_t>(chance->Between(10, options.seconds - 10)) * 1000000;
  const uint64_t seconds =
      8 * options.scale + 2 + 512 * (options.delay_us + options.disk_us) / 1000000;
  for (Event& event : plan->events) {
    if (event.at_us >= at) event.at_us += static_cast<int64_t>(seconds) * 1000000;
  }
  options.seconds += seconds;
  plan->events.push_back({at, Happening::kCalm, {seconds * 1000000, 0, 0, 0}});
}

}  // namespace

Plan DrawPlan(uint64_t seed) {
  Plan plan;
  Chance options_chance(seed, Purpose::kOptions);
  plan.options = DrawOptions(seed, &options_chance);
  Chance work(seed, Purpose::kWork);
  DrawWork(plan.options, &work, &plan.events);

  Chance chance(seed, Purpose::kFaults);
  std::vector<Kind> kinds;
  uint64_t weights = 0;
  for (const Kind& kind : kKinds) {
    if (!chance.Permille(kind.permille_of_seeds)) continue;
    kinds.push_back(kind);
    weights += kind.weight;
  }
  if (kinds.empty()) kinds.push_back(kKinds[0]), weights = kKinds[0].weight;
  const int64_t end = static_cast<int64_t>(plan.options.seconds) * 1000000;
  const uint64_t faults = chance.Between(12, chance.Permille(300) ? 100 : 45);
  int64_t burst = 0;
  for (uint64_t i = 0; i < faults; ++i) {
    uint64_t draw = chance.Below(weights);
    size_t kind = 0;
    while (draw >= kinds[kind].weight) draw -= kinds[kind++].weight;
    Event event = DrawFault(kinds[kind].what, plan.options, &chance);
    // Some come alone, some in bursts, and storms of the same.
    if (burst == 0 || chance.Permille(600))
      burst = static_cast<int64_t>(chance.Between(300000, end - 1000000));
    event.at_us = std::min<int64_t>(end - 1, burst + static_cast<int64_t>(chance.Below(500000)));
    plan.events.push_back(event);
    DrawCompanions(event, plan.options, &chance, &plan.events);
  }
  Chance rare(seed, Purpose::kRare);
  DrawRare(plan.options, &rare, &plan.events);
  if (rare.Permille(100)) DrawCalm(&plan, &rare);
  std::stable_sort(plan.events.begin(), plan.events.end(),
                   [](const Event& a, const Event& b) { return a.at_us < b.at_us; });
  return plan;
}

}  // namespace pontoon::raft::sim
