// A failed write or sync is the end: nothing more is reported, nothing more is written, and what
// was reported before is there at the next start.

#include <gtest/gtest.h>

#include <filesystem>

#include "absl/strings/match.h"
#include "storage/faulty_file_system.h"
#include "storage/files.h"
#include "storage/rocks_log_store.h"
#include "storage/test_support.h"

namespace pontoon::storage {
namespace {

using rocksdb::IOStatus;
using testing::Append;
using testing::FaultyFileSystem;
using testing::MakeEntry;
using Operation = FaultyFileSystem::Operation;

class StoreFaultTest : public ::testing::Test {
 protected:
  void Open(RocksLogStoreOptions options) {
    options.env = env_.get();
    options.on_fatal = [this](const absl::Status& status) {
      fatal_count_ += 1;
      fatal_.set_value(status);
    };
    auto store = RocksLogStore::OpenBlocking(std::move(options), &logger_, &events_);
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
  }
  void Open() { Open(testing::TestOptions(dir_.path())); }

  void SubmitEntries(uint64_t from, uint64_t to, size_t body_bytes = 1000) {
    for (uint64_t i = from; i <= to; ++i) {
      store_->Submit(Append(1, i, {MakeEntry(1, i, "h", std::string(body_bytes, 'b'))}));
    }
  }
  // Fails `operation` on files whose name ends so, from the `after`th on.
  void FailOn(Operation operation, const std::string& suffix, IOStatus error, int after = 0) {
    file_system_->SetFault([=, n = 0](Operation op, const std::string& file) mutable {
      if (op != operation || !absl::EndsWith(file, suffix)) return IOStatus::OK();
      return ++n > after ? error : IOStatus::OK();
    });
  }
  // The handler was called once, nothing from `failed` on was ever reported, and a healthy disk
  // shows what was.
  void ExpectEnd(uint64_t failed) {
    auto future = fatal_.get_future();
    ASSERT_EQ(future.wait_for(std::chrono::seconds(20)), std::future_status::ready);
    SubmitEntries(failed + 100, failed + 110);  // A node that had not ended would take these.
    store_->StopBlocking();
    EXPECT_EQ(fatal_count_, 1);
    EXPECT_EQ(logger_.Lines(base::LogLevel::kCritical).size(), 1u);
    uint64_t reported = 0;
    for (const auto& [group, seq] : events_.done()) reported = std::max(reported, seq);
    EXPECT_LT(reported, failed);
    store_.reset();
    file_system_->SetFault({});
    fatal_ = {};
    Open();
    const auto group = store_->RecoverBlocking({1});
    ASSERT_TRUE(group.ok()) << group.status();
    EXPECT_GE(group->entries.size(), reported);
    for (size_t i = 0; i < group->entries.size(); ++i) {
      EXPECT_EQ(group->entries[i].id.index, raft::Index{i + 1});
    }
  }

