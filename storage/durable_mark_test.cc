#include "storage/durable_mark.h"

#include <gtest/gtest.h>

#include <future>

#include "absl/strings/match.h"
#include "storage/test_support.h"

namespace pontoon::storage {
namespace {

const DurableMark kMark{.sequence = 1, .batch = 7, .identity = {0xc1, {0x17}}};

class DurableMarkTest : public ::testing::Test {
 protected:
  // The mark in a file that takes what is written, or does not, as this one does.
  absl::Status WhatEndsTheProcess(const std::string& path) {
    std::promise<absl::Status> fatal;
    int times = 0;
    FatalError report(
        [&](const absl::Status& error) {
          if (++times == 1) fatal.set_value(error);
        },
        nullptr);
    StorageCounters counters;
    counters.marked_batch = kMark.batch;
    auto keeper = MarkKeeper::OpenBlocking(path, kMark, base::Millis(1), &counters, &report);
    EXPECT_TRUE(keeper.ok()) << keeper.status();
    (*keeper)->PostSynced(8);
    absl::Status error = fatal.get_future().get();
    (*keeper)->PostSynced(9);
    (*keeper)->StopBlocking();
    EXPECT_EQ(times, 1);
    EXPECT_EQ(counters.marked_batch, kMark.batch) << "the mark does not vouch for it";
    return error;
  }
};

TEST_F(DurableMarkTest, VouchesForWhatWasSyncedAndIsReadBack) {
  testing::TempDir dir;
  const std::string path = dir / "durable.mark";
  ASSERT_TRUE(WriteNewMarkBlocking(path, kMark).ok());
  FatalError fatal({}, nullptr);
  StorageCounters counters;
  {
    auto keeper = MarkKeeper::OpenBlocking(path, kMark, base::Millis(1), &counters, &fatal);
    ASSERT_TRUE(keeper.ok()) << keeper.status();
    (*keeper)->PostSynced(8);
    (*keeper)->PostSynced(12);
  }
  EXPECT_EQ(counters.marked_batch, 12u);
  const absl::StatusOr<DurableMark> read = ReadMarkBlocking(path);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->batch, 12u);
}

// /dev/full has no room for anything; /dev/null takes all and cannot be synced.
TEST_F(DurableMarkTest, MarkThatCannotBeWrittenEndsTheProcess) {
  const absl::Status error = WhatEndsTheProcess("/dev/full");
  EXPECT_TRUE(absl::StrContains(error.message(), "writing /dev/full")) << error;
}

TEST_F(DurableMarkTest, MarkThatCannotBeSyncedEndsTheProcess) {
  const absl::Status error = WhatEndsTheProcess("/dev/null");
  EXPECT_TRUE(absl::StrContains(error.message(), "syncing /dev/null")) << error;
}

}  // namespace
}  // namespace pontoon::storage
