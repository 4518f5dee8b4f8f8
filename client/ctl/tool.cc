#include "client/ctl/tool.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "client/ctl/commands.h"

namespace pontoon::ctl {
namespace {

struct Entry {
  const char* name;
  ExitCode (*run)(CommandContext*);
  bool asks_node = true;
};

constexpr Entry kEntries[] = {
    {"add_user", AddUser},
    {"add_vhost", AddVhost},
    {"alarms", Alarms},
    {"authenticate_user", AuthenticateUser},
    {"autocomplete", Autocomplete, false},
    {"await_online_nodes", AwaitOnlineNodes},
    {"await_startup", AwaitStartup},
    {"change_password", ChangePassword},
    {"check_alarms", CheckAlarms},
    {"check_local_alarms", CheckAlarms},
    {"check_port_connectivity", CheckPortConnectivity},
    {"check_port_listener", CheckPortListener},
    {"check_protocol_listener", CheckProtocolListener},
    {"check_running", CheckRunning},
    {"check_virtual_hosts", CheckVirtualHosts},
    {"clear_password", ClearPassword},
    {"clear_permissions", ClearPermissions},
    {"close_all_connections", CloseAllConnections},
    {"close_all_user_connections", CloseAllUserConnections},
    {"close_connection", CloseConnection},
    {"cluster_status", ClusterStatus},
    {"delete_queue", DeleteQueue},
    {"delete_user", DeleteUser},
    {"delete_vhost", DeleteVhost},
    {"environment", Environment},
    {"hash_password", HashPassword, false},
    {"help", Help, false},
    {"is_booting", IsBooting},
    {"is_running", IsRunning},
    {"list_bindings", ListBindings},
    {"list_channels", ListChannels},
    {"list_connections", ListConnections},
    {"list_consumers", ListConsumers},
    {"list_exchanges", ListExchanges},
    {"list_hashes", ListHashes, false},
    {"list_permissions", ListPermissions},
    {"list_queues", ListQueues},
    {"list_user_permissions", ListUserPermissions},
    {"list_users", ListUsers},
    {"list_vhosts", ListVhosts},
    {"listeners", Listeners},
    {"log_location", LogLocation},
    {"ping", Ping},
    {"purge_queue", PurgeQueue},
    {"rotate_logs", RotateLogs},
    {"server_version", ServerVersion},
    {"set_disk_free_limit", SetDiskFreeLimit},
    {"set_permissions", SetPermissions},
    {"set_user_tags", SetUserTags},
    {"set_vm_memory_high_watermark", SetVmMemoryHighWatermark},
    {"shutdown", Shutdown},
    {"start_app", StartApp},
    {"status", Status},
    {"stop", Stop},
    {"stop_app", StopApp},
    {"version", Version, false},
    {"wait", Wait},
};

const Entry* FindEntry(const std::string& name) {
  for (const Entry& entry : kEntries) {
    if (name == entry.name) return &entry;
  }
  return nullptr;
}

int UnknownCommand(const Invocation& line, const ToolEdges& edges) {
  const CommandSpec* like = SuggestCommand(line.command);
  edges.write_error(absl::StrCat(
      "\nCommand '", line.command, "' not found. \n",
      like == nullptr ? HelpOnAll() : absl::StrCat("Did you mean '", like->name, "'? \n\n")));
  return kExitUsage;
}

bool HasValidHead(const std::string& node) {
  const std::string head = node.substr(0, node.find('@'));
  return !head.empty() && std::all_of(head.begin(), head.end(), [](unsigned char c) {
    return absl::ascii_isalnum(c) || c == '_' || c == '-';
  });
}

bool IsLifeCycle(const std::string& command) {
  return command == "start_app" || command == "stop_app" || command == "stop" ||
         command == "shutdown";
}

// Commands whose time depends on how much the node has to do are waited for until they end; the
// others' answer is due in a minute.
double DefaultTimeout(const std::string& command) {
  if (IsLifeCycle(command)) return 0;
  return command == "await_startup" ? 300 : command == "wait" ? 10 : 60;
}

// Refuses by itself, for a node on a machine that cannot be reached.
class NoLink final : public NodeLink {
 public:
  absl::StatusOr<admin::Result> Execute(const admin::Command&, double) override {
    return absl::UnavailableError("not on this machine");
  }
};

}  // namespace

int RunTool(const std::string& program, const std::vector<std::string>& words,
            const ToolEdges& edges) {
  Invocation line = ParseCommandLine(words);
  if (line.command.empty() && line.Has("version")) line.command = "version";
  if (line.command.empty()) {
    if (line.Has("help")) {
      edges.write_output(HelpOnAll());
      return kExitOk;
    }
    edges.write_error(HelpOnAll());
    return kExitUsage;
  }
  line.spec = FindCommand(line.command);
  const Entry* entry = FindEntry(line.command);
  if (entry == nullptr || line.spec == nullptr) return UnknownCommand(line, edges);
  if (line.Has("help")) {
    edges.write_output(HelpOn(*line.spec));
    return kExitOk;
  }

  CommandContext::Edges around;
  around.in_diagnostics = program == "rabbitmq-diagnostics";
  around.input = edges.input;
  around.sleep_seconds = edges.sleep_seconds;
  around.flush_output = edges.write_output;
  around.is_life_cycle = IsLifeCycle(line.command);
  around.default_timeout = DefaultTimeout(line.command);
  std::unique_ptr<NodeLink> link;
  absl::StatusOr<NodeAddress> address = FindNode(line.options, edges.environment, edges.host_name);
  const absl::StatusOr<Formatter> formatter = FormatterNamed(line.Option("formatter"));
  if (address.ok() && entry->asks_node) {
    around.address = absl::StrCat(address->host, ":", address->port);
    around.cookie_note =
        address->cookie.empty()
            ? absl::StrCat("none was found",
                           address->cookie_source.empty()
                               ? ""
                               : absl::StrCat(" (", address->cookie_source, " cannot be read)"))
            : absl::StrCat("from ", address->cookie_source);
    const size_t at = address->node.find('@');
    if (IsThisHost(address->node.substr(at + 1), edges.host_name)) {
      link = edges.connect(*address);
    } else {
      link = std::make_unique<NoLink>();
    }
    if (!address->node_is_named) {
      // Nobody said which node: the one that listens there tells its name.
      admin::Command who;
      who.mutable_ping();
      const absl::StatusOr<admin::Result> answer = link->Execute(who, 60);
      if (answer.ok() && !answer->node().empty()) address->node = answer->node();
    }
    around.node = address->node;
    around.link = link.get();
  }

  if (address.ok() && !HasValidHead(address->node)) {
    edges.write_error(
        "Unsupported node name: node name head (the part before the @) is invalid. Only "
        "alphanumerics, _ and - characters "
        "are allowed.\nIf using FQDN node names, use the -l / --longnames argument\n");
    return kExitData;
  }

  CommandContext context(line, formatter.value_or(Formatter::kTable), around);
  ExitCode code = kExitOk;
  if (!line.invalid.empty()) {
    std::string list;
    for (const auto& [option, value] : line.invalid)
      absl::StrAppend(&list, "\n", option, " : ", value);
    code = context.FailArguments(absl::StrCat("Invalid options for this command:", list));
  } else if (!formatter.ok()) {
    code = context.FailArguments(std::string(formatter.status().message()));
  } else if (!address.ok()) {
    code = context.FailArguments(std::string(address.status().message()));
  } else if (static_cast<int>(line.arguments.size()) < line.spec->arguments_min) {
    code = context.FailArguments("not enough arguments.");
  } else if (static_cast<int>(line.arguments.size()) > line.spec->arguments_max) {
    code = context.FailArguments("too many arguments.");
  } else if (!line.Has("dry-run")) {
    code = entry->run(&context);
  }
  context.Flush();
  if (!context.errors().empty()) edges.write_error(context.errors());
  return code;
}

}  // namespace pontoon::ctl
