#ifndef PONTOON_SERVER_APP_LOG_FORMAT_H_
#define PONTOON_SERVER_APP_LOG_FORMAT_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "base/logger.h"
#include "base/time.h"

namespace pontoon::app {

enum class LogCategory { kDefault, kConnection, kChannel, kQueue };

struct LogLine {
  base::WallTime time;
  base::LogLevel level = base::LogLevel::kInfo;
  LogCategory category = LogCategory::kDefault;
  uint64_t origin = 0;
  absl::string_view text;  // One or several lines.
};

absl::string_view LevelName(base::LogLevel level);

// "2026-11-20 07:10:31.019014+00:00 [error] <0.4233.0> text" for each line of the text, each with
// its line end, as RabbitMQ writes them; times are local.
std::string FormatPlain(const LogLine& line);

// One JSON object with time, level, msg, domain and pid, and a line end. Bytes that are not UTF-8
// become U+FFFD.
std::string FormatJson(const LogLine& line);

}  // namespace pontoon::app

#endif  // PONTOON_SERVER_APP_LOG_FORMAT_H_
