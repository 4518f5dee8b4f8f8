#include "storage/unflushed_bodies.h"

#include <gtest/gtest.h>

#include <future>
#include <map>
#include <set>
#include <string>

#include "base/random.h"
#include "storage/database.h"
#include "storage/keys.h"
#include "storage/test_support.h"

namespace pontoon::storage {
namespace {

using testing::Append;
using testing::MakeEntry;

constexpr BodyNote Put(uint32_t group, uint64_t from, uint64_t to) {
  return {{group}, from, to, BodyNote::Kind::kPut};
}
constexpr BodyNote Dropped(uint32_t group, uint64_t from, uint64_t to) {
  return {{group}, from, to, BodyNote::Kind::kDropped};
}

class UnflushedBodiesTest : public ::testing::Test {
 protected:
  void Make(UnflushedBodies::Options options) { bodies_.emplace(options, &counters_); }
  void Batch(std::vector<BodyNote> notes) { bodies_->OnBatch(++batch_, notes); }
  void Mark() { counters_.marked_batch = batch_; }
  bool IsDropped(uint32_t group, uint64_t index) {
    uint64_t from = 0;
    uint64_t to = 0;
    if (!bodies_->IsDropped({group}, index, &from, &to)) return false;
    EXPECT_TRUE(from <= index && index <= to);
    return true;
  }

