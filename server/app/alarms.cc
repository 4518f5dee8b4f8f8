#include "server/app/alarms.h"

#include <sys/statvfs.h>

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/app/process_figures.h"

namespace pontoon::app {
namespace {

// A fast publisher fills some 100 MB in this time; the reserve on the disk is larger.
constexpr base::Duration kLook = base::Millis(250);

uint64_t FreeDiskBytes(const std::string& path) {
  struct statvfs figures {};
  if (statvfs(path.c_str(), &figures) != 0) return 0;
  return uint64_t{figures.f_bavail} * figures.f_frsize;
}

}  // namespace

Alarms::Alarms(Options options, base::Logger* logger)
    : logger_(logger),
      total_memory_(options.total_memory_override != 0 ? options.total_memory_override : TotalMemoryBytes()),
      options_(std::move(options)) {
  {
    base::MutexLock lock(&mutex_);
    LookLocked();
  }
  thread_ = std::thread([this] { ThreadMain(); });
}

Alarms::~Alarms() {
  {
    base::MutexLock lock(&mutex_);
    stopping_ = true;
    wake_.NotifyAll();
  }
  thread_.join();
}

void Alarms::ThreadMain() {
  base::MutexLock lock(&mutex_);
  while (!stopping_) {
    wake_.WaitFor(&mutex_, std::chrono::nanoseconds(kLook.nanos));
    LookLocked();
  }
}

uint64_t Alarms::MemoryLimitLocked() const {
  if (options_.memory_absolute != 0) return options_.memory_absolute;
  return static_cast<uint64_t>(options_.memory_fraction * static_cast<double>(total_memory_));
}

uint64_t Alarms::DiskLimitLocked() const {
  if (options_.disk_memory_fraction != 0) {
    return static_cast<uint64_t>(options_.disk_memory_fraction * static_cast<double>(total_memory_));
  }
  return options_.disk_free_limit;
}

void Alarms::LookLocked() {
  memory_used_ = ResidentBytes();
  disk_free_ = FreeDiskBytes(options_.data_directory);
  const bool memory = memory_used_ > MemoryLimitLocked();
  const bool disk = disk_free_ < DiskLimitLocked();
  if (memory == memory_alarm_ && disk == disk_alarm_) return;

  const auto tell = [this](const char* resource, bool was, bool is) {
    if (was == is) return;
    if (is) {
      logger_->Log(base::LogLevel::kWarning, 0,
                   absl::StrCat(resource, " resource limit alarm set on node ", options_.node_name, ".\n\n",
                                "**********************************************************\n",
                                "*** Publishers will be blocked until this alarm clears ***\n",
                                "**********************************************************\n"));
    } else {
      logger_->Log(base::LogLevel::kWarning, 0,
                   absl::StrCat(resource, " resource limit alarm cleared on node ", options_.node_name));
    }
  };
  if (memory != memory_alarm_) {
    logger_->Log(base::LogLevel::kInfo, 0,
                 absl::StrCat("vm_memory_high_watermark ", memory ? "set" : "clear", ". Memory used:", memory_used_,
                              " allowed:", MemoryLimitLocked()));
  }
  if (disk != disk_alarm_) {
    logger_->Log(base::LogLevel::kInfo, 0,
                 absl::StrCat("Free disk space is ", disk ? "insufficient" : "sufficient", ". Free bytes: ", disk_free_,
                              ". Limit: ", DiskLimitLocked()));
  }
  tell("memory", std::exchange(memory_alarm_, memory), memory);
  tell("disk", std::exchange(disk_alarm_, disk), disk);
  TellLocked();
}

void Alarms::TellLocked() {
  if (node_ != nullptr) node_->SetAlarms(memory_alarm_, disk_alarm_);
}

void Alarms::Watch(std::shared_ptr<Node> node) {
  base::MutexLock lock(&mutex_);
  node_ = std::move(node);
  TellLocked();
}

absl::Status Alarms::SetMemoryWatermark(double fraction, uint64_t absolute) {
  if (absolute == 0 && (fraction < 0 || fraction > 1)) {
    return absl::InvalidArgumentError("the memory high watermark must be between 0.0 and 1.0");
  }
  base::MutexLock lock(&mutex_);
  options_.memory_fraction = fraction;
  options_.memory_absolute = absolute;
  LookLocked();
  return absl::OkStatus();
}

absl::Status Alarms::SetDiskFreeLimit(uint64_t bytes, double memory_fraction) {
  if (memory_fraction < 0) return absl::InvalidArgumentError("the fraction must not be negative");
  base::MutexLock lock(&mutex_);
  options_.disk_free_limit = bytes;
  options_.disk_memory_fraction = memory_fraction;
  LookLocked();
  return absl::OkStatus();
}

void Alarms::Describe(admin::NodeFigures* figures) {
  base::MutexLock lock(&mutex_);
  figures->memory_alarm = memory_alarm_;
  figures->disk_alarm = disk_alarm_;
  figures->memory_used = memory_used_;
  figures->memory_limit = MemoryLimitLocked();
  figures->memory_watermark = options_.memory_absolute != 0 ? 0 : options_.memory_fraction;
  figures->total_memory = total_memory_;
  figures->disk_free = disk_free_;
  figures->disk_free_limit = DiskLimitLocked();
}

}  // namespace pontoon::app
