#ifndef PONTOON_RAFT_SIM_SIMULATION_H_
#define PONTOON_RAFT_SIM_SIMULATION_H_

#include <array>
#include <cstdint>
#include <memory>
#include <queue>
#include <string>
#include <vector>

#include "raft/sim/checker.h"
#include "raft/sim/host.h"
#include "raft/sim/network.h"
#include "raft/sim/plan.h"
#include "raft/sim/trace.h"

namespace pontoon::raft::sim {

// What makes a fault matter: it came when something else was under way.
enum class Coincidence : uint8_t {
  kCrashOfLeader,
  kCrashWithUnsynced,  // Tasks wait for the disk, or are written and not synced.
  kCrashInSnapshot,    // Parts came or went within the last few heartbeats.
  kCrashInChange,      // Of a replica whose membership is joint.
  kDamageOfUnsynced,   // Of the log's end, and there was one to be damaged.
  kDamageOfVouched,
  kFreezeOfLeader,
  kStallOfLeader,
  kFullDiskOfLeader,
  kWriteFailed,
  kTrapSprung,
  kTransferInChange,
  kChangeInSnapshot,
  kReadOfDeposed,    // Somebody who no longer leads was asked.
  kLateAnswer,       // Of the disk.
  kSilentLoss,       // What was synced behind the mark is gone, and nothing tells.
  kPutBackOutcast,   // An old disk, of which others know better.
  kPutBackUnknown,   // One of which nobody knows, and whatever it lacks others have.
  kOldEpochRefused,  // A packet with something of another epoch than the receiver's.
  kOldEpochLed,      // Asked for a read, beside the group that was reopened.
  kCopyRefused,      // Opened in an epoch to which it is too old.
  kOldBootRefused,   // A packet of a disk that was put back, and others know better.
  kDamagedPacket,    // Dropped as a whole.
  kDamagedEntry,     // In an append whose packet could be read.
  kQuarantined,      // A replica gave itself up, or was.
  kDamagedPart,      // Of a snapshot, in a packet, or in what was packed.
  kDamagedSender,    // Of a snapshot: its disk.
  kServedBetween,    // All groups, in a time of peace amid the disasters.
  kMajorityLost,     // Of a group, with their disks.
  kReopenedIncomplete,
  kEntryLost,    // Was committed, and the copy from which the group was reopened lacks it.
  kMessageLost,  // Still waits in that copy, and its bytes are not there.
  kCount,
};

struct Outcome {
  std::string failure;  // Empty: every invariant held. Else it begins with the id of one.
  uint64_t steps = 0;   // Events at one host: a packet, a tick, a completed write, a fault, ...
  uint64_t faults = 0;  // That took effect.
  uint64_t committed = 0;
  uint64_t elections = 0;
  uint64_t reads = 0;
  uint64_t installs = 0;
  uint64_t changes = 0;
  uint64_t replaced = 0;  // Replicas that came back as a new incarnation.
  int64_t served_us = 0;  // From the end of the faults until every group served.
  int64_t agreed_us = 0;  // And until all agreed and the disks were clean.
  std::array<uint64_t, static_cast<size_t>(Happening::kCount)> happened{};  // That took effect.
  std::array<uint64_t, static_cast<size_t>(Coincidence::kCount)> coincided{};
  uint64_t trace = 0;  // Digest of all that happened.
  std::string text;    // The trace, if asked for.

  // "R8" of "R8: ...".
  std::string invariant() const { return failure.substr(0, failure.find(':')); }
};

// A cluster in one thread, with simulated time, network, clocks and disks. Runs one plan: first
// work and disasters, with all invariants checked after every step; then everything heals, and all
// must agree and serve again.
class Simulation {
 public:
  Simulation(const Plan& plan, bool keep_text);

  Outcome Run();

 private:
  enum class What : uint8_t {
    kPlanned,  // slot: of the plan's events
    kTick,
    kPacket,   // slot
    kRefused,  // slot: the peer
    kSynced,
    kMark,
    kReport,
    kReads,
    kAnswers,
    kStart,
    kRoom,
    kScrub,  // boot: the life of the disk
    kOperator,
    kHeal,
    kPoll,
    kCalmPoll,
  };
  struct Item {
    int64_t at_us;
    uint64_t order;
    What what;
    uint32_t host;  // From 1; 0: of none.
    uint32_t slot;
    uint64_t boot;  // The host's, if it matters.
    bool operator>(const Item& other) const {
      return at_us != other.at_us ? at_us > other.at_us : order > other.order;
    }
  };
  enum class Phase { kDisasters, kServe, kAgree, kClean, kDone };
  struct Trap {
    MessageKind kind;
    uint64_t count;
    int64_t down_us;
    bool on_send;
  };
  struct EndTrap {
    Host* host;
    int64_t down_us;
    int64_t until_us;
  };
  struct ChangeTrap {
    uint64_t dice;
    int64_t until_us;
  };
  struct DamageTrap {
    uint64_t dice;
    int64_t until_us;
    uint64_t noticed_us;
  };
  struct LossTrap {
    GroupId group;
    uint64_t dice;
    uint64_t reopen_us;
    int64_t until_us;
  };

