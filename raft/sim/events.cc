#include <algorithm>

#include "absl/strings/str_cat.h"
#include "raft/sim/simulation.h"

// What a plan's event does. Each part answers for its kinds of events: whether it took effect.

namespace pontoon::raft::sim {

void Simulation::Happen(const Event& event) {
  if (trace_.keeps_text()) trace_.Say(now_us_, ToText(event));
  const bool took_effect = TakeEffect(event);
  outcome_.faults += took_effect && IsFault(event.what);
  if (!took_effect) return;
  ++outcome_.happened[static_cast<size_t>(event.what)];
  const Host* const host = HostAt(event.args[0]);
  if (event.what == Happening::kFreeze && Leads(*host)) Note(Coincidence::kFreezeOfLeader);
  if (event.what == Happening::kStallDisk && Leads(*host)) Note(Coincidence::kStallOfLeader);
  if (event.what == Happening::kFullDisk && Leads(*host)) Note(Coincidence::kFullDiskOfLeader);
}

bool Simulation::TakeEffect(const Event& event) {
  switch (event.what) {
    case Happening::kPropose:
    case Happening::kSettle:
    case Happening::kRead:
    case Happening::kCheckpoint:
      return HappenAsWork(event);
    case Happening::kCalm:
      CalmDown(static_cast<int64_t>(event.args[0]));
      return true;
    case Happening::kCut:
    case Happening::kSplit:
    case Happening::kClog:
    case Happening::kSlowLink:
    case Happening::kLoss:
    case Happening::kDuplicate:
    case Happening::kGarble:
    case Happening::kScramble:
    case Happening::kRefuse:
    case Happening::kLoseKind:
      return HappenToNetwork(event);
    case Happening::kTransfer:
    case Happening::kCampaign:
    case Happening::kChange:
    case Happening::kReopen:
    case Happening::kLoseMost:
      return HappenToGroup(event);
    case Happening::kTrapDamage:
      damage_traps_.push_back({event.args[0], Until(event.args[1]), event.args[2]});
      return true;
    case Happening::kTrapChange:
      change_traps_.push_back({event.args[0], Until(event.args[1])});
      return true;
    case Happening::kSlowDisk:
    case Happening::kStallDisk:
    case Happening::kFullDisk:
    case Happening::kFailWrite:
    case Happening::kWipe:
    case Happening::kKeepImage:
    case Happening::kPutBack:
    case Happening::kDamage:
      return HappenToDisk(event);
    default:
      return HappenToNode(event);
  }
}

bool Simulation::HappenAsWork(const Event& event) {
  const auto& args = event.args;
  switch (event.what) {
    case Happening::kPropose:
      return Propose(event);
    case Happening::kSettle:
      return Settle(GroupAt(args[0]), args[1], args[2]);
    case Happening::kRead:
      return Read(GroupAt(args[0]));
    default:
      break;
  }
  Host* const host = HostAt(args[0]);
  if (host == nullptr || !host->up() || now_us_ < host->frozen_until_us) return true;
  host->MakeCheckpoint(GroupAt(args[1]));
  AfterHost(host);
  return true;
}

bool Simulation::HappenToNetwork(const Event& event) {
  const auto& args = event.args;
  switch (event.what) {
    case Happening::kCut:
      network_.Cut(args[0], args[1], Until(args[2]));
      return true;
    case Happening::kSplit:
      network_.Cut(args[0], ~args[0], Until(args[1]));
      network_.Cut(~args[0], args[0], Until(args[1]));
      return true;
    case Happening::kClog:
      network_.Clog(args[0], args[1], Until(args[2]));
      return true;
    case Happening::kSlowLink:
      network_.Slow(args[0], args[1], Until(args[2]), static_cast<int64_t>(args[3]));
      return true;
    case Happening::kLoss:
      network_.Lose(args[0], Until(args[1]));
      return true;
    case Happening::kDuplicate:
      network_.Duplicate(args[0], Until(args[1]));
      return true;
    case Happening::kGarble:
      network_.Garble(
          static_cast<Network::Garbled>(args[2] % static_cast<uint64_t>(Network::Garbled::kCount)),
          args[0], Until(args[1]));
      return true;
    case Happening::kScramble:
      network_.Scramble(Until(args[0]));
      return true;
    case Happening::kRefuse:
      if (HostAt(args[0]) == nullptr) return false;
      network_.Refuse(args[0], Until(args[1]));
      return true;
    default:
      if (args[0] > static_cast<uint64_t>(kLastMessageKind)) return false;
      network_.LoseKind(static_cast<MessageKind>(args[0]), args[1], Until(args[2]));
      return true;
  }
}

bool Simulation::HappenToGroup(const Event& event) {
  const auto& args = event.args;
  const GroupId group = GroupAt(args[0]);
  switch (event.what) {
    case Happening::kTransfer:
      return Transfer(group, args[1]);
    case Happening::kCampaign: {
      Host* const candidate = HostAt(args[1]);
      if (candidate == nullptr || !candidate->up() || now_us_ < candidate->frozen_until_us)
        return false;
      const bool taken = candidate->raft(group).Campaign(group).ok();
      AfterHost(candidate);
      return taken;
    }
    case Happening::kChange:
      return Change(group, args[1]);
    case Happening::kLoseMost:
      if (args[3] == 0) return LoseMost(group, args[1], args[2], /*incomplete=*/false);
      loss_traps_.push_back({group, args[1], args[2], Until(args[3])});
      return true;
    default:
      return Reopen(group, args[1], args[2], args[3] != 0);
  }
}

// To anybody, also those who cannot lead.
bool Simulation::Transfer(GroupId group, uint64_t dice) {
  Host* const leader = LeaderOf(group, dice);
  if (leader == nullptr) return false;
  if (InChange(*leader)) Note(Coincidence::kTransferInChange);
  const std::vector<ReplicaId> members = AllMembers(leader->core(group).membership());
  const bool taken = leader->raft(group).TransferTo(group, members[dice / 7 % members.size()]).ok();
  AfterHost(leader);
  return taken;
}

bool Simulation::HappenToDisk(const Event& event) {
  const auto& args = event.args;
  Host* const host = HostAt(args[0]);
  if (host == nullptr) return false;
  switch (event.what) {
    case Happening::kSlowDisk:
      host->disk_slow_factor = args[1];
      host->disk_slow_until_us = Until(args[2]);
      return true;
    case Happening::kStallDisk:
      host->disk_stalled_until_us = Until(args[1]);
      return true;
    case Happening::kFullDisk:
      host->full_until_us = Until(args[1]);
      Push(host->full_until_us, What::kRoom, host->number());
      host->store().FillUp();
      if (!host->up()) return true;
      host->SetRoom(false);
      AfterHost(host);
      return true;
    case Happening::kFailWrite:
      if (!host->up()) return false;
      host->store().FailNextWrite();
      host->down_after_failure_us = static_cast<int64_t>(args[1]);
      return true;
    case Happening::kWipe:
      return LoseDisk(host, static_cast<int64_t>(args[1]));
    case Happening::kKeepImage:
      if (host->damaged() || host->outcast()) return false;
      host->KeepImage();
      return true;
    case Happening::kPutBack:
      return PutBack(host, static_cast<int64_t>(args[1]), args[2]);
    default:
      if (!DamageValue(host, GroupAt(args[1]), args[3], /*of_snapshot=*/false)) return false;
      Push(Until(args[2]), What::kScrub, host->number(), 0, host->life());
      return true;
  }
}

bool Simulation::HappenToNode(const Event& event) {
  const auto& args = event.args;
  Host* const host = HostAt(args[0]);
  if (host == nullptr) return false;
  switch (event.what) {
    case Happening::kCrash:
      if (!host->up()) return false;
      CrashHost(host, static_cast<int64_t>(args[1]),
                static_cast<Damage>(args[2] % static_cast<uint64_t>(Damage::kCount)));
      return true;
    case Happening::kFreeze:
      if (!host->up()) return false;
      host->frozen_until_us = std::max(host->frozen_until_us, Until(args[1]));
      return true;
    case Happening::kClockRate:
      host->clock().SetRate(now_us_ * 1000, static_cast<int64_t>(args[1]) - 1000000);
      return true;
    case Happening::kClockJump:
      host->clock().JumpWall((static_cast<int64_t>(args[1]) - 1000000) * 1000000);
      return true;
    case Happening::kCloseGroup:
      return CloseGroup(host, GroupAt(args[1]));
    case Happening::kTrapEnd:
      end_traps_.push_back({host, static_cast<int64_t>(args[2]), Until(args[1])});
      return true;
    default:
      traps_[args[0]].push_back({static_cast<MessageKind>(args[1]), args[2],
                                 static_cast<int64_t>(args[3]),
                                 event.what == Happening::kTrapSend});
      return true;
  }
}

bool Simulation::CloseGroup(Host* host, GroupId group) {
  // What is to be written first could fail.
  if (!host->up() || now_us_ < host->frozen_until_us || host->damaged() || host->outcast() ||
      now_us_ < host->full_until_us || host->store().fails_next())
    return false;
  checker_.OnClosed(host, group);
  const absl::Status opened = host->CloseAndOpen(group);
  if (!opened.ok()) {
    checker_.Fail(absl::StrCat("S1: node ", host->number(), " does not open group ", group.value,
                               " again: ", opened.message()));
    return true;
  }
  checker_.OnSynced(host);
  checker_.OnOpened(host, group);
  AfterHost(host);
  return true;
}

}  // namespace pontoon::raft::sim
