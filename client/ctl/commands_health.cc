// Questions with a yes or a no, as orchestration asks them.

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <set>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/ctl/commands.h"
#include "client/ctl/node_json.h"
#include "client/ctl/value_text.h"

namespace pontoon::ctl {
namespace {

std::optional<admin::Status> AskStatus(CommandContext* context) {
  admin::Command command;
  command.mutable_status();
  std::optional<admin::Result> result = context->Ask(command);
  if (!result) return std::nullopt;
  return result->status();
}

std::vector<std::string> AlarmLines(const admin::Status& status) {
  std::vector<std::string> lines;
  for (const admin::Alarm& alarm : status.alarms()) {
    lines.push_back(
        absl::StrCat(alarm.resource() == "memory" ? "Memory alarm" : "Free disk space alarm",
                     " on node ", alarm.node()));
  }
  return lines;
}

// A yes with its text; for programs, an object.
ExitCode Yes(CommandContext* context, const std::string& text) {
  if (context->formatter() != Formatter::kJson) {
    context->Print(text);
  } else {
    context->Print("{\"result\":\"ok\"}");
  }
  return kExitOk;
}

enum class LifeState { kUnknown, kStarting, kRunning, kStopped };

LifeState AskState(CommandContext* context) {
  admin::Command command;
  command.mutable_ping();
  const std::optional<admin::Result> result = context->Ask(command);
  if (!result) return LifeState::kUnknown;
  return result->state() == admin::RUNNING    ? LifeState::kRunning
         : result->state() == admin::STARTING ? LifeState::kStarting
                                              : LifeState::kStopped;
}

// Whether something accepts connections there; wildcards are reached over loopback.
bool Accepts(const std::string& interface, uint32_t port) {
  std::string host = interface;
  if (host.size() > 2 && host.front() == '[') host = host.substr(1, host.size() - 2);
  if (host == "0.0.0.0") host = "127.0.0.1";
  if (host == "::" || host.empty()) host = "::1";
  sockaddr_storage address{};
  socklen_t size = 0;
  if (auto* v4 = reinterpret_cast<sockaddr_in*>(&address);
      inet_pton(AF_INET, host.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(static_cast<uint16_t>(port));
    size = sizeof(*v4);
  } else if (auto* v6 = reinterpret_cast<sockaddr_in6*>(&address);
             inet_pton(AF_INET6, host.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(static_cast<uint16_t>(port));
    size = sizeof(*v6);
  } else {
    return false;
  }
  const int probe = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (probe < 0) return false;
  const bool accepted = connect(probe, reinterpret_cast<sockaddr*>(&address), size) == 0;
  close(probe);
  return accepted;
}

std::string Ports(const admin::Status& status) {
  std::vector<std::string> ports;
  for (const admin::Listener& listener : status.listeners())
    ports.push_back(absl::StrCat(listener.port()));
  return absl::StrJoin(ports, ", ");
}

}  // namespace

ExitCode CheckRunning(CommandContext* context) {
  context->Banner(
      absl::StrCat("Checking if RabbitMQ is running on node ", context->node(), " ..."));
  const LifeState state = AskState(context);
  if (state == LifeState::kUnknown) return context->exit_code();
  if (state == LifeState::kRunning) {
    const std::string text =
        absl::StrCat("RabbitMQ on node ", context->node(), " is fully booted and running");
    context->Print(context->formatter() == Formatter::kJson
                       ? absl::StrCat("{\"message\":", JsonString(text), "}")
                       : text);
    return kExitOk;
  }
  return context->Fail(
      kExitUnavailable,
      absl::StrCat("RabbitMQ on node ", context->node(),
                   " is not running or has not fully booted yet (check with is_booting)"));
}

ExitCode IsRunning(CommandContext* context) {
  context->Banner(absl::StrCat("Asking node ", context->node(), " for its status ..."));
  const LifeState state = AskState(context);
  if (state == LifeState::kUnknown) return context->exit_code();
  context->Print(
      state == LifeState::kRunning
          ? absl::StrCat("RabbitMQ on node ", context->node(), " is fully booted and running")
          : absl::StrCat("RabbitMQ on node ", context->node(),
                         " is not running or has not fully booted yet (check with is_booting)"));
  return kExitOk;
}

ExitCode IsBooting(CommandContext* context) {
  context->Banner(absl::StrCat("Asking node ", context->node(), " for its boot status ..."));
  const LifeState state = AskState(context);
  if (state == LifeState::kUnknown) return context->exit_code();
  context->Print(state == LifeState::kStarting
                     ? absl::StrCat("RabbitMQ on node ", context->node(), " is booting")
                     : absl::StrCat("RabbitMQ on node ", context->node(),
                                    " is fully booted (check with is_running), stopped or has not "
                                    "started booting yet"));
  return kExitOk;
}

ExitCode Alarms(CommandContext* context) {
  context->Banner(
      absl::StrCat("Asking node ", context->node(), " to report any known resource alarms ..."));
  const std::optional<admin::Status> status = AskStatus(context);
  if (!status) return context->exit_code();
  if (context->formatter() == Formatter::kJson) {
    context->Print(absl::StrCat("{\"alarms\":", AlarmsJson(*status),
                                ",\"node\":", JsonString(context->node()), ",\"result\":\"ok\"}"));
    return kExitOk;
  }
  context->Print(
      status->alarms().empty()
          ? absl::StrCat("Node ", context->node(), " reported no alarms, local or clusterwide")
          : absl::StrJoin(AlarmLines(*status), "\n"));
  return kExitOk;
}

ExitCode CheckAlarms(CommandContext* context) {
  context->Banner(
      absl::StrCat("Asking node ", context->node(), " to report any local resource alarms ..."));
  const std::optional<admin::Status> status = AskStatus(context);
  if (!status) return context->exit_code();
  const bool local_only = context->line().command == "check_local_alarms";
  if (status->alarms().empty()) {
    return Yes(context, absl::StrCat("Node ", context->node(),
                                     local_only ? " reported no local alarms"
                                                : " reported no alarms, local or clusterwide"));
  }
  const std::string lines = absl::StrJoin(AlarmLines(*status), "\n");
  if (local_only) return context->Fail(kExitUnavailable, lines);
  context->Print(lines);
  return kExitUnavailable;
}

ExitCode CheckPortConnectivity(CommandContext* context) {
  context->Banner(absl::StrCat("Testing TCP connections to all active listeners on node ",
                               context->node(), " ..."));
  const std::optional<admin::Status> status = AskStatus(context);
  if (!status) return context->exit_code();
  std::vector<std::string> refused;
  for (const admin::Listener& listener : status->listeners()) {
    if (!Accepts(listener.interface(), listener.port()))
      refused.push_back(absl::StrCat(listener.port()));
  }
  if (refused.empty()) {
    return Yes(context, absl::StrCat("Successfully connected to ports ", Ports(*status),
                                     " on node ", context->node(), "."));
  }
  return context->Fail(kExitUnavailable,
                       absl::StrCat("Connection attempts to the following ports of node ",
                                    context->node(), " failed: ", absl::StrJoin(refused, ", ")));
}

ExitCode CheckPortListener(CommandContext* context) {
  uint32_t port = 0;
  if (!absl::SimpleAtoi(context->argument(0), &port) || port == 0) {
    return context->FailArguments("Bad argument: Argument must be a positive integer", kExitData);
  }
  context->Banner(absl::StrCat("Asking node ", context->node(),
                               " if there's an active listener on port ", port, " ..."));
  const std::optional<admin::Status> status = AskStatus(context);
  if (!status) return context->exit_code();
  for (const admin::Listener& listener : status->listeners()) {
    if (listener.port() == port) {
      return Yes(context, absl::StrCat("A listener for port ", port, " is running on node ",
                                       context->node(), "."));
    }
  }
  context->Print(absl::StrCat("No listener for port ", port, " is active on node ", context->node(),
                              ". Found listeners that use the following ports: ", Ports(*status)));
  return kExitUnavailable;
}

ExitCode CheckProtocolListener(CommandContext* context) {
  const std::string& protocol = context->argument(0);
  context->Banner(absl::StrCat("Asking node ", context->node(),
                               " if there's an active listener for protocol ", protocol, " ..."));
  const std::optional<admin::Status> status = AskStatus(context);
  if (!status) return context->exit_code();
  std::set<std::string> found;
  for (const admin::Listener& listener : status->listeners()) found.insert(listener.protocol());
  if (found.count(protocol) > 0) {
    return Yes(context, absl::StrCat("A listener for protocol ", protocol, " is running on node ",
                                     context->node(), "."));
  }
  return context->Fail(
      kExitUnavailable,
      absl::StrCat("No listener for protocol ", protocol, " is active on node ", context->node(),
                   ". Found listeners for the following protocols: ", absl::StrJoin(found, ", ")));
}

ExitCode CheckVirtualHosts(CommandContext* context) {
  context->Banner(
      absl::StrCat("Checking if all vhosts are running on node ", context->node(), " ..."));
  if (!AskStatus(context)) return context->exit_code();
  return Yes(context, absl::StrCat("Node ", context->node(), " reported all vhosts as running"));
}

ExitCode Listeners(CommandContext* context) {
  context->Banner(
      absl::StrCat("Asking node ", context->node(), " to report its protocol listeners ..."));
  const std::optional<admin::Status> status = AskStatus(context);
  if (!status) return context->exit_code();
  if (context->formatter() == Formatter::kJson) {
    context->Print(absl::StrCat("{\"listeners\":", ListenersJson(*status),
                                ",\"node\":", JsonString(context->node()), ",\"result\":\"ok\"}"));
    return kExitOk;
  }
  for (const admin::Listener& listener : status->listeners()) {
    context->Print(absl::StrCat("Interface: ", listener.interface(), ", port: ", listener.port(),
                                ", protocol: ", listener.protocol(),
                                ", purpose: ", listener.purpose()));
  }
  return kExitOk;
}

ExitCode LogLocation(CommandContext* context) {
  context->Banner(absl::StrCat("Log file location(s) on node ", context->node(), " ..."));
  const std::optional<admin::Status> status = AskStatus(context);
  if (!status) return context->exit_code();
  for (const std::string& file : status->log_files()) context->Print(file);
  return kExitOk;
}

ExitCode ServerVersion(CommandContext* context) {
  context->Banner(absl::StrCat("Asking node ", context->node(), " for its RabbitMQ version..."));
  const std::optional<admin::Status> status = AskStatus(context);
  if (!status) return context->exit_code();
  context->Print(context->formatter() == Formatter::kJson
                     ? absl::StrCat("{\"result\":\"ok\",\"value\":",
                                    JsonString(status->rabbitmq_version()), "}")
                     : status->rabbitmq_version());
  return kExitOk;
}

}  // namespace pontoon::ctl
