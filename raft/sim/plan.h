#ifndef PONTOON_RAFT_SIM_PLAN_H_
#define PONTOON_RAFT_SIM_PLAN_H_

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace pontoon::raft::sim {

// A run is a plan, and a plan is data: drawn from a seed, written as text, cut down by the
// shrinker. The same plan gives the same run, to the last step.

// What is the same all through a run. Times in microseconds of true time; all numbers so that a
// script can set each by its name (plan.cc has the list).
struct Options {
  uint64_t seed = 1;  // Of the streams of chance that are left: delays, elections, disks.
  uint64_t nodes = 3;
  uint64_t groups = 2;
  uint64_t founders = 3;     // Nodes 1.. of each group that found it.
  uint64_t loops = 1;        // Event loops of a node.
  uint64_t seconds = 60;     // Until everything heals.
  uint64_t scale = 1;        // Heartbeats, elections and leases take so many times the usual.
  uint64_t tick_us = 25000;  // Of a node's own clock.

  uint64_t delay_us = 1000;  // A message's way takes up to twice as long.
  uint64_t loss_permille = 0;
  uint64_t duplicate_permille = 0;
  uint64_t straggler_permille = 0;  // Arrive up to two seconds late.
  uint64_t wire = 0;                // Messages travel as the bytes that they are in production.
  uint64_t keep_order = 1;  // Messages of one class on one link arrive in order, as TCP does.

  uint64_t disk_us = 500;    // A sync takes up to twice as long.
  uint64_t mark_lag_us = 0;  // The durable mark follows so late; 0: with each sync.
  uint64_t remember_boots =
      1;  // What a node knows of the boots of others outlives its process and disk.
  uint64_t late_permille = 0;  // Syncs that are reported only some time later.
  uint64_t drift_ppm = 1000;   // Clocks go wrong by up to so much, half of the bound at most.

  uint64_t election_spread_us = 300000;
  uint64_t append_bytes = 2000;
  uint64_t inflight_messages = 8;
  uint64_t inflight_bytes = 20000;
  uint64_t held_bytes = 8000;
  uint64_t kept_header_bytes = 4000;
  uint64_t committed_entries = 16;
  uint64_t uncommitted_bytes = 20000;
  uint64_t digest_interval = 8;
  uint64_t checkpoint_bytes = 3000;  // Of headers, then the machine makes a checkpoint.
  uint64_t promotion_lag = 64;
  uint64_t snapshot_part_bytes = 2000;
  uint64_t cut_bodies = 1;  // Bodies that are mostly settled are cut down.

  friend bool operator==(const Options&, const Options&) = default;
};

// What happens in a run at a time of its own. Arguments by kind; `node` from 1, masks have bit 0
// for node 1. `us`: for how long.
enum class Happening : uint8_t {
  // Workload. `dice` decides what is left open.
  kPropose,     // group, entries, body bytes of each, dice
  kSettle,      // group, percent of what lives, dice
  kRead,        // group, dice
  kCheckpoint,  // node, group
  kCalm,        // us: everything heals for so long, and all must serve meanwhile
  // Faults.
  kCrash,      // node, us, damage (Damage)
  kFreeze,     // node, us: the process gets no time, its clock runs on
  kCut,        // from mask, to mask, us: nothing arrives
  kSplit,      // mask, us: nothing between the mask and the rest, either way
  kClog,       // from mask, to mask, us: arrives when it is over
  kSlowLink,   // from mask, to mask, us, extra delay us
  kLoss,       // permille, us
  kDuplicate,  // permille, us
  kGarble,    // permille, us, which: so many packets have damaged bytes (0), of those with parts of
              // snapshots (1), or roots and bodies in those parts before they are packed (2)
  kScramble,  // us: order is lost, some messages are very late
  kRefuse,    // node, us: connections to it are refused
  kLoseKind,  // message kind, permille, us: hits only these
  kSlowDisk,  // node, factor, us
  kStallDisk,   // node, us
  kFullDisk,    // node, us
  kFailWrite,   // node, us: the next write fails, which ends the process
  kClockRate,   // node, parts per million + 1000000
  kClockJump,   // node, milliseconds + 1000000: the wall clock steps
  kTransfer,    // group, dice
  kCampaign,    // group, node
  kChange,      // group, dice: of the members
  kWipe,        // node, us: its disk is gone
  kKeepImage,   // node: remember its disk as it is
  kPutBack,     // node, us, us until it is noticed: it comes back with the disk as it was
  kCloseGroup,  // node, group, dice: closed and opened again, while the process runs
  kReopen,      // group, dice, us until the others follow, 1: also from a copy that is incomplete:
                // from one copy, in the next epoch
  kDamage,      // node, group, us until it is noticed, dice: a flipped bit in one value
  kTrap,        // node, message kind, count, us: crashes when the count-th such message arrives
  kTrapSend,    // node, message kind, count, us: crashes when it sends the count-th such message
  kTrapEnd,     // node, armed us, us: crashes as soon as the damaged end of its log, which it has
                // synced and the mark does not vouch for, is an entry that enough others have
  kTrapDamage,  // dice, armed us, us until it is noticed: a flipped bit in a value that belongs to
                // a
                // snapshot, on the disk of one who sends its parts
  kLoseMost,  // group, dice, us until it is reopened, us: the disks of so many that no majority is
              // left; if not 0, waits so long for an incomplete copy (also of another group that is
              // being sent a snapshot), which alone is left
  kTrapChange,  // dice, armed us: members of a group change when a part of its snapshot is sent
  kCount,
};
constexpr size_t kArguments = 4;

// Of the log, with a crash. kTail: a torn batch, a zeroed page or a flipped bit behind what was
// vouched for. kVouched: the same in what was; only where the rest has everything. kEnd: of what
// was synced last, behind the durable mark, so that nothing tells; under the same condition.
enum class Damage : uint8_t { kNone, kTail, kVouched, kEnd, kCount };

struct Event {
  int64_t at_us = 0;
  Happening what = Happening::kPropose;
  std::array<uint64_t, kArguments> args{};
  friend bool operator==(const Event&, const Event&) = default;
};

// As scripts call it.
const char* NameOf(Happening what);
// Whether it is something that goes wrong, not work.
bool IsFault(Happening what);

struct Plan {
  Options options;
  std::vector<Event> events;  // By time.
  friend bool operator==(const Plan&, const Plan&) = default;
};

// What a seed stands for (nemesis.cc).
Plan DrawPlan(uint64_t seed);

// One option or event a line; `#` begins a comment.
std::string ToText(const Plan& plan);
// InvalidArgument names the line.
absl::StatusOr<Plan> ParsePlan(absl::string_view text);

std::string ToText(const Event& event);

}  // namespace pontoon::raft::sim

#endif  // PONTOON_RAFT_SIM_PLAN_H_
