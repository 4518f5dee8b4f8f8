#include "base/random.h"

#include <sys/random.h>

#include "base/check.h"

namespace pontoon::base {

uint64_t SystemRandom::Next() {
  uint64_t value = 0;
  PONTOON_CHECK(getrandom(&value, sizeof(value), 0) == sizeof(value));
  return value;
}

}  // namespace pontoon::base
