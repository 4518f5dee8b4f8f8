#ifndef PONTOON_RAFT_SIM_CLOCK_H_
#define PONTOON_RAFT_SIM_CLOCK_H_

#include <cstdint>

#include "base/time.h"

namespace pontoon::raft::sim {

// A node's clocks, made from true time (nanoseconds since the run began). The monotonic one runs
// too fast or too slow, within the drift bound that Raft's lease counts on, and begins anew with
// each start of the machine; the wall clock steps as it likes.
class Clock {
 public:
  void Reset(int64_t true_ns, int64_t local_ns) {
    since_ = true_ns;
    local_ = local_ns;
  }
  void SetRate(int64_t true_ns, int64_t ppm) {
    local_ = Local(true_ns);
    since_ = true_ns;
    ppm_ = ppm;
  }
  void JumpWall(int64_t by_ns) { wall_offset_ += by_ns; }

  base::MonotonicTime Now(int64_t true_ns) const { return {Local(true_ns)}; }
  base::WallTime WallNow(int64_t true_ns) const { return {true_ns + wall_offset_}; }
  // How much true time passes while this clock goes on by `local_ns`.
  int64_t TrueSpan(int64_t local_ns) const { return local_ns - local_ns / 1000000 * ppm_; }

 private:
  int64_t Local(int64_t true_ns) const {
    const int64_t passed = true_ns - since_;
    return local_ + passed + passed / 1000 * ppm_ / 1000;
  }

  int64_t since_ = 0;
  int64_t local_ = 1000000000;
  int64_t ppm_ = 0;
  int64_t wall_offset_ = 1700000000000000000;
};

}  // namespace pontoon::raft::sim

#endif  // PONTOON_RAFT_SIM_CLOCK_H_
