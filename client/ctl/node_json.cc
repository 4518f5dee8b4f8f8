#include "client/ctl/node_json.h"

#include "absl/strings/str_cat.h"
#include "client/ctl/value_text.h"

namespace pontoon::ctl {
namespace {

class JsonObject {
 public:
  JsonObject& Raw(const char* key, const std::string& json) {
    absl::StrAppend(&text_, text_.empty() ? "" : ",", JsonString(key), ":", json);
    return *this;
  }
  JsonObject& Text(const char* key, const std::string& text) { return Raw(key, JsonString(text)); }
  JsonObject& Number(const char* key, uint64_t number) { return Raw(key, absl::StrCat(number)); }
  std::string text() const { return absl::StrCat("{", text_, "}"); }

 private:
  std::string text_;
};

std::string JsonStrings(const google::protobuf::RepeatedPtrField<std::string>& items) {
  std::string text = "[";
  for (const std::string& item : items)
    absl::StrAppend(&text, text.size() > 1 ? "," : "", JsonString(item));
  return text + "]";
}

}  // namespace

std::string ListenersJson(const admin::Status& status) {
  std::string text = "[";
  for (const admin::Listener& listener : status.listeners()) {
    absl::StrAppend(&text, text.size() > 1 ? "," : "",
                    JsonObject()
                        .Text("interface", listener.interface())
                        .Text("node", listener.node())
                        .Number("port", listener.port())
                        .Text("protocol", listener.protocol())
                        .Text("purpose", listener.purpose())
                        .text());
  }
  return text + "]";
}

std::string AlarmsJson(const admin::Status& status) {
  std::string text = "[";
  for (const admin::Alarm& alarm : status.alarms()) {
    absl::StrAppend(
        &text, text.size() > 1 ? "," : "",
        JsonObject().Text("node", alarm.node()).Text("resource", alarm.resource()).text());
  }
  return text + "]";
}

std::string StatusJson(const std::string& node, const admin::Status& status) {
  const bool relative = status.memory_watermark() > 0;
  return JsonObject()
      .Raw("active_plugins", "[]")
      .Raw("alarms", AlarmsJson(status))
      .Raw("config_files", JsonStrings(status.config_files()))
      .Text("crypto_lib_version", status.crypto_library())
      .Text("data_directory", status.data_directory())
      .Number("disk_free", status.disk_free())
      .Number("disk_free_limit", status.disk_free_limit())
      .Text("enabled_plugin_file", "")
      .Text("erlang_version", "")
      .Raw("file_descriptors", JsonObject()
                                   .Number("sockets_limit", status.sockets_limit())
                                   .Number("sockets_used", status.sockets_used())
                                   .Number("total_limit", status.descriptors_limit())
                                   .Number("total_used", status.descriptors_used())
                                   .text())
      .Raw("is_under_maintenance", "false")
      .Raw("listeners", ListenersJson(status))
      .Raw("log_files", JsonStrings(status.log_files()))
      .Raw("memory", JsonObject()
                         .Text("strategy", "rss")
                         .Raw("total", JsonObject()
                                           .Number("erlang", status.memory_used())
                                           .Number("rss", status.memory_used())
                                           .Number("allocated", status.memory_used())
                                           .text())
                         .text())
      .Number("net_ticktime", 0)
      .Text("node", node)
      .Text("os", "Linux")
      .Number("pid", status.os_pid())
      .Raw("processes", JsonObject().Number("limit", 0).Number("used", 0).text())
      .Text("product_name", status.product())
      .Text("product_version", status.version())
      .Text("rabbitmq_version", status.rabbitmq_version())
      .Text("raft_data_directory", status.data_directory())
      .Text("release_series_support_status", "supported")
      .Number("run_queue", 0)
      .Raw("totals", JsonObject()
                         .Number("virtual_host_count", status.vhosts())
                         .Number("connection_count", status.connections())
                         .Number("queue_count", status.queues())
                         .text())
      .Number("uptime", status.uptime_seconds())
      .Text("vm_memory_calculation_strategy", "rss")
      .Number("vm_memory_high_watermark_limit", status.memory_limit())
      .Raw("vm_memory_high_watermark_setting",
           relative ? JsonObject().Raw("relative", RealText(status.memory_watermark())).text()
                    : JsonObject().Number("absolute", status.memory_limit()).text())
      .text();
}

std::string ClusterStatusJson(const std::string& node, const admin::Status& status) {
  const std::string nodes = absl::StrCat("[", JsonString(node), "]");
  const std::string version = JsonObject()
                                  .Text("erlang_version", "")
                                  .Text("rabbitmq_name", status.product())
                                  .Text("rabbitmq_version", status.rabbitmq_version())
                                  .text();
  return JsonObject()
      .Raw("alarms", AlarmsJson(status))
      .Text("cluster_name", status.cluster_name())
      .Raw("disk_nodes", nodes)
      .Raw("feature_flags", "[]")
      .Raw("listeners", absl::StrCat("{", JsonString(node), ":", ListenersJson(status), "}"))
      .Raw("maintenance_status", absl::StrCat("{", JsonString(node), ":\"not under maintenance\"}"))
      .Raw("partitions", "{}")
      .Raw("ram_nodes", "[]")
      .Raw("running_nodes", nodes)
      .Raw("versions", absl::StrCat("{", JsonString(node), ":", version, "}"))
      .text();
}

}  // namespace pontoon::ctl
