#include "client/ctl/likeness.h"

#include <algorithm>
#include <cstddef>
#include <vector>

namespace pontoon::ctl {

double JaroLikeness(absl::string_view a, absl::string_view b) {
  if (a == b) return 1;
  if (a.empty() || b.empty()) return 0;
  // Equal letters count if they are not further apart than this.
  const size_t longest = std::max(a.size(), b.size());
  const size_t reach = longest / 2 > 0 ? longest / 2 - 1 : 0;
  std::vector<bool> taken(b.size(), false);
  std::vector<size_t> matched_a, matched_b;
  for (size_t i = 0; i < a.size(); ++i) {
    const size_t from = i > reach ? i - reach : 0;
    const size_t to = std::min(b.size(), i + reach + 1);
    for (size_t j = from; j < to; ++j) {
      if (taken[j] || a[i] != b[j]) continue;
      taken[j] = true;
      matched_a.push_back(i);
      break;
    }
  }
  for (size_t j = 0; j < b.size(); ++j) {
    if (taken[j]) matched_b.push_back(j);
  }
  if (matched_a.empty()) return 0;
  size_t moved = 0;
  for (size_t k = 0; k < matched_a.size(); ++k) moved += a[matched_a[k]] != b[matched_b[k]];
  const double matches = static_cast<double>(matched_a.size());
  return (matches / static_cast<double>(a.size()) + matches / static_cast<double>(b.size()) +
          (matches - static_cast<double>(moved) / 2) / matches) /
         3;
}

}  // namespace pontoon::ctl
