#include <algorithm>
#include <memory>
#include <tuple>
#include <utility>
#include <vector>

#include "server/catalog/route.h"
#include "server/catalog/state.h"

namespace pontoon::catalog {
namespace {

template <typename Record, typename Map>
std::vector<const Record*> SortedByName(const Map& map) {
  std::vector<const Record*> records;
  records.reserve(map.size());
  map.ForEach([&](const auto& node) { records.push_back(&node->record); });
  std::sort(records.begin(), records.end(), [](const Record* a, const Record* b) {
    if constexpr (requires { a->vhost.value; }) {
      return std::tie(a->name, a->vhost) < std::tie(b->name, b->vhost);
    } else {
      return a->name < b->name;
    }
  });
  return records;
}

template <typename Map, typename Key>
const auto* RecordOf(const Map& map, const Key& key) {
  const auto* node = FindNode(map, key);
  return node == nullptr ? nullptr : &node->record;
}

class VersionImpl final : public Version {
 public:
  explicit VersionImpl(State state) : state_(std::move(state)) {}

  uint64_t index() const override { return state_.index; }

  const VhostRecord* FindVhost(absl::string_view name) const override {
    return RecordOf(state_.vhosts, name);
  }
  const VhostRecord* FindVhost(VhostId id) const override {
    const VhostState* vhost = FindNode(state_.vhost_states, id.value);
    return vhost == nullptr ? nullptr : &vhost->node->record;
  }
  const ExchangeRecord* FindExchange(VhostId vhost, absl::string_view name) const override {
    const VhostState* found = FindNode(state_.vhost_states, vhost.value);
    return found == nullptr ? nullptr : RecordOf(found->exchanges, name);
  }
  const QueueRecord* FindQueue(VhostId vhost, absl::string_view name) const override {
    const VhostState* found = FindNode(state_.vhost_states, vhost.value);
    return found == nullptr ? nullptr : RecordOf(found->queues, name);
  }
  const QueueRecord* FindQueue(QueueId id) const override {
    return RecordOf(state_.queues, id.value);
  }
  const UserRecord* FindUser(absl::string_view name) const override {
    return RecordOf(state_.users, name);
  }
  const PermissionRecord* FindPermission(absl::string_view user,
                                         absl::string_view vhost) const override {
    return RecordOf(state_.permissions, PermissionKey{user, vhost});
  }

  void Route(const ExchangeRecord& exchange, absl::Span<const absl::string_view> keys,
             const amqp::Table* headers, std::vector<Target>* targets) const override {
    RouteMessage(state_, exchange, keys, headers, targets);
  }

  std::vector<const VhostRecord*> ListVhosts() const override {
    return SortedByName<VhostRecord>(state_.vhosts);
  }
  std::vector<const UserRecord*> ListUsers() const override {
    return SortedByName<UserRecord>(state_.users);
  }
  std::vector<const PermissionRecord*> ListPermissions() const override {
    std::vector<const PermissionRecord*> records;
    state_.permissions.ForEach(
        [&](const Ref<PermissionNode>& node) { records.push_back(&node->record); });
    std::sort(records.begin(), records.end(),
              [](const PermissionRecord* a, const PermissionRecord* b) {
                return std::tie(a->vhost, a->user) < std::tie(b->vhost, b->user);
              });
    return records;
  }
  std::vector<const ExchangeRecord*> ListExchanges(VhostId vhost) const override {
    const VhostState* found = FindNode(state_.vhost_states, vhost.value);
    if (found == nullptr) return {};
    return SortedByName<ExchangeRecord>(found->exchanges);
  }
  std::vector<const QueueRecord*> ListQueues(VhostId vhost) const override {
    const VhostState* found = FindNode(state_.vhost_states, vhost.value);
    if (found == nullptr) return {};
    return SortedByName<QueueRecord>(found->queues);
  }
  std::vector<const QueueRecord*> ListQueuesOfShard(GroupId shard) const override {
    return ListGroup(state_.queues_by_shard, uint64_t{shard.value});
  }
  std::vector<const QueueRecord*> ListTransientQueues(const base::SessionId& home) const override {
    return ListGroup(state_.queues_by_home, home);
  }
  std::vector<const QueueRecord*> ListExclusiveQueues(const ConnectionId& owner) const override {
    return ListGroup(state_.queues_by_owner, owner);
  }
  std::vector<BindingRecord> ListBindings(VhostId vhost) const override;
  uint64_t queue_count() const override { return state_.queues.size(); }

 private:
  template <typename Map, typename Key>
  static std::vector<const QueueRecord*> ListGroup(const Map& map, const Key& key) {
    const auto* group = map.Find(key);
    if (group == nullptr) return {};
    return SortedByName<QueueRecord>(group->queues);
  }

  const State state_;
};

// First each queue's binding to the default exchange, which is not stored, then the others by
// source, destination, key and arguments.
std::vector<BindingRecord> VersionImpl::ListBindings(VhostId vhost) const {
  std::vector<BindingRecord> bindings;
  const VhostState* found = FindNode(state_.vhost_states, vhost.value);
  if (found == nullptr) return bindings;
  for (const QueueRecord* queue : SortedByName<QueueRecord>(found->queues)) {
    bindings.push_back({"", DestinationKind::kQueue, queue->name, queue->name, ""});
  }
  const auto first_stored = static_cast<std::ptrdiff_t>(bindings.size());
  found->exchanges.ForEach([&](const Ref<ExchangeNode>& exchange) {
    const ExchangeState* source = FindNode(state_.exchanges, exchange->record.id.value);
    source->bindings.ForEach([&](const Ref<BindingNode>& binding) {
      const std::string* destination = nullptr;
      if (binding->kind == DestinationKind::kQueue) {
        destination = &FindNode(state_.queues, binding->destination)->record.name;
      } else {
        destination = &FindNode(state_.exchanges, binding->destination)->node->record.name;
      }
      bindings.push_back({exchange->record.name, binding->kind, *destination, binding->routing_key,
                          binding->arguments});
    });
  });
  std::sort(bindings.begin() + first_stored, bindings.end(),
            [](const BindingRecord& a, const BindingRecord& b) {
              return std::tie(a.source, a.kind, a.destination, a.routing_key, a.arguments) <
                     std::tie(b.source, b.kind, b.destination, b.routing_key, b.arguments);
            });
  return bindings;
}

}  // namespace

VersionPtr NewVersion(State state) { return std::make_shared<VersionImpl>(std::move(state)); }

}  // namespace pontoon::catalog
