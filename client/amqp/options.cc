#include "client/amqp/options.h"

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace pontoon::client {
namespace {

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool PercentDecode(absl::string_view text, std::string* out) {
  out->clear();
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      *out += text[i];
      continue;
    }
    if (text.size() - i < 3) return false;
    const int high = HexDigit(text[i + 1]);
    const int low = HexDigit(text[i + 2]);
    if (high < 0 || low < 0) return false;
    *out += static_cast<char>(high << 4 | low);
    i += 2;
  }
  return true;
}

}  // namespace

absl::StatusOr<ConnectionOptions> ConnectionOptions::FromUri(absl::string_view uri) {
  const absl::Status invalid =
      absl::InvalidArgumentError(absl::StrCat("not an AMQP URI: '", uri, "'"));
  ConnectionOptions options;
  absl::string_view rest = uri;
  if (absl::StartsWith(rest, "amqps://")) {
    options.tls.emplace();
    options.port = 5671;
    rest.remove_prefix(8);
  } else if (absl::StartsWith(rest, "amqp://")) {
    rest.remove_prefix(7);
  } else {
    return invalid;
  }
  if (const size_t query = rest.find('?'); query != rest.npos) rest = rest.substr(0, query);
  if (const size_t slash = rest.find('/'); slash != rest.npos) {
    if (!PercentDecode(rest.substr(slash + 1), &options.vhost)) return invalid;
    rest = rest.substr(0, slash);
  }
  if (const size_t at = rest.rfind('@'); at != rest.npos) {
    const absl::string_view login = rest.substr(0, at);
    rest = rest.substr(at + 1);
    const size_t colon = login.find(':');
    if (!PercentDecode(login.substr(0, colon), &options.user)) return invalid;
    if (colon != login.npos && !PercentDecode(login.substr(colon + 1), &options.password))
      return invalid;
  }
  // An IPv6 address stands in brackets, so that its colons are none of the port.
  size_t host_end = rest.find(':');
  if (absl::StartsWith(rest, "[")) {
    host_end = rest.find(']');
    if (host_end == rest.npos) return invalid;
    options.host = std::string(rest.substr(1, host_end - 1));
    ++host_end;
  } else if (!rest.substr(0, host_end).empty()) {
    options.host = std::string(rest.substr(0, host_end));
  }
  if (host_end < rest.size()) {
    int port;
    if (rest[host_end] != ':' || !absl::SimpleAtoi(rest.substr(host_end + 1), &port) || port < 1 ||
        port > 65535) {
      return invalid;
    }
    options.port = static_cast<uint16_t>(port);
  }
  return options;
}

}  // namespace pontoon::client
