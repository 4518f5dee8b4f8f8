#ifndef PONTOON_SERVER_APP_ALARMS_H_
#define PONTOON_SERVER_APP_ALARMS_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "base/logger.h"
#include "base/mutex.h"
#include "base/time.h"
#include "server/admin/node_control.h"
#include "server/app/node.h"

namespace pontoon::app {

// Watches memory and disk, and stops publishers while either runs short (RabbitMQ: vm_memory_high_watermark,
// disk_free_limit). A thread of its own looks several times a second, since reading /proc and statvfs may block.
class Alarms {
 public:
  struct Options {
    std::string node_name;
    std::string data_directory;
    double memory_fraction = 0.4;
    uint64_t memory_absolute = 0;        // Overrules the fraction unless 0.
    uint64_t total_memory_override = 0;  // 0: what the machine or the cgroup has.
    uint64_t disk_free_limit = 50 * 1000 * 1000;
    double disk_memory_fraction = 0;     // Overrules the bytes unless 0.
  };
  Alarms(Options options, base::Logger* logger);
  ~Alarms();

  // The node whose publishers are stopped; null for none. Tells it at once how things are.
  void Watch(std::shared_ptr<Node> node);

  // Any thread. InvalidArgument: out of range.
  absl::Status SetMemoryWatermark(double fraction, uint64_t absolute);
  absl::Status SetDiskFreeLimit(uint64_t bytes, double memory_fraction);
  void Describe(admin::NodeFigures* figures);

 private:
  void ThreadMain();
  void LookLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  uint64_t MemoryLimitLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  uint64_t DiskLimitLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void TellLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  base::Logger* const logger_;
  const uint64_t total_memory_;
  base::Mutex mutex_;
  base::CondVar wake_;
  Options options_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<Node> node_ ABSL_GUARDED_BY(mutex_);
  bool memory_alarm_ ABSL_GUARDED_BY(mutex_) = false;
  bool disk_alarm_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t memory_used_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t disk_free_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace pontoon::app

#endif  // PONTOON_SERVER_APP_ALARMS_H_
