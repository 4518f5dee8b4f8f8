#ifndef PONTOON_BASE_COUNTER_H_
#define PONTOON_BASE_COUNTER_H_

#include <atomic>
#include <cstdint>

namespace pontoon::base {

// How often something happened, or how many bytes of it: any thread adds, any thread reads. A copy
// is a reading, so that a struct of counters is its own snapshot; each of them is read at a moment
// of its own.
class Counter {
 public:
  Counter() = default;
  Counter(const Counter& other) : value_(other.value()) {}
  Counter& operator=(const Counter& other) {
    value_.store(other.value(), std::memory_order_relaxed);
    return *this;
  }

  Counter& operator+=(uint64_t more) {
    value_.fetch_add(more, std::memory_order_relaxed);
    return *this;
  }
  Counter& operator++() { return *this += 1; }

  uint64_t value() const { return value_.load(std::memory_order_relaxed); }
  // NOLINTNEXTLINE(google-explicit-constructor): it is read like the number that it counts to.
  operator uint64_t() const { return value(); }

 private:
  std::atomic<uint64_t> value_{0};
};

}  // namespace pontoon::base

#endif  // PONTOON_BASE_COUNTER_H_
