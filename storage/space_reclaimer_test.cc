#include "storage/space_reclaimer.h"

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "base/random.h"
#include "storage/test_support.h"

namespace pontoon::storage {
namespace {

using testing::Append;
using testing::MakeEntry;

constexpr uint64_t kBodies = 300;
constexpr size_t kBodyBytes = 100'000;
constexpr uint64_t kMiB = 1 << 20;

class SpaceReclaimerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    RocksLogStoreOptions options = testing::TestOptions(dir_.path());
    options.reclaim_interval = base::Millis(50);
    auto store = RocksLogStore::OpenBlocking(options, &logger_, &events_);
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
    for (uint64_t i = 1; i <= kBodies; ++i) {
      std::string body(kBodyBytes, '\0');
      for (char& c : body) c = static_cast<char>(random_.Next());
      store_->Submit(Append(1, ++seq_, {MakeEntry(1, i, "h", body)}));
    }
    ASSERT_TRUE(events_.AwaitDone(1, seq_));
  }
  uint64_t StoreBytes() {
    uint64_t bytes = 0;
    std::error_code error;
    for (const auto& file : std::filesystem::directory_iterator(dir_ / "store", error)) {
      const auto size = file.file_size(error);  // Files come and go meanwhile.
      if (!error) bytes += size;
    }
    return bytes;
  }
  void Drop(uint64_t from, uint64_t step) {
    raft::StateTask task;
    task.group = {1};
    for (uint64_t i = from; i <= kBodies; i += step) task.drop_bodies.push_back({i});
    store_->Submit(std::move(task));
  }
  // Nothing tells when space has come back: looks until it has, for a minute at most.
  bool AwaitBytesBelow(uint64_t bytes) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (StoreBytes() >= bytes) {
      if (std::chrono::steady_clock::now() > until) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return true;
  }

  testing::TempDir dir_;
  testing::CapturingLogger logger_;
  testing::RecordingEvents events_;
  base::SeededRandom random_{3};
  uint64_t seq_ = 0;
  std::unique_ptr<RocksLogStore> store_;
};

TEST_F(SpaceReclaimerTest, SpaceOfSettledBodiesComesBackToAnIdleStore) {
  EXPECT_GT(StoreBytes(), kBodies * kBodyBytes / 2);
  Drop(1, 1);
  EXPECT_TRUE(AwaitBytesBelow(2 * kMiB)) << StoreBytes();
}

TEST_F(SpaceReclaimerTest, SpaceComesBackFromDataFilesToo) {
  // Until the write-ahead log was given up, all is in data files.
  ASSERT_TRUE(AwaitBytesBelow(kBodies * kBodyBytes + 2 * kMiB));
  Drop(1, 2);
  EXPECT_TRUE(AwaitBytesBelow(kBodies * kBodyBytes * 6 / 10)) << StoreBytes();
  for (uint64_t i = 2; i <= kBodies; i += 2) {
    EXPECT_TRUE(testing::Read(store_.get(), 1, {{{i}, 0, kBodyBytes}})[0].ok()) << i;
  }
  Drop(2, 2);
  EXPECT_TRUE(AwaitBytesBelow(2 * kMiB)) << StoreBytes();
}

// A snapshot removes what was there by deletions of ranges, which are in no count of deletions.
TEST_F(SpaceReclaimerTest, SpaceComesBackOfWhatASnapshotReplaced) {
  // All of it in data files.
  ASSERT_TRUE(AwaitBytesBelow(kBodies * kBodyBytes + 2 * kMiB));
  raft::StateTask state;
  state.group = {1};
  for (uint64_t page = 1; page <= 20; ++page) {
    state.put_pages.emplace_back(raft::StoredPage(0, {page}),
                                 base::SliceChain(base::Slice::Copy(std::string(kMiB, 'p'))));
  }
  store_->Submit(std::move(state));
  auto install = std::make_shared<raft::Install>();
  install->checkpoint.applied = {{1}, {1000}};
  install->checkpoint.page_generation = 1;
  install->live_bodies = {{{7}, 2}};
  raft::StorageTask task = Append(1, ++seq_, {});
  task.install = install;
  store_->Submit(std::move(task));
  ASSERT_TRUE(events_.AwaitDone(1, seq_));
  EXPECT_TRUE(AwaitBytesBelow(2 * kMiB)) << StoreBytes();
  EXPECT_TRUE(testing::Read(store_.get(), 1, {{{8}, 0, kBodyBytes}})[0].ok());
}

TEST_F(SpaceReclaimerTest, SpaceComesBackWhileALittleIsWritten) {
  Drop(1, 1);
  std::atomic<bool> stop{false};
  std::thread trickle([&] {
    for (uint64_t i = 1; !stop; ++i) {
      store_->Submit(Append(2, i, {MakeEntry(1, i, "h", "a small body")}));
      events_.AwaitDone(2, i);
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  });
  EXPECT_TRUE(AwaitBytesBelow(2 * kMiB)) << StoreBytes();
  stop = true;
  trickle.join();
}

}  // namespace
}  // namespace pontoon::storage
