#include "server/session/names.h"

#include <cstdint>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "server/amqp/reply_code.h"

namespace pontoon::session {

std::string StripLineEnds(absl::string_view name) {
  std::string stripped;
  stripped.reserve(name.size());
  for (char c : name) {
    if (c != '\r' && c != '\n') stripped.push_back(c);
  }
  return stripped;
}

absl::Status CheckNotReserved(absl::string_view kind, absl::string_view name) {
  if (!absl::StartsWith(name, "amq.")) return absl::OkStatus();
  return amqp::AccessRefused(
      absl::StrCat(kind, " name '", name, "' contains reserved prefix 'amq.*'"));
}

absl::Status CheckExpiration(absl::string_view expiration) {
  constexpr uint64_t kMillisMax = uint64_t{10} * 365 * 24 * 3600 * 1000;
  const auto invalid = [&](absl::string_view why) {
    return amqp::PreconditionFailed(absl::StrCat("invalid expiration '", expiration, "': ", why));
  };
  absl::string_view rest = expiration;
  const bool negative = absl::ConsumePrefix(&rest, "-");
  if (!negative) absl::ConsumePrefix(&rest, "+");
  size_t digits = 0;
  while (digits < rest.size() && absl::ascii_isdigit(rest[digits])) ++digits;
  if (digits == 0) return invalid("no_integer");
  if (digits < rest.size())
    return invalid(absl::StrCat("{leftover_string,\"", rest.substr(digits), "\"}"));
  uint64_t value = 0;
  bool large = false;
  for (char c : rest) {
    value = value * 10 + static_cast<uint64_t>(c - '0');
    large |= value > kMillisMax;
    if (large) break;
  }
  absl::string_view number = rest;
  while (number.size() > 1 && number[0] == '0') number.remove_prefix(1);
  if (negative && number != "0") return invalid(absl::StrCat("{value_negative,-", number, "}"));
  if (large) return invalid(absl::StrCat("{value_too_large,", number, "}"));
  return absl::OkStatus();
}

}  // namespace pontoon::session
