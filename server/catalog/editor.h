#ifndef PONTOON_SERVER_CATALOG_EDITOR_H_
#define PONTOON_SERVER_CATALOG_EDITOR_H_

#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "server/catalog/state.h"

namespace pontoon::catalog {

// One of those that every virtual host has from the start.
bool IsPredeclared(const ExchangeRecord& exchange);

// Changes the newest state and keeps what hangs together together: a queue in all its lists, a
// binding in its exchange's table and under its destination, automatic deletion of exchanges.
// Decides nothing about clients' rights or texts.
class Editor {
 public:
  const State& state() const { return state_; }
  State* mutable_state() { return &state_; }

  // A virtual host with its predeclared exchanges. The name is free.
  void AddVhost(VhostRecord record);
  // With all that is in it; gives the queues it had, by name.
  std::vector<Ref<QueueNode>> RemoveVhost(VhostId id);

  // The name is free and the virtual host exists.
  void AddQueue(QueueRecord record);
  // With its bindings. Not known: nothing.
  void RemoveQueue(QueueId id);

  // `home` is kept for a transient one.
  void AddExchange(ExchangeRecord record, const base::SessionId& home);
  // With the bindings from and to it.
  void RemoveExchange(ExchangeId id);

  // Both ends exist. False if the binding did already.
  bool AddBinding(Ref<BindingNode> binding);
  // False if there is none such. May delete the source, if that is automatic.
  bool RemoveBinding(uint64_t source, const BindingKey& key);

 private:
  using Bindings = absl::flat_hash_set<const BindingNode*>;

  Destination DestinationOf(const BindingNode& binding) const;
  void RemoveBindingsTo(uint64_t destination);
  void RemoveBindingsFrom(const ExchangeState& exchange);

  State state_;
  // Bindings under what they lead to; only the newest state needs it. They are owned by their
  // exchanges.
  absl::flat_hash_map<uint64_t, Bindings> incoming_;
};

}  // namespace pontoon::catalog

#endif  // PONTOON_SERVER_CATALOG_EDITOR_H_
