#include "server/catalog/difference.h"

#include <map>
#include <string>
#include <utility>

namespace pontoon::catalog {
namespace {

using Queues = std::map<QueueId, const QueueRecord*>;
using Permissions = std::map<std::pair<std::string, std::string>, const PermissionRecord*>;

Queues QueuesOf(const Version& version) {
  Queues queues;
  for (const VhostRecord* vhost : version.ListVhosts()) {
    for (const QueueRecord* queue : version.ListQueues(vhost->id)) queues[queue->id] = queue;
  }
  return queues;
}

Permissions PermissionsOf(const Version& version) {
  Permissions permissions;
  for (const PermissionRecord* record : version.ListPermissions())
    permissions[{record->user, record->vhost}] = record;
  return permissions;
}

bool Same(const UserRecord& a, const UserRecord& b) {
  return a.password_hash == b.password_hash && a.algorithm == b.algorithm && a.tags == b.tags;
}
bool Same(const PermissionRecord& a, const PermissionRecord& b) {
  return a.configure == b.configure && a.write == b.write && a.read == b.read;
}

void AddUsers(const Version& before, const Version& after, std::vector<Change>* changes) {
  std::map<std::string, bool> changed;  // Those that are there; false: not.
  for (const UserRecord* user : after.ListUsers()) {
    const UserRecord* old = before.FindUser(user->name);
    changed[user->name] = old == nullptr || !Same(*old, *user);
  }
  const Permissions old = PermissionsOf(before);
  const Permissions now = PermissionsOf(after);
  const auto note = [&changed](const std::string& user) {
    if (const auto it = changed.find(user); it != changed.end()) it->second = true;
  };
  for (const auto& [key, record] : old) {
    const auto it = now.find(key);
    if (it == now.end() || !Same(*record, *it->second)) note(key.first);
  }
  for (const auto& [key, record] : now) {
    if (!old.contains(key)) note(key.first);
  }
  for (const UserRecord* user : before.ListUsers()) {
    if (after.FindUser(user->name) == nullptr) changes->push_back(UserDeleted{user->name});
  }
  for (const auto& [user, differs] : changed) {
    if (differs) changes->push_back(UserChanged{user});
  }
}

}  // namespace

std::vector<Change> Difference(const Version& before, const Members& members_before,
                               const Version& after, const Members& members_after) {
  std::vector<Change> changes;
  const Queues old = QueuesOf(before);
  const Queues now = QueuesOf(after);
  for (const auto& [id, queue] : old) {
    if (!now.contains(id))
      changes.push_back(QueueForgotten{id, queue->shard, queue->home, /*closed_by_shard=*/false});
  }
  for (const VhostRecord* vhost : before.ListVhosts()) {
    if (after.FindVhost(vhost->id) == nullptr)
      changes.push_back(VhostDeleted{vhost->id, vhost->name});
  }
  for (const auto& [id, queue] : now) {
    if (!old.contains(id)) changes.push_back(QueueDeclared{id});
  }
  AddUsers(before, after, &changes);
  for (const auto& [node, state] : members_after.nodes()) {
    const auto it = members_before.nodes().find(node);
    if (it == members_before.nodes().end() || it->second.boot != state.boot)
      changes.push_back(BootRegistered{node, state.boot});
  }
  return changes;
}

}  // namespace pontoon::catalog
