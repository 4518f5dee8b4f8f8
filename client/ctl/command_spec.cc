#include "client/ctl/command_spec.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "client/ctl/likeness.h"

namespace pontoon::ctl {
namespace {

constexpr int kMany = 1000000;

constexpr char kQueueColumns[] =
    "name messages arguments auto_delete consumer_capacity consumer_utilisation consumers "
    "disk_reads disk_writes durable "
    "exclusive exclusive_consumer_pid exclusive_consumer_tag head_message_timestamp leader members "
    "memory message_bytes "
    "message_bytes_persistent message_bytes_ram message_bytes_ready message_bytes_unacknowledged "
    "messages_persistent "
    "messages_ram messages_ready messages_ready_ram messages_unacknowledged "
    "messages_unacknowledged_ram online owner_pid "
    "pid policy slave_pids state synchronised_slave_pids type";
constexpr char kConnectionColumns[] =
    "user peer_host peer_port state auth_mechanism channel_max channels client_properties "
    "connected_at frame_max host name "
    "peer_cert_issuer peer_cert_subject peer_cert_validity pid port protocol recv_cnt recv_oct "
    "send_cnt send_oct send_pend "
    "ssl ssl_cipher ssl_hash ssl_key_exchange ssl_protocol timeout vhost";
constexpr char kChannelColumns[] =
    "pid user consumer_count messages_unacknowledged acks_uncommitted confirm connection "
    "global_prefetch_count "
    "messages_uncommitted messages_unconfirmed name number prefetch_count transactional vhost";

using enum Section;

constexpr CommandSpec kCommands[] = {
    {"autocomplete", kHelp, 0, kMany, "autocomplete [prefix]",
     "Provides command name autocomplete variants"},
    {"help", kHelp, 0, 1, "help (<command> | [--list-commands])",
     "Displays usage information for a command"},
    {"version", kHelp, 0, 0, "version", "Displays CLI tools version"},

    {"await_startup", kNodes, 0, 0, "await_startup",
     "Waits for the RabbitMQ application to start on the target node"},
    {"rotate_logs", kNodes, 0, 0, "rotate_logs", "Does nothing [deprecated]"},
    {"shutdown", kNodes, 0, 0, "shutdown [--wait] [--timeout <timeout>]",
     "Stops the node and its process, and waits until it is gone"},
    {"start_app", kNodes, 0, 0, "start_app", "Starts the broker in a node whose process runs"},
    {"stop", kNodes, 0, 1, "stop [--idempotent] [<pidfile>]",
     "Stops the node and its process. With a pid file, waits until the process is gone"},
    {"stop_app", kNodes, 0, 0, "stop_app",
     "Stops the broker, but leaves the node's process running"},
    {"wait", kNodes, 0, 1, "wait [<pidfile>] [--pid|-P <pid>] [--timeout <timeout>]",
     "Waits for the node whose process id is given or in a file"},

    {"await_online_nodes", kCluster, 1, 1, "await_online_nodes <count> [--timeout <timeout>]",
     "Waits for <count> nodes to join the cluster"},
    {"cluster_status", kCluster, 0, 0, "cluster_status [--timeout <timeout>]",
     "Displays the nodes of the cluster, which of them run, and their listeners"},

    {"add_user", kUsers, 1, 2, "add_user <username> <password>",
     "Creates a new user in the internal database. This user will have no permissions for any "
     "virtual hosts by default."},
    {"authenticate_user", kUsers, 1, 2, "authenticate_user <username> <password>",
     "Attempts to authenticate a user. Exits with a non-zero code if authentication fails."},
    {"change_password", kUsers, 1, 2, "change_password <username> <password>",
     "Changes the user password"},
    {"clear_password", kUsers, 1, 1, "clear_password <username>",
     "Clears (resets) password and disables password login for a user"},
    {"delete_user", kUsers, 1, 1, "delete_user <username>",
     "Removes a user from the internal database"},
    {"hash_password", kUsers, 1, 1, "hash_password <cleartext_password>",
     "Hashes a password as the database keeps it"},
    {"list_users", kUsers, 0, 0, "list_users [--no-table-headers] [--timeout <timeout>]",
     "List user names and tags"},
    {"set_user_tags", kUsers, 1, kMany, "set_user_tags <username> <tag> [...]", "Sets user tags"},

    {"clear_permissions", kAccessControl, 1, 1, "clear_permissions [--vhost <vhost>] <username>",
     "Revokes user permissions for a vhost"},
    {"list_permissions", kAccessControl, 0, 0,
     "list_permissions [--vhost <vhost>] [--no-table-headers] [--timeout <timeout>]",
     "Lists user permissions in a virtual host"},
    {"list_user_permissions", kAccessControl, 1, 1,
     "list_user_permissions [--no-table-headers] <username> [--timeout <timeout>]",
     "Lists permissions of a user across all virtual hosts"},
    {"list_vhosts", kAccessControl, 0, kMany,
     "list_vhosts [--no-table-headers] [<column> ...] [--timeout <timeout>]", "Lists virtual hosts",
     "name cluster_state default_queue_type description tags tracing", 1},
    {"set_permissions", kAccessControl, 4, 4,
     "set_permissions [--vhost <vhost>] <username> <conf> <write> <read>",
     "Sets user permissions for a vhost"},

    {"alarms", kMonitoring, 0, 0, "alarms [--timeout <timeout>]",
     "Lists resource alarms (local or cluster-wide) in effect"},
    {"check_alarms", kMonitoring, 0, 0, "check_alarms [--timeout <timeout>]",
     "Exits with a non-zero code if there are alarms in the cluster"},
    {"check_local_alarms", kMonitoring, 0, 0, "check_local_alarms [--timeout <timeout>]",
     "Exits with a non-zero code if the node has local alarms"},
    {"check_port_connectivity", kMonitoring, 0, 0, "check_port_connectivity [--timeout <timeout>]",
     "Exits with a non-zero code if a listener of the node cannot be connected to"},
    {"check_port_listener", kMonitoring, 1, 1, "check_port_listener <port> [--timeout <timeout>]",
     "Exits with a non-zero code if there is no active listener for given port on the target node"},
    {"check_protocol_listener", kMonitoring, 1, 1,
     "check_protocol_listener <protocol> [--timeout <timeout>]",
     "Exits with a non-zero code if there is no active listener for given protocol on the target "
     "node"},
    {"check_running", kMonitoring, 0, 0, "check_running [--timeout <timeout>]",
     "Exits with a non-zero code if the broker does not run on the target node"},
    {"check_virtual_hosts", kMonitoring, 0, 0, "check_virtual_hosts [--timeout <timeout>]",
     "Exits with a non-zero code if a virtual host does not run on the target node"},
    {"is_booting", kMonitoring, 0, 0, "is_booting [--timeout <timeout>]",
     "Says whether the node is still starting"},
    {"is_running", kMonitoring, 0, 0, "is_running [--timeout <timeout>]",
     "Says whether the node is fully started"},
    {"list_bindings", kMonitoring, 0, kMany,
     "list_bindings [--vhost <vhost>] [--no-table-headers] [<column> ...] [--timeout <timeout>]",
     "Lists all bindings on a vhost",
     "source_name source_kind destination_name destination_kind routing_key arguments", 6},
    {"list_channels", kMonitoring, 0, kMany, "list_channels [--no-table-headers] [<column> ...]",
     "Lists all channels in the node", kChannelColumns, 4},
    {"list_connections", kMonitoring, 0, kMany,
     "list_connections [--no-table-headers] [<column> ...] [--timeout <timeout>]",
     "Lists AMQP 0.9.1 connections for the node", kConnectionColumns, 4},
    {"list_consumers", kMonitoring, 0, kMany,
     "list_consumers [--vhost <vhost>] [--no-table-headers] [<column> ...] [--timeout <timeout>]",
     "Lists all consumers for a vhost",
     "queue_name channel_pid consumer_tag ack_required prefetch_count active arguments "
     "activity_status",
     7},
    {"list_exchanges", kMonitoring, 0, kMany,
     "list_exchanges [--vhost <vhost>] [--no-table-headers] [<column> ...] [--timeout <timeout>]",
     "Lists exchanges", "name type durable auto_delete internal arguments policy", 2},
    {"list_hashes", kMonitoring, 0, 0, "list_hashes",
     "Lists hash functions supported by encoding commands"},
    {"list_queues", kMonitoring, 0, kMany,
     "list_queues [--vhost <vhost>] [--online] [--offline] [--local] [--no-table-headers] "
     "[<column>, ...] [--timeout "
     "<timeout>]",
     "Lists queues and their properties", kQueueColumns, 2},
    {"listeners", kMonitoring, 0, 0, "listeners [--timeout <timeout>]",
     "Lists active listeners on the target node"},
    {"log_location", kMonitoring, 0, 0, "log_location", "Shows where the node writes its log"},
    {"ping", kMonitoring, 0, 0, "ping [--timeout <timeout>]",
     "Checks that the node's process runs and that the cookie is right"},
    {"server_version", kMonitoring, 0, 0, "server_version",
     "Displays server version on the target node"},
    {"status", kMonitoring, 0, 0, "status [--unit <unit>] [--timeout <timeout>]",
     "Displays status of a node"},

    {"add_vhost", kVhosts, 1, 1,
     "add_vhost <vhost> [--description <description> --tags \"<tag1>,<tag2>,<...>\" "
     "--default-queue-type "
     "<quorum|classic|stream>]",
     "Creates a virtual host"},
    {"delete_vhost", kVhosts, 1, 1, "delete_vhost <vhost>", "Deletes a virtual host"},

    {"environment", kConfiguration, 0, 0, "environment", "Displays what the node runs with"},
    {"set_disk_free_limit", kConfiguration, 1, 2,
     "set_disk_free_limit <disk_limit> | mem_relative <fraction>",
     "Sets the disk_free_limit setting"},
    {"set_vm_memory_high_watermark", kConfiguration, 1, 2,
     "set_vm_memory_high_watermark <fraction> | absolute <value>",
     "Sets the vm_memory_high_watermark setting"},

    {"close_all_connections", kOperations, 1, 1,
     "close_all_connections [--vhost <vhost> --limit <limit>] [-n <node> --global] "
     "[--per-connection-delay <delay>] "
     "<explanation>",
     "Closes all connections of a virtual host or of the node"},
    {"close_all_user_connections", kOperations, 2, 2,
     "close_all_user_connections <username> <explanation>", "Closes all connections of a user"},
    {"close_connection", kOperations, 2, 2, "close_connection <connection pid> <explanation>",
     "Closes the connection with that identifier, see list_connections"},

    {"delete_queue", kQueues, 1, 1,
     "delete_queue <queue_name> [--if-empty|-e] [--if-unused|-u] [--timeout <timeout>]",
     "Deletes a queue"},
    {"purge_queue", kQueues, 1, 1, "purge_queue <queue> [--timeout <timeout>]",
     "Purges a queue (removes all messages in it)"},
};

struct Heading {
  Section section;
  const char* text;
};
constexpr Heading kHeadings[] = {{kHelp, "Help"},
                                 {kNodes, "Nodes"},
                                 {kCluster, "Cluster"},
                                 {kUsers, "Users"},
                                 {kAccessControl, "Access Control"},
                                 {kMonitoring, "Monitoring, observability and health checks"},
                                 {kVhosts, "Virtual hosts"},
                                 {kConfiguration, "Configuration and Environment"},
                                 {kOperations, "Operations"},
                                 {kQueues, "Queues"}};

constexpr char kGeneralOptions[] = R"(
The following options are accepted by most or all commands.

short            | long              | description
-----------------|-------------------|--------------------------------
-?               | --help            | displays command help
-n <node>        | --node <node>     | connect to node <node>
-l               | --longnames       | use long host names
-t               | --timeout <n>     | for commands that support it, operation timeout in seconds
-q               | --quiet           | suppress informational messages
-s               | --silent          | suppress informational messages
                                     | and table header row
-p               | --vhost           | for commands that are scoped to a virtual host,
                 |                   | virtual host to use
                 | --formatter       | alternative result formatter to use
                                     | if supported: json, pretty_table, table, csv, erlang
                                       not all commands support all (or any) alternative formatters.
                 | --data-dir <dir>  | find the node, its port and its cookie by its data directory
                 | --port <port>     | the node's administration port, its AMQP port + 20000
                 | --cookie-file <f> | read the cookie from this file
)";

std::string Bold(const std::string& text) { return absl::StrCat("\033[1m", text, "\033[0m"); }

}  // namespace

