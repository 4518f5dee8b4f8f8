#ifndef PONTOON_SERVER_CLUSTER_FABRIC_H_
#define PONTOON_SERVER_CLUSTER_FABRIC_H_

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "base/ids.h"
#include "base/slice.h"
#include "raft/core/types.h"
#include "server/broker/shard_protocol.h"
#include "server/catalog/catalog.h"
#include "server/cluster/front_end.h"

// What the event loops of a node tell each other, and what the log store tells them. Messages of
// one sender to one loop arrive in order.

namespace pontoon::cluster {

class LoopHost;

struct ToShard {
  base::SessionId session;
  ShardRef shard;
  std::vector<broker::ShardRequest> requests;
};
struct ToSession {
  base::SessionId session;
  ShardRef shard;
  std::vector<broker::ShardResponse> responses;
};
// To the loop that has the catalog's replica.
struct ToCatalog {
  std::vector<std::pair<catalog::Origin, catalog::Command>> commands;
};
// From there to every loop: route by this version from now on.
struct CatalogApplied {
  catalog::VersionPtr version;
  std::vector<catalog::Change> changes;
};
// And back: this loop routes by everything up to `index`.
struct CatalogInstalled {
  base::LoopId loop;
  uint64_t index = 0;
};
// All loops route by what these commands changed.
struct CatalogAnswers {
  std::vector<catalog::Outcome> outcomes;
};
// Of one batch, for all groups of this loop: the newest of their storage tasks that is done.
struct StorageDone {
  std::vector<std::pair<base::GroupId, raft::IoSeq>> done;
};
struct CheckpointDurable {
  base::GroupId group;
  raft::EntryId applied;
};
struct StateWritten {
  base::GroupId group;
  uint64_t ticket = 0;
};
// `life`: of the shard's object that asked (ReplicatedShard).
struct BodiesRead {
  base::GroupId group;
  uint64_t life = 0;
  uint64_t read = 0;
  std::vector<absl::StatusOr<base::Slice>> parts;
};
struct PageRead {
  base::GroupId group;
  uint64_t life = 0;
  uint64_t read = 0;
  absl::StatusOr<base::Slice> page;
};
struct DirectReply {
  ChannelKey channel;
  uint64_t secret = 0;  // Of the address.
  broker::MessageBytes message;
};
// The catalog's checkpoint has been written down aside. `life`: of the state that it is of.
struct CatalogWritten {
  uint64_t life = 0;
  raft::EntryId applied;
  std::string root;
};
// Runs on the loop; for inspection and administration, not for the path of messages.
struct Call {
  std::function<void(LoopHost*)> run;
};

using LoopMessage = std::variant<ToShard, ToSession, ToCatalog, CatalogApplied, CatalogInstalled,
                                 CatalogAnswers, StorageDone, CheckpointDurable, StateWritten,
                                 BodiesRead, PageRead, DirectReply, CatalogWritten, Call>;

class Fabric {
 public:
  virtual ~Fabric() = default;
  // Any thread; never blocks. The loop gets it in its next turn, with all else that was sent to it
  // meanwhile.
  virtual void Send(base::LoopId to, LoopMessage message) = 0;
  // Any thread; never blocks. Does `work`, which would hold up a loop, once and somewhere else: in
  // the server on a thread of its own, in simulations at once. Dropped when the node stops.
  virtual void RunAside(std::function<void()> work) = 0;
  // The disk has completed nothing for so long that this node is only in the way of others: ends
  // the process. Any thread.
  virtual void OnDiskDead(base::Duration waited) = 0;
};

// What is the same for all loops of this boot of the node.
struct NodeFacts {
  base::NodeId node;
  uint32_t incarnation = 1;
  base::BootId boot;
  std::string name;  // "rabbit@host"
  uint16_t loops = 1;
  uint32_t shards = 32;  // Replicated shard groups: 1..shards.

  base::SessionId SessionOf(base::LoopId loop) const { return {node, boot, loop}; }
  // A shard belongs to one loop: the groups are dealt out in turn.
  base::LoopId LoopOf(base::GroupId group) const {
    return {group.value == 0 ? uint16_t{0} : static_cast<uint16_t>((group.value - 1) % loops)};
  }
  base::LoopId LoopOf(const ShardRef& shard) const {
    return shard.group.value == 0 ? shard.home.loop : LoopOf(shard.group);
  }
};

}  // namespace pontoon::cluster

#endif  // PONTOON_SERVER_CLUSTER_FABRIC_H_
