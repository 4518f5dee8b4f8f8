#include "server/amqp/properties.h"

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "server/amqp/argument_text.h"
#include "server/amqp/reply_code.h"
#include "server/amqp/utf8.h"
#include "server/amqp/wire.h"

namespace pontoon::amqp {
namespace {

constexpr size_t kFixedHeaderBytes = 12;  // Class, weight, body size.
// The lowest flag says that another word of flags follows; basic has never needed one, and clients
// that are sent it misread what comes behind.
constexpr uint16_t kContinuationFlag = 1;

constexpr uint16_t FlagOf(Property property) {
  return static_cast<uint16_t>(1u << (15 - static_cast<int>(property)));
}

}  // namespace

absl::StatusOr<ContentHeader> ContentHeader::Parse(absl::string_view payload) {
  if (payload.size() < kFixedHeaderBytes) {
    return FrameError(
        absl::StrCat("type 2, all octets = ", ErlangBinary(payload), ": unknown_frame"));
  }
  return ContentHeader{LoadShort(payload.data()), LoadShort(payload.data() + 2),
                       LoadLongLong(payload.data() + 4), payload.substr(kFixedHeaderBytes)};
}

absl::StatusOr<BasicProperties> BasicProperties::Parse(absl::string_view octets) {
  WireReader reader(octets);
  BasicProperties properties;
  if (!reader.Short(&properties.flags_))
    return SyntaxError("malformed content header: no property flags");
  if ((properties.flags_ & kContinuationFlag) != 0) {
    return SyntaxError(
        "malformed content header: basic has no more than one word of property flags");
  }
  properties.octets_ = octets;
  for (int i = 0; i < kPropertyCount; ++i) {
    const auto property = static_cast<Property>(i);
    if (!properties.Has(property)) continue;
    absl::string_view value;
    bool read;
    switch (property) {
      case Property::kHeaders:
        read = reader.LongString(&value);
        break;
      case Property::kDeliveryMode:
      case Property::kPriority:
        read = reader.Bytes(1, &value);
        break;
      case Property::kTimestamp:
        read = reader.Bytes(8, &value);
        break;
      default:
        read = reader.ShortString(&value);
    }
    if (!read) return SyntaxError("malformed content header: truncated property list");
    if (property == Property::kHeaders) {
      if (absl::Status valid = ValidateTable(value); !valid.ok()) return valid;
    }
    properties.starts_[static_cast<size_t>(i)] =
        static_cast<uint32_t>(value.data() - octets.data());
    properties.sizes_[static_cast<size_t>(i)] = static_cast<uint32_t>(value.size());
  }
  if (reader.remaining() > 0)
    return SyntaxError("malformed content header: octets after the property list");
  return properties;
}

std::optional<uint64_t> BasicProperties::timestamp() const {
  if (!Has(Property::kTimestamp)) return std::nullopt;
  return LoadLongLong(At(Property::kTimestamp).data());
}

Table BasicProperties::HeadersTable() const {
  return Table::Parse(headers_octets()).value_or(Table());  // Parse has checked them.
}

PropertiesBuilder PropertiesBuilder::From(const BasicProperties& view) {
  const auto copy = [](std::optional<absl::string_view> text) -> std::optional<std::string> {
    if (!text.has_value()) return std::nullopt;
    return std::string(*text);
  };
  PropertiesBuilder builder;
  builder.content_type = copy(view.content_type());
  builder.content_encoding = copy(view.content_encoding());
  if (view.has_headers()) builder.headers = view.HeadersTable();
  builder.delivery_mode = view.delivery_mode();
  builder.priority = view.priority();
  builder.correlation_id = copy(view.correlation_id());
  builder.reply_to = copy(view.reply_to());
  builder.expiration = copy(view.expiration());
  builder.message_id = copy(view.message_id());
  builder.timestamp = view.timestamp();
  builder.type = copy(view.type());
  builder.user_id = copy(view.user_id());
  builder.app_id = copy(view.app_id());
  builder.cluster_id = copy(view.cluster_id());
  return builder;
}

std::string PropertiesBuilder::Encode() const {
  std::string octets(2, '\0');
  uint16_t flags = 0;
  const auto add_text = [&](Property property, const std::optional<std::string>& text) {
    if (!text.has_value()) return;
    PONTOON_CHECK_MSG(FitsShortString(*text), "a property is a short string");
    flags |= FlagOf(property);
    octets += static_cast<char>(text->size());
    octets += *text;
  };
  const auto add_octet = [&](Property property, const std::optional<uint8_t>& octet) {
    if (!octet.has_value()) return;
    flags |= FlagOf(property);
    octets += static_cast<char>(*octet);
  };
  add_text(Property::kContentType, content_type);
  add_text(Property::kContentEncoding, content_encoding);
  if (headers.has_value()) {
    flags |= FlagOf(Property::kHeaders);
    const size_t start = octets.size();
    octets.resize(start + headers->EncodedSize());
    headers->Encode(octets.data() + start);
  }
  add_octet(Property::kDeliveryMode, delivery_mode);
  add_octet(Property::kPriority, priority);
  add_text(Property::kCorrelationId, correlation_id);
  add_text(Property::kReplyTo, reply_to);
  add_text(Property::kExpiration, expiration);
  add_text(Property::kMessageId, message_id);
  if (timestamp.has_value()) {
    flags |= FlagOf(Property::kTimestamp);
    octets.resize(octets.size() + 8);
    StoreLongLong(octets.data() + octets.size() - 8, *timestamp);
  }
  add_text(Property::kType, type);
  add_text(Property::kUserId, user_id);
  add_text(Property::kAppId, app_id);
  add_text(Property::kClusterId, cluster_id);
  StoreShort(octets.data(), flags);
  return octets;
}

std::optional<std::string> WithoutHeader(const BasicProperties& properties,
                                         absl::string_view name) {
  const absl::string_view headers = properties.headers_octets();
  if (!TableView(headers).Find(name).has_value()) return std::nullopt;
  std::string kept;
  TableView entries(headers);
  absl::string_view entry_name;
  ValueView value;
  const char* entry_start = headers.data();
  while (entries.Next(&entry_name, &value)) {
    const char* const entry_end = value.octets.data() + value.octets.size();
    if (entry_name != name) kept.append(entry_start, entry_end);
    entry_start = entry_end;
  }
  const absl::string_view octets = properties.octets();
  const auto start = static_cast<size_t>(headers.data() - octets.data());
  std::string rebuilt(octets.substr(0, start));
  StoreLong(rebuilt.data() + start - 4, static_cast<uint32_t>(kept.size()));
  rebuilt += kept;
  rebuilt.append(octets.data() + start + headers.size(), octets.data() + octets.size());
  return rebuilt;
}

}  // namespace pontoon::amqp
