#include "server/net/event_loop.h"

#include "server/net/net_test_support.h"
#include "server/net/timer_queue.h"

namespace pontoon::net {
namespace {

TEST(EventLoopTest, TasksRunOnTheLoopInTheOrderOfPosting) {
  EventLoop loop({});
  loop.Start();
  std::vector<int> order;
  for (int i = 0; i < 1000; ++i) {
    loop.Post([&, i] {
      loop.AssertHere();
      order.push_back(i);
    });
  }
  RunOn(&loop, [&] {
    ASSERT_EQ(order.size(), 1000u);
    for (int i = 0; i < 1000; ++i) EXPECT_EQ(order[i], i);
  });
  EXPECT_FALSE(loop.IsHere());
}

TEST(EventLoopTest, TimersFireInOrderOfTheirDeadlines) {
  EventLoop loop({});
  loop.Start();
  std::promise<void> done;
  std::vector<int> order;
  loop.Post([&] {
    loop.RunAfter(base::Millis(30), [&] {
      order.push_back(3);
      done.set_value();
    });
    loop.RunAfter(base::Millis(10), [&] { order.push_back(1); });
    loop.RunAfter(base::Millis(20), [&] { order.push_back(2); });
  });
  done.get_future().wait();
  EXPECT_THAT(order, testing::ElementsAre(1, 2, 3));
}

TEST(EventLoopTest, ACancelledTimerNeverFires) {
  EventLoop loop({});
  loop.Start();
  std::promise<void> done;
  bool fired = false;
  loop.Post([&] {
    TimerId timer = loop.RunAfter(base::Millis(5), [&] { fired = true; });
    loop.CancelTimer(&timer);
    EXPECT_FALSE(timer);
    loop.RunAfter(base::Millis(20), [&] { done.set_value(); });
  });
  done.get_future().wait();
  EXPECT_FALSE(fired);
}

TEST(EventLoopTest, AnIdleLoopSleeps) {
  EventLoop loop({});
  loop.Start();
  std::promise<void> done;
  uint64_t turns = 0;
  loop.Post([&] {
    turns = loop.metrics().turns;
    loop.RunAfter(base::Millis(300), [&] { done.set_value(); });
  });
  done.get_future().wait();
  EXPECT_LE(loop.metrics().turns - turns, 6u);
}

TEST(EventLoopTest, AHookMayRemoveItself) {
  EventLoop loop({});
  int calls = 0;
  uint64_t hook = 0;
  hook = loop.OnTurnEnd([&] {
    ++calls;
    loop.RemoveTurnEnd(hook);
  });
  loop.Start();
  for (int i = 0; i < 3; ++i) RunOn(&loop, [] {});
  RunOn(&loop, [&] { EXPECT_EQ(calls, 1); });
}

TEST(TimerQueueTest, ADeadlineIsNeverEarlyAndLateByNoMoreThanPromised) {
  TimerQueue timers;
  const base::MonotonicTime now{123456789012345};
  for (const int64_t delay :
       {int64_t{0}, int64_t{1}, int64_t{1000}, int64_t{5'000'000}, int64_t{60'000'000'000}}) {
    const TimerId id = timers.Add(now, now + base::Duration{delay}, [] {});
    EXPECT_GE(id.deadline_nanos, now.nanos + delay);
    EXPECT_LE(id.deadline_nanos, now.nanos + delay + std::min<int64_t>(delay / 64, 100'000'000));
  }
}

TEST(TimerQueueTest, HeartbeatTimersOfManyConnectionsShareFewMoments) {
  TimerQueue timers;
  std::vector<int64_t> deadlines;
  for (int i = 0; i < 1000; ++i) {
    const base::MonotonicTime now{i *
                                  int64_t{1'000'000}};  // A thousand connections within one second.
    deadlines.push_back(timers.Add(now, now + base::Seconds(30), [] {}).deadline_nanos);
  }
  deadlines.erase(std::unique(deadlines.begin(), deadlines.end()), deadlines.end());
  EXPECT_LE(deadlines.size(), 20u);
}

TEST(TimerQueueTest, ATimerThatSetsItselfAgainRunsOncePerRound) {
  TimerQueue timers;
  int runs = 0;
  std::function<void()> again = [&] {
    ++runs;
    timers.Add({10}, {10}, again);
  };
  timers.Add({0}, {5}, again);
  timers.RunDue({10});
  EXPECT_EQ(runs, 1);
  timers.RunDue({10});
  EXPECT_EQ(runs, 2);
}

TEST(TimerQueueTest, ATimerMayCancelAnotherThatIsDueToo) {
  TimerQueue timers;
  bool second_ran = false;
  TimerId second;
  timers.Add({0}, {1}, [&] { timers.Cancel(second); });
  second = timers.Add({0}, {2}, [&] { second_ran = true; });
  timers.RunDue({10});
  EXPECT_FALSE(second_ran);
}

}  // namespace
}  // namespace pontoon::net
