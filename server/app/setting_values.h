#ifndef PONTOON_SERVER_APP_SETTING_VALUES_H_
#define PONTOON_SERVER_APP_SETTING_VALUES_H_

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "server/app/settings.h"

// How the values of rabbitmq.conf are written. Each returns InvalidArgument with RabbitMQ's words
// for a value that it cannot take, and leaves `*out` as it was.

namespace pontoon::app {

absl::Status ReadNumber(absl::string_view text, int64_t least, int64_t most, int64_t* out);

// Decimal, within [least, most].
template <typename T>
absl::Status ReadInteger(absl::string_view text, T* out, int64_t least = 0,
                         int64_t most = static_cast<int64_t>(
                             std::min<uint64_t>(std::numeric_limits<T>::max(), INT64_MAX))) {
  int64_t number = 0;
  const absl::Status status = ReadNumber(text, least, most, &number);
  if (status.ok()) *out = static_cast<T>(number);
  return status;
}

// "0.4", "2"; not negative.
absl::Status ReadFraction(absl::string_view text, double* out);
// "true" or "false".
absl::Status ReadBool(absl::string_view text, bool* out);
// "50MB" (10^6), "50MiB" or "50M" (2^20), "1000000".
absl::Status ReadBytes(absl::string_view text, uint64_t* out);
// "debug" ... "critical", "alert", "emergency", "none".
absl::Status ReadLevel(absl::string_view text, LogThreshold* out);
// "5672", "127.0.0.1:5672", "[::1]:5672", "::1:5672".
absl::Status ReadListener(absl::string_view text, ListenAddress* out);
// One of `choices`.
absl::Status ReadChoice(absl::string_view text, const std::vector<absl::string_view>& choices,
                        std::string* out);

}  // namespace pontoon::app

#endif  // PONTOON_SERVER_APP_SETTING_VALUES_H_
