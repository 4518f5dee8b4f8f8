// Users, permissions and virtual hosts.

#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "client/ctl/commands.h"
#include "client/ctl/value_text.h"

namespace pontoon::ctl {
namespace {

std::string Quoted(const std::string& text) { return absl::StrCat("\"", text, "\""); }

// What the user and virtual host commands' refusals are in rabbitmqctl's words and codes.
ExitCode Refuse(CommandContext* context, const admin::Result& result, const std::string& user) {
  if (context->formatter() == Formatter::kJson && result.refusal() != admin::FAILED) {
    const char* what =
        result.refusal() == admin::ALREADY_EXISTS ? " already exists" : " does not exists";
    return context->FailRaw(
        kExitUnavailable,
        absl::StrCat("{\"message\":", JsonString(absl::StrCat("User ", user, what)),
                     ",\"node\":", JsonString(context->node()), ",\"result\":\"error\"}\n"));
  }
  switch (result.refusal()) {
    case admin::NO_SUCH_USER:
      return context->Fail(kExitNoUser, absl::StrCat("User ", Quoted(user), " does not exist"));
    case admin::ALREADY_EXISTS:
      return context->Fail(kExitSoftware, absl::StrCat("User ", Quoted(user), " already exists"));
    default:
      return context->Fail(kExitUnavailable, result.text());
  }
}

bool ReadPassword(CommandContext* context, std::string* password) {
  if (context->line().arguments.size() > 1) {
    *password = context->argument(1);
    return true;
  }
  context->Print("Password: ");
  std::string line;
  if (context->input() == nullptr || !std::getline(*context->input(), line) || line.empty())
    return false;
  if (line.back() == '\r') line.pop_back();
  *password = line;
  return true;
}

ExitCode FailNoPassword(CommandContext* context) {
  return context->Fail(kExitData, "Password is not provided via argument or stdin");
}

bool IsEmptyUser(CommandContext* context) { return context->argument(0).empty(); }

ExitCode FailEmptyUser(CommandContext* context) {
  return context->FailArguments("Bad argument: user cannot be an empty string", kExitData);
}

}  // namespace

ExitCode AddUser(CommandContext* context) {
  if (IsEmptyUser(context)) return FailEmptyUser(context);
  const std::string& user = context->argument(0);
  context->Banner(absl::StrCat("Adding user ", Quoted(user), " ..."));
  admin::Command command;
  command.mutable_add_user()->set_name(user);
  if (!ReadPassword(context, command.mutable_add_user()->mutable_password()))
    return FailNoPassword(context);
  const std::optional<admin::Result> result = context->Ask(command);
  if (!result) return context->exit_code();
  if (result->refusal() != admin::NONE) return Refuse(context, *result, user);
  constexpr char kDone[] =
      "Done. Don't forget to grant the user permissions to some virtual hosts! See 'rabbitmqctl "
      "help set_permissions' to "
      "learn more.";
  if (context->formatter() == Formatter::kJson) {
    context->Print(absl::StrCat("{\"message\":", JsonString(kDone),
                                ",\"node\":", JsonString(context->node()), ",\"status\":\"ok\"}"));
  } else if (!context->line().Has("quiet") && !context->line().Has("silent")) {
    context->Print(kDone);
  }
  return kExitOk;
}

ExitCode ChangePassword(CommandContext* context) {
  if (IsEmptyUser(context)) return FailEmptyUser(context);
  const std::string& user = context->argument(0);
  context->Banner(absl::StrCat("Changing password for user ", Quoted(user), " ..."));
  admin::Command command;
  command.mutable_change_password()->set_name(user);
  if (!ReadPassword(context, command.mutable_change_password()->mutable_password()))
    return FailNoPassword(context);
  const std::optional<admin::Result> result = context->Ask(command);
  if (!result) return context->exit_code();
  return result->refusal() == admin::NONE ? context->Done() : Refuse(context, *result, user);
}

ExitCode AuthenticateUser(CommandContext* context) {
  if (IsEmptyUser(context)) return FailEmptyUser(context);
  const std::string& user = context->argument(0);
  context->Banner(absl::StrCat("Authenticating user ", Quoted(user), " ..."));
  admin::Command command;
  command.mutable_authenticate_user()->set_name(user);
  if (!ReadPassword(context, command.mutable_authenticate_user()->mutable_password()))
    return FailNoPassword(context);
  const std::optional<admin::Result> result = context->Ask(command);
  if (!result) return context->exit_code();
  if (result->refusal() == admin::AUTHENTICATION_FAILED) {
    return context->Fail(kExitData, absl::StrCat("Error: failed to authenticate user ",
                                                 Quoted(user), "\n", result->text()));
  }
  return result->refusal() == admin::NONE ? context->Done("Success")
                                          : Refuse(context, *result, user);
}

ExitCode ClearPassword(CommandContext* context) {
  const std::string& user = context->argument(0);
  context->Banner(absl::StrCat("Clearing password for user ", Quoted(user), " ..."));
  admin::Command command;
  command.mutable_clear_password()->set_name(user);
  const std::optional<admin::Result> result = context->Ask(command);
  if (!result) return context->exit_code();
  if (result->refusal() == admin::NO_SUCH_USER) {
    return context->Fail(kExitUnavailable, absl::StrCat("{:no_such_user, ", Quoted(user), "}"));
  }
  return result->refusal() == admin::NONE ? context->Done() : Refuse(context, *result, user);
}

ExitCode DeleteUser(CommandContext* context) {
  const std::string& user = context->argument(0);
  context->Banner(absl::StrCat("Deleting user ", Quoted(user), " ..."));
  admin::Command command;
  command.mutable_delete_user()->set_name(user);
  const std::optional<admin::Result> result = context->Ask(command);
  if (!result) return context->exit_code();
  return result->refusal() == admin::NONE ? context->Done() : Refuse(context, *result, user);
}

ExitCode SetUserTags(CommandContext* context) {
  const std::string& user = context->argument(0);
  admin::Command command;
  command.mutable_set_user_tags()->set_name(user);
  for (size_t i = 1; i < context->line().arguments.size(); ++i) {
    for (absl::string_view tag : absl::StrSplit(context->argument(i), ',', absl::SkipEmpty())) {
      command.mutable_set_user_tags()->add_tags(std::string(tag));
    }
  }
  context->Banner(absl::StrCat("Setting tags for user ", Quoted(user), " to [",
                               absl::StrJoin(command.set_user_tags().tags(), ", "), "] ..."));
  const std::optional<admin::Result> result = context->Ask(command);
  if (!result) return context->exit_code();
  return result->refusal() == admin::NONE ? context->Done() : Refuse(context, *result, user);
}

ExitCode ListUsers(CommandContext* context) {
  context->Banner("Listing users ...");
  admin::Command command;
  command.mutable_list_users();
  const std::optional<admin::Result> result = context->Ask(command);
  if (!result) return context->exit_code();
  return context->PrintListing(result->table(), {"user", "tags"});
}

namespace {

ExitCode RefusePermission(CommandContext* context, const admin::Result& result,
                          const std::string& user) {
  switch (result.refusal()) {
    case admin::NO_SUCH_USER:
      return context->Fail(kExitNoUser, absl::StrCat("User ", user, " does not exist"));
    case admin::NO_SUCH_VHOST:
      return context->Fail(kExitUnavailable, absl::StrCat("Virtual host ", context->line().vhost(),
                                                          " does not exist"));
    default:
      return context->Fail(kExitUnavailable, result.text());
  }
}

ExitCode NoSuchVhost(CommandContext* context, const std::string& vhost) {
  return context->FailRaw(kExitData, absl::StrCat("Virtual host '", vhost, "' does not exist\n"));
}

// These two listings print an empty line where there is nothing to list.
ExitCode PrintPermissions(CommandContext* context, const admin::Table& table,
                          const std::string& first_column) {
  if (table.rows().empty() && context->formatter() == Formatter::kTable) {
    context->Print("");
    return kExitOk;
  }
  if (table.rows().empty() && context->formatter() == Formatter::kJson) {
    context->Print("[]");
    return kExitOk;
  }
  return context->PrintListing(table, {first_column, "configure", "write", "read"});
}

}  // namespace

ExitCode SetPermissions(CommandContext* context) {
  const std::string& user = context->argument(0);
  const std::string vhost = context->line().vhost();
  context->Banner(absl::StrCat("Setting permissions for user ", Quoted(user), " in vhost ",
                               Quoted(vhost), " ..."));
  admin::Command command;
  admin::SetPermissions* set = command.mutable_set_permissions();
  set->set_user(user);
  set->set_vhost(vhost);
  set->set_configure(context->argument(1));
  set->set_write(context->argument(2));
  set->set_read(context->argument(3));
  const std::optional<admin::Result> result = context->Ask(command);
  if (!result) return context->exit_code();
  return result->refusal() == admin::NONE ? context->Done()
                                          : RefusePermission(context, *result, user);
}

ExitCode ClearPermissions(CommandContext* context) {
  const std::string& user = context->argument(0);
  const std::string vhost = context->line().vhost();
  context->Banner(absl::StrCat("Clearing permissions for user ", Quoted(user), " in vhost ",
                               Quoted(vhost), " ..."));
  admin::Command command;
  command.mutable_clear_permissions()->set_user(user);
  command.mutable_clear_permissions()->set_vhost(vhost);
  const std::optional<admin::Result> result = context->Ask(command);
  if (!result) return context->exit_code();
  return result->refusal() == admin::NONE ? context->Done()
                                          : RefusePermission(context, *result, user);
}

ExitCode ListPermissions(CommandContext* context) {
  const std::string vhost = context->line().vhost();
  context->Banner(absl::StrCat("Listing permissions for vhost ", Quoted(vhost), " ..."));
  admin::Command command;
  command.mutable_list_permissions()->set_name(vhost);
  const std::optional<admin::Result> result = context->Ask(command);
  if (!result) return context->exit_code();
  if (result->refusal() != admin::NONE) return NoSuchVhost(context, vhost);
  return PrintPermissions(context, result->table(), "user");
}

ExitCode ListUserPermissions(CommandContext* context) {
  const std::string& user = context->argument(0);
  context->Banner(absl::StrCat("Listing permissions for user ", Quoted(user), " ..."));
  admin::Command command;
  command.mutable_list_user_permissions()->set_name(user);
  const std::optional<admin::Result> result = context->Ask(command);
  if (!result) return context->exit_code();
  if (result->refusal() == admin::NO_SUCH_USER) {
    return context->Fail(kExitUnavailable, absl::StrCat("{:no_such_user, ", Quoted(user), "}"));
  }
  if (result->refusal() != admin::NONE) return Refuse(context, *result, user);
  return PrintPermissions(context, result->table(), "vhost");
}

ExitCode AddVhost(CommandContext* context) {
  const std::string& vhost = context->argument(0);
  context->Banner(absl::StrCat("Adding vhost ", Quoted(vhost), " ..."));
  admin::Command command;
  admin::AddVhost* add = command.mutable_add_vhost();
  add->set_name(vhost);
  add->set_description(context->line().Option("description"));
  for (absl::string_view tag :
       absl::StrSplit(context->line().Option("tags"), ',', absl::SkipEmpty())) {
    add->add_tags(std::string(absl::StripAsciiWhitespace(tag)));
  }
  add->set_default_queue_type(context->line().Option("default-queue-type"));
  const std::optional<admin::Result> result = context->Ask(command);
  if (!result) return context->exit_code();
  // One that exists already is as wanted.
  if (result->refusal() == admin::NONE || result->refusal() == admin::ALREADY_EXISTS)
    return context->Done();
  return context->Fail(kExitUnavailable, result->text());
}

ExitCode DeleteVhost(CommandContext* context) {
  const std::string& vhost = context->argument(0);
  context->Banner(absl::StrCat("Deleting vhost ", Quoted(vhost), " ..."));
  admin::Command command;
  command.mutable_delete_vhost()->set_name(vhost);
  const std::optional<admin::Result> result = context->Ask(command);
  if (!result) return context->exit_code();
  if (result->refusal() == admin::NO_SUCH_VHOST) return NoSuchVhost(context, vhost);
  return result->refusal() == admin::NONE ? context->Done()
                                          : context->Fail(kExitUnavailable, result->text());
}

}  // namespace pontoon::ctl
