#include "server/session/server_properties.h"

#include "absl/strings/string_view.h"

namespace pontoon::session {
namespace {

constexpr absl::string_view kCapabilities[] = {
    "publisher_confirms",           "exchange_exchange_bindings", "basic.nack",
    "consumer_cancel_notify",       "connection.blocked",         "consumer_priorities",
    "authentication_failure_close", "per_consumer_qos",           "direct_reply_to",
};

bool IsTrue(const amqp::Table& table, absl::string_view name) {
  const amqp::Value* value = table.Find(name);
  return value != nullptr && value->AsBool().value_or(false);
}

}  // namespace

amqp::Table ServerProperties(const SessionOptions& options) {
  amqp::Table capabilities;
  for (absl::string_view name : kCapabilities) capabilities.Append(name, amqp::Value::Bool(true));
  amqp::Table table;
  table.Append("capabilities", amqp::Value::Of(std::move(capabilities)));
  table.Append("cluster_name", amqp::Value::String(options.cluster_name));
  table.Append("copyright", amqp::Value::String(options.copyright));
  table.Append("information", amqp::Value::String(options.information));
  table.Append("platform", amqp::Value::String(options.platform));
  table.Append("product", amqp::Value::String(options.product));
  table.Append("version", amqp::Value::String(options.version));
  return table;
}

ClientCapabilities ReadCapabilities(const amqp::Table& client_properties) {
  ClientCapabilities capabilities;
  const amqp::Value* value = client_properties.Find("capabilities");
  const amqp::Table* table = value == nullptr ? nullptr : value->AsTable();
  if (table == nullptr) return capabilities;
  capabilities.authentication_failure_close = IsTrue(*table, "authentication_failure_close");
  capabilities.consumer_cancel_notify = IsTrue(*table, "consumer_cancel_notify");
  capabilities.connection_blocked = IsTrue(*table, "connection.blocked");
  return capabilities;
}

}  // namespace pontoon::session
