#include "storage/space_guard.h"

#include <gtest/gtest.h>

#include <atomic>

#include "storage/database.h"
#include "storage/test_support.h"

namespace pontoon::storage {
namespace {

class SpaceGuardTest : public ::testing::Test {
 protected:
  void SetUp() override {
    env_ = MakeSpaceGuard(nullptr, 1000, base::Duration{}, [this]() -> absl::StatusOr<uint64_t> {
      ++looks_;
      return free_.load();
    });
    DatabaseOptions options;
    options.path = dir_ / "db";
    options.sizes = StoreSizes::ForDisk(0);
    options.env = env_.get();
    options.create = true;
    options.fatal = &fatal_;
    auto database = Database::OpenBlocking(options);
    ASSERT_TRUE(database.ok()) << database.status();
    database_ = *std::move(database);
  }
  rocksdb::Status Put(const std::string& key) {
    return database_->db()->Put(rocksdb::WriteOptions(), database_->body(), key,
                                std::string(5000, 'x'));
  }
  rocksdb::Status Flush() {
    return database_->db()->Flush(rocksdb::FlushOptions(), database_->body());
  }
  rocksdb::Status Compact() {
    rocksdb::CompactRangeOptions options;
    options.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForce;
    return database_->db()->CompactRange(options, database_->body(), nullptr, nullptr);
  }

  testing::TempDir dir_;
  std::atomic<uint64_t> free_{1 << 30};
  std::atomic<int> looks_{0};
  std::atomic<int> fatal_count_{0};
  FatalError fatal_{[this](const absl::Status&) { ++fatal_count_; }, nullptr};
  std::unique_ptr<rocksdb::Env> env_;
  std::unique_ptr<Database> database_;
};

TEST_F(SpaceGuardTest, CompactionLeavesTheLastSpaceToTheLogAndTheNodeGoesOn) {
  ASSERT_TRUE(Put("a").ok());
  ASSERT_TRUE(Flush().ok());
  free_ = 900;
  ASSERT_TRUE(Put("b").ok());
  ASSERT_TRUE(Flush().ok());  // A flush may take what is left.
  EXPECT_TRUE(Compact().IsNoSpace());
  EXPECT_EQ(fatal_count_, 0);
  ASSERT_TRUE(Put("c").ok());
  ASSERT_TRUE(Flush().ok());
  free_ = 1 << 30;
  EXPECT_TRUE(Compact().ok());
  for (const char* key : {"a", "b", "c"}) {
    std::string value;
    EXPECT_TRUE(database_->db()->Get(rocksdb::ReadOptions(), database_->body(), key, &value).ok());
  }
  EXPECT_EQ(fatal_count_, 0);
}

TEST_F(SpaceGuardTest, LooksBeforeEachWriteToTheLogAndToADataFile) {
  for (const char* key : {"a", "b", "c"}) {
    const int before = looks_;
    ASSERT_TRUE(Put(key).ok());
    EXPECT_GT(looks_, before);
  }
  const int before = looks_;
  ASSERT_TRUE(Flush().ok());
  EXPECT_GT(looks_, before + 1);  // The file of data, and the list of files.
}

}  // namespace
}  // namespace pontoon::storage
