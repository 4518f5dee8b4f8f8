#include "base/time.h"

#include <ctime>

namespace pontoon::base {
namespace {

int64_t Read(clockid_t id) {
  timespec t{};
  clock_gettime(id, &t);
  return int64_t{t.tv_sec} * 1000000000 + t.tv_nsec;
}

}  // namespace

MonotonicTime SystemClock::Now() const { return {Read(CLOCK_BOOTTIME)}; }
WallTime SystemClock::WallNow() const { return {Read(CLOCK_REALTIME)}; }

}  // namespace pontoon::base
