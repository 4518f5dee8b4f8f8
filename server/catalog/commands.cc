#include "server/catalog/commands.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/amqp/reply_code.h"
#include "server/amqp/table.h"
#include "server/catalog/checks.h"

namespace pontoon::catalog {
namespace {

Answer Refuse(absl::Status status) { return Answer{std::move(status), {}, false}; }
Answer Done(bool created = false) { return Answer{absl::OkStatus(), {}, created}; }

Answer RefuseDefaultExchange() {
  return Refuse(amqp::AccessRefused("operation not permitted on the default exchange"));
}
// The virtual host was deleted under the connection, which is about to be closed for it.
Answer RefuseGoneVhost() { return Refuse(amqp::NotFound("the virtual host is gone")); }

Answer NoExchange(absl::string_view name, absl::string_view vhost) {
  return Refuse(amqp::NotFound(absl::StrCat("no exchange '", name, "' in vhost '", vhost, "'")));
}
// Arguments of a binding are a set of names: in one order, so that two bindings of the same are
// one.
absl::StatusOr<std::string> Canonical(const std::string& arguments) {
  if (arguments.empty()) return std::string();
  absl::StatusOr<amqp::Table> table = amqp::Table::Parse(arguments);
  if (!table.ok()) return table.status();
  std::vector<amqp::TableEntry> entries = table->entries();
  std::stable_sort(
      entries.begin(), entries.end(),
      [](const amqp::TableEntry& a, const amqp::TableEntry& b) { return a.name < b.name; });
  amqp::Table sorted;
  for (amqp::TableEntry& entry : entries) sorted.Append(entry.name, std::move(entry.value));
  return sorted.EncodeContents();
}

}  // namespace

Answer Commands::Run(const DeclareExchange& command) {
  const VhostState* vhost = FindNode(state().vhost_states, command.vhost.value);
  if (vhost == nullptr) return RefuseGoneVhost();
  if (command.name.empty()) return RefuseDefaultExchange();
  const std::string& vhost_name = vhost->node->record.name;
  if (const ExchangeNode* existing = FindNode(vhost->exchanges, command.name)) {
    return Refuse(ExchangeEquivalence(vhost_name, existing->record, command));
  }
  if (absl::Status status = CheckReservedName("exchange", command.name); !status.ok())
    return Refuse(std::move(status));
  ExchangeRecord record;
  if (!command.arguments.empty()) {
    const absl::StatusOr<amqp::Table> arguments = amqp::Table::Parse(command.arguments);
    if (!arguments.ok()) return Refuse(arguments.status());
    const absl::Status status = CheckExchangeArguments(command.name, vhost_name, *arguments);
    if (!status.ok()) return Refuse(status);
    if (const amqp::Value* alternate = arguments->Find("alternate-exchange")) {
      record.alternate_exchange = std::string(*alternate->AsString());
    }
  }
  record.id = ExchangeId::Make({}, index_);
  record.vhost = command.vhost;
  record.name = command.name;
  record.kind = command.kind;
  record.durable = command.durable;
  record.auto_delete = command.auto_delete;
  record.internal = command.internal;
  record.arguments = command.arguments;
  editor_->AddExchange(std::move(record), command.home);
  return Done(true);
}

Answer Commands::Run(const DeleteExchange& command) {
  const VhostState* vhost = FindNode(state().vhost_states, command.vhost.value);
  if (vhost == nullptr) return RefuseGoneVhost();
  if (command.name.empty()) return RefuseDefaultExchange();
  const std::string resource =
      absl::StrCat("exchange '", command.name, "' in vhost '", vhost->node->record.name, "'");
  if (absl::StartsWith(command.name, "amq.")) {
    return Refuse(
        amqp::AccessRefused(absl::StrCat("deletion of system ", resource, " not allowed")));
  }
  const ExchangeNode* exchange = FindNode(vhost->exchanges, command.name);
  if (exchange == nullptr) return Done();
  const ExchangeId id = exchange->record.id;
  if (command.if_unused && !FindNode(state().exchanges, id.value)->bindings.empty()) {
    return Refuse(amqp::PreconditionFailed(absl::StrCat(resource, " in use")));
  }
  editor_->RemoveExchange(id);
  return Done();
}

Answer Commands::Run(const DeclareQueue& command) {
  const VhostState* vhost = FindNode(state().vhost_states, command.vhost.value);
  if (vhost == nullptr) return RefuseGoneVhost();
  const std::string& vhost_name = vhost->node->record.name;
  if (const QueueNode* existing = FindNode(vhost->queues, command.name)) {
    Answer answer = Refuse(QueueEquivalence(vhost_name, existing->record, command));
    if (answer.status.ok()) answer.queue = existing->record.id;
    return answer;
  }
  if (!command.arguments.empty()) {
    const absl::StatusOr<amqp::Table> arguments = amqp::Table::Parse(command.arguments);
    if (!arguments.ok()) return Refuse(arguments.status());
    const absl::Status status = CheckQueueArguments(command.name, vhost_name, *arguments);
    if (!status.ok()) return Refuse(status);
  }
  QueueRecord record;
  record.id = QueueId::Make({}, index_);
  record.vhost = command.vhost;
  record.name = command.name;
  record.durable = command.durable;
  record.exclusive = command.exclusive;
  record.auto_delete = command.auto_delete;
  record.arguments = command.arguments;
  record.shard = command.shard;
  record.home = command.home;
  if (command.exclusive) record.owner = command.owner;
  record.created_by = command.user;
  const QueueId id = record.id;
  editor_->AddQueue(std::move(record));
  changes_->push_back(QueueDeclared{id});
  return Answer{absl::OkStatus(), id, true};
}

Answer Commands::Run(const ForgetQueue& command) {
  const QueueNode* queue = FindNode(state().queues, command.queue.value);
  if (queue == nullptr) return Done();
  NoteForgotten(queue->record, true);
  editor_->RemoveQueue(command.queue);
  return Done();
}

Answer Commands::Run(const Bind& command) {
  const VhostState* vhost = FindNode(state().vhost_states, command.vhost.value);
  if (vhost == nullptr) return RefuseGoneVhost();
  const std::string& vhost_name = vhost->node->record.name;
  const BindingRecord& wanted = command.binding;
  const bool to_exchange = wanted.kind == DestinationKind::kExchange;
  if (wanted.source.empty() || (to_exchange && wanted.destination.empty()))
    return RefuseDefaultExchange();
  const ExchangeNode* source = FindNode(vhost->exchanges, wanted.source);
  if (source == nullptr) return NoExchange(wanted.source, vhost_name);
  Ref<BindingNode> binding(new BindingNode());
  if (to_exchange) {
    const ExchangeNode* destination = FindNode(vhost->exchanges, wanted.destination);
    if (destination == nullptr) return NoExchange(wanted.destination, vhost_name);
    binding->destination = destination->record.id.value;
  } else {
    const QueueNode* destination = FindNode(vhost->queues, wanted.destination);
    if (destination == nullptr) {
      return Refuse(amqp::NotFound(
          absl::StrCat("no queue '", wanted.destination, "' in vhost '", vhost_name, "'")));
    }
    binding->destination = destination->record.id.value;
  }
  absl::StatusOr<std::string> arguments = Canonical(wanted.arguments);
  if (!arguments.ok()) return Refuse(arguments.status());
  if (source->record.kind == ExchangeKind::kHeaders) {
    const absl::StatusOr<amqp::Table> table = amqp::Table::Parse(*arguments);
    if (!table.ok()) return Refuse(table.status());
    if (absl::Status status = CheckHeadersBinding(*table); !status.ok())
      return Refuse(std::move(status));
    binding->pattern = std::make_unique<const HeaderPattern>(*table);
  }
  binding->source = source->record.id.value;
  binding->kind = wanted.kind;
  binding->routing_key = wanted.routing_key;
  binding->arguments = *std::move(arguments);
  return Done(editor_->AddBinding(std::move(binding)));
}

Answer Commands::Run(const Unbind& command) {
  const VhostState* vhost = FindNode(state().vhost_states, command.vhost.value);
  if (vhost == nullptr) return RefuseGoneVhost();
  const BindingRecord& wanted = command.binding;
  const bool to_exchange = wanted.kind == DestinationKind::kExchange;
  if (wanted.source.empty() || (to_exchange && wanted.destination.empty()))
    return RefuseDefaultExchange();
  // Whatever is missing: then there is no such binding, and that is what was asked for.
  const ExchangeNode* source = FindNode(vhost->exchanges, wanted.source);
  if (source == nullptr) return Done();
  uint64_t destination = 0;
  if (to_exchange) {
    const ExchangeNode* found = FindNode(vhost->exchanges, wanted.destination);
    if (found == nullptr) return Done();
    destination = found->record.id.value;
  } else {
    const QueueNode* found = FindNode(vhost->queues, wanted.destination);
    if (found == nullptr) return Done();
    destination = found->record.id.value;
  }
  const absl::StatusOr<std::string> arguments = Canonical(wanted.arguments);
  if (!arguments.ok()) return Refuse(arguments.status());
  editor_->RemoveBinding(source->record.id.value, {destination, wanted.routing_key, *arguments});
  return Done();
}

void Commands::NoteForgotten(const QueueRecord& queue, bool closed_by_shard) {
  changes_->push_back(QueueForgotten{queue.id, queue.shard, queue.home, closed_by_shard});
}

}  // namespace pontoon::catalog
