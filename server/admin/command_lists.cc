// Listings of what is declared and of who is connected, with every column that rabbitmqctl knows.

#include <openssl/crypto.h>

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "server/admin/await.h"
#include "server/admin/command_runner.h"
#include "server/admin/table_builder.h"
#include "server/amqp/table.h"

namespace pontoon::admin {
namespace {

const char* NameOf(catalog::ExchangeKind kind) {
  switch (kind) {
    case catalog::ExchangeKind::kDirect:
      return "direct";
    case catalog::ExchangeKind::kFanout:
      return "fanout";
    case catalog::ExchangeKind::kTopic:
      return "topic";
    case catalog::ExchangeKind::kHeaders:
      return "headers";
  }
  return "";
}

// As declared; without a word of it, classic.
std::string TypeOf(const catalog::QueueRecord& queue) {
  const absl::StatusOr<amqp::Table> arguments = amqp::Table::Parse(queue.arguments);
  const amqp::Value* type = arguments.ok() ? arguments->Find("x-queue-type") : nullptr;
  const auto text = type == nullptr ? std::nullopt : type->AsString();
  return text ? std::string(*text) : "classic";
}

}  // namespace

Result CommandRunner::ListQueues(const VhostName& vhost) {
  const catalog::VersionPtr version = control_->catalog();
  const catalog::VhostRecord* record = FindVhost(version, vhost.name());
  if (record == nullptr) return NoVhost(vhost.name());
  const auto figures = Await<absl::StatusOr<std::vector<broker::QueueFigures>>>(
      [this](auto done) { control_->ListQueueFigures(std::move(done)); });
  if (!figures.ok()) return Refused(NOT_RUNNING, std::string(figures.status().message()));
  std::map<base::QueueId, const broker::QueueFigures*> by_queue;
  for (const broker::QueueFigures& each : *figures) by_queue[each.queue] = &each;

  const std::vector<const catalog::QueueRecord*> queues = version->ListQueues(record->id);
  const std::map<uint64_t, std::string> owners = OwnersOf(queues);

  const broker::QueueFigures none;
  Result result;
  TableBuilder table(result.mutable_table());
  for (const catalog::QueueRecord* queue : queues) {
    const auto it = by_queue.find(queue->id);
    const broker::QueueFigures& counts = it == by_queue.end() ? none : *it->second;
    const std::string type = TypeOf(*queue);
    table.NextRow();
    table.Text("name", queue->name);
    table.Number("messages", counts.ready + counts.unacknowledged);
    table.Number("messages_ready", counts.ready);
    table.Number("messages_unacknowledged", counts.unacknowledged);
    table.Number("consumers", counts.consumers);
    table.Bool("durable", queue->durable);
    table.Bool("auto_delete", queue->auto_delete);
    table.Bool("exclusive", queue->exclusive);
    table.Arguments("arguments", queue->arguments);
    table.Number("message_bytes", counts.ready_bytes + counts.unacknowledged_bytes);
    table.Number("message_bytes_ready", counts.ready_bytes);
    table.Number("message_bytes_unacknowledged", counts.unacknowledged_bytes);
    table.Number("message_bytes_persistent", counts.persistent_bytes);
    table.Number("messages_persistent", counts.persistent);
    table.Number("memory", counts.memory_bytes);
    table.Atom("state", "running");
    table.Atom("type", type);
    table.Text("exclusive_consumer_tag", counts.exclusive_consumer_tag);
    table.Optional("exclusive_consumer_pid", counts.exclusive_consumer_channel);
    // How ready consumers are to take more is not measured; where there are none, they are not.
    for (const char* column : {"consumer_capacity", "consumer_utilisation"}) {
      if (counts.consumers == 0) {
        table.Number(column, 0);
      } else {
        table.Nothing(column);
      }
    }
    const auto owner = queue->owner ? owners.find(queue->owner->number) : owners.end();
    table.Optional("owner_pid", owner == owners.end() ? "" : owner->second);
    // An identifier in the shape of a pid; nothing else takes it back.
    table.Atom("pid", absl::StrCat("<", node_name_, ".0.", queue->id.value, ".0>"));
    // Only replicated queues have a leader in RabbitMQ's listings.
    const bool replicated = type == "quorum";
    table.Optional("leader", replicated ? node_name_ : "");
    table.Nodes("members", replicated ? node_name_ : "");
    table.Nodes("online", replicated ? node_name_ : "");
  }
  return result;
}

std::map<uint64_t, std::string> CommandRunner::OwnersOf(
    const std::vector<const catalog::QueueRecord*>& queues) {
  std::map<uint64_t, std::string> owners;
  if (std::none_of(queues.begin(), queues.end(), [](const auto* queue) { return queue->owner; })) {
    return owners;
  }
  const auto connections = Await<absl::StatusOr<std::vector<ConnectionFigures>>>(
      [this](auto done) { control_->ListConnections(std::move(done)); });
  if (!connections.ok()) return owners;
  for (const ConnectionFigures& connection : *connections) {
    // <rabbit@host.BOOT.NUMBER.0>: the number is the connection's own.
    const std::vector<absl::string_view> parts = absl::StrSplit(connection.pid, '.');
    uint64_t number = 0;
    if (parts.size() >= 2 && absl::SimpleAtoi(parts[parts.size() - 2], &number)) {
      owners[number] = connection.pid;
    }
  }
  return owners;
}

Result CommandRunner::ListExchanges(const VhostName& vhost) {
  const catalog::VersionPtr version = control_->catalog();
  const catalog::VhostRecord* record = FindVhost(version, vhost.name());
  if (record == nullptr) return NoVhost(vhost.name());
  Result result;
  TableBuilder table(result.mutable_table());
  for (const catalog::ExchangeRecord* exchange : version->ListExchanges(record->id)) {
    table.NextRow();
    table.Text("name", exchange->name);
    table.Atom("type", NameOf(exchange->kind));
    table.Bool("durable", exchange->durable);
    table.Bool("auto_delete", exchange->auto_delete);
    table.Bool("internal", exchange->internal);
    table.Arguments("arguments", exchange->arguments);
    table.Nothing("policy");
  }
  return result;
}

Result CommandRunner::ListBindings(const VhostName& vhost) {
  const catalog::VersionPtr version = control_->catalog();
  const catalog::VhostRecord* record = FindVhost(version, vhost.name());
  if (record == nullptr) return NoVhost(vhost.name());
  Result result;
  TableBuilder table(result.mutable_table());
  for (const catalog::BindingRecord& binding : version->ListBindings(record->id)) {
    table.NextRow();
    table.Text("source_name", binding.source);
    table.Atom("source_kind", "exchange");
    table.Text("destination_name", binding.destination);
    table.Atom("destination_kind",
               binding.kind == catalog::DestinationKind::kQueue ? "queue" : "exchange");
    table.Text("routing_key", binding.routing_key);
    table.Arguments("arguments", binding.arguments);
    table.Text("vhost", vhost.name());
  }
  return result;
}

Result CommandRunner::ListConsumers(const VhostName& vhost) {
  const catalog::VersionPtr version = control_->catalog();
  const catalog::VhostRecord* record = FindVhost(version, vhost.name());
  if (record == nullptr) return NoVhost(vhost.name());
  const auto consumers = Await<absl::StatusOr<std::vector<broker::ConsumerFigures>>>(
      [this](auto done) { control_->ListConsumers(std::move(done)); });
  if (!consumers.ok()) return Refused(NOT_RUNNING, std::string(consumers.status().message()));
  Result result;
  TableBuilder table(result.mutable_table());
  for (const broker::ConsumerFigures& consumer : *consumers) {
    const catalog::QueueRecord* queue = version->FindQueue(consumer.queue);
    if (queue == nullptr || queue->vhost != record->id) continue;
    table.NextRow();
    table.Text("queue_name", queue->name);
    table.Atom("channel_pid", consumer.channel_name);
    table.Text("consumer_tag", consumer.tag);
    table.Bool("ack_required", consumer.ack_required);
    table.Number("prefetch_count", consumer.prefetch);
    table.Bool("active", consumer.active);
    table.Atom("activity_status", consumer.active ? "up" : "waiting");
    table.Arguments("arguments", consumer.arguments);
    table.Bool("exclusive", consumer.exclusive);
  }
  return result;
}

Result CommandRunner::ListConnections() {
  const auto connections = Await<absl::StatusOr<std::vector<ConnectionFigures>>>(
      [this](auto done) { control_->ListConnections(std::move(done)); });
  if (!connections.ok()) return Refused(NOT_RUNNING, std::string(connections.status().message()));
  Result result;
  TableBuilder table(result.mutable_table());
  for (const ConnectionFigures& connection : *connections) {
    table.NextRow();
    table.Text("user", connection.user);
    table.Address("peer_host", connection.peer_host);
    table.Number("peer_port", connection.peer_port);
    table.Atom("state", connection.state);
    table.Atom("pid", connection.pid);
    table.Text("name", connection.name);
    table.Address("host", connection.host);
    table.Number("port", connection.port);
    table.Bool("ssl", connection.ssl);
    table.Text("ssl_protocol", connection.ssl_protocol);
    table.Text("ssl_cipher", connection.ssl_cipher);
    table.Text("peer_cert_subject", connection.peer_cert_subject);
    // RabbitMQ prints the version as a tuple.
    if (connection.protocol.empty()) {
      table.Nothing("protocol");
    } else {
      table.Atom("protocol", "{0,9,1}");
    }
    table.Text("auth_mechanism", connection.auth_mechanism);
    table.Text("vhost", connection.vhost);
    table.Number("timeout", connection.timeout);
    table.Number("frame_max", connection.frame_max);
    table.Number("channel_max", connection.channel_max);
    table.Arguments("client_properties", connection.client_properties);
    table.Number("connected_at", static_cast<uint64_t>(connection.connected_at_millis));
    table.Number("recv_oct", connection.recv_oct);
    table.Number("recv_cnt", connection.recv_cnt);
    table.Number("send_oct", connection.send_oct);
    table.Number("send_cnt", connection.send_cnt);
    table.Number("send_pend", connection.send_pend);
    table.Number("channels", connection.channels);
    table.Text("user_provided_name", connection.user_provided_name);
  }
  return result;
}

Result CommandRunner::ListChannels() {
  const auto channels = Await<absl::StatusOr<std::vector<ChannelFigures>>>(
      [this](auto done) { control_->ListChannels(std::move(done)); });
  if (!channels.ok()) return Refused(NOT_RUNNING, std::string(channels.status().message()));
  Result result;
  TableBuilder table(result.mutable_table());
  for (const ChannelFigures& channel : *channels) {
    table.NextRow();
    table.Atom("pid", channel.pid);
    table.Text("user", channel.user);
    table.Number("consumer_count", channel.consumer_count);
    table.Number("messages_unacknowledged", channel.messages_unacknowledged);
    table.Atom("connection", channel.connection_pid);
    table.Text("name", channel.name);
    table.Number("number", channel.number);
    table.Text("vhost", channel.vhost);
    table.Bool("transactional", channel.transactional);
    table.Bool("confirm", channel.confirm);
    table.Number("messages_unconfirmed", channel.messages_unconfirmed);
    table.Number("messages_uncommitted", channel.messages_uncommitted);
    table.Number("acks_uncommitted", channel.acks_uncommitted);
    table.Number("prefetch_count", channel.prefetch_count);
    table.Number("global_prefetch_count", channel.global_prefetch_count);
  }
  return result;
}

Result CommandRunner::DescribeStatus() {
  const NodeFigures figures =
      Await<NodeFigures>([this](auto done) { control_->Describe(std::move(done)); });
  Result result;
  Status* status = result.mutable_status();
  status->set_version(figures.version);
  status->set_product(figures.product);
  status->set_crypto_library(OpenSSL_version(OPENSSL_VERSION));
  status->set_rabbitmq_version(figures.rabbitmq_version);
  status->set_os_pid(figures.os_pid);
  status->set_uptime_seconds(figures.uptime_seconds);
  status->set_data_directory(figures.data_directory);
  for (const std::string& file : figures.config_files) status->add_config_files(file);
  for (const std::string& file : figures.log_files) status->add_log_files(file);
  const auto alarm = [&](bool set, const char* resource) {
    if (!set) return;
    Alarm* added = status->add_alarms();
    added->set_node(node_name_);
    added->set_resource(resource);
  };
  alarm(figures.memory_alarm, "memory");
  alarm(figures.disk_alarm, "disk");
  for (const ListenerFigures& listener : figures.listeners) {
    Listener* added = status->add_listeners();
    added->set_node(node_name_);
    added->set_interface(listener.address);
    added->set_port(listener.port);
    added->set_protocol(listener.protocol);
    added->set_purpose(listener.protocol == "clustering" ? "CLI tool communication"
                       : listener.protocol == "amqp/ssl" ? "AMQP 0-9-1 over TLS"
                                                         : "AMQP 0-9-1");
  }
  status->set_memory_used(figures.memory_used);
  status->set_memory_limit(figures.memory_limit);
  status->set_memory_watermark(figures.memory_watermark);
  status->set_total_memory(figures.total_memory);
  status->set_disk_free(figures.disk_free);
  status->set_disk_free_limit(figures.disk_free_limit);
  status->set_descriptors_used(figures.descriptors_used);
  status->set_descriptors_limit(figures.descriptors_limit);
  status->set_sockets_used(figures.sockets_used);
  status->set_sockets_limit(figures.sockets_limit);
  status->set_connections(figures.connections);
  status->set_cluster_name(figures.cluster_name);
  if (const catalog::VersionPtr version = control_->catalog(); version != nullptr) {
    status->set_queues(version->queue_count());
    status->set_vhosts(version->ListVhosts().size());
  }
  return result;
}

}  // namespace pontoon::admin
