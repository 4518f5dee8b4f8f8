#include "server/app/resource_monitor.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace pontoon::app {
namespace {

constexpr uint64_t kMiB = 1024 * 1024;

uint64_t Part(double fraction, uint64_t total) {
  const double bytes = fraction * static_cast<double>(total);
  return bytes >= 9e18 ? uint64_t{9'000'000'000'000'000'000} : static_cast<uint64_t>(bytes);
}

}  // namespace

ResourceMonitor::ResourceMonitor(const Settings& settings, uint64_t total_memory,
                                 base::Logger* logger, uint64_t origin, OnChange on_change)
    : node_name_(settings.node_name),
      total_memory_(settings.total_memory_override.value_or(total_memory)),
      logger_(logger),
      origin_(origin),
      on_change_(std::move(on_change)) {
  if (settings.memory_watermark_absolute.has_value()) {
    memory_limit_ = std::min(*settings.memory_watermark_absolute, total_memory_);
  } else {
    memory_watermark_ = settings.memory_watermark;
    memory_limit_ = Part(std::min(memory_watermark_, 1.0), total_memory_);
  }
  disk_limit_ = settings.disk_free_limit_relative.has_value()
                    ? Part(*settings.disk_free_limit_relative, total_memory_)
                    : settings.disk_free_limit;
}

void ResourceMonitor::LogLimits() {
  LogMemoryLimit();
  Log(base::LogLevel::kInfo,
      absl::StrCat("Disk free limit set to ", disk_limit_ / 1'000'000, "MB"));
}

void ResourceMonitor::LogMemoryLimit() {
  Log(base::LogLevel::kInfo,
      absl::StrCat("Memory high watermark set to ", memory_limit_ / kMiB, " MiB (", memory_limit_,
                   " bytes) of ", total_memory_ / kMiB, " MiB (", total_memory_, " bytes) total"));
}

void ResourceMonitor::LogAlarm(absl::string_view resource, bool set) {
  if (set) {
    Log(base::LogLevel::kWarning,
        absl::StrCat(resource, " resource limit alarm set on node ", node_name_,
                     ".\n\n**********************************************************\n"
                     "*** Publishers will be blocked until this alarm clears ***\n"
                     "**********************************************************\n"));
  } else {
    Log(base::LogLevel::kWarning,
        absl::StrCat(resource, " resource limit alarm cleared on node ", node_name_));
    Log(base::LogLevel::kWarning,
        absl::StrCat(resource, " resource limit alarm cleared across the cluster"));
  }
}

void ResourceMonitor::Measured(uint64_t memory_used, std::optional<uint64_t> disk_free) {
  const Alarms before = alarms_;
  memory_used_ = memory_used;
  alarms_.memory = memory_used > memory_limit_;
  if (disk_free.has_value()) {
    disk_free_ = *disk_free;
    alarms_.disk = disk_free_ < disk_limit_;
  }
  if (alarms_.memory != before.memory) {
    Log(base::LogLevel::kInfo,
        absl::StrCat("vm_memory_high_watermark ", alarms_.memory ? "set" : "clear",
                     ". Memory used:", memory_used_, " allowed:", memory_limit_));
    LogAlarm("memory", alarms_.memory);
  }
  if (alarms_.disk != before.disk) {
    Log(base::LogLevel::kInfo,
        absl::StrCat("Free disk space is ", alarms_.disk ? "insufficient" : "sufficient",
                     ". Free bytes: ", disk_free_, ". Limit: ", disk_limit_));
    LogAlarm("disk", alarms_.disk);
  }
  if (alarms_ != before) on_change_(alarms_);
}

absl::Status ResourceMonitor::SetMemoryWatermark(double fraction) {
  if (!(fraction >= 0))
    return absl::InvalidArgumentError("the fraction of memory must not be negative");
  memory_watermark_ = fraction;
  memory_limit_ = Part(std::min(fraction, 1.0), total_memory_);
  LogMemoryLimit();
  return absl::OkStatus();
}

void ResourceMonitor::SetMemoryLimit(uint64_t bytes) {
  memory_watermark_ = 0;
  memory_limit_ = std::min(bytes, total_memory_);
  LogMemoryLimit();
}

void ResourceMonitor::SetDiskLimit(uint64_t bytes) {
  disk_limit_ = bytes;
  Log(base::LogLevel::kInfo,
      absl::StrCat("Disk free limit set to ", disk_limit_ / 1'000'000, "MB"));
}

absl::Status ResourceMonitor::SetDiskLimitRelative(double fraction) {
  if (!(fraction >= 0))
    return absl::InvalidArgumentError("the multiple of memory must not be negative");
  SetDiskLimit(Part(fraction, total_memory_));
  return absl::OkStatus();
}

}  // namespace pontoon::app
