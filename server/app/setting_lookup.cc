#include <algorithm>
#include <numeric>
#include <utility>

#include "absl/strings/str_split.h"
#include "server/app/setting_table.h"

namespace pontoon::app {
namespace {

bool Matches(absl::string_view pattern, const std::vector<absl::string_view>& key,
             std::string* name) {
  const std::vector<absl::string_view> parts = absl::StrSplit(pattern, '.');
  name->clear();
  for (size_t i = 0; i < parts.size(); ++i) {
    if (i >= key.size() || key[i].empty()) return false;
    if (parts[i] == "$*") return true;
    if (parts[i].front() == '$') {
      if (name->empty()) *name = std::string(key[i]);
    } else if (parts[i] != key[i]) {
      return false;
    }
  }
  return parts.size() == key.size();
}

// Levenshtein's distance.
size_t Distance(absl::string_view a, absl::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

}  // namespace

const SettingSpec* FindSetting(absl::string_view key, std::string* name) {
  // A key may have dots of its own where a name is wanted (a user "a.b"): RabbitMQ refuses these,
  // and so do we.
  const std::vector<absl::string_view> parts = absl::StrSplit(key, '.');
  for (const SettingSpec& spec : SettingTable()) {
    if (Matches(spec.key, parts, name)) return &spec;
  }
  return nullptr;
}

std::vector<std::string> SimilarKeys(absl::string_view key, size_t most) {
  key = key.substr(0, 200);
  std::vector<std::pair<size_t, absl::string_view>> ranked;
  for (const SettingSpec& spec : SettingTable()) {
    if (spec.key.find("$*") == absl::string_view::npos)
      ranked.emplace_back(Distance(key, spec.key), spec.key);
  }
  std::stable_sort(ranked.begin(), ranked.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<std::string> keys;
  for (size_t i = 0; i < std::min(most, ranked.size()); ++i) keys.emplace_back(ranked[i].second);
  return keys;
}

}  // namespace pontoon::app
