#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/catalog/commands.h"

// Commands about virtual hosts, users, permissions and nodes: what operators do and what starting
// nodes do.

namespace pontoon::catalog {
namespace {

Answer Refuse(absl::Status status) { return Answer{std::move(status), {}, false}; }
Answer Done(bool created = false) { return Answer{absl::OkStatus(), {}, created}; }

// The texts are what RabbitMQ's command line prints, which is not of one mind about quotes.
Answer NoUser(absl::string_view name) {
  return Refuse(absl::NotFoundError(absl::StrCat("User \"", name, "\" does not exist")));
}
Answer NoUserForPermission(absl::string_view name) {
  return Refuse(absl::NotFoundError(absl::StrCat("User ", name, " does not exist")));
}
Answer NoVhostForPermission(absl::string_view name) {
  return Refuse(absl::NotFoundError(absl::StrCat("Virtual host ", name, " does not exist")));
}

void InsertUser(UserRecord record, Editor* editor) {
  Ref<UserNode> user(new UserNode());
  user->record = std::move(record);
  editor->mutable_state()->users.Insert(std::move(user));
}
void InsertPermission(PermissionRecord record, Editor* editor) {
  Ref<PermissionNode> permission(new PermissionNode());
  permission->record = std::move(record);
  editor->mutable_state()->permissions.Insert(std::move(permission));
}

}  // namespace

Answer Commands::Run(const AddVhost& command) {
  if (state().vhosts.Find(command.name) != nullptr)
    return Done();  // RabbitMQ: as it is, and that is fine.
  editor_->AddVhost({VhostId::Make({}, index_), command.name, command.description, command.tags,
                     command.default_queue_type});
  return Done(true);
}

Answer Commands::Run(const DeleteVhost& command) {
  const VhostNode* vhost = FindNode(state().vhosts, command.name);
  if (vhost == nullptr) {
    return Refuse(
        absl::NotFoundError(absl::StrCat("Virtual host '", command.name, "' does not exist")));
  }
  const VhostId id = vhost->record.id;
  for (const Ref<QueueNode>& queue : editor_->RemoveVhost(id)) NoteForgotten(queue->record, false);
  ErasePermissions("", command.name);
  changes_->push_back(VhostDeleted{id, command.name});
  return Done();
}

Answer Commands::Run(const PutUser& command) {
  const UserNode* existing = FindNode(state().users, command.user.name);
  if (!command.replace && existing != nullptr) {
    return Refuse(
        absl::AlreadyExistsError(absl::StrCat("User \"", command.user.name, "\" already exists")));
  }
  if (command.replace && existing == nullptr) return NoUser(command.user.name);
  UserRecord record = command.user;
  if (command.replace) record.tags = existing->record.tags;
  InsertUser(std::move(record), editor_);
  changes_->push_back(UserChanged{command.user.name});
  return Done(!command.replace);
}

Answer Commands::Run(const SetUserTags& command) {
  const UserNode* existing = FindNode(state().users, command.name);
  if (existing == nullptr) return NoUser(command.name);
  UserRecord record = existing->record;
  record.tags = command.tags;
  InsertUser(std::move(record), editor_);
  changes_->push_back(UserChanged{command.name});
  return Done();
}

Answer Commands::Run(const DeleteUser& command) {
  if (!editor_->mutable_state()->users.Erase(command.name)) return NoUser(command.name);
  ErasePermissions(command.name, "");
  changes_->push_back(UserDeleted{command.name});
  return Done();
}

Answer Commands::Run(const SetPermission& command) {
  const PermissionRecord& permission = command.permission;
  if (state().users.Find(permission.user) == nullptr) return NoUserForPermission(permission.user);
  if (state().vhosts.Find(permission.vhost) == nullptr)
    return NoVhostForPermission(permission.vhost);
  const bool created = state().permissions.Find({permission.user, permission.vhost}) == nullptr;
  InsertPermission(permission, editor_);
  changes_->push_back(UserChanged{permission.user});
  return Done(created);
}

Answer Commands::Run(const ClearPermission& command) {
  if (state().users.Find(command.user) == nullptr) return NoUserForPermission(command.user);
  if (state().vhosts.Find(command.vhost) == nullptr) return NoVhostForPermission(command.vhost);
  if (editor_->mutable_state()->permissions.Erase({command.user, command.vhost})) {
    changes_->push_back(UserChanged{command.user});
  }
  return Done();
}

Answer Commands::Run(const RegisterBoot& command) {
  absl::Status registered = members_->Register(command.node, command.boot, command.name);
  if (!registered.ok()) return Refuse(std::move(registered));
  const auto is_over = [&](const base::SessionId& home) {
    return home.node == command.node && home.boot < command.boot;
  };
  std::vector<QueueId> queues;
  state().queues_by_home.ForEach([&](const HomeQueues& group) {
    if (!is_over(group.home)) return;
    group.queues.ForEach([&](const Ref<QueueNode>& queue) { queues.push_back(queue->record.id); });
  });
  std::sort(queues.begin(), queues.end());
  for (const QueueId queue : queues) {
    NoteForgotten(FindNode(state().queues, queue.value)->record, false);
    editor_->RemoveQueue(queue);
  }
  std::vector<ExchangeId> exchanges;
  state().exchanges.ForEach([&](const Ref<ExchangeState>& exchange) {
    const ExchangeNode& node = *exchange->node;
    if (!node.record.durable && is_over(node.home)) exchanges.push_back(node.record.id);
  });
  std::sort(exchanges.begin(), exchanges.end());
  for (const ExchangeId exchange : exchanges) editor_->RemoveExchange(exchange);
  changes_->push_back(BootRegistered{command.node, command.boot});
  return Done(true);
}

Answer Commands::Run(const FoundCluster& command) {
  if (!members_->cluster_id.empty()) {
    return Refuse(absl::AlreadyExistsError("the cluster is founded already"));
  }
  if (command.cluster_id.empty())
    return Refuse(absl::InvalidArgumentError("a cluster needs an id"));
  members_->cluster_id = command.cluster_id;
  members_->shards = command.shards;
  if (state().vhosts.Find(command.default_vhost) == nullptr) {
    editor_->AddVhost(
        {VhostId::Make({}, index_), command.default_vhost, "Default virtual host", {}, ""});
  }
  if (!command.default_user.name.empty()) {
    InsertUser(command.default_user, editor_);
    changes_->push_back(UserChanged{command.default_user.name});
  }
  if (!command.default_permission.user.empty())
    InsertPermission(command.default_permission, editor_);
  return Done(true);
}

// Those of the user, or those in the virtual host; the other one is empty. Both names may be those
// of records that are being erased.
void Commands::ErasePermissions(absl::string_view user, absl::string_view vhost) {
  std::vector<Ref<PermissionNode>> erased;
  state().permissions.ForEach([&](const Ref<PermissionNode>& permission) {
    const PermissionRecord& record = permission->record;
    if (user.empty() ? record.vhost == vhost : record.user == user) erased.push_back(permission);
  });
  for (const Ref<PermissionNode>& permission : erased) {
    editor_->mutable_state()->permissions.Erase(ByPermission::Get(permission));
  }
}

}  // namespace pontoon::catalog