  void Describe();  // Where everybody stands, into the trace (describe.cc).
  void Push(int64_t at_us, What what, uint32_t host = 0, uint32_t slot = 0, uint64_t boot = 0);
  void Handle(const Item& item);
  void HandleRunning(Host* host, const Item& item);
  // False: it is over with this process, or nothing is to be done after it.
  bool TickHost(Host* host);
  bool HandleDisk(Host* host, const Item& item);
  void AfterHost(Host* host);
  void SendPacket(Packet packet);
  bool OpenPacket(Packet* packet);
  void DeliverPacket(Host* host, Packet packet);
  void ArmTick(Host* host);
  void ArmDisk(Host* host);
  void ArmMark(Host* host);
  void Note(Coincidence coincidence, uint64_t times = 1) {
    outcome_.coincided[static_cast<size_t>(coincidence)] += times;
  }
  bool Leads(const Host& host) const;
  bool InSnapshot(const Host& host) const;
  bool InChange(const Host& host) const;
  bool HitsTrap(uint32_t host, const std::vector<Message>& messages, bool on_send);
  // Those that wait for more than a message, after a step.
  void SpringEndTraps();
  void SpringChangeTraps();
  void SpringDamageTraps();

  // events.cc
  void Happen(const Event& event);
  bool TakeEffect(const Event& event);
  bool HappenAsWork(const Event& event);
  bool HappenToNetwork(const Event& event);
  bool HappenToGroup(const Event& event);
  bool HappenToDisk(const Event& event);
  bool HappenToNode(const Event& event);
  bool Transfer(GroupId group, uint64_t dice);
  bool CloseGroup(Host* host, GroupId group);
  // Null: there is no such node.
  Host* HostAt(uint64_t number) {
    return number >= 1 && number <= hosts_.size() ? hosts_[number - 1].get() : nullptr;
  }
  GroupId GroupAt(uint64_t number) const {
    return GroupId{static_cast<uint32_t>(number % options_.groups)};
  }

  // faults.cc
  void StartHost(Host* host);
  void CrashHost(Host* host, int64_t down_us, Damage damage = Damage::kNone);
  bool LoseDisk(Host* host, int64_t down_us);
  bool PutBack(Host* host, int64_t down_us, uint64_t noticed_us);
  bool KnownBetter(const Host& host) const;
  bool DamageValue(Host* host, GroupId group, uint64_t dice, bool of_snapshot);
  // Of those who take themselves for it; `newest`: only in the newest epoch.
  Host* LeaderOf(GroupId group, uint64_t dice, bool newest = false);
  bool Change(GroupId group, uint64_t dice);
  // Nothing lasts into a time of peace.
  int64_t Until(uint64_t us) const;
  bool InPeace() const { return phase_ != Phase::kDisasters || now_us_ < calm_until_us_; }

  // reopen.cc
  // Whether an operator could reopen the group from what this host has on its disk.
  bool IsCopy(const Host& host, GroupId group) const;
  bool Reopen(GroupId group, uint64_t dice, uint64_t follow_us, bool incomplete);
  // The host is down. False: it is no survivor.
  bool ReopenFrom(GroupId group, Host* host, uint64_t follow_us, bool incomplete);
  bool LoseMost(GroupId group, uint64_t dice, uint64_t reopen_us, bool incomplete);
  void SpringLossTraps();
  void ReopenWhatIsLeft(GroupId group);
  void SettleWhatIsLost(GroupId group);
  void FollowEpochs(Host* host);

  // work.cc
  bool Propose(const Event& event);
  bool Settle(GroupId group, uint64_t percent, uint64_t dice);
  bool Read(GroupId group);

  // repair.cc
  void Operate();
  void OperateGroup(GroupId group);
  // How long after everything has healed this phase may take.
  int64_t WithinUs(Phase phase) const;
  void Poll();
  void Heal();
  void CalmDown(int64_t us);
  void PollCalm();
  std::string WhyNotServing();
  std::string WhyNotServing(GroupId group);
  std::string WhyNotAgreed(GroupId group);
  std::string WhyNotClean(GroupId group);

  const Plan& plan_;
  const Options& options_;
  Trace trace_;
  std::vector<std::unique_ptr<Host>> hosts_;
  Checker checker_;
  Network network_;
  Chance dice_;
  int64_t now_us_ = 0;
  const int64_t heal_at_us_;
  std::vector<int64_t> calm_at_us_;  // Ascending.
  int64_t calm_since_us_ = 0;
  int64_t calm_until_us_ = 0;
  std::priority_queue<Item, std::vector<Item>, std::greater<Item>> queue_;
  uint64_t order_ = 0;
  std::vector<Packet> packets_;
  std::vector<uint32_t> free_packets_;
  std::map<GroupId, Membership> founders_;
  std::vector<std::vector<Trap>> traps_;  // By host.
  std::vector<EndTrap> end_traps_;
  std::vector<ChangeTrap> change_traps_;
  std::vector<DamageTrap> damage_traps_;
  std::vector<LossTrap> loss_traps_;
  std::vector<int64_t> part_at_us_;     // By host: when a part of a snapshot came or went.
  std::vector<uint32_t> part_of_from_;  // By group: who sent one last.
  std::vector<int64_t> part_of_at_us_;  // By group: when one was sent.
  Phase phase_ = Phase::kDisasters;
  std::vector<int64_t> follow_at_us_;  // By group: when copies of older epochs are dropped.
  std::vector<int64_t> reopen_at_us_;  // By group: of which no majority is left.
  std::vector<Index> probes_;
  Outcome outcome_;
};

// As a table has it.
const char* NameOf(Coincidence coincidence);

// Runs a plan once.
Outcome RunPlan(const Plan& plan, bool keep_text = false);

}  // namespace pontoon::raft::sim

#endif  // PONTOON_RAFT_SIM_SIMULATION_H_
