#include "server/app/setting_values.h"

#include <cmath>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace pontoon::app {
namespace {

absl::Status NotA(absl::string_view text, absl::string_view kind) {
  return absl::InvalidArgumentError(
      absl::StrCat("\"", text, "\" cannot be converted to a(n) ", kind));
}

std::optional<uint64_t> UnitBytes(absl::string_view unit) {
  if (unit.empty()) return 1;
  const std::string lower = absl::AsciiStrToLower(unit);
  const absl::string_view letters = "kmgtp";
  const size_t power = letters.find(lower[0]);
  if (power == absl::string_view::npos) return std::nullopt;
  const absl::string_view rest = absl::string_view(lower).substr(1);
  // As RabbitMQ has it: a bare letter counts in powers of two, a letter with a B in powers of ten.
  const bool binary = rest.empty() || rest == "i" || rest == "ib";
  if (!binary && rest != "b") return std::nullopt;
  uint64_t bytes = 1;
  for (size_t i = 0; i <= power; ++i) bytes *= binary ? 1024 : 1000;
  return bytes;
}

}  // namespace

absl::Status ReadNumber(absl::string_view text, int64_t least, int64_t most, int64_t* out) {
  int64_t number = 0;
  if (!absl::SimpleAtoi(text, &number)) return NotA(text, "integer");
  if (number < least || number > most) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", text, "\" is not between ", least, " and ", most));
  }
  *out = number;
  return absl::OkStatus();
}

absl::Status ReadFraction(absl::string_view text, double* out) {
  double number = 0;
  if (!absl::SimpleAtod(text, &number) || !std::isfinite(number)) return NotA(text, "float");
  if (number < 0) return absl::InvalidArgumentError(absl::StrCat("\"", text, "\" is negative"));
  *out = number;
  return absl::OkStatus();
}

absl::Status ReadBool(absl::string_view text, bool* out) {
  if (text != "true" && text != "false") {
    return absl::InvalidArgumentError(absl::StrCat(
        "\"", text, "\" is not a valid enum value, acceptable values are: true, false"));
  }
  *out = text == "true";
  return absl::OkStatus();
}

absl::Status ReadBytes(absl::string_view text, uint64_t* out) {
  const size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  uint64_t number = 0;
  const std::optional<uint64_t> unit = UnitBytes(absl::StripAsciiWhitespace(text.substr(digits)));
  if (!absl::SimpleAtoi(text.substr(0, digits), &number) || !unit.has_value()) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", text, "\" is not a number of bytes, such as 1000000, 512MB or 2GiB"));
  }
  if (__builtin_mul_overflow(number, *unit, &number) || number > (uint64_t{1} << 62)) {
    return absl::InvalidArgumentError(absl::StrCat("\"", text, "\" is too large"));
  }
  *out = number;
  return absl::OkStatus();
}

absl::Status ReadLevel(absl::string_view text, LogThreshold* out) {
  using base::LogLevel;
  const std::pair<absl::string_view, LogThreshold> levels[] = {
      {"debug", LogLevel::kDebug},    {"info", LogLevel::kInfo},
      {"notice", LogLevel::kNotice},  {"warning", LogLevel::kWarning},
      {"error", LogLevel::kError},    {"critical", LogLevel::kCritical},
      {"alert", LogLevel::kCritical}, {"emergency", LogLevel::kCritical},
      {"none", std::nullopt}};
  for (const auto& [name, level] : levels) {
    if (text == name) {
      *out = level;
      return absl::OkStatus();
    }
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "\"", text,
      "\" is not a valid enum value, acceptable values are: debug, info, notice, warning, "
      "error, critical, alert, emergency, none"));
}

absl::Status ReadListener(absl::string_view text, ListenAddress* out) {
  ListenAddress address;
  absl::string_view port = text;
  const size_t colon = text.rfind(':');
  if (colon != absl::string_view::npos) {
    absl::string_view host = text.substr(0, colon);
    port = text.substr(colon + 1);
    if (host.size() >= 2 && host.front() == '[' && host.back() == ']')
      host = host.substr(1, host.size() - 2);
    if (host.empty()) return NotA(text, "IP");
    address.host = std::string(host);
  }
  int64_t number = 0;
  if (!absl::SimpleAtoi(port, &number)) return NotA(text, "IP");
  if (number < 0 || number > 65535) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", text, "\" has a port that is not between 0 and 65535"));
  }
  address.port = static_cast<uint16_t>(number);
  *out = std::move(address);
  return absl::OkStatus();
}

absl::Status ReadChoice(absl::string_view text, const std::vector<absl::string_view>& choices,
                        std::string* out) {
  for (absl::string_view choice : choices) {
    if (text == choice) {
      *out = std::string(text);
      return absl::OkStatus();
    }
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "\"", text,
      "\" is not a valid enum value, acceptable values are: ", absl::StrJoin(choices, ", ")));
}

}  // namespace pontoon::app
