#include "base/random.h"

#include <sys/random.h>

#include <array>
#include <cstddef>
#include <utility>

#include "base/check.h"

namespace pontoon::base {
namespace {

// Drawn a few at a time: idle Raft groups ask thousands of times a second. What was handed out is
// forgotten.
struct Drawn {
  std::array<uint64_t, 32> values;
  size_t left = 0;  // Of `values`, from the front.
};
thread_local Drawn drawn;

}  // namespace

uint64_t SystemRandom::Next() {
  if (drawn.left == 0) {
    // Up to 256 bytes come whole, and without waiting once the device is ready.
    static_assert(sizeof(drawn.values) <= 256);
    PONTOON_CHECK(getrandom(drawn.values.data(), sizeof(drawn.values), 0) == sizeof(drawn.values));
    drawn.left = drawn.values.size();
  }
  return std::exchange(drawn.values[--drawn.left], 0);
}

}  // namespace pontoon::base
