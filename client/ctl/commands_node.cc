// The life of a node.

#include <fstream>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "client/ctl/commands.h"

namespace pontoon::ctl {
namespace {

// How long between two looks at a node or process that is waited for.
constexpr double kLookAgainSeconds = 0.1;
// A node that stops has ended its clients within 5 s.
constexpr double kEndAwaitedSeconds = 30;

// A process that ended but whose parent has not asked yet runs no more.
bool ProcessRuns(int64_t pid) {
  std::ifstream file(absl::StrCat("/proc/", pid, "/stat"));
  std::string stat;
  if (!std::getline(file, stat)) return false;
  const size_t name_end = stat.rfind(')');
  return name_end == std::string::npos || stat.compare(name_end, 3, ") Z") != 0;
}

bool ReadPid(const std::string& path, int64_t* pid) {
  std::ifstream file(path);
  return static_cast<bool>(file >> *pid) && *pid > 0;
}

// Waits until the process is gone; false after `seconds` (0: never give up).
bool AwaitEnd(CommandContext* context, int64_t pid, double seconds) {
  for (double waited = 0; ProcessRuns(pid); waited += kLookAgainSeconds) {
    if (seconds > 0 && waited > seconds) return false;
    context->Sleep(kLookAgainSeconds);
  }
  return true;
}

// Asks until the broker runs. A node that does not answer yet may still come, if `may_come`.
ExitCode AwaitRunning(CommandContext* context, bool may_come, int64_t pid) {
  admin::Command command;
  command.mutable_await_startup();
  command.set_node(context->node());
  for (double waited = 0;; waited += kLookAgainSeconds) {
    const absl::StatusOr<admin::Result> result = context->AskQuietly(command);
    const bool is_there = result.ok() && result->refusal() != admin::WRONG_NODE;
    if (is_there && result->state() == admin::RUNNING) return context->Done();
    const bool late = context->timeout() > 0 && waited >= context->timeout();
    if (pid != 0 && !ProcessRuns(pid))
      return context->Fail(kExitUnavailable, "process_not_running");
    if (!is_there && (!may_come || absl::IsUnauthenticated(result.status()) || late)) {
      return context->FailUnreachable(result.ok() ? absl::NotFoundError(result->node())
                                                  : result.status());
    }
    // A stopped broker starts only when somebody says so.
    if (is_there && (late || (!may_come && result->state() == admin::APP_STOPPED))) {
      return context->Fail(kExitUnavailable, "rabbit_is_not_running");
    }
    context->Sleep(kLookAgainSeconds);
  }
}

}  // namespace

ExitCode Ping(CommandContext* context) {
  const double seconds = context->timeout() > 0 ? context->timeout() : 60;
  const auto millis = static_cast<int64_t>(seconds * 1000);
  context->Banner(absl::StrCat(
      "Will ping ", context->node(),
      ". This only checks if the OS process is running and registered with epmd. Timeout: ", millis,
      " ms."));
  admin::Command command;
  command.mutable_ping();
  command.set_node(context->node());
  const absl::StatusOr<admin::Result> result = context->AskQuietly(command);
  if (!result.ok() || result->refusal() == admin::WRONG_NODE) {
    std::string reason;
    if (absl::IsUnauthenticated(result.status())) reason = ": the node has another cookie";
    return context->Fail(kExitUnavailable,
                         absl::StrCat("Failed to connect and authenticate to ", context->node(),
                                      " in ", millis, " ms", reason));
  }
  if (context->formatter() == Formatter::kJson) {
    context->Print("{\"message\":\"Ping succeeded\"}");
    return kExitOk;
  }
  context->Print("Ping succeeded");
  return kExitOk;
}

ExitCode AwaitStartup(CommandContext* context) { return AwaitRunning(context, false, 0); }

ExitCode AwaitOnlineNodes(CommandContext* context) {
  int64_t count = 0;
  if (!absl::SimpleAtoi(context->argument(0), &count) || count < 1) {
    return context->FailArguments("Bad argument: The number of nodes must be greater than 0",
                                  kExitData);
  }
  context->Banner(absl::StrCat(
      "Will wait for at least ", count, " nodes to join the cluster of ", context->node(),
      ". Timeout: ", static_cast<int64_t>(context->timeout()), " seconds."));
  admin::Command command;
  command.mutable_status();
  if (!context->Ask(command)) return context->exit_code();
  if (count > 1) {
    return context->Fail(
        kExitTempFail, absl::StrCat("the cluster has 1 node, and this version has no more; ", count,
                                    " nodes will not join"));
  }
  return context->Done();
}

ExitCode Wait(CommandContext* context) {
  int64_t pid = 0;
  const std::string by_option = context->line().Option("pid");
  if (by_option.empty() == context->line().arguments.empty()) {
    return context->FailArguments(by_option.empty() ? "not enough arguments."
                                                    : "Cannot specify both pid and pidfile");
  }
  if (!by_option.empty()) {
    if (!absl::SimpleAtoi(by_option, &pid) || pid <= 0)
      return context->FailArguments("Bad argument.", kExitData);
  } else {
    const std::string& path = context->argument(0);
    context->Banner(absl::StrCat("Waiting for pid file '", path, "' to appear"));
    context->Flush();
    for (double waited = 0; !ReadPid(path, &pid); waited += kLookAgainSeconds) {
      if (context->timeout() > 0 && waited >= context->timeout()) {
        return context->Fail(kExitTempFail, absl::StrCat("no process id appeared in ", path));
      }
      context->Sleep(kLookAgainSeconds);
    }
    context->Banner(absl::StrCat("pid is ", pid));
  }
  context->Banner(absl::StrCat("Waiting for erlang distribution on node '", context->node(),
                               "' while OS process '", pid, "' is running"));
  context->Flush();
  if (!ProcessRuns(pid)) return context->Fail(kExitUnavailable, "process_not_running");
  return AwaitRunning(context, true, pid);
}

ExitCode StartApp(CommandContext* context) {
  context->Banner(absl::StrCat("Starting node ", context->node(), " ..."));
  admin::Command command;
  command.mutable_start_app();
  const std::optional<admin::Result> result = context->Ask(command);
  if (!result) return context->exit_code();
  return result->refusal() == admin::NONE ? context->Done()
                                          : context->Fail(kExitSoftware, result->text());
}

ExitCode StopApp(CommandContext* context) {
  context->Banner(absl::StrCat("Stopping rabbit application on node ", context->node(), " ..."));
  admin::Command command;
  command.mutable_stop_app();
  const std::optional<admin::Result> result = context->Ask(command);
  if (!result) return context->exit_code();
  return result->refusal() == admin::NONE ? context->Done()
                                          : context->Fail(kExitSoftware, result->text());
}

ExitCode Stop(CommandContext* context) {
  context->Banner(absl::StrCat("Stopping and halting node ", context->node(), " ..."));
  int64_t pid = 0;
  const bool has_pid_file = !context->line().arguments.empty();
  if (has_pid_file && !ReadPid(context->argument(0), &pid)) {
    return context->Fail(kExitUnavailable, absl::StrCat("no process id in ", context->argument(0)));
  }
  admin::Command command;
  command.mutable_stop();
  command.set_node(context->node());
  if (context->line().Has("idempotent")) {
    const absl::StatusOr<admin::Result> before = context->AskQuietly(command);
    if (absl::IsUnavailable(before.status())) {
      return context->Done(absl::StrCat("Node ", context->node(), " is no longer running"));
    }
    if (!before.ok()) return context->FailUnreachable(before.status());
    if (!has_pid_file) pid = static_cast<int64_t>(before->status().os_pid());
  } else {
    const std::optional<admin::Result> result = context->Ask(command);
    if (!result) return context->exit_code();
    if (result->refusal() != admin::NONE) return context->Fail(kExitSoftware, result->text());
    if (!has_pid_file) pid = static_cast<int64_t>(result->status().os_pid());
  }
  // Who named a pid file wants to know; for others it is a courtesy that the process is gone.
  const double patience = has_pid_file ? context->timeout() : kEndAwaitedSeconds;
  if (pid != 0 && !AwaitEnd(context, pid, patience) && has_pid_file) {
    return context->Fail(kExitTempFail, absl::StrCat("process ", pid, " has not ended"));
  }
  return context->Done();
}

ExitCode Shutdown(CommandContext* context) {
  admin::Command status;
  status.mutable_ping();
  status.set_node(context->node());
  const absl::StatusOr<admin::Result> before = context->AskQuietly(status);
  const int64_t pid = before.ok() ? static_cast<int64_t>(before->status().os_pid()) : 0;
  context->Banner(pid == 0 ? absl::StrCat("Shutting down RabbitMQ node ", context->node())
                           : absl::StrCat("Shutting down RabbitMQ node ", context->node(),
                                          " running at PID ", pid));
  admin::Command command;
  command.mutable_stop();
  const std::optional<admin::Result> result = context->Ask(command);
  if (!result) return context->exit_code();
  if (result->refusal() != admin::NONE) return context->Fail(kExitSoftware, result->text());
  if (pid == 0 || context->line().Option("wait", "true") == "false") return context->Done();
  context->Banner(absl::StrCat("Waiting for PID ", pid, " to terminate"));
  context->Flush();
  if (!AwaitEnd(context, pid, context->timeout())) {
    return context->Fail(kExitTempFail, absl::StrCat("process ", pid, " has not ended"));
  }
  return context->Done(absl::StrCat("RabbitMQ node ", context->node(), " running at PID ", pid,
                                    " successfully shut down"));
}

ExitCode RotateLogs(CommandContext* context) {
  return context->Fail(kExitUnavailable, "This command does not rotate logs anymore [deprecated]");
}

}  // namespace pontoon::ctl
