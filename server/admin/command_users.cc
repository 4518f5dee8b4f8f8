// Users, virtual hosts and permissions.

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/admin/command_runner.h"
#include "server/admin/table_builder.h"

namespace pontoon::admin {
namespace {

Result NoSuchUser(const std::string& name) {
  return Refused(NO_SUCH_USER, absl::StrCat("User \"", name, "\" does not exist"));
}
Result NoSuchVhost(const std::string& name) {
  return Refused(NO_SUCH_VHOST, absl::StrCat("Virtual host \"", name, "\" does not exist"));
}

// As rabbitmqctl shows it, with the words of the library that RabbitMQ uses where they are known.
std::string InvalidPattern(const std::string& pattern, absl::string_view message) {
  absl::string_view reason = message;
  if (const size_t start = message.rfind("': "); start != absl::string_view::npos) {
    reason = message.substr(start + 3);
  }
  std::string offset = "0";
  if (const size_t at = reason.rfind(" at offset "); at != absl::string_view::npos) {
    offset = std::string(reason.substr(at + 11));
    reason = reason.substr(0, at);
  }
  if (reason == "missing closing parenthesis") reason = "missing )";
  if (reason == "quantifier does not follow a repeatable item") reason = "nothing to repeat";
  return absl::StrCat("{:invalid_regexp, '", pattern, "', {'", reason, "', ", offset, "}}");
}

void AddPatterns(const catalog::PermissionRecord& permission, TableBuilder* table) {
  table->Text("configure", permission.configure);
  table->Text("write", permission.write);
  table->Text("read", permission.read);
}

}  // namespace

catalog::UserRecord CommandRunner::UserWithPassword(const AddUser& user) {
  catalog::UserRecord record;
  record.name = user.name();
  record.password_hash = catalog::HashPassword(user.password(), record.algorithm,
                                               static_cast<uint32_t>(random_->Next()));
  return record;
}

Result CommandRunner::AddUserCommand(const AddUser& user) {
  const catalog::VersionPtr version = control_->catalog();
  if (version != nullptr && version->FindUser(user.name()) != nullptr) {
    Tell(base::LogLevel::kWarning,
         absl::StrCat("Failed to add user '", user.name(), "': the user already exists"));
    return Refused(ALREADY_EXISTS, absl::StrCat("User \"", user.name(), "\" already exists"));
  }
  return ChangeAndTell(catalog::PutUser{UserWithPassword(user), false}, ALREADY_EXISTS,
                       absl::StrCat("Created user '", user.name(), "'"));
}

Result CommandRunner::ChangePassword(const AddUser& user, bool clear) {
  const catalog::VersionPtr version = control_->catalog();
  const catalog::UserRecord* existing =
      version == nullptr ? nullptr : version->FindUser(user.name());
  if (existing == nullptr) return NoSuchUser(user.name());
  catalog::UserRecord record = UserWithPassword(user);
  if (clear) record.password_hash.clear();
  record.tags = existing->tags;
  return ChangeAndTell(
      catalog::PutUser{std::move(record), true}, NO_SUCH_USER,
      clear ? absl::StrCat("Clearing password for '", user.name(), "'")
            : absl::StrCat("Successfully changed password for user '", user.name(), "'"));
}

Result CommandRunner::AuthenticateUser(const AddUser& user) {
  const catalog::VersionPtr version = control_->catalog();
  const catalog::UserRecord* existing =
      version == nullptr ? nullptr : version->FindUser(user.name());
  if (existing == nullptr || !catalog::CheckPassword(*existing, user.password())) {
    return Refused(AUTHENTICATION_FAILED,
                   absl::StrCat("user '", user.name(), "' - invalid credentials"));
  }
  return Result();
}

Result CommandRunner::DeleteUserCommand(const UserName& user) {
  const catalog::VersionPtr version = control_->catalog();
  if (version != nullptr && version->FindUser(user.name()) == nullptr) {
    Tell(base::LogLevel::kWarning,
         absl::StrCat("Failed to delete user '", user.name(), "': the user does not exist"));
    return NoSuchUser(user.name());
  }
  return ChangeAndTell(catalog::DeleteUser{user.name()}, NO_SUCH_USER,
                       absl::StrCat("Deleted user '", user.name(), "'"));
}

Result CommandRunner::SetTags(const SetUserTags& tags) {
  const catalog::VersionPtr version = control_->catalog();
  if (version != nullptr && version->FindUser(tags.name()) == nullptr)
    return NoSuchUser(tags.name());
  return ChangeAndTell(catalog::SetUserTags{tags.name(), {tags.tags().begin(), tags.tags().end()}},
                       NO_SUCH_USER,
                       absl::StrCat("Successfully set user tags for user '", tags.name(), "' to [",
                                    absl::StrJoin(tags.tags(), ","), "]"));
}

Result CommandRunner::ListUsers() {
  Result result;
  TableBuilder table(result.mutable_table(), {"user", "tags"});
  const catalog::VersionPtr version = control_->catalog();
  if (version == nullptr) return result;
  for (const catalog::UserRecord* user : version->ListUsers()) {
    table.NextRow();
    table.Text("user", user->name);
    table.List("tags", user->tags);
  }
  return result;
}

std::optional<Result> CommandRunner::CheckSubject(const SetPermissions& permissions,
                                                  const std::string& failed) {
  const catalog::VersionPtr version = control_->catalog();
  if (version != nullptr && version->FindUser(permissions.user()) == nullptr) {
    Tell(base::LogLevel::kWarning, failed + ": the user does not exist");
    return NoSuchUser(permissions.user());
  }
  if (version != nullptr && version->FindVhost(permissions.vhost()) == nullptr) {
    Tell(base::LogLevel::kWarning,
         absl::StrCat(failed, ": virtual host '", permissions.vhost(), "' does not exist"));
    return NoSuchVhost(permissions.vhost());
  }
  return std::nullopt;
}

Result CommandRunner::SetPermissionsCommand(const SetPermissions& permissions) {
  const std::string failed =
      absl::StrCat("Failed to set permissions for '", permissions.user(), "'");
  if (auto refused = CheckSubject(permissions, failed)) return *refused;
  const std::string* const patterns[] = {&permissions.configure(), &permissions.write(),
                                         &permissions.read()};
  for (const std::string* pattern : patterns) {
    if (absl::Status valid = catalog::CheckPattern(*pattern); !valid.ok()) {
      Tell(base::LogLevel::kWarning,
           absl::StrCat(failed, " in virtual host '", permissions.vhost(),
                        "': regular expression '", *pattern, "' is invalid"));
      return Refused(BAD_ARGUMENT, InvalidPattern(*pattern, valid.message()));
    }
  }
  return ChangeAndTell(
      catalog::SetPermission{{permissions.user(), permissions.vhost(), permissions.configure(),
                              permissions.write(), permissions.read()}},
      FAILED,
      absl::StrCat("Successfully set permissions for '", permissions.user(), "' in virtual host '",
                   permissions.vhost(), "' to '", permissions.configure(), "', '",
                   permissions.write(), "', '", permissions.read(), "'"));
}

Result CommandRunner::ClearPermissions(const SetPermissions& permissions) {
  const std::string failed =
      absl::StrCat("Failed to clear permissions for '", permissions.user(), "'");
  if (auto refused = CheckSubject(permissions, failed)) return *refused;
  return ChangeAndTell(catalog::ClearPermission{permissions.user(), permissions.vhost()}, FAILED,
                       absl::StrCat("Successfully cleared permissions for '", permissions.user(),
                                    "' in virtual host '", permissions.vhost(), "'"));
}

Result CommandRunner::ListPermissions(const VhostName& vhost) {
  Result result;
  TableBuilder table(result.mutable_table(), {"user", "configure", "write", "read"});
  const catalog::VersionPtr version = control_->catalog();
  if (version == nullptr) return result;
  if (version->FindVhost(vhost.name()) == nullptr) return NoSuchVhost(vhost.name());
  for (const catalog::PermissionRecord* permission : version->ListPermissions()) {
    if (permission->vhost != vhost.name()) continue;
    table.NextRow();
    table.Text("user", permission->user);
    AddPatterns(*permission, &table);
  }
  return result;
}

Result CommandRunner::ListUserPermissions(const UserName& user) {
  Result result;
  TableBuilder table(result.mutable_table(), {"vhost", "configure", "write", "read"});
  const catalog::VersionPtr version = control_->catalog();
  if (version == nullptr) return result;
  if (version->FindUser(user.name()) == nullptr) return NoSuchUser(user.name());
  for (const catalog::PermissionRecord* permission : version->ListPermissions()) {
    if (permission->user != user.name()) continue;
    table.NextRow();
    table.Text("vhost", permission->vhost);
    AddPatterns(*permission, &table);
  }
  return result;
}

Result CommandRunner::AddVhostCommand(const AddVhost& vhost) {
  const catalog::VersionPtr version = control_->catalog();
  if (version != nullptr && version->FindVhost(vhost.name()) != nullptr) {
    return Refused(ALREADY_EXISTS,
                   absl::StrCat("Virtual host \"", vhost.name(), "\" already exists"));
  }
  const std::string& type = vhost.default_queue_type();
  if (!type.empty() && type != "classic" && type != "quorum" && type != "stream") {
    return Refused(BAD_ARGUMENT, "invalid_queue_type");
  }
  return ChangeAndTell(
      catalog::AddVhost{
          vhost.name(), vhost.description(), {vhost.tags().begin(), vhost.tags().end()}, type},
      BAD_ARGUMENT,
      absl::StrCat("Adding vhost '", vhost.name(), "' (description: '", vhost.description(),
                   "', tags: [", absl::StrJoin(vhost.tags(), ","), "])"));
}

Result CommandRunner::DeleteVhostCommand(const VhostName& vhost) {
  Tell(base::LogLevel::kInfo, absl::StrCat("Deleting vhost '", vhost.name(), "'"));
  const catalog::VersionPtr version = control_->catalog();
  if (version != nullptr && version->FindVhost(vhost.name()) == nullptr)
    return NoSuchVhost(vhost.name());
  return Change(catalog::DeleteVhost{vhost.name()}, NO_SUCH_VHOST);
}

Result CommandRunner::ListVhosts() {
  Result result;
  TableBuilder table(result.mutable_table(), {"name", "description", "tags", "default_queue_type",
                                              "tracing", "cluster_state"});
  const catalog::VersionPtr version = control_->catalog();
  if (version == nullptr) return result;
  for (const catalog::VhostRecord* vhost : version->ListVhosts()) {
    const std::string& type = vhost->default_queue_type;
    table.NextRow();
    table.Text("name", vhost->name);
    table.Text("description", vhost->description);
    table.List("tags", vhost->tags);
    if (type.empty()) {
      table.Atom("default_queue_type", "undefined");
    } else {
      table.Text("default_queue_type", type);
    }
    table.Bool("tracing", false);
    table.Atom("cluster_state", absl::StrCat("[{", node_name_, ", running}]"));
  }
  return result;
}

}  // namespace pontoon::admin
