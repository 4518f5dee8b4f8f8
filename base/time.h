#ifndef PONTOON_BASE_TIME_H_
#define PONTOON_BASE_TIME_H_

#include <compare>
#include <cstdint>

namespace pontoon::base {

// A span of time in nanoseconds. Plain and integral, so that arithmetic in the deterministic middle
// is exact.
struct Duration {
  int64_t nanos = 0;
  friend constexpr auto operator<=>(Duration, Duration) = default;
  friend constexpr Duration operator+(Duration a, Duration b) { return {a.nanos + b.nanos}; }
  friend constexpr Duration operator-(Duration a, Duration b) { return {a.nanos - b.nanos}; }
  friend constexpr Duration operator*(Duration a, int64_t n) { return {a.nanos * n}; }
  friend constexpr Duration operator/(Duration a, int64_t n) { return {a.nanos / n}; }
  constexpr int64_t millis() const { return nanos / 1000000; }
  constexpr double seconds() const { return static_cast<double>(nanos) * 1e-9; }
};
constexpr Duration Micros(int64_t n) { return {n * 1000}; }
constexpr Duration Millis(int64_t n) { return {n * 1000000}; }
constexpr Duration Seconds(int64_t n) { return {n * 1000000000}; }

// A point on one node's monotonic clock (CLOCK_BOOTTIME: it runs while the machine sleeps). Means
// nothing on another node, nor after a restart.
struct MonotonicTime {
  int64_t nanos = 0;
  friend constexpr auto operator<=>(MonotonicTime, MonotonicTime) = default;
  friend constexpr MonotonicTime operator+(MonotonicTime t, Duration d) {
    return {t.nanos + d.nanos};
  }
  friend constexpr Duration operator-(MonotonicTime a, MonotonicTime b) {
    return {a.nanos - b.nanos};
  }
};

// Nanoseconds since 1970 on a wall clock, which may step either way.
struct WallTime {
  int64_t nanos = 0;
  friend constexpr auto operator<=>(WallTime, WallTime) = default;
  constexpr int64_t millis() const { return nanos / 1000000; }
  constexpr int64_t seconds() const { return nanos / 1000000000; }
};

// The clocks as the edges see them; the middle gets times as inputs. Any thread.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual MonotonicTime Now() const = 0;
  virtual WallTime WallNow() const = 0;
};

// The machine's clocks.
class SystemClock final : public Clock {
 public:
  MonotonicTime Now() const override;
  WallTime WallNow() const override;
};

}  // namespace pontoon::base

#endif  // PONTOON_BASE_TIME_H_
