#ifndef PONTOON_SERVER_AMQP_PROPERTIES_H_
#define PONTOON_SERVER_AMQP_PROPERTIES_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/amqp/table.h"
#include "server/amqp/table_view.h"

namespace pontoon::amqp {

// A content header frame's payload, AMQP 0-9-1 section 4.2.6.1. Views the payload.
struct ContentHeader {
  uint16_t class_id = 0;
  uint16_t weight = 0;           // Must be 0; who checks says UNEXPECTED_FRAME.
  uint64_t body_size = 0;        // Octets of all body frames together.
  absl::string_view properties;  // Flags and list, as BasicProperties::Parse takes them.

  // FRAME_ERROR (501) if the payload is shorter than the fixed part. Does not look at the
  // properties.
  static absl::StatusOr<ContentHeader> Parse(absl::string_view payload);
};

// The fourteen properties of basic, in the order of their flags (from the highest bit down).
enum class Property : uint8_t {
  kContentType,
  kContentEncoding,
  kHeaders,
  kDeliveryMode,
  kPriority,
  kCorrelationId,
  kReplyTo,
  kExpiration,
  kMessageId,
  kTimestamp,
  kType,
  kUserId,
  kAppId,
  kClusterId,
};
inline constexpr int kPropertyCount = 14;

// A checked view over the property octets of a content header, which are kept byte for byte for
// delivery. Valid while these octets live; copying it copies no text.
class BasicProperties {
 public:
  // No properties at all.
  BasicProperties() = default;
  // SYNTAX_ERROR (502) where flags and list do not fit each other, octets are left over, the
  // continuation bit or the unused flag is set in a way that leads on to more flags, or the headers
  // are no table.
  static absl::StatusOr<BasicProperties> Parse(absl::string_view octets);

  // Flags and list as they came; "\0\0" (two octets) if there are none.
  absl::string_view octets() const { return octets_; }
  bool Has(Property property) const {
    return (flags_ >> (15 - static_cast<int>(property)) & 1) != 0;
  }

  std::optional<absl::string_view> content_type() const { return Text(Property::kContentType); }
  std::optional<absl::string_view> content_encoding() const {
    return Text(Property::kContentEncoding);
  }
  std::optional<uint8_t> delivery_mode() const { return Octet(Property::kDeliveryMode); }
  std::optional<uint8_t> priority() const { return Octet(Property::kPriority); }
  std::optional<absl::string_view> correlation_id() const { return Text(Property::kCorrelationId); }
  std::optional<absl::string_view> reply_to() const { return Text(Property::kReplyTo); }
  std::optional<absl::string_view> expiration() const { return Text(Property::kExpiration); }
  std::optional<absl::string_view> message_id() const { return Text(Property::kMessageId); }
  std::optional<uint64_t> timestamp() const;  // Seconds since 1970.
  std::optional<absl::string_view> type() const { return Text(Property::kType); }
  std::optional<absl::string_view> user_id() const { return Text(Property::kUserId); }
  std::optional<absl::string_view> app_id() const { return Text(Property::kAppId); }
  std::optional<absl::string_view> cluster_id() const { return Text(Property::kClusterId); }

  bool persistent() const { return delivery_mode() == 2; }
  bool has_headers() const { return Has(Property::kHeaders); }
  // The headers in place (empty if there are none), and as a table of their own.
  TableView headers() const { return TableView(headers_octets()); }
  Table HeadersTable() const;
  // The contents of the headers table, without its length.
  absl::string_view headers_octets() const {
    return has_headers() ? At(Property::kHeaders) : absl::string_view();
  }

 private:
  absl::string_view At(Property property) const {
    return octets_.substr(starts_[Index(property)], sizes_[Index(property)]);
  }
  static size_t Index(Property property) { return static_cast<size_t>(property); }
  std::optional<absl::string_view> Text(Property property) const {
    if (!Has(property)) return std::nullopt;
    return At(property);
  }
  std::optional<uint8_t> Octet(Property property) const {
    if (!Has(property)) return std::nullopt;
    return static_cast<uint8_t>(At(property)[0]);
  }

  absl::string_view octets_{"\0\0", 2};
  uint16_t flags_ = 0;
  // Where each property's value lies in octets_ (without a length in front), if its flag is set.
  std::array<uint32_t, kPropertyCount> starts_;
  std::array<uint32_t, kPropertyCount> sizes_;
};

// Properties to be written: set what is wanted, then Encode. Also how to change some of what came.
struct PropertiesBuilder {
  std::optional<std::string> content_type;
  std::optional<std::string> content_encoding;
  std::optional<Table> headers;
  std::optional<uint8_t> delivery_mode;
  std::optional<uint8_t> priority;
  std::optional<std::string> correlation_id;
  std::optional<std::string> reply_to;
  std::optional<std::string> expiration;
  std::optional<std::string> message_id;
  std::optional<uint64_t> timestamp;
  std::optional<std::string> type;
  std::optional<std::string> user_id;
  std::optional<std::string> app_id;
  std::optional<std::string> cluster_id;

  // Everything that `view` has, copied.
  static PropertiesBuilder From(const BasicProperties& view);
  // Flags and list, ready for a content header. Texts must fit short strings (checked).
  std::string Encode() const;
};

// The octets of `properties` without the header `name` (all of that name), other bytes as they
// were: BCC must not reach a consumer. nullopt if there is no such header and the octets can be
// used as they are. A headers table that becomes empty stays, as in RabbitMQ.
std::optional<std::string> WithoutHeader(const BasicProperties& properties, absl::string_view name);

}  // namespace pontoon::amqp

#endif  // PONTOON_SERVER_AMQP_PROPERTIES_H_
