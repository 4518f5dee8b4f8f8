#ifndef PONTOON_SERVER_SESSION_DIRECT_REPLY_H_
#define PONTOON_SERVER_SESSION_DIRECT_REPLY_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "base/random.h"
#include "server/cluster/front_end.h"

// Direct reply-to (RabbitMQ: extension): a client consumes from amq.rabbitmq.reply-to without a
// queue; its requests carry a reply address that leads straight to its channel on whichever node it
// is.
namespace pontoon::session {

inline constexpr absl::string_view kReplyQueue = "amq.rabbitmq.reply-to";
inline constexpr absl::string_view kReplyPrefix = "amq.rabbitmq.reply-to.";

// A channel's consumer of direct replies; `tag` empty while there is none.
struct ReplyConsumer {
  std::string tag;
  std::string address;  // What reply_to becomes.
  uint64_t secret = 0;
  bool active() const { return !tag.empty(); }
};

// "amq.rabbitmq.reply-to." and, in URL-safe base64, the address.
std::string PrintReplyAddress(const cluster::ReplyAddress& address);
// Where a routing key leads; nullopt if it is not such an address.
std::optional<cluster::ReplyAddress> ParseReplyAddress(absl::string_view routing_key);

// prefix and 22 characters of URL-safe base64 of 16 random octets: "amq.gen-...", "amq.ctag-...".
std::string RandomName(absl::string_view prefix, base::Random* random);

}  // namespace pontoon::session

#endif  // PONTOON_SERVER_SESSION_DIRECT_REPLY_H_
