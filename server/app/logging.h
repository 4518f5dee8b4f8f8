#ifndef PONTOON_SERVER_APP_LOGGING_H_
#define PONTOON_SERVER_APP_LOGGING_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/logger.h"
#include "base/time.h"
#include "server/app/log_format.h"
#include "server/app/settings.h"

namespace pontoon::app {

// The node's log: standard output and a file, as the settings say. Logging never waits for either:
// a thread of its own writes, and if it falls 8,192 lines behind, the oldest are dropped. Any
// thread.
class Logging {
 public:
  // `clock` outlives this. An error names the log file that cannot be written.
  static absl::StatusOr<std::unique_ptr<Logging>> Open(const LogSettings& settings,
                                                       const base::Clock* clock);
  // Writes what is queued.
  ~Logging();
  Logging(const Logging&) = delete;
  Logging& operator=(const Logging&) = delete;

  // Lives as long as this.
  base::Logger* logger(LogCategory category = LogCategory::kDefault);
  // Once a second: prints how many lines a flood guard held back.
  void Tick();
  // After the file was moved away (SIGHUP): writes to a new one of the same name. Unavailable if
  // that fails.
  absl::Status Reopen();
  // Waits until all lines so far are written.
  void FlushBlocking();
  // What pontoonctl status shows: "<stdout>" or the file's path.
  std::vector<std::string> destinations() const;

 private:
  class Impl;
  explicit Logging(std::unique_ptr<Impl> impl);
  const std::unique_ptr<Impl> impl_;
};

}  // namespace pontoon::app

#endif  // PONTOON_SERVER_APP_LOGGING_H_
