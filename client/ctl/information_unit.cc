#include "client/ctl/information_unit.h"

#include <cmath>
#include <limits>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "client/ctl/value_text.h"

namespace pontoon::ctl {
namespace {

// Thousands or 1024s to a power; 0: no such unit.
double Factor(const std::string& unit) {
  if (unit.empty() || unit == "b" || unit == "bytes") return 1;
  static constexpr char kLetters[] = "kmgtp";
  for (int i = 0; kLetters[i] != '\0'; ++i) {
    if (unit[0] != kLetters[i]) continue;
    const std::string rest = unit.substr(1);
    if (rest == "b") return std::pow(1000.0, i + 1);
    if (rest.empty() || rest == "ib") return std::pow(1024.0, i + 1);
  }
  return 0;
}

}  // namespace

std::optional<int64_t> BytesOf(const std::string& text) {
  size_t digits = !text.empty() && text[0] == '-' ? 1 : 0;
  while (digits < text.size() && absl::ascii_isdigit(static_cast<unsigned char>(text[digits])))
    ++digits;
  int64_t number = 0;
  if (!absl::SimpleAtoi(text.substr(0, digits), &number)) return std::nullopt;
  const double factor = Factor(absl::AsciiStrToLower(text.substr(digits)));
  const double bytes = static_cast<double>(number) * factor;
  if (factor == 0 ||
      std::abs(bytes) > static_cast<double>(std::numeric_limits<int64_t>::max() / 2)) {
    return std::nullopt;
  }
  return number * static_cast<int64_t>(factor);
}

std::optional<std::string> InUnit(uint64_t bytes, const std::string& unit) {
  const std::string lower = absl::AsciiStrToLower(unit);
  if (lower == "b" || lower == "bytes") return absl::StrCat(bytes);
  const double factor = Factor(lower);
  if (factor <= 1) return std::nullopt;
  return RealText(std::round(static_cast<double>(bytes) / factor * 10000) / 10000);
}

}  // namespace pontoon::ctl
