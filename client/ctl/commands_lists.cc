// Listings with columns to choose.

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "client/ctl/commands.h"

namespace pontoon::ctl {
namespace {

// The columns asked for: words or comma-separated, each once. False: one of them does not exist,
// which is said.
bool ChooseColumns(CommandContext* context, std::vector<std::string>* chosen) {
  const std::vector<std::string> all = ColumnsOf(*context->line().spec);
  std::vector<std::string> unknown;
  for (const std::string& argument : context->line().arguments) {
    for (const std::string& column :
         std::vector<std::string>(absl::StrSplit(argument, ',', absl::SkipEmpty()))) {
      if (std::find(all.begin(), all.end(), column) == all.end()) {
        unknown.push_back(column);
      } else if (std::find(chosen->begin(), chosen->end(), column) == chosen->end()) {
        chosen->push_back(column);
      }
    }
  }
  if (!unknown.empty()) {
    context->FailArguments(
        absl::StrCat("Info key(s) ", absl::StrJoin(unknown, ","), " are not supported"));
    return false;
  }
  if (chosen->empty())
    chosen->assign(all.begin(), all.begin() + context->line().spec->default_columns);
  return true;
}

ExitCode List(CommandContext* context, const admin::Command& command, const std::string& banner,
              const std::vector<std::string>& columns) {
  context->Banner(banner);
  const std::optional<admin::Result> result = context->Ask(command);
  if (!result) return context->exit_code();
  // A virtual host that does not exist has nothing in it.
  if (result->refusal() != admin::NONE && result->refusal() != admin::NO_SUCH_VHOST) {
    return context->Fail(kExitUnavailable, result->text());
  }
  return context->PrintListing(result->table(), columns);
}

ExitCode List(CommandContext* context, const admin::Command& command, const std::string& banner) {
  std::vector<std::string> columns;
  return ChooseColumns(context, &columns) ? List(context, command, banner, columns) : kExitUsage;
}

}  // namespace

ExitCode ListQueues(CommandContext* context) {
  std::vector<std::string> columns;
  if (!ChooseColumns(context, &columns)) return kExitUsage;
  const std::string vhost = context->line().vhost();
  context->Banner(absl::StrCat("Timeout: ", context->timeout_text(), " seconds ..."));
  context->Banner(absl::StrCat("Listing queues for vhost ", vhost, " ..."));
  admin::Command command;
  command.mutable_list_queues()->set_name(vhost);
  const std::optional<admin::Result> result = context->Ask(command);
  if (!result) return context->exit_code();
  // All queues of a node that answers are on it.
  const bool none = context->line().Has("offline") && !context->line().Has("online") &&
                    !context->line().Has("local");
  return context->PrintListing(none ? admin::Table() : result->table(), columns);
}

ExitCode ListExchanges(CommandContext* context) {
  admin::Command command;
  command.mutable_list_exchanges()->set_name(context->line().vhost());
  return List(context, command,
              absl::StrCat("Listing exchanges for vhost ", context->line().vhost(), " ..."));
}

ExitCode ListBindings(CommandContext* context) {
  admin::Command command;
  command.mutable_list_bindings()->set_name(context->line().vhost());
  return List(context, command,
              absl::StrCat("Listing bindings for vhost ", context->line().vhost(), "..."));
}

ExitCode ListConsumers(CommandContext* context) {
  std::vector<std::string> chosen;
  if (!ChooseColumns(context, &chosen)) return kExitUsage;
  // Alone among the listings, RabbitMQ prints this one's columns in an order of its own.
  std::vector<std::string> columns;
  for (const char* column : {"queue_name", "channel_pid", "consumer_tag", "ack_required",
                             "prefetch_count", "active", "activity_status", "arguments"}) {
    if (std::find(chosen.begin(), chosen.end(), column) != chosen.end()) columns.push_back(column);
  }
  admin::Command command;
  command.mutable_list_consumers()->set_name(context->line().vhost());
  return List(context, command,
              absl::StrCat("Listing consumers in vhost ", context->line().vhost(), " ..."),
              columns);
}

ExitCode ListConnections(CommandContext* context) {
  admin::Command command;
  command.mutable_list_connections();
  return List(context, command, "Listing connections ...");
}

ExitCode ListChannels(CommandContext* context) {
  admin::Command command;
  command.mutable_list_channels();
  return List(context, command, "Listing channels ...");
}

ExitCode ListVhosts(CommandContext* context) {
  admin::Command command;
  command.mutable_list_vhosts();
  return List(context, command, "Listing vhosts ...");
}

}  // namespace pontoon::ctl
