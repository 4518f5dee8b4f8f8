#ifndef PONTOON_RAFT_NODE_DISK_WATCHDOG_H_
#define PONTOON_RAFT_NODE_DISK_WATCHDOG_H_

#include <cstdint>
#include <deque>

#include "absl/container/flat_hash_map.h"
#include "base/time.h"
#include "raft/core/types.h"

namespace pontoon::raft {

// Watches how long the disk lets storage tasks wait for their sync. A leader whose disk stalls
// commits with the others' disks and looks alive, while all that waits for its own disk hangs: it
// has to hand over. A process whose disk seems dead has to end, since its replicas are only in the
// way (design section 5). Pure: fed with what one loop submits and hears, says what it thinks.
class DiskWatchdog {
 public:
  struct Options {
    // The oldest task has waited for so long: the disk stalls.
    base::Duration stalled = base::Seconds(1);
    // And for so long: it is dead.
    base::Duration dead = base::Seconds(30);
    // A stall is over when for so long no task has waited for `healthy_within`: a disk that comes
    // and goes would move leaders to and fro.
    base::Duration recovered_after = base::Seconds(5);
    base::Duration healthy_within = base::Millis(500);
  };
  enum class State : uint8_t {
    kGood,
    kStalled,  // What is led here is to be handed over.
    kDead,     // The process has to end. Final.
  };

  DiskWatchdog() : DiskWatchdog(Options()) {}
  explicit DiskWatchdog(Options options) : options_(options) {}

  // A task that must be synced was submitted; or all of the group's up to `seq` are done. Tasks of
  // all groups are synced in the order of their submission.
  void OnSubmit(GroupId group, IoSeq seq);
  void OnDone(GroupId group, IoSeq seq);
  // What is to be thought of the disk now. Called every 50 ms or oftener: a longer silence is the
  // fault of the loop or of the machine, which were standing still, and does not count as waiting.
  State Tick(base::MonotonicTime now);

  State state() const { return state_; }
  // How long the oldest task had waited at the last Tick; zero: none waits.
  base::Duration oldest_wait() const;

 private:
  static constexpr base::Duration kTickMax = base::Millis(100);

  struct Waiting {
    GroupId group;
    IoSeq seq;
    base::Duration since;
  };

  bool IsDone(const Waiting& task) const;

  const Options options_;
  State state_ = State::kGood;
  base::MonotonicTime last_tick_;
  base::Duration clock_;                      // Time that has passed while the loop was running.
  std::deque<Waiting> waiting_;               // Oldest first; done ones leave at the next Tick.
  absl::flat_hash_map<GroupId, IoSeq> done_;  // Never iterated.
  base::Duration healthy_since_;
};

}  // namespace pontoon::raft

#endif  // PONTOON_RAFT_NODE_DISK_WATCHDOG_H_
