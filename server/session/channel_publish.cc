#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "server/amqp/argument_text.h"
#include "server/amqp/reply_code.h"
#include "server/session/channel.h"
#include "server/session/channel_tx.h"
#include "server/session/names.h"

// basic.publish, from the method's frame to the queues' shards. The hot path in: no copy of the
// body, no wait.
namespace pontoon::session {
namespace {

// A content header's class, weight and body size come before its property flags.
constexpr size_t kContentHeaderFixedBytes = 12;
// Class, method and ticket come before the exchange in basic.publish.
constexpr size_t kBeforeExchangeBytes = 6;
// What one transaction may gather; the messages wait in memory.
constexpr uint64_t kTransactionBytesMax = 256 << 20;

// Routing keys of a CC or BCC header. RabbitMQ takes the long strings of an array and refuses any
// other type.
absl::Status AddHeaderKeys(const amqp::BasicProperties& properties, absl::string_view header,
                           absl::InlinedVector<absl::string_view, 4>* keys, bool* found) {
  const auto value = properties.headers().Find(header);
  if (!value) return absl::OkStatus();
  *found = true;
  if (value->type != amqp::FieldType::kArray) {
    return amqp::PreconditionFailed(absl::StrCat("invalid message: {unacceptable_type_in_header,\"",
                                                 header, "\",", amqp::FieldTypeName(value->type),
                                                 "}"));
  }
  amqp::ArrayView routes(value->octets);
  amqp::ValueView route;
  while (routes.Next(&route)) {
    if (const auto key = route.AsString()) keys->push_back(*key);
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status Channel::OnPublishMethod(const base::Slice& payload) {
  assembly_.Begin(payload);
  return amqp::DecodeMethodAs(assembly_.method().view(), &publish_);
}

absl::Status Channel::OnContentFrame(const amqp::Frame& frame) {
  bool complete = false;
  const bool had_header = assembly_.has_header();
  method_ = amqp::BasicPublish::kId;
  absl::Status status = assembly_.OnFrame(frame, &complete);
  if (!status.ok()) {
    // A header that cannot be read belongs to no method.
    if (amqp::HasReplyCode(status, amqp::ReplyCode::kFrameError)) method_ = {};
    return status;
  }
  if (!had_header && assembly_.body_size() > connection_->options().max_message_size) {
    return amqp::PreconditionFailed(absl::StrCat("message size ", assembly_.body_size(),
                                                 " is larger than configured max size ",
                                                 connection_->options().max_message_size));
  }
  if (!complete) return absl::OkStatus();
  status = Publish();
  assembly_.Reset();
  return status;
}

absl::Status Channel::CheckExchange(absl::string_view name) {
  const catalog::VersionPtr& version = connection_->loop().front_end->catalog();
  if (route_.permitted && route_.version == version && route_.exchange_name == name)
    return absl::OkStatus();
  route_.permitted = false;
  route_.has_key = false;
  const absl::Status right = CheckRight(catalog::Right::kWrite, "exchange", name);
  if (!right.ok()) return right;
  route_.version = version;
  route_.exchange = version->FindExchange(connection_->vhost(), name);
  if (route_.exchange == nullptr) return NoExchange(name);
  if (route_.exchange->internal) {
    return amqp::AccessRefused(absl::StrCat("cannot publish to internal exchange '", name,
                                            "' in vhost '", vhost_name(), "'"));
  }
  route_.exchange_name = std::string(name);
  route_.permitted = true;
  return absl::OkStatus();
}

absl::Status Channel::CheckProperties(const amqp::BasicProperties& properties) const {
  if (const auto user = properties.user_id(); user && *user != connection_->user()) {
    const catalog::UserRecord* self = catalog().FindUser(connection_->user());
    bool impersonator = false;
    if (self != nullptr) {
      for (const std::string& tag : self->tags) impersonator |= tag == "impersonator";
    }
    if (!impersonator) {
      return amqp::PreconditionFailed(absl::StrCat("user_id property set to '", *user,
                                                   "' but authenticated user was '",
                                                   connection_->user(), "'"));
    }
  }
  if (const auto expiration = properties.expiration()) {
    return CheckExpiration(*expiration);
  }
  return absl::OkStatus();
}

void Channel::AddReplies(absl::Span<const absl::string_view> keys) {
  replies_.clear();
  if (!publish_.exchange.empty()) return;
  for (const absl::string_view key : keys) {
    const auto address = ParseReplyAddress(key);
    if (address && !absl::c_linear_search(replies_, *address)) replies_.push_back(*address);
  }
}

absl::Status Channel::RouteMessage(const amqp::BasicProperties& properties) {
  if (!properties.has_headers()) {
    const absl::string_view key = publish_.routing_key;
    AddReplies(absl::MakeConstSpan(&key, 1));
    if (route_.has_key && route_.routing_key == publish_.routing_key) {
      targets_ = route_.targets;
      return absl::OkStatus();
    }
    targets_.clear();
    route_.version->Route(*route_.exchange, absl::MakeConstSpan(&key, 1), nullptr, &targets_);
    route_.has_key = true;
    route_.routing_key = std::string(key);
    route_.targets = targets_;
    return absl::OkStatus();
  }
  absl::InlinedVector<absl::string_view, 4> keys = {publish_.routing_key};
  bool found = false;
  absl::Status status = AddHeaderKeys(properties, "CC", &keys, &found);
  if (status.ok()) status = AddHeaderKeys(properties, "BCC", &keys, &found);
  if (!status.ok()) return status;
  AddReplies(keys);
  targets_.clear();
  // The default exchange looks at keys alone.
  const amqp::Table headers =
      route_.exchange->name.empty() ? amqp::Table() : properties.HeadersTable();
  route_.version->Route(*route_.exchange, keys, &headers, &targets_);
  return absl::OkStatus();
}

void Channel::TakeUnroutable(const cluster::OutgoingPublish& publish,
                             absl::string_view properties) {
  const broker::MessageBytes& message = publish.message;
  if (publish_.mandatory) {
    if (tx_ != nullptr) {
      tx_->returns.push_back({std::string(publish_.exchange), std::string(publish_.routing_key),
                              std::string(properties), message.payload});
    } else {
      amqp::BasicReturn returned;
      returned.reply_code = amqp::ReplyNumber(amqp::ReplyCode::kNoRoute);
      returned.reply_text = "NO_ROUTE";
      returned.exchange = publish_.exchange;
      returned.routing_key = publish_.routing_key;
      connection_->writer().AddContent(number_, returned, properties, message.payload);
      MarkDirty();
    }
  }
  // Nobody has to store it: confirmed at once, behind its return.
  if (publish.tag != 0) {
    confirms_.Finish(publish.tag, false);
    MarkDirty();
  }
}

absl::Status Channel::Publish() {
  connection_->OnPublishSeen();
  if (publish_.immediate) return amqp::NotImplemented("immediate=true");
  absl::Status status = CheckExchange(publish_.exchange);
  if (!status.ok()) return status;
  const base::Slice octets = assembly_.header().Sub(
      kContentHeaderFixedBytes, assembly_.header().size() - kContentHeaderFixedBytes);
  const auto properties = amqp::BasicProperties::Parse(octets.view());
  if (!properties.ok()) return properties.status();
  base::Slice delivered = octets;  // The properties as consumers see them.
  if (properties->Has(amqp::Property::kReplyTo) && *properties->reply_to() == kReplyQueue) {
    if (!reply_consumer_.active())
      return amqp::PreconditionFailed("fast reply consumer does not exist");
    amqp::PropertiesBuilder changed = amqp::PropertiesBuilder::From(*properties);
    changed.reply_to = reply_consumer_.address;
    delivered = base::Slice::Copy(changed.Encode());
  }
  if (properties->Has(amqp::Property::kUserId) || properties->Has(amqp::Property::kExpiration)) {
    status = CheckProperties(*properties);
    if (!status.ok()) return status;
  }
  status = RouteMessage(*properties);
  if (!status.ok()) return status;
  if (properties->has_headers() && properties->headers().Find("BCC")) {
    const auto now = amqp::BasicProperties::Parse(delivered.view());
    if (auto without = amqp::WithoutHeader(*now, "BCC")) delivered = base::Slice::Copy(*without);
  }

  cluster::OutgoingPublish outgoing;
  broker::MessageBytes& message = outgoing.message;
  const size_t names = 2 + publish_.exchange.size() + publish_.routing_key.size();
  message.envelope.Append(assembly_.method().Sub(kBeforeExchangeBytes, names));
  message.envelope.Append(std::move(delivered));
  assembly_.TakeBody(&message.payload);

  outgoing.tag = confirming_ ? confirms_.Begin() : 0;
  // As in RabbitMQ, whether a direct reply found its consumer is not told: it counts as no queue.
  for (const cluster::ReplyAddress& address : replies_) {
    connection_->loop().front_end->SendDirectReply(address, message);
  }
  if (targets_.empty()) {
    TakeUnroutable(outgoing, octets.view());
    return absl::OkStatus();
  }
  const uint64_t bytes = message.envelope.size() + message.payload.size();
  outgoing.persistent = properties->persistent();
  outgoing.targets = std::move(targets_);
  if (tx_ != nullptr) {
    tx_->bytes += bytes + Connection::kPublishOverheadBytes;
    if (tx_->bytes > kTransactionBytesMax) return amqp::ResourceError("transaction is too large");
    tx_->publishes.push_back(std::move(outgoing));
    return absl::OkStatus();
  }
  publishing_bytes_ += bytes + Connection::kPublishOverheadBytes;
  connection_->OnPublishing(bytes + Connection::kPublishOverheadBytes);
  connection_->loop().front_end->Publish(key_, std::move(outgoing));
  return absl::OkStatus();
}

}  // namespace pontoon::session
