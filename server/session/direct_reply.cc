#include "server/session/direct_reply.h"

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "server/amqp/wire.h"

namespace pontoon::session {
namespace {

constexpr size_t kAddressBytes = 8 + 4 + 2 + 8 + 8;

}  // namespace

std::string PrintReplyAddress(const cluster::ReplyAddress& address) {
  char octets[kAddressBytes];
  char* out = amqp::StoreLongLong(octets, address.loop.node.value);
  out = amqp::StoreLong(out, address.loop.boot.value);
  out = amqp::StoreShort(out, address.loop.loop.value);
  out = amqp::StoreLongLong(out, address.channel.value);
  amqp::StoreLongLong(out, address.secret);
  return absl::StrCat(kReplyPrefix,
                      absl::WebSafeBase64Escape(absl::string_view(octets, sizeof(octets))));
}

std::optional<cluster::ReplyAddress> ParseReplyAddress(absl::string_view routing_key) {
  std::string octets;
  if (!absl::ConsumePrefix(&routing_key, kReplyPrefix) ||
      !absl::WebSafeBase64Unescape(routing_key, &octets) || octets.size() != kAddressBytes) {
    return std::nullopt;
  }
  const char* at = octets.data();
  cluster::ReplyAddress address;
  address.loop.node.value = amqp::LoadLongLong(at);
  address.loop.boot.value = amqp::LoadLong(at + 8);
  address.loop.loop.value = amqp::LoadShort(at + 12);
  address.channel.value = amqp::LoadLongLong(at + 14);
  address.secret = amqp::LoadLongLong(at + 22);
  return address;
}

std::string RandomName(absl::string_view prefix, base::Random* random) {
  char octets[16];
  amqp::StoreLongLong(amqp::StoreLongLong(octets, random->Next()), random->Next());
  return absl::StrCat(prefix, "-",
                      absl::WebSafeBase64Escape(absl::string_view(octets, sizeof(octets))));
}

}  // namespace pontoon::session
