#include "server/app/resource_monitor.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace pontoon::app {
namespace {

using testing::ElementsAre;

class RecordingLogger final : public base::Logger {
 public:
  void Log(base::LogLevel, uint64_t, absl::string_view text) override { lines.emplace_back(text); }
  std::vector<std::string> lines;
};

class ResourceMonitorTest : public testing::Test {
 protected:
  ResourceMonitorTest() { settings_.node_name = "eco1@localhost"; }
  ResourceMonitor Make(uint64_t total) {
    return ResourceMonitor(settings_, total, &logger_, 289,
                           [this](ResourceMonitor::Alarms a) { changes_.push_back(a); });
  }

  Settings settings_;
  RecordingLogger logger_;
  std::vector<ResourceMonitor::Alarms> changes_;
};

TEST_F(ResourceMonitorTest, MemoryAboveTheWatermarkBlocksAndBelowClearsInRabbitMqsWords) {
  ResourceMonitor monitor = Make(1000);
  monitor.Measured(400, 100'000'000);
  EXPECT_FALSE(monitor.alarms().any());
  monitor.Measured(401, 100'000'000);
  EXPECT_TRUE(monitor.alarms().memory);
  monitor.Measured(500, 100'000'000);
  monitor.Measured(300, 100'000'000);
  EXPECT_FALSE(monitor.alarms().any());
  EXPECT_EQ(changes_.size(), 2u);
  EXPECT_THAT(logger_.lines,
              ElementsAre("vm_memory_high_watermark set. Memory used:401 allowed:400",
                          "memory resource limit alarm set on node eco1@localhost.\n\n"
                          "**********************************************************\n"
                          "*** Publishers will be blocked until this alarm clears ***\n"
                          "**********************************************************\n",
                          "vm_memory_high_watermark clear. Memory used:300 allowed:400",
                          "memory resource limit alarm cleared on node eco1@localhost",
                          "memory resource limit alarm cleared across the cluster"));
}

TEST_F(ResourceMonitorTest, TooLittleDiskBlocksUntilThereIsEnough) {
  ResourceMonitor monitor = Make(1000);
  monitor.Measured(1, 49'999'999);
  EXPECT_TRUE(monitor.alarms().disk);
  EXPECT_EQ(logger_.lines[0],
            "Free disk space is insufficient. Free bytes: 49999999. Limit: 50000000");
  monitor.Measured(1, std::nullopt);
  EXPECT_TRUE(monitor.alarms().disk) << "a disk that cannot be asked has not become larger";
  monitor.Measured(1, 50'000'000);
  EXPECT_FALSE(monitor.alarms().disk);
}

TEST_F(ResourceMonitorTest, AWatermarkCanBeChangedWhileRunning) {
  ResourceMonitor monitor = Make(1000);
  monitor.Measured(300, std::nullopt);
  ASSERT_TRUE(monitor.SetMemoryWatermark(0.0001).ok());
  monitor.Measured(300, std::nullopt);
  EXPECT_TRUE(monitor.alarms().memory);
  monitor.SetMemoryLimit(350);
  EXPECT_EQ(monitor.memory_watermark(), 0);
  monitor.Measured(300, std::nullopt);
  EXPECT_FALSE(monitor.alarms().memory);
  EXPECT_FALSE(monitor.SetMemoryWatermark(-1).ok());
}

TEST_F(ResourceMonitorTest, TheStartSaysWhichLimitsHold) {
  ResourceMonitor monitor = Make(uint64_t{25276510208});
  monitor.LogLimits();
  EXPECT_THAT(logger_.lines, ElementsAre("Memory high watermark set to 9642 MiB (10110604083 "
                                         "bytes) of 24105 MiB (25276510208 bytes) total",
                                         "Disk free limit set to 50MB"));
}

TEST_F(ResourceMonitorTest, LimitsInBytesAndTheOverrideOfAllMemoryAreTaken) {
  settings_.total_memory_override = 2000;
  settings_.disk_free_limit_relative = 1.5;
  EXPECT_EQ(Make(1000).memory_limit(), 800u);
  EXPECT_EQ(Make(1000).disk_limit(), 3000u);
  settings_.memory_watermark_absolute = 1234;
  EXPECT_EQ(Make(1000).memory_limit(), 1234u);
}

class TotalMemoryTest : public testing::Test {
 protected:
  TotalMemoryTest()
      : root_(std::filesystem::temp_directory_path() / absl::StrCat("pontoon-memory-", getpid())) {
    Write("proc/meminfo", "MemTotal:       1000 kB\nMemFree: 5 kB\n");
  }
  ~TotalMemoryTest() override { std::filesystem::remove_all(root_); }
  void Write(const std::string& path, const std::string& text) {
    std::filesystem::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }
  const std::filesystem::path root_;
};

TEST_F(TotalMemoryTest, WithoutAContainerItIsTheMachines) {
  EXPECT_EQ(TotalMemoryBytesUnder(root_), 1'024'000u);
}

TEST_F(TotalMemoryTest, InAContainerItIsTheSmallestLimitOnTheWayUp) {
  Write("proc/self/cgroup", "0::/pod/box\n");
  Write("sys/fs/cgroup/pod/box/memory.max", "max\n");
  Write("sys/fs/cgroup/pod/memory.max", "512000\n");
  EXPECT_EQ(TotalMemoryBytesUnder(root_), 512'000u);
}

TEST_F(TotalMemoryTest, TheOldControlGroupsAreUnderstoodToo) {
  Write("proc/self/cgroup", "5:cpu:/x\n4:memory:/box\n");
  Write("sys/fs/cgroup/memory/box/memory.limit_in_bytes", "300000\n");
  EXPECT_EQ(TotalMemoryBytesUnder(root_), 300'000u);
}

TEST(ResourceFiguresTest, TheProcessKnowsItsOwnSizeAndDisk) {
  EXPECT_GT(ResidentBytes(), 1'000'000u);
  EXPECT_GT(TotalMemoryBytes(), ResidentBytes());
  EXPECT_TRUE(FreeDiskBytes("/").ok());
  EXPECT_FALSE(FreeDiskBytes("/nowhere/at/all").ok());
}

}  // namespace
}  // namespace pontoon::app
