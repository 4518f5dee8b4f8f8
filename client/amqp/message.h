#ifndef PONTOON_CLIENT_AMQP_MESSAGE_H_
#define PONTOON_CLIENT_AMQP_MESSAGE_H_

#include <cstdint>
#include <functional>
#include <string>

#include "absl/strings/string_view.h"
#include "base/slice.h"
#include "server/amqp/properties.h"

namespace pontoon::client {

// What to publish. All texts need only live until the call returns.
struct OutgoingMessage {
  absl::string_view exchange;
  absl::string_view routing_key;
  bool mandatory = false;
  bool immediate = false;
  // Encoded: amqp::PropertiesBuilder::Encode(), best made once for many messages. Empty: none.
  absl::string_view properties;
  absl::string_view body;
};

// A message as it came, valid during the handler's call only (the slices may be kept).
struct Delivery {
  absl::string_view consumer_tag;
  uint64_t delivery_tag = 0;
  bool redelivered = false;
  absl::string_view exchange;
  absl::string_view routing_key;
  base::Slice properties;
  base::SliceChain body;

  // None if the broker sent octets that are no properties.
  amqp::BasicProperties ParsedProperties() const {
    return amqp::BasicProperties::Parse(properties.view()).value_or(amqp::BasicProperties());
  }
  std::string BodyText() const { return std::string(body.Flatten().view()); }
};

// The same, to keep.
struct ReceivedMessage {
  std::string consumer_tag;
  uint64_t delivery_tag = 0;
  bool redelivered = false;
  std::string exchange;
  std::string routing_key;
  base::Slice properties;
  std::string body;
  uint32_t message_count = 0;  // Of a get: how many were left in the queue.

  ReceivedMessage() = default;
  explicit ReceivedMessage(const Delivery& delivery)
      : consumer_tag(delivery.consumer_tag),
        delivery_tag(delivery.delivery_tag),
        redelivered(delivery.redelivered),
        exchange(delivery.exchange),
        routing_key(delivery.routing_key),
        properties(delivery.properties),
        body(delivery.BodyText()) {}
  amqp::BasicProperties ParsedProperties() const {
    return amqp::BasicProperties::Parse(properties.view()).value_or(amqp::BasicProperties());
  }
};

// A message that was published as mandatory and could not be routed. Valid during the handler's
// call.
struct ReturnedMessage {
  uint16_t reply_code = 0;
  absl::string_view reply_text;
  absl::string_view exchange;
  absl::string_view routing_key;
  base::Slice properties;
  base::SliceChain body;
  std::string BodyText() const { return std::string(body.Flatten().view()); }
};

}  // namespace pontoon::client

#endif  // PONTOON_CLIENT_AMQP_MESSAGE_H_