  StorageCounters counters_;
  uint64_t batch_ = 0;
  std::optional<UnflushedBodies> bodies_;
};

TEST_F(UnflushedBodiesTest, DeletionCountsOnceTheMarkCoversIt) {
  Make({});
  Batch({Put(1, 1, 10)});
  Mark();
  Batch({Dropped(1, 3, 5)});
  EXPECT_FALSE(IsDropped(1, 4));
  Mark();
  EXPECT_TRUE(IsDropped(1, 4));
  EXPECT_FALSE(IsDropped(1, 2));
  EXPECT_FALSE(IsDropped(1, 6));
  EXPECT_FALSE(IsDropped(2, 4));
}

TEST_F(UnflushedBodiesTest, BodyUnderAnIndexThatComesBackIsAlive) {
  Make({});
  Batch({Put(1, 1, 10), Dropped(1, 5, 10), Put(1, 5, 6)});  // In one batch,
  Batch({Dropped(1, 6, 6)});                                // before the mark covers it,
  Batch({Put(1, 6, 7)});
  Mark();
  for (uint64_t i = 1; i <= 7; ++i) EXPECT_FALSE(IsDropped(1, i)) << i;
  for (uint64_t i = 8; i <= 10; ++i) EXPECT_TRUE(IsDropped(1, i)) << i;
  Batch({Put(1, 9, 9)});  // and after.
  EXPECT_TRUE(IsDropped(1, 8));
  EXPECT_FALSE(IsDropped(1, 9));
  EXPECT_TRUE(IsDropped(1, 10));
}

TEST_F(UnflushedBodiesTest, WhatIsForgottenForWantOfRoomIsAlive) {
  Make({.settle_wait = {}, .stretches_max = 3});
  for (uint64_t i = 2; i <= 10; i += 2) {
    Batch({Dropped(1, i, i)});
    Mark();
  }
  for (uint64_t i = 2; i <= 6; i += 2) EXPECT_TRUE(IsDropped(1, i)) << i;
  for (uint64_t i = 8; i <= 10; i += 2) EXPECT_FALSE(IsDropped(1, i)) << i;
  // Stretches that touch are one.
  Batch({Dropped(1, 3, 3), Dropped(1, 5, 5)});
  Mark();
  for (uint64_t i = 2; i <= 6; ++i) EXPECT_TRUE(IsDropped(1, i)) << i;
}

TEST_F(UnflushedBodiesTest, WhatWasFlushedTakesNoRoom) {
  Make({.settle_wait = {}, .stretches_max = 3});
  for (uint64_t i = 1; i <= 100; ++i) {
    Batch({Put(1, 2 * i, 2 * i)});
    Batch({Dropped(1, 2 * i, 2 * i)});
    Mark();
    EXPECT_TRUE(IsDropped(1, 2 * i)) << i;
    bodies_->OnFull();
    if (i % 2 == 0) bodies_->OnFlushed(0);
  }
}

// A buffer becomes full while a batch is written that goes into the next one.
TEST_F(UnflushedBodiesTest, FlushOfABufferLeavesTheNextBuffersBodiesKnown) {
  Make({});
  Batch({Put(1, 1, 5)});
  Batch({Put(1, 6, 9)});
  bodies_->OnFull();
  bodies_->OnFlushed(0);
  Batch({Dropped(1, 1, 9)});
  Mark();
  EXPECT_FALSE(IsDropped(1, 5));  // Its file, if it has one, is told by the deletion itself.
  EXPECT_TRUE(IsDropped(1, 6));
}

// Beside a model that holds the newest event of each index.
TEST_F(UnflushedBodiesTest, NothingThatLivesIsEverTakenForDeleted) {
  constexpr uint64_t kIndexes = 60;
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    base::SeededRandom random(seed);
    batch_ = 0;
    counters_.marked_batch = 0;
    const bool flushes = seed % 2 == 0;
    Make({.settle_wait = {}, .stretches_max = seed % 3 == 0 ? size_t{4} : size_t{1000}});
    std::map<std::pair<uint32_t, uint64_t>, uint64_t> dropped_by;
    for (int step = 0; step < 200; ++step) {
      std::vector<BodyNote> notes;
      for (uint64_t n = random.Below(4); n > 0; --n) {
        const uint32_t group = 1 + static_cast<uint32_t>(random.Below(2));
        const uint64_t from = 1 + random.Below(kIndexes);
        const uint64_t to = std::min(from + random.Below(8), kIndexes);
        const bool put = random.Below(2) == 0;
        notes.push_back(put ? Put(group, from, to) : Dropped(group, from, to));
        for (uint64_t i = from; i <= to; ++i) {
          if (put) {
            dropped_by.erase({group, i});
          } else {
            dropped_by.try_emplace({group, i}, batch_ + 1);
          }
        }
      }
      Batch(std::move(notes));
      if (random.Below(3) == 0) counters_.marked_batch = batch_ - random.Below(2);
      if (flushes && random.Below(10) == 0) bodies_->OnFull();
      if (flushes && random.Below(20) == 0) bodies_->OnFlushed(random.Below(3));
      for (uint32_t group = 1; group <= 2; ++group) {
        for (uint64_t i = 1; i <= kIndexes; ++i) {
          const auto it = dropped_by.find({group, i});
          const bool dead = it != dropped_by.end() && it->second <= counters_.marked_batch;
          const bool taken_for_dead = IsDropped(group, i);
          ASSERT_TRUE(dead || !taken_for_dead) << "seed " << seed << " step " << step << ": " << i;
          if (!flushes && seed % 3 != 0) {
            ASSERT_EQ(dead, taken_for_dead) << seed << " " << i;
          }
        }
      }
    }
  }
}

TEST_F(UnflushedBodiesTest, FlushWaitsForBodiesUntilSomebodyWaitsForIt) {
  Make({.settle_wait = base::Seconds(3600), .full_buffers_max = 3});
  bodies_->AwaitSettlingBlocking();  // Nothing is full.
  bodies_->OnFull();
  auto flush = std::async(std::launch::async, [&] { bodies_->AwaitSettlingBlocking(); });
  EXPECT_EQ(flush.wait_for(std::chrono::milliseconds(20)), std::future_status::timeout);
  bodies_->Hurry();
  flush.get();
  bodies_->AwaitSettlingBlocking();
  bodies_->Unhurry();
  // Or until buffers run short.
  flush = std::async(std::launch::async, [&] { bodies_->AwaitSettlingBlocking(); });
  bodies_->OnFull();
  EXPECT_EQ(flush.wait_for(std::chrono::milliseconds(20)), std::future_status::timeout);
  bodies_->OnFull();
  flush.get();
}

TEST_F(UnflushedBodiesTest, FlushWaitsNoLongerThanBodiesAreGiven) {
  Make({.settle_wait = base::Millis(1), .full_buffers_max = 3});
  bodies_->OnFull();
  bodies_->AwaitSettlingBlocking();
}

// The next index may be a deletion that ends a body in an older file.
TEST_F(UnflushedBodiesTest, BodyThatIsLeftOutTakesNothingBehindItAlong) {
  Make({});
  Batch({Put(1, 1, 10), Dropped(1, 3, 10)});
  Mark();
  const auto filter = bodies_->MakeFilterFactory()->CreateCompactionFilter({});
  const auto decide = [&](uint64_t index, std::string* skip_until) {
    std::string value;
    return filter->FilterV2(0, ToRocks(MakeItemKey({1}, index)),
                            rocksdb::CompactionFilter::ValueType::kValue, "body", &value,
                            skip_until);
  };
  std::string skip_until;
  EXPECT_EQ(decide(2, &skip_until), rocksdb::CompactionFilter::Decision::kKeep);
  for (uint64_t i = 3; i <= 10; ++i) {
    EXPECT_EQ(decide(i, &skip_until), rocksdb::CompactionFilter::Decision::kRemoveAndSkipUntil);
    EXPECT_GT(skip_until, AsView(MakeItemKey({1}, i)));
    EXPECT_LT(skip_until, AsView(MakeItemKey({1}, i + 1)));
  }
  EXPECT_EQ(decide(11, &skip_until), rocksdb::CompactionFilter::Decision::kKeep);
}

// With the store around it, whose write buffers are small.
class FlushTest : public ::testing::Test {
 protected:
  static constexpr size_t kBodyBytes = 10'000;
  void Open(base::Duration mark_interval = base::Millis(1)) {
    RocksLogStoreOptions options = testing::TestOptions(dir_.path());
    options.sizes->body_write_buffer_bytes = 256 << 10;
    options.sizes->body_settle_wait = base::Millis(5);
    options.state_task_wait = base::Millis(1);
    options.mark_interval = mark_interval;
    auto store = RocksLogStore::OpenBlocking(options, &logger_, &events_);
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
  }
  static std::string BodyOf(uint64_t term, uint64_t index) {
    std::string body = absl::StrCat(term, ".", index, ":");
    body.resize(kBodyBytes, static_cast<char>('a' + (term + index) % 26));
    return body;
  }
  void AppendOne(uint64_t term, uint64_t index, std::optional<uint64_t> truncate_from = {}) {
    raft::StorageTask task = Append(1, ++seq_, {MakeEntry(term, index, "h", BodyOf(term, index))});
    if (truncate_from) task.truncate_from = raft::Index{*truncate_from};
    store_->Submit(std::move(task));
    ASSERT_TRUE(events_.AwaitDone(1, seq_));
  }
  void Drop(std::vector<uint64_t> indexes) {
    raft::StateTask task;
    task.group = {1};
    for (const uint64_t index : indexes) task.drop_bodies.push_back({index});
    store_->Submit(std::move(task));
  }
  void ExpectBodies(const std::map<uint64_t, uint64_t>& term_of, uint64_t last) {
    for (uint64_t i = 1; i <= last; ++i) {
      const auto parts = testing::Read(store_.get(), 1, {{{i}, 0, kBodyBytes}});
      const auto it = term_of.find(i);
      if (it == term_of.end()) {
        EXPECT_TRUE(absl::IsNotFound(parts[0].status())) << i << ": " << parts[0].status();
      } else {
        ASSERT_TRUE(parts[0].ok()) << i << ": " << parts[0].status();
        EXPECT_EQ(parts[0]->view(), BodyOf(it->second, i)) << i;
      }
    }
  }

