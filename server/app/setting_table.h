#ifndef PONTOON_SERVER_APP_SETTING_TABLE_H_
#define PONTOON_SERVER_APP_SETTING_TABLE_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "server/app/settings.h"

namespace pontoon::app {

// A key of rabbitmq.conf. A segment "$x" of `key` stands for any one segment, a last segment "$*"
// for one or more.
struct SettingSpec {
  absl::string_view key;
  absl::string_view default_text;  // As it would be written; empty: none.
  absl::string_view doc;
  // Takes the value over; `name` is what stood for the first "$" segment. Null: known from
  // RabbitMQ, but Pontoon does nothing with it yet, so that it is worth a warning (unless the value
  // is the default).
  absl::Status (*set)(absl::string_view name, absl::string_view value,
                      Settings* settings) = nullptr;
};

// All keys that a configuration may have.
absl::Span<const SettingSpec> SettingTable();

// The spec of `key`, null if there is no setting with that name; `*name` as SettingSpec::set wants
// it.
const SettingSpec* FindSetting(absl::string_view key, std::string* name);

// Up to `most` keys that resemble `key`, the closest first.
std::vector<std::string> SimilarKeys(absl::string_view key, size_t most);

}  // namespace pontoon::app

#endif  // PONTOON_SERVER_APP_SETTING_TABLE_H_
