#ifndef PONTOON_RAFT_SIM_CHANCE_H_
#define PONTOON_RAFT_SIM_CHANCE_H_

#include <cstdint>

#include "base/random.h"

namespace pontoon::raft::sim {

// Each purpose has a stream of its own, so that a draw more in one does not shift the others.
enum class Purpose : uint64_t {
  kOptions = 1,
  kWork,
  kFaults,
  kNetwork,
  kDisk,
  kElection,
  kClock,
  kDice,
  kRare,
};

class Chance final : public base::Random {
 public:
  Chance(uint64_t seed, Purpose purpose, uint64_t which = 0)
      : random_(base::SeededRandom(seed * 1000003 + static_cast<uint64_t>(purpose) * 10007 + which)
                    .Next()) {}
  explicit Chance(uint64_t dice) : random_(dice) {}
  uint64_t Next() override { return random_.Next(); }
  // True in `permille` of 1000 cases.
  bool Permille(uint64_t permille) { return permille > 0 && random_.Below(1000) < permille; }
  // Uniform in [least, most].
  uint64_t Between(uint64_t least, uint64_t most) {
    return least + random_.Below(most - least + 1);
  }

 private:
  base::SeededRandom random_;
};

}  // namespace pontoon::raft::sim

#endif  // PONTOON_RAFT_SIM_CHANCE_H_
