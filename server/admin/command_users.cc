// Users, virtual hosts and permissions.

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/admin/command_runner.h"

namespace pontoon::admin {
namespace {

Result NoSuchUser(const std::string& name) {
  return Refused(NO_SUCH_USER, absl::StrCat("User \"", name, "\" does not exist"));
}
Result NoSuchVhost(const std::string& name) {
  return Refused(NO_SUCH_VHOST, absl::StrCat("Virtual host \"", name, "\" does not exist"));
}

void AddText(Row* row, const std::string& text) { row->add_values()->set_text(text); }

void AddList(Row* row, const std::vector<std::string>& items) {
  StringList* list = row->add_values()->mutable_list();
  for (const std::string& item : items) list->add_items(item);
}

}  // namespace

catalog::UserRecord CommandRunner::UserWithPassword(const AddUser& user) {
  catalog::UserRecord record;
  record.name = user.name();
  uint64_t salt = 0;
  {
    base::MutexLock lock(&random_mutex_);
    salt = random_->Next();
  }
  record.password_hash = catalog::HashPassword(user.password(), record.algorithm, static_cast<uint32_t>(salt));
  return record;
}

Result CommandRunner::AddUserCommand(const AddUser& user) {
  const catalog::VersionPtr version = control_->catalog();
  if (version != nullptr && version->FindUser(user.name()) != nullptr) {
    return Refused(ALREADY_EXISTS, absl::StrCat("User \"", user.name(), "\" already exists"));
  }
  return Change(catalog::PutUser{UserWithPassword(user), false}, ALREADY_EXISTS);
}

Result CommandRunner::ChangePassword(const AddUser& user, bool clear) {
  const catalog::VersionPtr version = control_->catalog();
  const catalog::UserRecord* existing = version == nullptr ? nullptr : version->FindUser(user.name());
  if (existing == nullptr) return NoSuchUser(user.name());
  catalog::UserRecord record = UserWithPassword(user);
  if (clear) record.password_hash.clear();
  record.tags = existing->tags;
  return Change(catalog::PutUser{std::move(record), true}, NO_SUCH_USER);
}

Result CommandRunner::AuthenticateUser(const AddUser& user) {
  const catalog::VersionPtr version = control_->catalog();
  const catalog::UserRecord* existing = version == nullptr ? nullptr : version->FindUser(user.name());
  if (existing == nullptr || !catalog::CheckPassword(*existing, user.password())) {
    return Refused(AUTHENTICATION_FAILED, absl::StrCat("user '", user.name(), "' - invalid credentials"));
  }
  return Result();
}

Result CommandRunner::DeleteUserCommand(const UserName& user) {
  const catalog::VersionPtr version = control_->catalog();
  if (version != nullptr && version->FindUser(user.name()) == nullptr) return NoSuchUser(user.name());
  return Change(catalog::DeleteUser{user.name()}, NO_SUCH_USER);
}

Result CommandRunner::SetTags(const SetUserTags& tags) {
  const catalog::VersionPtr version = control_->catalog();
  if (version != nullptr && version->FindUser(tags.name()) == nullptr) return NoSuchUser(tags.name());
  return Change(catalog::SetUserTags{tags.name(), {tags.tags().begin(), tags.tags().end()}}, NO_SUCH_USER);
}

Result CommandRunner::ListUsers() {
  Result result;
  for (const char* column : {"user", "tags"}) result.mutable_table()->add_columns(column);
  const catalog::VersionPtr version = control_->catalog();
  if (version == nullptr) return result;
  for (const catalog::UserRecord* user : version->ListUsers()) {
    Row* row = result.mutable_table()->add_rows();
    AddText(row, user->name);
    AddList(row, user->tags);
  }
  return result;
}

Result CommandRunner::SetPermissionsCommand(const SetPermissions& permissions) {
  const catalog::VersionPtr version = control_->catalog();
  if (version != nullptr) {
    if (version->FindVhost(permissions.vhost()) == nullptr) return NoSuchVhost(permissions.vhost());
    if (version->FindUser(permissions.user()) == nullptr) return NoSuchUser(permissions.user());
  }
  for (const std::string* pattern : {&permissions.configure(), &permissions.write(), &permissions.read()}) {
    if (absl::Status valid = catalog::CheckPattern(*pattern); !valid.ok()) {
      return Refused(BAD_ARGUMENT, std::string(valid.message()));
    }
  }
  return Change(catalog::SetPermission{{permissions.user(), permissions.vhost(), permissions.configure(),
                                        permissions.write(), permissions.read()}},
                FAILED);
}

Result CommandRunner::ClearPermissions(const SetPermissions& permissions) {
  const catalog::VersionPtr version = control_->catalog();
  if (version != nullptr) {
    if (version->FindVhost(permissions.vhost()) == nullptr) return NoSuchVhost(permissions.vhost());
    if (version->FindUser(permissions.user()) == nullptr) return NoSuchUser(permissions.user());
  }
  return Change(catalog::ClearPermission{permissions.user(), permissions.vhost()}, FAILED);
}

Result CommandRunner::ListPermissions(const VhostName& vhost) {
  Result result;
  for (const char* column : {"user", "configure", "write", "read"}) result.mutable_table()->add_columns(column);
  const catalog::VersionPtr version = control_->catalog();
  if (version == nullptr) return result;
  if (version->FindVhost(vhost.name()) == nullptr) return NoSuchVhost(vhost.name());
  for (const catalog::PermissionRecord* permission : version->ListPermissions()) {
    if (permission->vhost != vhost.name()) continue;
    Row* row = result.mutable_table()->add_rows();
    for (const std::string* text :
         {&permission->user, &permission->configure, &permission->write, &permission->read}) {
      AddText(row, *text);
    }
  }
  return result;
}

Result CommandRunner::ListUserPermissions(const UserName& user) {
  Result result;
  for (const char* column : {"vhost", "configure", "write", "read"}) result.mutable_table()->add_columns(column);
  const catalog::VersionPtr version = control_->catalog();
  if (version == nullptr) return result;
  if (version->FindUser(user.name()) == nullptr) return NoSuchUser(user.name());
  for (const catalog::PermissionRecord* permission : version->ListPermissions()) {
    if (permission->user != user.name()) continue;
    Row* row = result.mutable_table()->add_rows();
    for (const std::string* text :
         {&permission->vhost, &permission->configure, &permission->write, &permission->read}) {
      AddText(row, *text);
    }
  }
  return result;
}

Result CommandRunner::AddVhostCommand(const AddVhost& vhost) {
  const catalog::VersionPtr version = control_->catalog();
  if (version != nullptr && version->FindVhost(vhost.name()) != nullptr) {
    return Refused(ALREADY_EXISTS, absl::StrCat("Virtual host \"", vhost.name(), "\" already exists"));
  }
  return Change(catalog::AddVhost{vhost.name(), vhost.description(), {vhost.tags().begin(), vhost.tags().end()},
                                  vhost.default_queue_type()},
                ALREADY_EXISTS);
}

Result CommandRunner::DeleteVhostCommand(const VhostName& vhost) {
  const catalog::VersionPtr version = control_->catalog();
  if (version != nullptr && version->FindVhost(vhost.name()) == nullptr) return NoSuchVhost(vhost.name());
  return Change(catalog::DeleteVhost{vhost.name()}, NO_SUCH_VHOST);
}

Result CommandRunner::ListVhosts() {
  Result result;
  for (const char* column : {"name", "description", "tags", "default_queue_type", "tracing", "cluster_state"}) {
    result.mutable_table()->add_columns(column);
  }
  const catalog::VersionPtr version = control_->catalog();
  if (version == nullptr) return result;
  for (const catalog::VhostRecord* vhost : version->ListVhosts()) {
    Row* row = result.mutable_table()->add_rows();
    AddText(row, vhost->name);
    AddText(row, vhost->description);
    AddList(row, vhost->tags);
    if (vhost->default_queue_type.empty()) {
      row->add_values()->set_atom("undefined");
    } else {
      AddText(row, vhost->default_queue_type);
    }
    row->add_values()->set_boolean(false);
    row->add_values()->set_atom(absl::StrCat("[{", node_name_, ", running}]"));
  }
  return result;
}

}  // namespace pontoon::admin
