#include <functional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/amqp/reply_code.h"
#include "server/session/channel.h"
#include "server/session/names.h"

// exchange (AMQP 0-9-1 section 1.6), and bindings of both kinds.
namespace pontoon::session {
namespace {

using catalog::Right;

absl::Status NotOnDefaultExchange(absl::string_view name) {
  if (!name.empty()) return absl::OkStatus();
  return amqp::AccessRefused("operation not permitted on the default exchange");
}

std::optional<catalog::ExchangeKind> KindOf(absl::string_view type) {
  if (type == "direct") return catalog::ExchangeKind::kDirect;
  if (type == "fanout") return catalog::ExchangeKind::kFanout;
  if (type == "topic") return catalog::ExchangeKind::kTopic;
  if (type == "headers") return catalog::ExchangeKind::kHeaders;
  return std::nullopt;
}

}  // namespace

absl::Status Channel::On(const amqp::ExchangeDeclare& method) {
  const std::string name = StripLineEnds(method.exchange);
  if (method.passive) {
    absl::Status status = NotOnDefaultExchange(name);
    if (!status.ok()) return status;
    if (catalog().FindExchange(connection_->vhost(), name) == nullptr) return NoExchange(name);
    if (!method.no_wait) Reply(amqp::ExchangeDeclareOk());
    return absl::OkStatus();
  }
  const auto kind = KindOf(method.type);
  if (!kind) return amqp::CommandInvalid(absl::StrCat("invalid exchange type '", method.type, "'"));
  absl::Status status = NotOnDefaultExchange(name);
  if (status.ok()) status = CheckRight(Right::kConfigure, "exchange", name);
  if (!status.ok()) return status;

  catalog::DeclareExchange declare;
  declare.vhost = connection_->vhost();
  declare.name = name;
  declare.kind = *kind;
  declare.durable = method.durable;
  declare.auto_delete = method.auto_delete;
  declare.internal = method.internal;
  declare.arguments = method.arguments.EncodeContents();
  declare.home = connection_->loop().front_end->id();
  const catalog::ExchangeRecord* existing = catalog().FindExchange(connection_->vhost(), name);
  if (existing != nullptr) {
    status = catalog::CheckExchangeEquivalence(catalog(), *existing, declare);
    if (status.ok() && !method.no_wait) Reply(amqp::ExchangeDeclareOk());
    return status;
  }
  status = CheckNotReserved("exchange", name);
  if (!status.ok()) return status;
  if (const amqp::Value* alternate = method.arguments.Find("alternate-exchange")) {
    if (!alternate->AsString()) {
      return amqp::PreconditionFailed(absl::StrCat(
          "invalid type '", amqp::FieldTypeName(alternate->type()),
          "' for arg 'alternate-exchange' in exchange '", name, "' in vhost '", vhost_name(), "'"));
    }
    status = CheckRight(Right::kRead, "exchange", name);
    if (status.ok()) status = CheckRight(Right::kWrite, "exchange", *alternate->AsString());
    if (!status.ok()) return status;
  }
  AwaitAnswer();
  front_end().Change(key_, std::move(declare),
                     [this, no_wait = method.no_wait](const catalog::Outcome& outcome) {
                       if (outcome.status.ok() && !no_wait) Reply(amqp::ExchangeDeclareOk());
                       Answered(outcome.status);
                     });
  return absl::OkStatus();
}

absl::Status Channel::On(const amqp::ExchangeDelete& method) {
  const std::string name = StripLineEnds(method.exchange);
  absl::Status status = NotOnDefaultExchange(name);
  if (!status.ok()) return status;
  if (absl::StartsWith(name, "amq.")) {
    return amqp::AccessRefused(absl::StrCat("deletion of system exchange '", name, "' in vhost '",
                                            vhost_name(), "' not allowed"));
  }
  status = CheckRight(Right::kConfigure, "exchange", name);
  if (!status.ok()) return status;
  if (catalog().FindExchange(connection_->vhost(), name) == nullptr) {
    if (!method.no_wait) Reply(amqp::ExchangeDeleteOk());
    return absl::OkStatus();
  }
  AwaitAnswer();
  front_end().Change(key_, catalog::DeleteExchange{connection_->vhost(), name, method.if_unused},
                     [this, no_wait = method.no_wait](const catalog::Outcome& outcome) {
                       // Somebody else was faster: it is gone, as was asked.
                       absl::Status status = outcome.status;
                       if (amqp::HasReplyCode(status, amqp::ReplyCode::kNotFound))
                         status = absl::OkStatus();
                       if (status.ok() && !no_wait) Reply(amqp::ExchangeDeleteOk());
                       Answered(status);
                     });
  return absl::OkStatus();
}

absl::Status Channel::ChangeBinding(bool add, catalog::DestinationKind kind,
                                    absl::string_view destination_name,
                                    absl::string_view source_name, absl::string_view routing_key,
                                    const amqp::Table& arguments, std::function<void()> answer) {
  const std::string destination = StripLineEnds(destination_name);
  const std::string source = StripLineEnds(source_name);
  const bool to_queue = kind == catalog::DestinationKind::kQueue;
  absl::Status status = CheckRight(Right::kWrite, to_queue ? "queue" : "exchange", destination);
  if (status.ok() && !to_queue) status = NotOnDefaultExchange(destination);
  if (status.ok()) status = NotOnDefaultExchange(source);
  if (status.ok()) status = CheckRight(Right::kRead, "exchange", source);
  if (!status.ok()) return status;
  if (add) {
    if (catalog().FindExchange(connection_->vhost(), source) == nullptr) return NoExchange(source);
    if (!to_queue && catalog().FindExchange(connection_->vhost(), destination) == nullptr) {
      return NoExchange(destination);
    }
  }
  if (to_queue) {
    const catalog::QueueRecord* queue = catalog().FindQueue(connection_->vhost(), destination);
    if (queue == nullptr && add) return NoQueue(destination);
    if (queue != nullptr) status = CheckOwner(*queue);
    if (!status.ok()) return status;
  }
  catalog::BindingRecord binding;
  binding.source = source;
  binding.kind = kind;
  binding.destination = destination;
  binding.routing_key = std::string(routing_key);
  binding.arguments = arguments.EncodeContents();
  catalog::Command command;
  if (add) {
    command = catalog::Bind{connection_->vhost(), std::move(binding)};
  } else {
    command = catalog::Unbind{connection_->vhost(), std::move(binding)};
  }
  AwaitAnswer();
  front_end().Change(key_, std::move(command),
                     [this, add, answer = std::move(answer)](const catalog::Outcome& outcome) {
                       absl::Status status = outcome.status;
                       // Unbinding what is not bound is done already.
                       if (!add && amqp::HasReplyCode(status, amqp::ReplyCode::kNotFound))
                         status = absl::OkStatus();
                       if (status.ok()) answer();
                       Answered(status);
                     });
  return absl::OkStatus();
}

absl::Status Channel::On(const amqp::ExchangeBind& method) {
  return ChangeBinding(true, catalog::DestinationKind::kExchange, method.destination, method.source,
                       method.routing_key, method.arguments, [this, no_wait = method.no_wait] {
                         if (!no_wait) Reply(amqp::ExchangeBindOk());
                       });
}

absl::Status Channel::On(const amqp::ExchangeUnbind& method) {
  return ChangeBinding(false, catalog::DestinationKind::kExchange, method.destination,
                       method.source, method.routing_key, method.arguments,
                       [this, no_wait = method.no_wait] {
                         if (!no_wait) Reply(amqp::ExchangeUnbindOk());
                       });
}

}  // namespace pontoon::session
