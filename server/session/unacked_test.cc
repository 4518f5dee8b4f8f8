#include "server/session/unacked.h"

#include <gtest/gtest.h>

#include <map>

#include "base/random.h"

namespace pontoon::session {
namespace {

broker::Delivery At(uint64_t position, uint64_t delivery, uint64_t consumer = 1) {
  broker::Delivery made;
  made.consumer = {consumer};
  made.queue = base::QueueId::Of(5);
  made.position = {position};
  made.delivery = {delivery};
  return made;
}

const cluster::ShardRef kShard{{1}, {}};

TEST(UnackedTest, ConsecutiveDeliveriesCostOneRunHoweverMany) {
  Unacked unacked;
  for (uint64_t tag = 1; tag <= 100000; ++tag) unacked.Add(tag, kShard, At(tag + 50, tag + 7));
  EXPECT_EQ(unacked.run_count(), 1u);
  EXPECT_EQ(unacked.size(), 100000u);
  std::vector<UnackedRun> taken;
  ASSERT_TRUE(unacked.TakeUpTo(99999, &taken));
  ASSERT_EQ(taken.size(), 1u);
  EXPECT_EQ(taken[0].run.count, 99999u);
  EXPECT_EQ(taken[0].run.first.value, 51u);
  EXPECT_EQ(unacked.size(), 1u);
}

TEST(UnackedTest, ATagThatIsNotHeldTakesNothing) {
  Unacked unacked;
  std::vector<UnackedRun> taken;
  EXPECT_FALSE(unacked.TakeOne(1, &taken));
  unacked.Add(1, kShard, At(1, 1));
  unacked.Add(2, kShard, At(2, 2));
  ASSERT_TRUE(unacked.TakeOne(1, &taken));
  EXPECT_FALSE(unacked.TakeOne(1, &taken));
  EXPECT_FALSE(unacked.TakeUpTo(3, &taken));
  EXPECT_FALSE(unacked.TakeUpTo(1, &taken));
  EXPECT_EQ(taken.size(), 1u);
  EXPECT_EQ(unacked.size(), 1u);
}

TEST(UnackedTest, WhatIsTakenInAnyOrderIsWhatWasDelivered) {
  base::SeededRandom random(3);
  for (int round = 0; round < 100; ++round) {
    Unacked unacked;
    std::map<uint64_t, std::pair<uint64_t, uint64_t>> model;  // Tag to position and delivery.
    uint64_t tag = 1, position = 1, delivery = 1;
    for (int step = 0; step < 400; ++step) {
      std::vector<UnackedRun> taken;
      if (random.Below(2) == 0) {
        if (random.Below(6) == 0) position += 3;
        model[tag] = {position, delivery};
        unacked.Add(tag++, kShard, At(position++, delivery++, 1 + random.Below(20) / 19));
        continue;
      }
      const uint64_t wanted = 1 + random.Below(tag);
      const bool multiple = random.Below(5) == 0;
      const bool ok = multiple ? unacked.TakeUpTo(wanted, &taken) : unacked.TakeOne(wanted, &taken);
      ASSERT_EQ(ok, model.count(wanted) == 1);
      for (const UnackedRun& run : taken) {
        for (uint32_t i = 0; i < run.run.count; ++i) {
          const auto it = model.find(run.first_tag + i);
          ASSERT_NE(it, model.end());
          ASSERT_EQ(it->second, (std::pair<uint64_t, uint64_t>(run.run.first.value + i,
                                                               run.run.first_delivery.value + i)));
          model.erase(it);
        }
      }
      if (ok && multiple) {
        ASSERT_TRUE(model.empty() || model.begin()->first > wanted);
      }
      ASSERT_EQ(unacked.size(), model.size());
    }
  }
}

}  // namespace
}  // namespace pontoon::session
