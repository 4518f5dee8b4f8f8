#ifndef PONTOON_BASE_LOGGER_H_
#define PONTOON_BASE_LOGGER_H_

#include <cstdint>

#include "absl/strings/string_view.h"

namespace pontoon::base {

enum class LogLevel { kDebug, kInfo, kNotice, kWarning, kError, kCritical };

// Where a line for the operator goes; wired by server/app (spdlog) or by a test (a vector). Any
// thread.
class Logger {
 public:
  virtual ~Logger() = default;
  // `origin` is the token between the angle brackets of RabbitMQ's lines: a number that is unique
  // to the connection, channel or part of the node that speaks. `text` may hold several lines.
  virtual void Log(LogLevel level, uint64_t origin, absl::string_view text) = 0;
};

}  // namespace pontoon::base

#endif  // PONTOON_BASE_LOGGER_H_