  testing::TempDir dir_;
  testing::CapturingLogger logger_;
  testing::RecordingEvents events_;
  uint64_t seq_ = 0;
  std::unique_ptr<RocksLogStore> store_;
};

TEST_F(FlushTest, BodiesThatAreSettledSoonNeverReachAnSstFile) {
  Open();
  std::map<uint64_t, uint64_t> alive;
  constexpr uint64_t kBodies = 2000;
  for (uint64_t i = 1; i <= kBodies; ++i) {
    AppendOne(1, i);
    alive[i] = 1;
    // Ten are under way, and each hundredth stays.
    if (i > 10 && (i - 10) % 100 != 0) {
      Drop({i - 10});
      alive.erase(i - 10);
    }
  }
  const StorageMetrics metrics = store_->Metrics();
  EXPECT_GT(metrics.bodies_left_out, 0u);  // Others are put and deleted in one flush.
  EXPECT_GT(metrics.wal_bytes, kBodies * kBodyBytes);
  EXPECT_LT(metrics.flush_bytes, kBodies * kBodyBytes / 4);
  ExpectBodies(alive, kBodies);
  store_.reset();
  Open();
  ExpectBodies(alive, kBodies);
}

TEST_F(FlushTest, BodyIsWrittenAsLongAsTheMarkDoesNotCoverItsDeletion) {
  Open(/*mark_interval=*/base::Seconds(3600));
  for (uint64_t i = 1; i <= 500; ++i) {
    AppendOne(1, i);
    if (i > 20) Drop({i - 20});
  }
  const StorageMetrics metrics = store_->Metrics();
  EXPECT_GT(metrics.flush_bytes, 0u);
  EXPECT_EQ(metrics.bodies_left_out, 0u);
}

// Deletions, truncations and bodies that come back under old indexes, at random, beside a map.
TEST_F(FlushTest, WhatLivesIsThereAfterAnyHistoryAndARestart) {
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    base::SeededRandom random(seed);
    store_.reset();
    std::filesystem::remove_all(dir_.path());
    std::filesystem::create_directory(dir_.path());
    seq_ = 0;
    events_.Forget();
    Open();
    std::map<uint64_t, uint64_t> alive;
    uint64_t last = 0;
    uint64_t term = 1;
    for (int step = 0; step < 1500; ++step) {
      std::optional<uint64_t> truncate_from;
      if (last > 5 && random.Below(40) == 0) {
        truncate_from = last - random.Below(5);
        last = *truncate_from - 1;
        ++term;
        alive.erase(alive.lower_bound(*truncate_from), alive.end());
      }
      AppendOne(term, ++last, truncate_from);
      alive[last] = term;
      std::vector<uint64_t> drops;
      for (const auto& [index, of] : alive) {
        if (random.Below(last - index < 20 ? 10 : 40) == 0) drops.push_back(index);
      }
      for (const uint64_t index : drops) alive.erase(index);
      Drop(std::move(drops));
      if (random.Below(500) == 0) {
        store_.reset();
        Open();
      }
    }
    ExpectBodies(alive, last);
    store_.reset();
    Open();
    ExpectBodies(alive, last);
    EXPECT_TRUE(store_->RecoverBlocking({1}).ok());
  }
}

}  // namespace
}  // namespace pontoon::storage
