#ifndef PONTOON_SERVER_APP_RESOURCE_MONITOR_H_
#define PONTOON_SERVER_APP_RESOURCE_MONITOR_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/logger.h"
#include "server/app/settings.h"

namespace pontoon::app {

// Bytes of memory that this process may use: the machine's, or less if a control group (a
// container) says so.
uint64_t TotalMemoryBytes();
// The same read under another root, for tests: "proc/meminfo", "proc/self/cgroup",
// "sys/fs/cgroup/...".
uint64_t TotalMemoryBytesUnder(const std::string& root);
// Bytes of this process that are in memory now (VmRSS).
uint64_t ResidentBytes();
// Bytes that this user may still write where `path` lies. Unavailable: the file system does not
// say.
absl::StatusOr<uint64_t> FreeDiskBytes(const std::string& path);
// Gives memory that the allocator keeps unused back to the system. May take milliseconds; not on a
// loop.
void ReleaseFreeMemory();

// Decides when publishers are blocked for want of memory or disk, and tells the log in RabbitMQ's
// words. Pure: what was measured is an input. One thread.
class ResourceMonitor {
 public:
  struct Alarms {
    bool memory = false;
    bool disk = false;
    bool any() const { return memory || disk; }
    friend bool operator==(Alarms, Alarms) = default;
  };
  // Told after each change.
  using OnChange = std::function<void(Alarms)>;

  // `logger` outlives this. `origin` marks its lines.
  ResourceMonitor(const Settings& settings, uint64_t total_memory, base::Logger* logger,
                  uint64_t origin, OnChange on_change);

  // Says once, at the start, which limits hold.
  void LogLimits();
  void Measured(uint64_t memory_used, std::optional<uint64_t> disk_free);

  // pontoonctl set_vm_memory_high_watermark and set_disk_free_limit; take effect with the next
  // Measured(). InvalidArgument: the fraction is negative.
  absl::Status SetMemoryWatermark(double fraction);
  void SetMemoryLimit(uint64_t bytes);
  void SetDiskLimit(uint64_t bytes);
  absl::Status SetDiskLimitRelative(double fraction);

  Alarms alarms() const { return alarms_; }
  uint64_t total_memory() const { return total_memory_; }
  uint64_t memory_limit() const { return memory_limit_; }
  // 0: the limit was given in bytes.
  double memory_watermark() const { return memory_watermark_; }
  uint64_t memory_used() const { return memory_used_; }
  uint64_t disk_limit() const { return disk_limit_; }
  uint64_t disk_free() const { return disk_free_; }

 private:
  void Log(base::LogLevel level, absl::string_view text) { logger_->Log(level, origin_, text); }
  void LogMemoryLimit();
  void LogAlarm(absl::string_view resource, bool set);

  const std::string node_name_;
  const uint64_t total_memory_;
  base::Logger* const logger_;
  const uint64_t origin_;
  const OnChange on_change_;
  double memory_watermark_ = 0;
  uint64_t memory_limit_ = 0;
  uint64_t memory_used_ = 0;
  uint64_t disk_limit_ = 0;
  uint64_t disk_free_ = 0;
  Alarms alarms_;
};

}  // namespace pontoon::app

#endif  // PONTOON_SERVER_APP_RESOURCE_MONITOR_H_
