// Queues, connections and limits.

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "client/ctl/commands.h"
#include "client/ctl/information_unit.h"

namespace pontoon::ctl {
namespace {

// A pid as listings print it: <rabbit@host.1795158220.1667.0>. Whatever has three numbers is one.
bool LooksLikePid(const std::string& pid) {
  return pid.size() > 2 && pid.front() == '<' && pid.back() == '>' &&
         std::count(pid.begin(), pid.end(), '.') >= 2;
}

ExitCode Close(CommandContext* context, const admin::Command& command, bool say_count) {
  const std::optional<admin::Result> result = context->Ask(command);
  if (!result) return context->exit_code();
  // Whom nobody finds is closed.
  if (result->refusal() != admin::NONE && result->refusal() != admin::NO_SUCH_OBJECT) {
    return context->Fail(kExitUnavailable, result->text());
  }
  return context->Done(say_count ? absl::StrCat("Closed ", result->count(), " connections") : "");
}

}  // namespace

ExitCode DeleteQueue(CommandContext* context) {
  const bool if_empty = context->line().Has("if-empty"),
             if_unused = context->line().Has("if-unused");
  const std::string& queue = context->argument(0);
  context->Banner(absl::StrCat("Deleting queue '", queue, "' on vhost '", context->line().vhost(),
                               "'",
                               if_empty && if_unused ? " if queue is empty and if queue is unused"
                               : if_empty            ? " if queue is empty"
                               : if_unused           ? " if queue is unused"
                                                     : "",
                               " ..."));
  admin::Command command;
  command.mutable_delete_queue()->set_vhost(context->line().vhost());
  command.mutable_delete_queue()->set_name(queue);
  command.mutable_delete_queue()->set_if_empty(if_empty);
  command.mutable_delete_queue()->set_if_unused(if_unused);
  const std::optional<admin::Result> result = context->Ask(command);
  if (!result) return context->exit_code();
  switch (result->refusal()) {
    case admin::NONE:
      return context->Done(
          absl::StrCat("Queue was successfully deleted with ", result->count(), " ready messages"));
    case admin::NO_SUCH_VHOST:
    case admin::NO_SUCH_OBJECT:
      return context->Fail(kExitUsage, "Queue not found");
    case admin::PRECONDITION:
      return context->Fail(kExitUsage, absl::StrContains(result->text(), "in use")
                                           ? "Queue is in use"
                                           : "Queue is not empty");
    default:
      return context->Fail(kExitUnavailable, result->text());
  }
}

ExitCode PurgeQueue(CommandContext* context) {
  const std::string& queue = context->argument(0);
  context->Banner(
      absl::StrCat("Purging queue '", queue, "' in vhost '", context->line().vhost(), "' ..."));
  admin::Command command;
  command.mutable_purge_queue()->set_vhost(context->line().vhost());
  command.mutable_purge_queue()->set_name(queue);
  const std::optional<admin::Result> result = context->Ask(command);
  if (!result) return context->exit_code();
  if (result->refusal() == admin::NONE) return context->Done();
  const bool missing =
      result->refusal() == admin::NO_SUCH_VHOST || result->refusal() == admin::NO_SUCH_OBJECT;
  return context->Fail(kExitUnavailable, missing ? "not_found" : result->text());
}

ExitCode CloseConnection(CommandContext* context) {
  const std::string& pid = context->argument(0);
  context->Banner(
      absl::StrCat("Closing connection ", pid, ", reason: ", context->argument(1), "..."));
  admin::Command command;
  command.mutable_close_connections()->set_pid(pid);
  command.mutable_close_connections()->set_reason(context->argument(1));
  if (!LooksLikePid(pid)) {
    return context->Fail(kExitUnavailable,
                         absl::StrCat("Error:\n{:invalid_pid_syntax, \"", pid, "\"}"));
  }
  return Close(context, command, false);
}

ExitCode CloseAllConnections(CommandContext* context) {
  const bool everywhere = context->line().Has("global");
  const std::string vhost = context->line().vhost();
  uint32_t limit = 0;
  if (!absl::SimpleAtoi(context->line().Option("limit", "0"), &limit)) limit = 0;
  context->Banner(everywhere ? absl::StrCat("Closing all connections to node ", context->node(),
                                            ", reason: ", context->argument(0), "...")
                             : absl::StrCat("Closing ", limit == 0 ? "all" : absl::StrCat(limit),
                                            " connections in vhost ", vhost,
                                            ", reason: ", context->argument(0), "..."));
  admin::Command command;
  command.mutable_close_connections()->set_reason(context->argument(0));
  command.mutable_close_connections()->set_limit(limit);
  if (!everywhere) command.mutable_close_connections()->set_vhost(vhost);
  return Close(context, command, true);
}

ExitCode CloseAllUserConnections(CommandContext* context) {
  const std::string& user = context->argument(0);
  context->Banner(absl::StrCat("Closing connections of user ", user,
                               ", reason: ", context->argument(1), "..."));
  if (user.empty())
    return context->FailArguments("Bad argument: user cannot be an empty string", kExitData);
  admin::Command command;
  command.mutable_close_connections()->set_user(user);
  command.mutable_close_connections()->set_reason(context->argument(1));
  return Close(context, command, false);
}

ExitCode SetVmMemoryHighWatermark(CommandContext* context) {
  admin::Command command;
  admin::SetMemoryWatermark* set = command.mutable_set_vm_memory_high_watermark();
  if (context->argument(0) == "absolute") {
    if (context->line().arguments.size() < 2)
      return context->FailArguments("not enough arguments.");
    const std::optional<int64_t> bytes = BytesOf(context->argument(1));
    if (!bytes || *bytes < 0) return context->FailArguments("Bad argument.", kExitData);
    set->set_is_absolute(true);
    set->set_absolute(static_cast<uint64_t>(*bytes));
    context->Banner(absl::StrCat("Setting memory threshold on ", context->node(), " to ",
                                 context->argument(1), " bytes ..."));
  } else {
    if (context->line().arguments.size() > 1) return context->FailArguments("too many arguments.");
    double fraction = 0;
    if (!absl::SimpleAtod(context->argument(0), &fraction) || !std::isfinite(fraction)) {
      return context->FailArguments("Bad argument.", kExitData);
    }
    if (fraction < 0 || fraction > 1) {
      return context->FailArguments(
          "Bad argument: The threshold should be a fraction between 0.0 and 1.0", kExitData);
    }
    set->set_relative(fraction);
    context->Banner(absl::StrCat("Setting memory threshold on ", context->node(), " to ",
                                 context->argument(0), " ..."));
  }
  const std::optional<admin::Result> result = context->Ask(command);
  if (!result) return context->exit_code();
  return result->refusal() == admin::NONE ? context->Done()
                                          : context->Fail(kExitUnavailable, result->text());
}

ExitCode SetDiskFreeLimit(CommandContext* context) {
  admin::Command command;
  admin::SetDiskFreeLimit* set = command.mutable_set_disk_free_limit();
  if (context->argument(0) == "mem_relative") {
    if (context->line().arguments.size() < 2)
      return context->FailArguments("not enough arguments.");
    double fraction = 0;
    if (!absl::SimpleAtod(context->argument(1), &fraction) || !std::isfinite(fraction) ||
        fraction < 0) {
      return context->FailArguments("Bad argument.", kExitData);
    }
    set->set_is_relative(true);
    set->set_mem_relative(fraction);
    context->Banner(absl::StrCat("Setting disk free limit on ", context->node(), " to ",
                                 context->argument(1), " times the total RAM ..."));
  } else {
    if (context->line().arguments.size() > 1) return context->FailArguments("too many arguments.");
    const std::optional<int64_t> bytes = BytesOf(context->argument(0));
    if (!bytes) return context->FailArguments("Bad argument.", kExitData);
    // RabbitMQ takes a negative limit, which is never reached.
    set->set_bytes(static_cast<uint64_t>(std::max<int64_t>(*bytes, 0)));
    context->Banner(absl::StrCat("Setting disk free limit on ", context->node(), " to ",
                                 context->argument(0), " bytes ..."));
  }
  const std::optional<admin::Result> result = context->Ask(command);
  if (!result) return context->exit_code();
  return result->refusal() == admin::NONE ? context->Done()
                                          : context->Fail(kExitUnavailable, result->text());
}

}  // namespace pontoon::ctl
