#include "server/session/handshake.h"

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "server/amqp/argument_text.h"
#include "server/amqp/frame.h"
#include "server/amqp/reply_code.h"
#include "server/amqp/table.h"

namespace pontoon::session {
namespace {

struct Credentials {
  std::string user;
  std::string password;
};

// Who responds in a broken way is not told why (see Connection): these texts are for the log.
absl::StatusOr<Credentials> ParsePlain(absl::string_view response) {
  const std::vector<absl::string_view> parts = absl::StrSplit(response, '\0');
  if (parts.size() != 3 || !parts[0].empty()) {
    return amqp::SyntaxError("response to the PLAIN mechanism is not \\0user\\0password");
  }
  return Credentials{std::string(parts[1]), std::string(parts[2])};
}

absl::StatusOr<Credentials> ParseAmqplain(absl::string_view response) {
  auto table = amqp::Table::Parse(response);
  if (!table.ok()) return amqp::SyntaxError("response to the AMQPLAIN mechanism is not a table");
  const amqp::Value* login = table->Find("LOGIN");
  const amqp::Value* password = table->Find("PASSWORD");
  if (login == nullptr || password == nullptr || !login->AsString() || !password->AsString()) {
    return amqp::SyntaxError("AMQPLAIN auth info is missing LOGIN or PASSWORD field");
  }
  return Credentials{std::string(*login->AsString()), std::string(*password->AsString())};
}

template <typename Int>
bool Exceeds(Int offered, Int wanted) {
  return offered != 0 && (wanted == 0 || wanted > offered);
}

absl::Status TooHigh(absl::string_view field, uint64_t offered, uint64_t wanted) {
  return amqp::NotAllowed(
      absl::StrCat("negotiated ", field, " = ", wanted, wanted == 0 ? " (no limit)" : "",
                   " is higher than the maximum allowed value (", offered, ")"));
}

}  // namespace

std::string OfferedMechanisms(const SessionOptions& options) {
  return absl::StrJoin(options.mechanisms, " ");
}

LoginVerdict Authenticate(const catalog::Version& catalog, const SessionOptions& options,
                          absl::string_view mechanism, absl::string_view response) {
  LoginVerdict verdict;
  const bool offered = std::find(options.mechanisms.begin(), options.mechanisms.end(), mechanism) !=
                       options.mechanisms.end();
  if (!offered || (mechanism != "PLAIN" && mechanism != "AMQPLAIN")) {
    verdict.log = absl::StrCat("unknown authentication mechanism '",
                               absl::CHexEscape(mechanism.substr(0, 64)), "'");
    verdict.status = amqp::CommandInvalid(verdict.log);
    return verdict;
  }
  const auto given = mechanism == "PLAIN" ? ParsePlain(response) : ParseAmqplain(response);
  if (!given.ok()) {
    verdict.log = std::string(given.status().message());
    verdict.status = given.status();
    return verdict;
  }
  verdict.user = given->user;
  const catalog::UserRecord* user = catalog.FindUser(given->user);
  if (user != nullptr && !user->password_hash.empty() &&
      catalog::CheckPassword(*user, given->password)) {
    return verdict;
  }
  verdict.log = absl::StrCat(mechanism, " login refused: user '", given->user,
                             user != nullptr && user->password_hash.empty()
                                 ? "' - cannot log in using password"
                                 : "' - invalid credentials");
  verdict.status =
      amqp::AccessRefused(absl::StrCat("Login was refused using authentication mechanism ",
                                       mechanism, ". For details see the broker logfile."));
  return verdict;
}

absl::Status CheckLoopback(const SessionOptions& options, absl::string_view user, bool loopback) {
  if (loopback || std::find(options.loopback_users.begin(), options.loopback_users.end(), user) ==
                      options.loopback_users.end()) {
    return absl::OkStatus();
  }
  return amqp::NotAllowed(absl::StrCat("user '", user, "' can only connect via localhost"));
}

absl::StatusOr<Tuned> Tune(const SessionOptions& options, const amqp::ConnectionTuneOk& wanted) {
  if (wanted.frame_max != 0 && wanted.frame_max < amqp::kFrameMinBytes) {
    return amqp::NotAllowed(absl::StrCat("negotiated frame_max = ", wanted.frame_max,
                                         " is lower than the minimum allowed value (",
                                         amqp::kFrameMinBytes, ")"));
  }
  if (Exceeds(options.frame_max, wanted.frame_max)) {
    return TooHigh("frame_max", options.frame_max, wanted.frame_max);
  }
  if (Exceeds(options.channel_max, wanted.channel_max)) {
    return TooHigh("channel_max", options.channel_max, wanted.channel_max);
  }
  return Tuned{wanted.channel_max, wanted.frame_max, wanted.heartbeat};
}

absl::StatusOr<const catalog::VhostRecord*> OpenVhost(const catalog::Version& catalog,
                                                      absl::string_view user,
                                                      absl::string_view vhost) {
  const catalog::VhostRecord* record = catalog.FindVhost(vhost);
  if (record == nullptr) return amqp::NotAllowed(absl::StrCat("vhost ", vhost, " not found"));
  if (catalog.FindPermission(user, vhost) == nullptr) {
    return amqp::NotAllowed(
        absl::StrCat("access to vhost '", vhost, "' refused for user '", user, "'"));
  }
  return record;
}

}  // namespace pontoon::session
