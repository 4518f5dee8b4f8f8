#ifndef PONTOON_STORAGE_FATAL_H_
#define PONTOON_STORAGE_FATAL_H_

#include <atomic>
#include <cstdlib>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/logger.h"
#include "storage/store_options.h"

namespace pontoon::storage {

// The one way out after a failed write or sync. The first report logs one line and calls the
// handler. Any thread.
class FatalError {
 public:
  FatalError(FatalHandler handler, base::Logger* logger)
      : handler_(std::move(handler)), logger_(logger) {}

  void Report(const absl::Status& error) {
    if (reported_.exchange(true)) return;
    if (logger_ != nullptr) {
      logger_->Log(
          base::LogLevel::kCritical, 0,
          absl::StrCat("Writing to disk failed, this node stops at once: ", error.message()));
    }
    if (!handler_) std::_Exit(1);
    handler_(error);
  }
  bool reported() const { return reported_.load(); }

 private:
  const FatalHandler handler_;
  base::Logger* const logger_;
  std::atomic<bool> reported_{false};
};

}  // namespace pontoon::storage

#endif  // PONTOON_STORAGE_FATAL_H_
