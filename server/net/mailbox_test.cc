#include "server/net/mailbox.h"

#include <thread>

#include "server/net/net_test_support.h"

namespace pontoon::net {
namespace {

TEST(MailboxTest, MailOfEachProducerArrivesInItsOrder) {
  EventLoop loop({});
  struct Mail {
    int producer;
    int number;
  };
  constexpr int kProducers = 4;
  constexpr int kEach = 20000;
  Signal signal;
  std::vector<std::vector<int>> seen(kProducers);
  int total = 0;
  auto mailbox =
      std::make_unique<Mailbox<Mail>>(&loop, MailPriority::kNormal, [&](std::vector<Mail>& batch) {
        base::MutexLock lock(&signal.mutex);
        for (const Mail& mail : batch) seen[mail.producer].push_back(mail.number);
        total += static_cast<int>(batch.size());
        signal.Changed();
      });
  loop.Start();
  std::vector<std::thread> producers;
  for (int p = 0; p < kProducers; ++p) {
    producers.emplace_back([&, p] {
      std::vector<Mail> several;
      for (int i = 0; i < kEach; ++i) {
        if (i % 3 == 0) {
          mailbox->Post({p, i});
        } else {
          several.push_back({p, i});
          if (i % 3 == 2) mailbox->PostAll(&several);
        }
      }
      mailbox->PostAll(&several);
    });
  }
  for (auto& thread : producers) thread.join();
  ASSERT_TRUE(signal.Await([&] { return total == kProducers * kEach; }));
  loop.Stop();
  for (const auto& numbers : seen) {
    for (int i = 0; i < kEach; ++i) ASSERT_EQ(numbers[i], i);
  }
  mailbox.reset();
}

TEST(MailboxTest, ABusyLoopIsNotWokenForEachMessage) {
  EventLoop loop({});
  int received = 0;
  int batches = 0;
  auto mailbox =
      std::make_unique<Mailbox<int>>(&loop, MailPriority::kNormal, [&](std::vector<int>& batch) {
        received += static_cast<int>(batch.size());
        ++batches;
      });
  loop.Start();
  // While the loop is held in one task, a thousand messages come: one batch, and no wake-up at all.
  std::promise<void> entered, leave;
  loop.Post([&] {
    entered.set_value();
    leave.get_future().wait();
  });
  entered.get_future().wait();
  const uint64_t wakeups = loop.metrics().wakeups;
  for (int i = 0; i < 1000; ++i) mailbox->Post(i);
  EXPECT_EQ(loop.metrics().wakeups, wakeups);
  leave.set_value();
  RunOn(&loop, [&] {
    EXPECT_EQ(received, 1000);
    EXPECT_EQ(batches, 1);
    mailbox.reset();
  });
}

TEST(MailboxTest, TicksAndCompletionsComeBeforeOtherMailOfTheSameTurn) {
  EventLoop loop({});
  std::vector<std::string> order;
  auto normal = std::make_unique<Mailbox<int>>(
      &loop, MailPriority::kNormal, [&](std::vector<int>&) { order.push_back("normal"); });
  auto high = std::make_unique<Mailbox<int>>(&loop, MailPriority::kHigh,
                                             [&](std::vector<int>&) { order.push_back("high"); });
  normal->Post(1);
  high->Post(1);
  loop.Start();
  RunOn(&loop, [] {});
  RunOn(&loop, [&] {
    EXPECT_THAT(order, testing::ElementsAre("high", "normal"));
    normal.reset();
    high.reset();
  });
}

TEST(MailboxTest, MailSentAtTheTurnsEndToTheSameLoopIsTakenInTheSameTurn) {
  EventLoop loop({});
  uint64_t sent_in = 0;
  uint64_t taken_in = 0;
  std::promise<void> taken;
  auto mailbox =
      std::make_unique<Mailbox<int>>(&loop, MailPriority::kNormal, [&](std::vector<int>&) {
        taken_in = loop.metrics().turns + 1;
        taken.set_value();
      });
  loop.OnTurnEnd([&] {
    if (sent_in != 0) return;
    sent_in = loop.metrics().turns + 1;
    mailbox->Post(1);
  });
  loop.Start();
  loop.Post([] {});
  taken.get_future().wait();
  loop.Stop();
  EXPECT_EQ(sent_in, taken_in);
  mailbox.reset();
}

TEST(MailboxTest, AConsumerMayRemoveAnotherMailbox) {
  EventLoop loop({});
  std::unique_ptr<Mailbox<int>> second;
  auto first = std::make_unique<Mailbox<int>>(&loop, MailPriority::kNormal,
                                              [&](std::vector<int>&) { second.reset(); });
  int delivered = 0;
  second = std::make_unique<Mailbox<int>>(&loop, MailPriority::kNormal,
                                          [&](std::vector<int>&) { ++delivered; });
  second->Post(1);
  first->Post(1);
  loop.Start();
  RunOn(&loop, [] {});
  RunOn(&loop, [&] {
    EXPECT_EQ(delivered, 0);
    first.reset();
  });
}

}  // namespace
}  // namespace pontoon::net
