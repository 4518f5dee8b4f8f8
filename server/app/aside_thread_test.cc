#include "server/app/aside_thread.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <thread>
#include <vector>

namespace pontoon::app {
namespace {

TEST(AsideThreadTest, WorkIsDoneInOrderOnAnotherThread) {
  std::vector<int> order;
  std::promise<std::thread::id> last;
  AsideThread thread;
  for (int i = 0; i < 100; ++i) thread.Run([&order, i] { order.push_back(i); });
  thread.Run([&] { last.set_value(std::this_thread::get_id()); });
  EXPECT_NE(last.get_future().get(), std::this_thread::get_id());
  for (int i = 0; i < 100; ++i) EXPECT_EQ(order[static_cast<size_t>(i)], i);
}

TEST(AsideThreadTest, StoppingWaitsForWhatRunsAndDropsTheRest) {
  std::promise<void> begun, go_on;
  bool ended = false, second = false;
  const auto held = std::make_shared<int>(1);
  AsideThread thread;
  thread.Run([&] {
    begun.set_value();
    go_on.get_future().wait();
    ended = true;
  });
  thread.Run([&second, held] { second = true; });
  begun.get_future().wait();
  std::thread stopper([&] { thread.StopBlocking(); });
  while (held.use_count() > 1) std::this_thread::yield();
  EXPECT_FALSE(ended);
  go_on.set_value();
  stopper.join();
  EXPECT_TRUE(ended);
  thread.Run([&second, held] { second = true; });
  EXPECT_EQ(held.use_count(), 1);
  EXPECT_FALSE(second);
}

}  // namespace
}  // namespace pontoon::app
