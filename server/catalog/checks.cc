#include "server/catalog/checks.h"

#include <array>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/amqp/argument_text.h"
#include "server/amqp/reply_code.h"
#include "server/catalog/catalog.h"

// Redeclarations and arguments, checked as RabbitMQ 3.10 does and in its order, so that of two
// mistakes the same is named. One difference: an argument that RabbitMQ has for another queue type
// only is no mistake here, since all types can do the same; its value is checked all the same.

namespace pontoon::catalog {
namespace {

using amqp::PreconditionFailed;
using amqp::Table;
using amqp::Value;

std::string QueueText(absl::string_view queue, absl::string_view vhost) {
  return absl::StrCat("queue '", queue, "' in vhost '", vhost, "'");
}
std::string ExchangeText(absl::string_view exchange, absl::string_view vhost) {
  return absl::StrCat("exchange '", exchange, "' in vhost '", vhost, "'");
}
absl::string_view VhostName(const Version& version, VhostId id) {
  const VhostRecord* vhost = version.FindVhost(id);
  return vhost == nullptr ? absl::string_view() : absl::string_view(vhost->name);
}
absl::Status LockedBy(absl::string_view resource) {
  return amqp::ResourceLocked(
      absl::StrCat("cannot obtain exclusive access to locked ", resource,
                   ". It could be originally declared on another connection or the exclusive "
                   "property value does not match that of "
                   "the original declaration."));
}
absl::string_view BoolText(bool value) { return value ? "true" : "false"; }

// Arguments that make a difference, in the order in which RabbitMQ compares them; all others may
// change.
constexpr std::array<absl::string_view, 23> kComparedArguments = {
    "x-expires",
    "x-message-ttl",
    "x-dead-letter-exchange",
    "x-dead-letter-routing-key",
    "x-dead-letter-strategy",
    "x-max-length",
    "x-max-length-bytes",
    "x-max-in-memory-length",
    "x-max-in-memory-bytes",
    "x-max-priority",
    "x-overflow",
    "x-queue-mode",
    "x-queue-version",
    "x-single-active-consumer",
    "x-queue-type",
    "x-quorum-initial-group-size",
    "x-max-age",
    "x-stream-max-segment-size-bytes",
    "x-initial-cluster-size",
    "x-queue-leader-locator",
    "x-queue-master-locator",
    "x-delivery-limit",
    "x-stream-filter-size-bytes",
};

// The arguments that a session encoded itself, or that were read from the log.
absl::StatusOr<Table> ParseArguments(const std::string& arguments) {
  if (arguments.empty()) return Table();
  return Table::Parse(arguments);
}

bool IsClassicOrNone(const Value* type) {
  return type == nullptr || type->AsString() == absl::string_view("classic");
}

// ---- one argument's value: empty, or the reason as RabbitMQ prints its term.

using ValueCheck = std::string (*)(const Value&);

std::string UnacceptableType(const Value& value) {
  return absl::StrCat("{unacceptable_type,", absl::string_view(amqp::FieldTypeName(value.type())),
                      "}");
}
std::string Integer(const Value& value, int64_t min, int64_t* number) {
  const auto integer = value.AsInteger();
  if (!integer) {
    return absl::StrCat("\"expected integer, got ",
                        absl::string_view(amqp::FieldTypeName(value.type())), "\"");
  }
  *number = *integer;
  if (*integer < 0) return absl::StrCat("{value_negative,", *integer, "}");
  if (*integer < min) return absl::StrCat("{value_zero,", *integer, "}");
  return "";
}
std::string NonNegative(const Value& value) {
  int64_t number = 0;
  return Integer(value, 0, &number);
}
std::string Positive(const Value& value) {
  int64_t number = 0;
  return Integer(value, 1, &number);
}
std::string Duration(const Value& value, int64_t min) {
  constexpr int64_t kMillisMax = int64_t{10} * 365 * 86400 * 1000;  // RabbitMQ: ten years
  int64_t number = 0;
  std::string reason = Integer(value, min, &number);
  if (reason.empty() && number > kMillisMax)
    reason = absl::StrCat("{value_too_large,", number, "}");
  return reason;
}
std::string MessageTtl(const Value& value) { return Duration(value, 0); }
std::string Expires(const Value& value) { return Duration(value, 1); }
std::string MaxPriority(const Value& value) {
  int64_t number = 0;
  std::string reason = Integer(value, 0, &number);
  if (reason.empty() && number > 255) reason = absl::StrCat("{max_value_exceeded,", number, "}");
  return reason;
}
std::string QueueVersion(const Value& value) {
  int64_t number = 0;
  std::string reason = Integer(value, 0, &number);
  if (reason.empty() && number != 1 && number != 2) {
    reason = absl::StrCat("\"unsupported queue version '", number, "'\"");
  }
  return reason;
}
std::string Boolean(const Value& value) { return value.AsBool() ? "" : UnacceptableType(value); }
std::string Text(const Value& value) { return value.AsString() ? "" : UnacceptableType(value); }
std::string OneOf(const Value& value, std::initializer_list<absl::string_view> words,
                  absl::string_view otherwise) {
  const auto text = value.AsString();
  if (!text) return UnacceptableType(value);
  for (absl::string_view word : words) {
    if (*text == word) return "";
  }
  return std::string(otherwise);
}
std::string Overflow(const Value& value) {
  return OneOf(value, {"drop-head", "reject-publish", "reject-publish-dlx"}, "invalid_overflow");
}
std::string QueueMode(const Value& value) {
  return OneOf(value, {"default", "lazy"},
               absl::StrCat("\"unsupported queue mode '", value.AsString().value_or(""), "'\""));
}
std::string QueueType(const Value& value) {
  return OneOf(value, {"classic", "quorum", "stream"},
               absl::StrCat("\"unsupported queue type '", value.AsString().value_or(""), "'\""));
}
std::string DeadLetterStrategy(const Value& value) {
  return OneOf(value, {"at-most-once", "at-least-once"}, "invalid_dlx_strategy");
}
std::string LeaderLocator(const Value& value) {
  return OneOf(value, {"client-local", "balanced", "random", "least-leaders"},
               "invalid_queue_locator_arg");
}
std::string MasterLocator(const Value& value) {  // RabbitMQ 3.10 closes the connection with 541.
  return OneOf(value, {"client-local", "min-masters", "random"}, "invalid_queue_locator_arg");
}

struct ArgumentCheck {
  absl::string_view name;
  ValueCheck check;
};
constexpr std::array<ArgumentCheck, 20> kArgumentChecks = {{
    {"x-expires", Expires},
    {"x-message-ttl", MessageTtl},
    {"x-dead-letter-exchange", Text},
    {"x-dead-letter-routing-key", Text},
    {"x-dead-letter-strategy", DeadLetterStrategy},
    {"x-max-length", NonNegative},
    {"x-max-length-bytes", NonNegative},
    {"x-max-in-memory-length", NonNegative},
    {"x-max-in-memory-bytes", NonNegative},
    {"x-max-priority", MaxPriority},
    {"x-overflow", Overflow},
    {"x-queue-mode", QueueMode},
    {"x-queue-version", QueueVersion},
    {"x-single-active-consumer", Boolean},
    {"x-quorum-initial-group-size", Positive},
    {"x-max-age", Text},
    {"x-stream-max-segment-size-bytes", NonNegative},
    {"x-initial-cluster-size", Positive},
    {"x-queue-leader-locator", LeaderLocator},
    {"x-queue-master-locator", MasterLocator},
}};

absl::Status InvalidArgument(absl::string_view name, absl::string_view queue,
                             absl::string_view vhost, absl::string_view reason) {
  return PreconditionFailed(
      absl::StrCat("invalid arg '", name, "' for ", QueueText(queue, vhost), ": ", reason));
}

}  // namespace

absl::Status QueueEquivalence(absl::string_view vhost, const QueueRecord& existing,
                              const DeclareQueue& command) {
  const std::string resource = QueueText(existing.name, vhost);
  const auto inequivalent = [&](absl::string_view what, bool current, bool received) {
    return amqp::InequivalentField(what, resource, BoolText(current), BoolText(received));
  };
  const bool owned_elsewhere = existing.exclusive && existing.owner != command.owner;
  if (owned_elsewhere || existing.exclusive != command.exclusive) return LockedBy(resource);
  // An exclusive queue lives and dies with its connection: the flag changes nothing.
  if (!existing.exclusive && existing.durable != command.durable) {
    return inequivalent("durable", existing.durable, command.durable);
  }
  if (existing.auto_delete != command.auto_delete) {
    return inequivalent("auto_delete", existing.auto_delete, command.auto_delete);
  }
  if (existing.arguments == command.arguments) return absl::OkStatus();
  const absl::StatusOr<Table> current = ParseArguments(existing.arguments);
  if (!current.ok()) return current.status();
  const absl::StatusOr<Table> received = ParseArguments(command.arguments);
  if (!received.ok()) return received.status();
  for (absl::string_view name : kComparedArguments) {
    if (name == "x-queue-type" && IsClassicOrNone(current->Find(name)) &&
        IsClassicOrNone(received->Find(name)))
      continue;
    const absl::Status status = amqp::CheckArgumentEquivalence(name, resource, *current, *received);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status CheckQueueEquivalence(const Version& version, const QueueRecord& existing,
                                   const DeclareQueue& command) {
  return QueueEquivalence(VhostName(version, existing.vhost), existing, command);
}

absl::Status ExclusiveRefusal(const Version& version, const QueueRecord& queue) {
  return LockedBy(QueueText(queue.name, VhostName(version, queue.vhost)));
}

absl::string_view ExchangeKindName(ExchangeKind kind) {
  switch (kind) {
    case ExchangeKind::kDirect:
      return "direct";
    case ExchangeKind::kFanout:
      return "fanout";
    case ExchangeKind::kTopic:
      return "topic";
    case ExchangeKind::kHeaders:
      return "headers";
  }
  return "";
}

absl::StatusOr<ExchangeKind> ParseExchangeKind(absl::string_view type) {
  for (ExchangeKind kind : {ExchangeKind::kDirect, ExchangeKind::kFanout, ExchangeKind::kTopic,
                            ExchangeKind::kHeaders}) {
    if (type == ExchangeKindName(kind)) return kind;
  }
  return amqp::CommandInvalid(
      absl::StrCat(type.empty() ? "invalid" : "unknown", " exchange type '", type, "'"));
}

absl::Status ExchangeEquivalence(absl::string_view vhost, const ExchangeRecord& existing,
                                 const DeclareExchange& command) {
  const std::string resource = ExchangeText(existing.name, vhost);
  if (existing.kind != command.kind) {
    return amqp::InequivalentField("type", resource, ExchangeKindName(existing.kind),
                                   ExchangeKindName(command.kind));
  }
  const auto differs = [&](absl::string_view what, bool current, bool received) {
    return current == received
               ? absl::OkStatus()
               : amqp::InequivalentField(what, resource, BoolText(current), BoolText(received));
  };
  absl::Status status = differs("durable", existing.durable, command.durable);
  if (status.ok()) status = differs("auto_delete", existing.auto_delete, command.auto_delete);
  if (status.ok()) status = differs("internal", existing.internal, command.internal);
  if (!status.ok() || existing.arguments == command.arguments) return status;
  const absl::StatusOr<Table> current = ParseArguments(existing.arguments);
  if (!current.ok()) return current.status();
  const absl::StatusOr<Table> received = ParseArguments(command.arguments);
  if (!received.ok()) return received.status();
  return amqp::CheckArgumentEquivalence("alternate-exchange", resource, *current, *received);
}

absl::Status CheckExchangeEquivalence(const Version& version, const ExchangeRecord& existing,
                                      const DeclareExchange& command) {
  return ExchangeEquivalence(VhostName(version, existing.vhost), existing, command);
}

absl::Status CheckExchangeArguments(absl::string_view exchange, absl::string_view vhost,
                                    const Table& arguments) {
  const Value* alternate = arguments.Find("alternate-exchange");
  if (alternate == nullptr || alternate->AsString()) return absl::OkStatus();
  return PreconditionFailed(
      absl::StrCat("invalid type '", absl::string_view(amqp::FieldTypeName(alternate->type())),
                   "' for arg 'alternate-exchange' in ", ExchangeText(exchange, vhost)));
}

absl::Status CheckQueueArguments(absl::string_view queue, absl::string_view vhost,
                                 const Table& arguments) {
  const Value* dead_letter = arguments.Find("x-dead-letter-exchange");
  if (dead_letter != nullptr && !dead_letter->AsString()) {
    return PreconditionFailed(
        absl::StrCat("invalid type '", absl::string_view(amqp::FieldTypeName(dead_letter->type())),
                     "' for arg 'x-dead-letter-exchange' in ", QueueText(queue, vhost)));
  }
  if (const Value* type = arguments.Find("x-queue-type")) {
    const std::string reason = QueueType(*type);
    if (!reason.empty()) return InvalidArgument("x-queue-type", queue, vhost, reason);
  }
  for (const ArgumentCheck& argument : kArgumentChecks) {
    const Value* value = arguments.Find(argument.name);
    if (value == nullptr) continue;
    std::string reason = argument.check(*value);
    if (reason.empty() && argument.name == "x-dead-letter-routing-key" && dead_letter == nullptr) {
      reason = "routing_key_but_no_dlx_defined";
    }
    if (!reason.empty()) return InvalidArgument(argument.name, queue, vhost, reason);
  }
  return absl::OkStatus();
}

std::vector<std::string> UnsupportedQueueArguments(const Table& arguments) {
  constexpr std::array<absl::string_view, 16> kStoredOnly = {"x-expires",
                                                             "x-message-ttl",
                                                             "x-dead-letter-exchange",
                                                             "x-dead-letter-routing-key",
                                                             "x-dead-letter-strategy",
                                                             "x-max-length",
                                                             "x-max-length-bytes",
                                                             "x-max-in-memory-length",
                                                             "x-max-in-memory-bytes",
                                                             "x-max-priority",
                                                             "x-overflow",
                                                             "x-single-active-consumer",
                                                             "x-delivery-limit",
                                                             "x-max-age",
                                                             "x-stream-max-segment-size-bytes",
                                                             "x-consumer-timeout"};
  std::vector<std::string> names;
  for (absl::string_view name : kStoredOnly) {
    if (arguments.Contains(name)) names.emplace_back(name);
  }
  const Value* type = arguments.Find("x-queue-type");
  if (type != nullptr && type->AsString() == absl::string_view("stream"))
    names.emplace_back("x-queue-type");
  return names;
}

absl::Status CheckReservedName(absl::string_view kind, absl::string_view name) {
  if (!absl::StartsWith(name, "amq.")) return absl::OkStatus();
  return amqp::AccessRefused(
      absl::StrCat(kind, " name '", name, "' contains reserved prefix 'amq.*'"));
}

}  // namespace pontoon::catalog