absl::Span<const CommandSpec> AllCommands() { return kCommands; }

const CommandSpec* FindCommand(const std::string& name) {
  for (const CommandSpec& command : kCommands) {
    if (name == command.name) return &command;
  }
  return nullptr;
}

const CommandSpec* SuggestCommand(const std::string& name) {
  // Below this two names have too little in common.
  constexpr double kLikeEnough = 0.8;
  const CommandSpec* best = nullptr;
  double best_likeness = kLikeEnough;
  for (const CommandSpec& command : kCommands) {
    const double likeness = JaroLikeness(name, command.name);
    if (likeness > best_likeness) {
      best_likeness = likeness;
      best = &command;
    }
  }
  return best;
}

std::string UsageOf(const CommandSpec& command, bool in_diagnostics) {
  return absl::StrCat("\n", Bold("Usage"), "\n\n",
                      in_diagnostics ? "rabbitmq-diagnostics" : "rabbitmqctl",
                      " [--node <node>] [--longnames] [--quiet] ", command.usage, "\n");
}

std::string HelpOn(const CommandSpec& command) {
  std::string text = absl::StrCat(UsageOf(command), "\n", command.description, ".\n\n");
  if (command.columns != nullptr) {
    std::vector<std::string> columns = ColumnsOf(command);
    std::sort(columns.begin(), columns.end());
    absl::StrAppend(&text, "\n", Bold("Arguments and Options"), "\n\n<column>\n\tmust be one of ",
                    absl::StrJoin(columns, ", "), "\n\n");
  }
  return absl::StrCat(text, "\n", Bold("General Options"), "\n", kGeneralOptions);
}

std::string HelpOnAll() {
  std::string text = absl::StrCat(
      "\n", Bold("Usage"),
      "\n\nrabbitmqctl [--node <node>] [--timeout <timeout>] [--longnames] [--quiet] <command> "
      "[<command options>]\n\nAvailable commands:\n");
  for (const Heading& heading : kHeadings) {
    absl::StrAppend(&text, "\n", Bold(heading.text), ":\n\n");
    for (const CommandSpec& command : kCommands) {
      if (command.section == heading.section) {
        absl::StrAppendFormat(&text, "   %-28s  %s\n", command.name, command.description);
      }
    }
  }
  return text + "\nUse 'rabbitmqctl help <command>' to learn more about a specific command\n";
}

std::vector<std::string> ColumnsOf(const CommandSpec& command) {
  if (command.columns == nullptr) return {};
  return absl::StrSplit(command.columns, ' ');
}

}  // namespace pontoon::ctl
