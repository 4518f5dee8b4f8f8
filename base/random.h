#ifndef PONTOON_BASE_RANDOM_H_
#define PONTOON_BASE_RANDOM_H_

#include <cstdint>

namespace pontoon::base {

// Chance as an input: the middle draws only from what it was given. Not thread-safe.
class Random {
 public:
  virtual ~Random() = default;
  virtual uint64_t Next() = 0;
  // Uniform in [0, bound); `bound` must not be 0.
  uint64_t Below(uint64_t bound) { return Next() % bound; }
};

// splitmix64: the same seed gives the same stream on every machine. Not for secrets.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(uint64_t seed) : state_(seed) {}
  uint64_t Next() override {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }

 private:
  uint64_t state_;
};

// The kernel's random device; fit for secrets (salts, cookies, server-made names).
class SystemRandom final : public Random {
 public:
  uint64_t Next() override;
};

}  // namespace pontoon::base

#endif  // PONTOON_BASE_RANDOM_H_
