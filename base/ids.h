#ifndef PONTOON_BASE_IDS_H_
#define PONTOON_BASE_IDS_H_

#include <compare>
#include <cstdint>
#include <utility>

#include "base/check.h"

namespace pontoon::base {

// An integer that cannot be mistaken for another kind of integer. `Tag` only names the kind.
template <typename Tag, typename T>
struct StrongId {
  using Value = T;
  T value{};
  friend constexpr auto operator<=>(StrongId, StrongId) = default;
  template <typename H>
  friend H AbslHashValue(H h, StrongId id) {
    return H::combine(std::move(h), id.value);
  }
};

// [format] A node: drawn at random once and kept in its data directory, never 0. Names and
// addresses may change.
using NodeId = StrongId<struct NodeIdTag, uint64_t>;
// [format] The how-manieth start of a node's process, from 1; durable and in the catalog before the
// node serves.
using BootId = StrongId<struct BootIdTag, uint32_t>;
// [format] An event loop of one boot of a node, from 0.
using LoopId = StrongId<struct LoopIdTag, uint16_t>;
// [format] A Raft group: 0 is the catalog, 1.. are the shards.
using GroupId = StrongId<struct GroupIdTag, uint32_t>;
// [format] How often a group was reopened by hand after it had lost its majority (design: recovery
// epoch); from 0.
using RecoveryEpoch = StrongId<struct RecoveryEpochTag, uint16_t>;

inline constexpr GroupId kCatalogGroup{0};

// [format] The id of a declared thing (virtual host, queue, exchange, user): the recovery epoch of
// the catalog in the upper 16 bits, the catalog index of its declaration in the lower 48. Never
// reused; 0 is no thing.
template <typename Tag>
struct ThingId : StrongId<Tag, uint64_t> {
  static constexpr ThingId Make(RecoveryEpoch epoch, uint64_t catalog_index) {
    PONTOON_CHECK(catalog_index < (uint64_t{1} << 48));
    ThingId id;
    id.value = (uint64_t{epoch.value} << 48) | catalog_index;
    return id;
  }
  static constexpr ThingId Of(uint64_t value) {
    ThingId id;
    id.value = value;
    return id;
  }
  constexpr uint64_t catalog_index() const { return this->value & ((uint64_t{1} << 48) - 1); }
  constexpr RecoveryEpoch epoch() const { return {static_cast<uint16_t>(this->value >> 48)}; }
  constexpr explicit operator bool() const { return this->value != 0; }
};
using VhostId = ThingId<struct VhostIdTag>;
using QueueId = ThingId<struct QueueIdTag>;
using ExchangeId = ThingId<struct ExchangeIdTag>;

// [format] Who speaks to a shard in numbered order: an event loop of a front-end, in one boot of
// its node (design section 5). Another boot is another session.
struct SessionId {
  NodeId node;
  BootId boot;
  LoopId loop;
  friend constexpr auto operator<=>(const SessionId&, const SessionId&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const SessionId& id) {
    return H::combine(std::move(h), id.node, id.boot, id.loop);
  }
};

}  // namespace pontoon::base

#endif  // PONTOON_BASE_IDS_H_
