#include "base/counter.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace pontoon::base {
namespace {

TEST(CounterTest, NothingThatThreadsAddAtOnceIsLost) {
  Counter counter;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&counter] {
      for (int n = 0; n < 10'000; ++n) ++counter;
      counter += 5;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(counter, 40'020u);
}

TEST(CounterTest, ACopyStaysWhatItWas) {
  struct Counters {
    Counter sent;
    Counter lost;
  } counters;
  ++counters.sent;
  const Counters before = counters;
  counters.sent += 2;
  ++counters.lost;
  EXPECT_EQ(before.sent, 1u);
  EXPECT_EQ(before.lost, 0u);
  counters = before;
  EXPECT_EQ(counters.sent, 1u);
}

}  // namespace
}  // namespace pontoon::base
