#include "storage/flush_watch.h"

#include <gtest/gtest.h>
#include <rocksdb/env.h>

#include <atomic>
#include <thread>

#include "storage/database.h"
#include "storage/faulty_file_system.h"
#include "storage/keys.h"
#include "storage/test_support.h"

namespace pontoon::storage {
namespace {

class FlushWatchTest : public ::testing::Test {
 protected:
  static constexpr int kBuffersToMerge = 3;

  FlushWatchTest()
      : files_(std::make_shared<testing::FaultyFileSystem>()),
        env_(rocksdb::NewCompositeEnv(files_)) {
    DatabaseOptions options;
    options.path = dir_ / "db";
    options.create = true;
    options.env = env_.get();
    options.sizes = StoreSizes::ForDisk(0);
    options.sizes.body_write_buffer_bytes = 64 << 10;
    options.sizes.body_buffers_to_merge = kBuffersToMerge;
    options.sizes.body_settle_wait = {};
    auto opened = Database::OpenBlocking(options);
    EXPECT_TRUE(opened.ok()) << opened.status();
    database_ = *std::move(opened);
  }
  void Put(uint64_t index) {
    rocksdb::WriteBatch batch;
    batch.Put(database_->body(), ToRocks(MakeItemKey({1}, index)), std::string(10'000, 'b'));
    ASSERT_TRUE(database_->db()->Write(rocksdb::WriteOptions(), &batch).ok());
  }
  uint64_t Property(const std::string& name) {
    uint64_t value = 0;
    database_->db()->GetIntProperty(database_->body(), name, &value);
    return value;
  }
  uint64_t FullBuffers() { return Property(rocksdb::DB::Properties::kNumImmutableMemTable); }
  uint64_t Unflushed() {
    return Property(rocksdb::DB::Properties::kNumEntriesImmMemTables) +
           Property(rocksdb::DB::Properties::kNumEntriesActiveMemTable);
  }

  testing::TempDir dir_;
  std::shared_ptr<testing::FaultyFileSystem> files_;
  std::unique_ptr<rocksdb::Env> env_;
  std::unique_ptr<Database> database_;
};

TEST_F(FlushWatchTest, AllThatWasWrittenIsFlushed) {
  ASSERT_TRUE(database_->FlushBlocking().ok());  // Nothing.
  for (uint64_t i = 1; i <= 3; ++i) {
    Put(i);
    ASSERT_TRUE(database_->FlushBlocking().ok());
    EXPECT_EQ(Unflushed(), 0u);
  }
}

// A flush that began by itself syncs the write-ahead log when the other is asked for, and takes the
// request for its own: what must be flushed is then a buffer that it does not take along.
TEST_F(FlushWatchTest, RequestThatMeetsAnotherFlushIsNotForgotten) {
  // The other thread for flushes is busy with another family.
  env_->SetBackgroundThreads(1, rocksdb::Env::Priority::HIGH);
  std::thread asking;
  std::atomic<bool> met{false};
  std::atomic<bool> begun{false};
  files_->SetBeforeSync([&](const std::string& file) {
    if (!absl::EndsWith(file, ".log") || met.exchange(true)) return;
    const uint64_t before = FullBuffers();
    asking = std::thread([&] {
      const rocksdb::Status status = database_->FlushBlocking();
      EXPECT_TRUE(status.ok()) << status.ToString();
    });
    begun = true;
    while (FullBuffers() == before) std::this_thread::yield();
    // The request follows at once, under the lock that each of these takes.
    for (int i = 0; i < 200; ++i) FullBuffers();
  });
  // Until enough buffers are full for a flush; the body that shows it lies in the next one.
  for (uint64_t i = 1; !met && FullBuffers() < kBuffersToMerge; ++i) Put(i);
  while (!begun) std::this_thread::yield();
  asking.join();
  EXPECT_EQ(FullBuffers(), 0u);
}

}  // namespace
}  // namespace pontoon::storage
