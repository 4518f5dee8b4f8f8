#ifndef PONTOON_SERVER_APP_ALARMS_H_
#define PONTOON_SERVER_APP_ALARMS_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "base/logger.h"
#include "base/mutex.h"
#include "server/admin/node_control.h"
#include "server/app/node.h"
#include "server/app/resource_monitor.h"
#include "server/app/settings.h"
#include "storage/disk_space.h"

namespace pontoon::app {

// Measures memory and disk several times a second on a thread of its own (reading them may block),
// keeps the disk's reserve, and stops publishers while either runs short. Between two measures a
// fast disk can fill up: what the store sees before each write brings the next one forward.
class Alarms {
 public:
  // `logger` is borrowed. `data_directory` exists.
  Alarms(const Settings& settings, const std::string& data_directory, base::Logger* logger);
  ~Alarms();

  // The node whose publishers are stopped; null for none. Tells it at once how things are.
  // Measuring begins with the first node.
  void Watch(std::shared_ptr<Node> node);

  // Any thread; does not block. So much is free on the disk right now.
  void OnFreeDisk(uint64_t bytes);

  // Any thread. InvalidArgument: out of range. A fraction counts where the other is 0.
  absl::Status SetMemoryWatermark(double fraction, uint64_t absolute);
  absl::Status SetDiskFreeLimit(uint64_t bytes, double memory_fraction);
  void Describe(admin::NodeFigures* figures);

 private:
  void ThreadMain();
  void MeasureLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void TellLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  base::Mutex mutex_;
  base::CondVar wake_;
  // DiskStatus::look_again_below_bytes.
  std::atomic<uint64_t> look_again_below_bytes_{0};
  ResourceMonitor monitor_ ABSL_GUARDED_BY(mutex_);
  storage::DiskMonitor disk_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<Node> node_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace pontoon::app

#endif  // PONTOON_SERVER_APP_ALARMS_H_
