// What a node says of itself at length.

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/ctl/commands.h"
#include "client/ctl/information_unit.h"
#include "client/ctl/node_json.h"
#include "client/ctl/value_text.h"

namespace pontoon::ctl {
namespace {

// Headings with lines below, as status and cluster_status print them.
class Report {
 public:
  void Heading(const std::string& title) {
    absl::StrAppend(&text_, text_.empty() ? "" : "\n", "\033[1m", title, "\033[0m\n\n");
  }
  void Line(const std::string& line) { absl::StrAppend(&text_, line, "\n"); }
  void Fact(const std::string& name, const std::string& value) {
    Line(absl::StrCat(name, ": ", value));
  }
  void Items(const google::protobuf::RepeatedPtrField<std::string>& items) {
    for (const std::string& item : items) Line(absl::StrCat(" * ", item));
  }
  // Without the last line break, which printing adds.
  std::string text() const { return text_.substr(0, text_.size() - 1); }

 private:
  std::string text_;
};

std::string AlarmText(const admin::Alarm& alarm) {
  return absl::StrCat(alarm.resource() == "memory" ? "Memory alarm on node "
                      : alarm.resource() == "disk" ? "Free disk space alarm on node "
                                                   : alarm.resource() + " alarm on node ",
                      alarm.node());
}

void AddAlarms(const admin::Status& status, Report* report) {
  report->Heading("Alarms");
  for (const admin::Alarm& alarm : status.alarms()) report->Line(AlarmText(alarm));
  if (status.alarms().empty()) report->Line("(none)");
}

std::string ListenerText(const admin::Listener& listener) {
  return absl::StrCat("nterface: ", listener.interface(), ", port: ", listener.port(),
                      ", protocol: ", listener.protocol(), ", purpose: ", listener.purpose());
}

std::string StatusText(const std::string& node, const admin::Status& status,
                       const std::string& unit) {
  const auto amount = [&](uint64_t bytes) {
    return absl::StrCat(InUnit(bytes, unit).value_or("0"), " ", unit);
  };
  Report report;
  report.Heading("Runtime");
  report.Fact("OS PID", absl::StrCat(status.os_pid()));
  report.Fact("OS", "Linux");
  report.Fact("Uptime (seconds)", absl::StrCat(status.uptime_seconds()));
  report.Fact("Is under maintenance?", "false");
  report.Fact("RabbitMQ version", status.rabbitmq_version());
  report.Fact("Product name", status.product());
  report.Fact("Product version", status.version());
  report.Fact("Node name", node);
  if (!status.crypto_library().empty()) report.Fact("Crypto library", status.crypto_library());

  report.Heading("Plugins");
  report.Line("Enabled plugins:\n");

  report.Heading("Data directory");
  report.Fact("Node data directory", status.data_directory());

  report.Heading("Config files");
  report.Items(status.config_files());
  report.Heading("Log file(s)");
  report.Items(status.log_files());
  AddAlarms(status, &report);

  report.Heading("Memory");
  report.Fact("Total memory used", amount(status.memory_used()));
  report.Fact("Calculation strategy", "rss");
  report.Fact(
      "Memory high watermark setting",
      status.memory_watermark() > 0
          ? absl::StrCat(RealText(status.memory_watermark()),
                         " of available memory, computed to: ", amount(status.memory_limit()))
          : absl::StrCat(amount(status.memory_limit())));

  report.Heading("File Descriptors");
  report.Line(
      absl::StrCat("Total: ", status.descriptors_used(), ", limit: ", status.descriptors_limit()));
  report.Line(
      absl::StrCat("Sockets: ", status.sockets_used(), ", limit: ", status.sockets_limit()));

  report.Heading("Free Disk Space");
  report.Fact("Low free disk space watermark", amount(status.disk_free_limit()));
  report.Fact("Free disk space", amount(status.disk_free()));

  report.Heading("Totals");
  report.Fact("Connection count", absl::StrCat(status.connections()));
  report.Fact("Queue count", absl::StrCat(status.queues()));
  report.Fact("Virtual host count", absl::StrCat(status.vhosts()));

  report.Heading("Listeners");
  for (const admin::Listener& listener : status.listeners())
    report.Line("I" + ListenerText(listener));
  return report.text();
}

std::string ClusterText(const std::string& node, const admin::Status& status) {
  Report report;
  report.Heading("Basics");
  report.Fact("Cluster name", status.cluster_name());
  report.Heading("Disk Nodes");
  report.Line(node);
  report.Heading("Running Nodes");
  report.Line(node);
  report.Heading("Versions");
  report.Fact(node, absl::StrCat("RabbitMQ ", status.rabbitmq_version(), " (", status.product(),
                                 " ", status.version(), ")"));
  report.Heading("Maintenance status");
  report.Line(absl::StrCat("Node: ", node, ", status: not under maintenance"));
  AddAlarms(status, &report);
  report.Heading("Network Partitions");
  report.Line("(none)");
  report.Heading("Listeners");
  for (const admin::Listener& listener : status.listeners()) {
    report.Line(absl::StrCat("Node: ", node, ", i", ListenerText(listener)));
  }
  return report.text();
}

std::optional<admin::Status> AskStatus(CommandContext* context) {
  admin::Command command;
  command.mutable_status();
  std::optional<admin::Result> result = context->Ask(command);
  if (!result) return std::nullopt;
  return result->status();
}

}  // namespace

ExitCode Status(CommandContext* context) {
  const std::string unit = context->line().Option("unit", "gb");
  if (!InUnit(0, unit)) {
    return context->FailArguments(
        absl::StrCat("unit '", unit, "' is not supported. Please use one of: bytes, mb, gb"),
        kExitData);
  }
  context->Banner(absl::StrCat("Status of node ", context->node(), " ..."));
  const std::optional<admin::Status> status = AskStatus(context);
  if (!status) return context->exit_code();
  context->Print(context->formatter() == Formatter::kJson
                     ? StatusJson(context->node(), *status)
                     : StatusText(context->node(), *status, unit));
  return kExitOk;
}

ExitCode ClusterStatus(CommandContext* context) {
  context->Banner(absl::StrCat("Cluster status of node ", context->node(), " ..."));
  const std::optional<admin::Status> status = AskStatus(context);
  if (!status) return context->exit_code();
  context->Print(context->formatter() == Formatter::kJson
                     ? ClusterStatusJson(context->node(), *status)
                     : ClusterText(context->node(), *status));
  return kExitOk;
}

ExitCode Environment(CommandContext* context) {
  context->Banner(absl::StrCat("Application environment of node ", context->node(), " ..."));
  const std::optional<admin::Status> status = AskStatus(context);
  if (!status) return context->exit_code();
  const auto fact = [](const char* name, ErlangTerm value) {
    return ErlangTerm::Tuple({ErlangTerm::Leaf(name), std::move(value)});
  };
  const auto text = [](const std::string& value) {
    return ErlangTerm::Leaf(absl::StrCat("\"", value, "\""));
  };
  const auto number = [](uint64_t value) { return ErlangTerm::Leaf(absl::StrCat(value)); };
  std::vector<ErlangTerm> listeners;
  for (const admin::Listener& listener : status->listeners()) {
    if (listener.protocol() != "amqp") continue;
    listeners.push_back(ErlangTerm::Tuple({text(listener.interface()), number(listener.port())}));
  }
  std::vector<ErlangTerm> files;
  for (const std::string& file : status->config_files()) files.push_back(text(file));
  const ErlangTerm rabbit = ErlangTerm::List(
      {fact("cluster_name", text(status->cluster_name())),
       fact("config_files", ErlangTerm::List(std::move(files))),
       fact("data_dir", text(status->data_directory())),
       fact("disk_free_limit", number(status->disk_free_limit())),
       fact("tcp_listeners", ErlangTerm::List(std::move(listeners))),
       fact("vm_memory_high_watermark",
            status->memory_watermark() > 0 ? ErlangTerm::Leaf(RealText(status->memory_watermark()))
                                           : ErlangTerm::Tuple({ErlangTerm::Leaf("absolute"),
                                                                number(status->memory_limit())}))});
  context->Print(PrettyPrint(ErlangTerm::List({fact("rabbit", rabbit)})));
  return kExitOk;
}

}  // namespace pontoon::ctl