  testing::TempDir dir_;
  std::shared_ptr<FaultyFileSystem> file_system_ = std::make_shared<FaultyFileSystem>();
  std::unique_ptr<rocksdb::Env> env_ = rocksdb::NewCompositeEnv(file_system_);
  testing::CapturingLogger logger_;
  testing::RecordingEvents events_;
  std::promise<absl::Status> fatal_;
  std::atomic<int> fatal_count_{0};
  std::unique_ptr<RocksLogStore> store_;
};

TEST_F(StoreFaultTest, FailedWriteEndsTheNode) {
  Open();
  SubmitEntries(1, 10);
  ASSERT_TRUE(events_.AwaitDone(1, 10));
  FailOn(Operation::kAppend, ".log", IOStatus::IOError("planted"));
  SubmitEntries(11, 11);
  ExpectEnd(11);
}

TEST_F(StoreFaultTest, FailedSyncEndsTheNode) {
  Open();
  SubmitEntries(1, 10);
  ASSERT_TRUE(events_.AwaitDone(1, 10));
  FailOn(Operation::kSync, ".log", IOStatus::IOError("planted"));
  SubmitEntries(11, 11);
  ExpectEnd(11);
}

// RocksDB by itself would resume after these two, and leave a hole.
TEST_F(StoreFaultTest, FullDiskEndsTheNode) {
  Open();
  SubmitEntries(1, 10);
  ASSERT_TRUE(events_.AwaitDone(1, 10));
  FailOn(Operation::kAppend, ".log", IOStatus::NoSpace("planted"));
  SubmitEntries(11, 11);
  ExpectEnd(11);
}

TEST_F(StoreFaultTest, SyncThatMightBeRetriedEndsTheNode) {
  Open();
  SubmitEntries(1, 10);
  ASSERT_TRUE(events_.AwaitDone(1, 10));
  IOStatus error = IOStatus::IOError("planted");
  error.SetRetryable(true);
  // One failure alone: the next sync would succeed.
  file_system_->SetFault([error, n = 0](Operation op, const std::string& file) mutable {
    return op == Operation::kSync && absl::EndsWith(file, ".log") && n++ == 0 ? error
                                                                              : IOStatus::OK();
  });
  SubmitEntries(11, 11);
  ExpectEnd(11);
}

TEST_F(StoreFaultTest, FailedWriteInTheBackgroundEndsTheNode) {
  Open();
  FailOn(Operation::kAppend, ".sst", IOStatus::IOError("planted"));
  // More than the write buffers hold: something is flushed.
  SubmitEntries(1, 200, 200000);
  auto future = fatal_.get_future();
  ASSERT_EQ(future.wait_for(std::chrono::seconds(20)), std::future_status::ready);
  EXPECT_EQ(fatal_count_, 1);
  file_system_->SetFault({});
}

TEST_F(StoreFaultTest, NothingIsReportedBeforeItsSync) {
  Open();
  std::promise<void> may_sync;
  std::promise<void> syncing;
  auto may_sync_future = may_sync.get_future().share();
  bool first = true;
  file_system_->SetFault([&](Operation op, const std::string& file) {
    if (op == Operation::kSync && absl::EndsWith(file, ".log") && std::exchange(first, false)) {
      syncing.set_value();
      may_sync_future.wait();
    }
    return IOStatus::OK();
  });
  SubmitEntries(1, 1);
  syncing.get_future().wait();
  EXPECT_TRUE(events_.done().empty());
  // What comes meanwhile gathers in one batch.
  SubmitEntries(2, 500);
  may_sync.set_value();
  ASSERT_TRUE(events_.AwaitDone(1, 500));
  EXPECT_EQ(events_.done().front().second, 1u);
  EXPECT_LE(events_.done().size(), 4u);
  file_system_->SetFault({});
}

// What a power cut leaves: of each log file only what was synced. Everything reported must be in
// it.
TEST_F(StoreFaultTest, PowerCutLosesNothingReported) {
  Open();
  for (uint64_t round = 0; round < 20; ++round) {
    SubmitEntries(round * 50 + 1, round * 50 + 50);
    ASSERT_TRUE(events_.AwaitDone(1, round * 50 + 30));
    const uint64_t reported = events_.done().back().second;
    const std::string cut = absl::StrCat(dir_ / "cut", round);
    ASSERT_EQ(mkdir(cut.c_str(), 0755), 0);
    // The mark first: it must never vouch for more than what was synced when it was written.
    ASSERT_TRUE(CopyBlocking(dir_ / "durable.mark", cut + "/durable.mark").ok());
    const auto synced_after_mark = file_system_->SyncedBytes();
    ASSERT_TRUE(CopyBlocking(dir_ / "store", cut + "/store").ok());
    for (const auto& [name, bytes] : synced_after_mark) {
      const std::string copy =
          absl::StrCat(cut, "/store/", std::filesystem::path(name).filename().string());
      if (Exists(copy)) std::filesystem::resize_file(copy, bytes);
    }
    testing::RecordingEvents events;
    auto store = RocksLogStore::OpenBlocking(testing::TestOptions(cut), &logger_, &events);
    ASSERT_TRUE(store.ok()) << store.status();
    const auto group = (*store)->RecoverBlocking({1});
    ASSERT_TRUE(group.ok()) << group.status();
    EXPECT_GE(group->entries.size(), reported);
    ASSERT_TRUE(events_.AwaitDone(1, round * 50 + 50));
  }
}

// A killed process leaves writes that no sync followed; the next start finds them and counts on
// them, so a power cut after that must not take them back.
TEST_F(StoreFaultTest, WhatAStartFoundSurvivesAPowerCut) {
  Open();
  SubmitEntries(1, 10);
  ASSERT_TRUE(events_.AwaitDone(1, 10));
  raft::StorageTask lazy = Append(1, 11, {MakeEntry(1, 11, "h", "body")});
  lazy.must_sync = false;
  store_->Submit(std::move(lazy));
  ASSERT_TRUE(events_.AwaitDone(1, 11));
  const std::string killed = dir_ / "killed";
  ASSERT_EQ(mkdir(killed.c_str(), 0755), 0);
  for (const char* const name : {"store", "durable.mark"})
    ASSERT_TRUE(CopyBlocking(dir_ / name, absl::StrCat(killed, "/", name)).ok());
  store_.reset();
  RocksLogStoreOptions options = testing::TestOptions(killed);
  options.env = env_.get();
  testing::RecordingEvents events;
  auto started = RocksLogStore::OpenBlocking(options, &logger_, &events);
  ASSERT_TRUE(started.ok()) << started.status();
  EXPECT_EQ((*started)->RecoverBlocking({1})->entries.size(), 11u);
  const std::string cut = dir_ / "cut";
  ASSERT_TRUE(CopyBlocking(killed, cut).ok());
  for (const auto& [name, bytes] : file_system_->SyncedBytes()) {
    const std::string copy =
        absl::StrCat(cut, "/store/", std::filesystem::path(name).filename().string());
    if (absl::StartsWith(name, killed) && Exists(copy)) std::filesystem::resize_file(copy, bytes);
  }
  // A log file that nobody synced would be gone.
  const std::vector<std::string> files = *ListBlocking(cut + "/store");
  for (const std::string& name : files) {
    if (!absl::EndsWith(name, ".log")) continue;
    EXPECT_TRUE(file_system_->SyncedBytes().contains(absl::StrCat(killed, "/store/", name)));
  }
  testing::RecordingEvents after;
  auto store = RocksLogStore::OpenBlocking(testing::TestOptions(cut), &logger_, &after);
  ASSERT_TRUE(store.ok()) << store.status();
  EXPECT_EQ((*store)->RecoverBlocking({1})->entries.size(), 11u);
}

}  // namespace
}  // namespace pontoon::storage
