#include "storage/disk_space.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "storage/files.h"
#include "storage/test_support.h"

namespace pontoon::storage {
namespace {

constexpr uint64_t kMiB = 1 << 20;

class DiskMonitorTest : public ::testing::Test {
 protected:
  DiskMonitor Monitor() {
    DiskMonitor::Options options;
    options.data_dir = dir_.path();
    options.limit_bytes = 50 * kMiB;
    options.reserve_bytes = 20 * kMiB;
    options.read_space = Disk();
    return DiskMonitor(options, &logger_);
  }
  // A disk of 1000 MiB of which `used_` is taken by others.
  ReadSpace Disk() {
    return [this](const std::string&) -> absl::StatusOr<DiskSpace> {
      if (unreadable_) return absl::UnavailableError("planted");
      const uint64_t reserve =
          Exists(dir_ / "reserve") ? std::filesystem::file_size(dir_ / "reserve") : 0;
      const uint64_t total = 1000 * kMiB;
      return DiskSpace{.free = total - std::min(total, used_ + reserve), .total = total};
    };
  }
  bool HasReserve() { return Exists(dir_ / "reserve"); }

  testing::TempDir dir_;
  testing::CapturingLogger logger_;
  uint64_t used_ = 0;
  bool unreadable_ = false;
};

TEST_F(DiskMonitorTest, PublishersWaitBelowTheLimitAndGoOnAboveIt) {
  DiskMonitor monitor = Monitor();
  EXPECT_FALSE(monitor.PollBlocking().alarm);
  used_ = 935 * kMiB;
  EXPECT_TRUE(monitor.PollBlocking().alarm);
  EXPECT_TRUE(HasReserve());
  EXPECT_EQ(monitor.status().free_bytes, 45 * kMiB);
  EXPECT_EQ(monitor.status().limit_bytes, 50 * kMiB);
  used_ = 900 * kMiB;
  EXPECT_FALSE(monitor.PollBlocking().alarm);
}

TEST_F(DiskMonitorTest, ReserveIsGivenUpWhenTheRestIsGoneAndMadeAgainLater) {
  DiskMonitor monitor = Monitor();
  monitor.PollBlocking();
  ASSERT_TRUE(HasReserve());
  EXPECT_EQ(std::filesystem::file_size(dir_ / "reserve"), 20 * kMiB);
  used_ = 975 * kMiB;
  const DiskStatus full = monitor.PollBlocking();
  EXPECT_FALSE(HasReserve());
  EXPECT_TRUE(full.alarm);
  EXPECT_TRUE(full.reserve_released);
  EXPECT_EQ(full.free_bytes, 25 * kMiB);
  EXPECT_EQ(logger_.Lines(base::LogLevel::kWarning).size(), 1u);
  used_ = 100 * kMiB;
  EXPECT_FALSE(monitor.PollBlocking().alarm);
  EXPECT_TRUE(HasReserve());
}

TEST_F(DiskMonitorTest, AWriteGivesTheReserveUpWithoutWaitingForAPoll) {
  DiskMonitor monitor = Monitor();
  monitor.PollBlocking();
  used_ = 950 * kMiB;  // 30 MiB free.
  EXPECT_EQ(MakeRoomForWriteBlocking(dir_.path(), Disk(), &logger_)->free, 30 * kMiB);
  EXPECT_TRUE(HasReserve());
  used_ = 970 * kMiB;
  EXPECT_EQ(MakeRoomForWriteBlocking(dir_.path(), Disk(), &logger_)->free, 10 * kMiB);
  EXPECT_FALSE(HasReserve());
  EXPECT_EQ(MakeRoomForWriteBlocking(dir_.path(), Disk(), &logger_)->free, 30 * kMiB);
  EXPECT_TRUE(monitor.PollBlocking().reserve_released);
  EXPECT_TRUE(monitor.status().alarm);
  EXPECT_EQ(logger_.Lines(base::LogLevel::kWarning).size(), 1u);
}

TEST_F(DiskMonitorTest, TellsBelowWhatFreeSpaceItHasSomethingToDo) {
  DiskMonitor monitor = Monitor();
  EXPECT_EQ(monitor.PollBlocking().look_again_below_bytes, 50 * kMiB);  // The alarm.
  used_ = 935 * kMiB;
  EXPECT_EQ(monitor.PollBlocking().look_again_below_bytes, 25 * kMiB);  // The reserve.
  used_ = 975 * kMiB;
  EXPECT_EQ(monitor.PollBlocking().look_again_below_bytes, 0u);
  used_ = 100 * kMiB;
  EXPECT_EQ(monitor.PollBlocking().look_again_below_bytes, 50 * kMiB);
}

TEST_F(DiskMonitorTest, SpaceOfTheReserveIsNotForPublishers) {
  DiskMonitor monitor = Monitor();
  used_ = 935 * kMiB;  // 65 MiB free with the reserve given up: more than the limit, but 20 of them
                       // are promised.
  std::filesystem::remove(dir_ / "reserve");
  EXPECT_TRUE(monitor.PollBlocking().alarm);
}

TEST_F(DiskMonitorTest, UnreadableSpaceKeepsTheAlarmAsItWas) {
  DiskMonitor monitor = Monitor();
  used_ = 960 * kMiB;
  ASSERT_TRUE(monitor.PollBlocking().alarm);
  unreadable_ = true;
  EXPECT_TRUE(monitor.PollBlocking().alarm);
}

TEST_F(DiskMonitorTest, LimitCanBeChangedWhileRunning) {
  DiskMonitor monitor = Monitor();
  used_ = 700 * kMiB;
  EXPECT_FALSE(monitor.PollBlocking().alarm);
  monitor.set_limit(500 * kMiB);
  EXPECT_TRUE(monitor.PollBlocking().alarm);
}

TEST(DiskSpaceTest, ReserveGrowsWithWhatIsStoredAndStaysASmallPartOfTheDisk) {
  EXPECT_EQ(DiskMonitor::ReserveBytesFor(100'000 * kMiB, 0), 160 * kMiB);
  EXPECT_EQ(DiskMonitor::ReserveBytesFor(100'000 * kMiB, 400 * kMiB), 260 * kMiB);
  EXPECT_EQ(DiskMonitor::ReserveBytesFor(100'000 * kMiB, 90'000 * kMiB), 1024 * kMiB);
  EXPECT_EQ(DiskMonitor::ReserveBytesFor(300 * kMiB, 0), 30 * kMiB);
}

TEST(DiskSpaceTest, ReadsTheFileSystemOfThePath) {
  testing::TempDir dir;
  const auto space = ReadDiskSpaceBlocking(dir.path());
  ASSERT_TRUE(space.ok());
  EXPECT_GE(space->total, space->free);
  EXPECT_GT(space->free, 0u);
  EXPECT_FALSE(ReadDiskSpaceBlocking(dir / "missing").ok());
}

}  // namespace
}  // namespace pontoon::storage
