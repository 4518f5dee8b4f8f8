#ifndef PONTOON_SERVER_CATALOG_DESTINATION_SET_H_
#define PONTOON_SERVER_CATALOG_DESTINATION_SET_H_

#include <cstdint>

#include "server/catalog/catalog.h"
#include "server/catalog/hash.h"
#include "server/catalog/persistent_map.h"

namespace pontoon::catalog {

// Where a message goes that matched: a queue with all that routing wants to know of it, or an
// exchange. Ids of queues and exchanges never meet: each is of another catalog index.
struct Destination {
  uint64_t id = 0;
  base::SessionId home;
  GroupId shard;
  uint32_t bindings = 0;  // How many bindings lead here; 0 only before the first is added.
  DestinationKind kind = DestinationKind::kQueue;

  Target ToTarget() const { return {QueueId::Of(id), shard, home}; }
};

struct DestinationById {
  using Key = uint64_t;
  static Key Get(const Destination& destination) { return destination.id; }
  static uint64_t Hash(Key id) { return HashId(id); }
};

// Destinations of all bindings that match the same, each once; walked in an order that depends on
// nothing but the ids.
class DestinationSet {
 public:
  bool empty() const { return map_.empty(); }
  size_t size() const { return map_.size(); }

  // One more binding leads to `destination`.
  void Add(const Destination& destination) {
    if (Destination* known = map_.FindMutable(destination.id)) {
      ++known->bindings;
      return;
    }
    Destination added = destination;
    added.bindings = 1;
    map_.Insert(added);
  }
  // One binding fewer.
  void Remove(uint64_t id) {
    Destination* known = map_.FindMutable(id);
    PONTOON_CHECK(known != nullptr && known->bindings > 0);
    if (--known->bindings == 0) map_.Erase(id);
  }
  template <typename Function>
  void ForEach(const Function& function) const {
    map_.ForEach(function);
  }

 private:
  PersistentMap<Destination, DestinationById> map_;
};

}  // namespace pontoon::catalog

#endif  // PONTOON_SERVER_CATALOG_DESTINATION_SET_H_
