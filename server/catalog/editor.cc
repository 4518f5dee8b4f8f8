#include "server/catalog/editor.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.h"

namespace pontoon::catalog {
namespace {

struct Predeclared {
  absl::string_view name;
  ExchangeKind kind;
  bool internal;
};
constexpr std::array<Predeclared, 7> kPredeclared = {{
    {"", ExchangeKind::kDirect, false},
    {"amq.direct", ExchangeKind::kDirect, false},
    {"amq.fanout", ExchangeKind::kFanout, false},
    {"amq.headers", ExchangeKind::kHeaders, false},
    {"amq.match", ExchangeKind::kHeaders, false},
    {"amq.rabbitmq.trace", ExchangeKind::kTopic, true},
    {"amq.topic", ExchangeKind::kTopic, false},
}};

// [format] Predeclared exchanges are declared by one entry with their virtual host: their ids are
// its id with their number, from 1, in bits 44 to 47, which no catalog index reaches.
ExchangeId PredeclaredId(VhostId vhost, size_t number) {
  return ExchangeId::Of(vhost.value | static_cast<uint64_t>(number + 1) << 44);
}

// Puts `queue` into, or takes it out of, the group of `key` in `groups`.
template <typename Group, typename Map, typename Key>
void AddToGroup(Map* groups, const Key& key, const Ref<QueueNode>& queue) {
  if (groups->Find(key) == nullptr) groups->Insert(Group{key, {}});
  groups->FindMutable(key)->queues.Insert(queue);
}
template <typename Map, typename Key>
void RemoveFromGroup(Map* groups, const Key& key, QueueId queue) {
  auto* group = groups->FindMutable(key);
  if (group == nullptr) return;
  group->queues.Erase(queue.value);
  if (group->queues.empty()) groups->Erase(key);
}

}  // namespace

bool IsPredeclared(const ExchangeRecord& exchange) {
  return (exchange.id.catalog_index() >> 44) != 0;
}

void Editor::AddVhost(VhostRecord record) {
  const VhostId id = record.id;
  Ref<VhostNode> node(new VhostNode());
  node->record = std::move(record);
  state_.vhosts.Insert(node);
  Ref<VhostState> vhost(new VhostState());
  vhost->node = std::move(node);
  state_.vhost_states.Insert(std::move(vhost));
  for (size_t i = 0; i < kPredeclared.size(); ++i) {
    ExchangeRecord exchange;
    exchange.id = PredeclaredId(id, i);
    exchange.vhost = id;
    exchange.name = std::string(kPredeclared[i].name);
    exchange.kind = kPredeclared[i].kind;
    exchange.durable = true;
    exchange.internal = kPredeclared[i].internal;
    AddExchange(std::move(exchange), {});
  }
}

std::vector<Ref<QueueNode>> Editor::RemoveVhost(VhostId id) {
  const VhostState* vhost = FindNode(state_.vhost_states, id.value);
  PONTOON_CHECK(vhost != nullptr);
  std::vector<Ref<QueueNode>> queues;
  queues.reserve(vhost->queues.size());
  vhost->queues.ForEach([&](const Ref<QueueNode>& queue) { queues.push_back(queue); });
  std::sort(queues.begin(), queues.end(), [](const Ref<QueueNode>& a, const Ref<QueueNode>& b) {
    return a->record.name < b->record.name;
  });
  std::vector<ExchangeId> exchanges;
  vhost->exchanges.ForEach(
      [&](const Ref<ExchangeNode>& exchange) { exchanges.push_back(exchange->record.id); });
  const std::string name = vhost->node->record.name;
  for (const ExchangeId exchange : exchanges) RemoveExchange(exchange);
  for (const Ref<QueueNode>& queue : queues) RemoveQueue(queue->record.id);
  state_.vhost_states.Erase(id.value);
  state_.vhosts.Erase(name);
  return queues;
}

void Editor::AddQueue(QueueRecord record) {
  Ref<QueueNode> queue(new QueueNode());
  queue->record = std::move(record);
  const QueueRecord& added = queue->record;
  state_.vhost_states.FindMutable(added.vhost.value)->Mutable().queues.Insert(queue);
  state_.queues.Insert(queue);
  if (added.transient()) {
    AddToGroup<HomeQueues>(&state_.queues_by_home, added.home, queue);
  } else {
    AddToGroup<ShardQueues>(&state_.queues_by_shard, uint64_t{added.shard.value}, queue);
  }
  if (added.owner) AddToGroup<OwnerQueues>(&state_.queues_by_owner, *added.owner, queue);
}

void Editor::RemoveQueue(QueueId id) {
  const Ref<QueueNode>* found = state_.queues.Find(id.value);
  if (found == nullptr) return;
  const Ref<QueueNode> queue = *found;
  const QueueRecord& removed = queue->record;
  RemoveBindingsTo(id.value);
  state_.vhost_states.FindMutable(removed.vhost.value)->Mutable().queues.Erase(removed.name);
  state_.queues.Erase(id.value);
  if (removed.transient()) {
    RemoveFromGroup(&state_.queues_by_home, removed.home, id);
  } else {
    RemoveFromGroup(&state_.queues_by_shard, uint64_t{removed.shard.value}, id);
  }
  if (removed.owner) RemoveFromGroup(&state_.queues_by_owner, *removed.owner, id);
}

void Editor::AddExchange(ExchangeRecord record, const base::SessionId& home) {
  Ref<ExchangeNode> node(new ExchangeNode());
  node->record = std::move(record);
  node->home = home;
  state_.vhost_states.FindMutable(node->record.vhost.value)->Mutable().exchanges.Insert(node);
  Ref<ExchangeState> exchange(new ExchangeState());
  exchange->node = std::move(node);
  state_.exchanges.Insert(std::move(exchange));
}

void Editor::RemoveExchange(ExchangeId id) {
  const ExchangeState* exchange = FindNode(state_.exchanges, id.value);
  if (exchange == nullptr) return;
  RemoveBindingsFrom(*exchange);
  const Ref<ExchangeNode> node = exchange->node;
  // The exchange goes first: a cycle of automatic exchanges would come back to it.
  state_.exchanges.Erase(id.value);
  state_.vhost_states.FindMutable(node->record.vhost.value)
      ->Mutable()
      .exchanges.Erase(node->record.name);
  RemoveBindingsTo(id.value);
}

Destination Editor::DestinationOf(const BindingNode& binding) const {
  Destination destination;
  destination.id = binding.destination;
  destination.kind = binding.kind;
  if (binding.kind == DestinationKind::kQueue) {
    const QueueNode* queue = FindNode(state_.queues, binding.destination);
    PONTOON_CHECK(queue != nullptr);
    destination.home = queue->record.home;
    destination.shard = queue->record.shard;
  }
  return destination;
}

bool Editor::AddBinding(Ref<BindingNode> binding) {
  const BindingNode& added = *binding;
  const ExchangeState* found = FindNode(state_.exchanges, added.source);
  PONTOON_CHECK(found != nullptr);
  if (found->bindings.Find(ByBinding::Get(binding)) != nullptr) return false;
  ExchangeState& exchange = state_.exchanges.FindMutable(added.source)->Mutable();
  switch (exchange.node->record.kind) {
    case ExchangeKind::kDirect: {
      if (exchange.direct.Find(added.routing_key) == nullptr)
        exchange.direct.Insert({added.routing_key, {}});
      exchange.direct.FindMutable(added.routing_key)->destinations.Add(DestinationOf(added));
      break;
    }
    case ExchangeKind::kFanout:
      exchange.fanout.Add(DestinationOf(added));
      break;
    case ExchangeKind::kTopic:
      exchange.topic.Add(added.routing_key, DestinationOf(added));
      break;
    case ExchangeKind::kHeaders:
      break;
  }
  incoming_[added.destination].insert(binding.get());
  exchange.bindings.Insert(std::move(binding));
  return true;
}

bool Editor::RemoveBinding(uint64_t source, const BindingKey& key) {
  const ExchangeState* found = FindNode(state_.exchanges, source);
  if (found == nullptr) return false;
  const Ref<BindingNode>* slot = found->bindings.Find(key);
  if (slot == nullptr) return false;
  const Ref<BindingNode> binding = *slot;  // `key` may point into it.
  ExchangeState& exchange = state_.exchanges.FindMutable(source)->Mutable();
  switch (exchange.node->record.kind) {
    case ExchangeKind::kDirect: {
      DestinationSet& destinations =
          exchange.direct.FindMutable(binding->routing_key)->destinations;
      destinations.Remove(binding->destination);
      if (destinations.empty()) exchange.direct.Erase(binding->routing_key);
      break;
    }
    case ExchangeKind::kFanout:
      exchange.fanout.Remove(binding->destination);
      break;
    case ExchangeKind::kTopic:
      exchange.topic.Remove(binding->routing_key, binding->destination);
      break;
    case ExchangeKind::kHeaders:
      break;
  }
  exchange.bindings.Erase(ByBinding::Get(binding));
  if (const auto it = incoming_.find(binding->destination); it != incoming_.end()) {
    it->second.erase(binding.get());
    if (it->second.empty()) incoming_.erase(it);
  }
  if (exchange.node->record.auto_delete && exchange.bindings.empty())
    RemoveExchange(exchange.node->record.id);
  return true;
}

void Editor::RemoveBindingsTo(uint64_t destination) {
  const auto it = incoming_.find(destination);
  if (it == incoming_.end()) return;
  const Bindings bindings = std::move(it->second);
  incoming_.erase(it);
  for (const BindingNode* binding : bindings)
    RemoveBinding(binding->source, ByBinding::Of(*binding));
}

void Editor::RemoveBindingsFrom(const ExchangeState& exchange) {
  exchange.bindings.ForEach([&](const Ref<BindingNode>& binding) {
    const auto it = incoming_.find(binding->destination);
    if (it == incoming_.end()) return;
    it->second.erase(binding.get());
    if (it->second.empty()) incoming_.erase(it);
  });
}

}  // namespace pontoon::catalog
