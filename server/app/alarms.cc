#include "server/app/alarms.h"

#include <chrono>
#include <optional>
#include <utility>

namespace pontoon::app {
namespace {

// For what others do to memory and disk; what the store writes is looked at as it is written
// (OnFreeDisk).
constexpr base::Duration kMeasure = base::Millis(250);
// How often memory that the allocator keeps for later is given back.
constexpr int kMeasuresPerRelease = 40;

storage::DiskMonitor::Options DiskOptions(const std::string& data_directory,
                                          const Settings& settings) {
  storage::DiskMonitor::Options options;
  options.data_dir = data_directory;
  options.limit_bytes = settings.disk_free_limit;
  return options;
}

}  // namespace

Alarms::Alarms(const Settings& settings, const std::string& data_directory, base::Logger* logger)
    : monitor_(settings, settings.total_memory_override.value_or(TotalMemoryBytes()), logger, 0,
               [this](ResourceMonitor::Alarms) ABSL_NO_THREAD_SAFETY_ANALYSIS { TellLocked(); }),
      disk_(DiskOptions(data_directory, settings), logger) {
  base::MutexLock lock(&mutex_);
  monitor_.LogLimits();
  disk_.set_limit(monitor_.disk_limit());
}

Alarms::~Alarms() {
  {
    base::MutexLock lock(&mutex_);
    stopping_ = true;
    wake_.NotifyAll();
  }
  if (thread_.joinable()) thread_.join();
}

void Alarms::ThreadMain() {
  base::MutexLock lock(&mutex_);
  for (int measures = 1; !stopping_; ++measures) {
    wake_.WaitFor(&mutex_, std::chrono::nanoseconds(kMeasure.nanos));
    MeasureLocked();
    if (measures % kMeasuresPerRelease == 0 || monitor_.alarms().memory) ReleaseFreeMemory();
  }
}

void Alarms::MeasureLocked() {
  const storage::DiskStatus disk = disk_.PollBlocking();
  look_again_below_bytes_ = disk.look_again_below_bytes;
  monitor_.Measured(ResidentBytes(), disk.free_for_publishes_bytes);
}

void Alarms::OnFreeDisk(uint64_t bytes) {
  // Without the mutex, which is held while the disk is measured. A call that is lost between two
  // waits does not matter: the next write makes it again.
  if (bytes < look_again_below_bytes_.load(std::memory_order_relaxed)) wake_.NotifyAll();
}

void Alarms::TellLocked() {
  if (node_ != nullptr) node_->SetAlarms(monitor_.alarms().memory, monitor_.alarms().disk);
}

void Alarms::Watch(std::shared_ptr<Node> node) {
  base::MutexLock lock(&mutex_);
  node_ = std::move(node);
  // Not before the first node runs: until then nothing in the data directory is touched, which may
  // turn out damaged.
  if (node_ != nullptr && !thread_.joinable()) {
    MeasureLocked();
    thread_ = std::thread([this] { ThreadMain(); });
  }
  TellLocked();
}

absl::Status Alarms::SetMemoryWatermark(double fraction, uint64_t absolute) {
  base::MutexLock lock(&mutex_);
  if (absolute != 0) {
    monitor_.SetMemoryLimit(absolute);
  } else if (absl::Status set = monitor_.SetMemoryWatermark(fraction); !set.ok()) {
    return set;
  }
  MeasureLocked();
  return absl::OkStatus();
}

absl::Status Alarms::SetDiskFreeLimit(uint64_t bytes, double memory_fraction) {
  base::MutexLock lock(&mutex_);
  if (memory_fraction != 0) {
    if (absl::Status set = monitor_.SetDiskLimitRelative(memory_fraction); !set.ok()) return set;
  } else {
    monitor_.SetDiskLimit(bytes);
  }
  disk_.set_limit(monitor_.disk_limit());
  MeasureLocked();
  return absl::OkStatus();
}

void Alarms::Describe(admin::NodeFigures* figures) {
  base::MutexLock lock(&mutex_);
  figures->memory_alarm = monitor_.alarms().memory;
  figures->disk_alarm = monitor_.alarms().disk;
  figures->memory_used = monitor_.memory_used();
  figures->memory_limit = monitor_.memory_limit();
  figures->memory_watermark = monitor_.memory_watermark();
  figures->total_memory = monitor_.total_memory();
  figures->disk_free = monitor_.disk_free();
  figures->disk_free_limit = monitor_.disk_limit();
}

}  // namespace pontoon::app
