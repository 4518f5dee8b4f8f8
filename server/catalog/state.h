#ifndef PONTOON_SERVER_CATALOG_STATE_H_
#define PONTOON_SERVER_CATALOG_STATE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "server/catalog/catalog.h"
#include "server/catalog/destination_set.h"
#include "server/catalog/hash.h"
#include "server/catalog/header_pattern.h"
#include "server/catalog/persistent_map.h"
#include "server/catalog/ref.h"
#include "server/catalog/topic_trie.h"

// What one version of the catalog is made of: persistent maps over immutable nodes, so that a new
// version shares all that did not change with the one before.

namespace pontoon::catalog {

struct VhostNode : RefCounted {
  VhostRecord record;
};
struct UserNode : RefCounted {
  UserRecord record;
};
struct PermissionNode : RefCounted {
  PermissionRecord record;
};
struct QueueNode : RefCounted {
  QueueRecord record;
  Target ToTarget() const { return {record.id, record.shard, record.home}; }
};
struct ExchangeNode : RefCounted {
  ExchangeRecord record;
  base::SessionId home;  // Of a transient one: its node's next boot takes it away.
};
// A binding, by ids: names would have to be looked up on every route. What makes it one: all but
// `pattern`.
struct BindingNode : RefCounted {
  uint64_t source = 0;
  uint64_t destination = 0;
  DestinationKind kind = DestinationKind::kQueue;
  std::string routing_key;
  std::string arguments;
  std::unique_ptr<const HeaderPattern> pattern;  // Of a headers exchange.
};

// Keys of records: their name or their id.
template <typename Node>
struct ByName {
  using Key = absl::string_view;
  static Key Get(const Ref<Node>& node) { return node->record.name; }
  static uint64_t Hash(Key name) { return HashName(name); }
};
template <typename Node>
struct ById {
  using Key = uint64_t;
  static Key Get(const Ref<Node>& node) { return node->record.id.value; }
  static uint64_t Hash(Key id) { return HashId(id); }
};
template <typename Node>
using NameMap = PersistentMap<Ref<Node>, ByName<Node>>;
template <typename Node>
using IdMap = PersistentMap<Ref<Node>, ById<Node>>;

struct BindingKey {
  uint64_t destination = 0;
  absl::string_view routing_key;
  absl::string_view arguments;
  friend bool operator==(const BindingKey& a, const BindingKey& b) {
    return a.destination == b.destination && a.routing_key == b.routing_key &&
           a.arguments == b.arguments;
  }
};
struct ByBinding {
  using Key = BindingKey;
  static Key Of(const BindingNode& node) {
    return {node.destination, node.routing_key, node.arguments};
  }
  static Key Get(const Ref<BindingNode>& node) { return Of(*node); }
  static uint64_t Hash(const Key& key) {
    return HashId(key.destination ^ HashName(key.routing_key)) ^
           (key.arguments.empty() ? 0 : HashName(key.arguments));
  }
};

struct DirectEntry {
  std::string routing_key;
  DestinationSet destinations;
};
struct ByRoutingKey {
  using Key = absl::string_view;
  static Key Get(const DirectEntry& entry) { return entry.routing_key; }
  static uint64_t Hash(Key key) { return HashName(key); }
};

// An exchange with all that leaves it. Only the table of its own kind is filled.
struct ExchangeState : RefCounted {
  Ref<ExchangeNode> node;
  PersistentMap<Ref<BindingNode>, ByBinding> bindings;
  PersistentMap<DirectEntry, ByRoutingKey> direct;
  DestinationSet fanout;
  TopicTrie topic;  // headers: `bindings` itself
};
struct ExchangeStateById {
  using Key = uint64_t;
  static Key Get(const Ref<ExchangeState>& state) { return state->node->record.id.value; }
  static uint64_t Hash(Key id) { return HashId(id); }
};

struct VhostState : RefCounted {
  Ref<VhostNode> node;
  NameMap<ExchangeNode> exchanges;
  NameMap<QueueNode> queues;
};
struct VhostStateById {
  using Key = uint64_t;
  static Key Get(const Ref<VhostState>& state) { return state->node->record.id.value; }
  static uint64_t Hash(Key id) { return HashId(id); }
};

// Queues that lie in one place or belong to one owner.
struct ShardQueues {
  uint64_t shard = 0;
  IdMap<QueueNode> queues;
};
struct ByShard {
  using Key = uint64_t;
  static Key Get(const ShardQueues& group) { return group.shard; }
  static uint64_t Hash(Key shard) { return HashId(shard); }
};
struct HomeQueues {
  base::SessionId home;
  IdMap<QueueNode> queues;
};
struct ByHome {
  using Key = base::SessionId;
  static Key Get(const HomeQueues& group) { return group.home; }
  static uint64_t Hash(const Key& home) { return HashSession(home); }
};
struct OwnerQueues {
  ConnectionId owner;
  IdMap<QueueNode> queues;
};
struct ByOwner {
  using Key = ConnectionId;
  static Key Get(const OwnerQueues& group) { return group.owner; }
  static uint64_t Hash(const Key& owner) { return HashId(HashSession(owner.loop) ^ owner.number); }
};

struct PermissionKey {
  absl::string_view user, vhost;
  friend bool operator==(const PermissionKey& a, const PermissionKey& b) {
    return a.user == b.user && a.vhost == b.vhost;
  }
};
struct ByPermission {
  using Key = PermissionKey;
  static Key Get(const Ref<PermissionNode>& node) {
    return {node->record.user, node->record.vhost};
  }
  static uint64_t Hash(const Key& key) { return HashId(HashName(key.user)) ^ HashName(key.vhost); }
};

struct State {
  uint64_t index = 0;
  NameMap<VhostNode> vhosts;
  PersistentMap<Ref<VhostState>, VhostStateById> vhost_states;
  PersistentMap<Ref<ExchangeState>, ExchangeStateById> exchanges;
  IdMap<QueueNode> queues;
  PersistentMap<ShardQueues, ByShard> queues_by_shard;
  PersistentMap<HomeQueues, ByHome> queues_by_home;     // Transient ones.
  PersistentMap<OwnerQueues, ByOwner> queues_by_owner;  // Exclusive ones.
  NameMap<UserNode> users;
  PersistentMap<Ref<PermissionNode>, ByPermission> permissions;
};

template <typename Map, typename Key>
auto* FindNode(const Map& map, const Key& key) {
  const auto* found = map.Find(key);
  return found == nullptr ? nullptr : found->get();
}

VersionPtr NewVersion(State state);

}  // namespace pontoon::catalog

#endif  // PONTOON_SERVER_CATALOG_STATE_H_
