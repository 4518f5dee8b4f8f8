#ifndef PONTOON_RAFT_NODE_TRANSPORT_H_
#define PONTOON_RAFT_NODE_TRANSPORT_H_

#include <cstdint>

#include "raft/core/message.h"

namespace pontoon::raft {

// What must not wait for what (design section 1): a large append never delays a heartbeat, a
// snapshot neither.
enum class TrafficClass : uint8_t { kControl = 0, kAppend = 1, kSnapshot = 2 };
inline constexpr int kTrafficClasses = 3;

constexpr TrafficClass ClassOf(MessageKind kind) {
  switch (kind) {
    case MessageKind::kAppend:
      return TrafficClass::kAppend;
    case MessageKind::kSnapshotRequest:
    case MessageKind::kSnapshotPart:
      return TrafficClass::kSnapshot;
    default:
      return TrafficClass::kControl;
  }
}

// The way to other nodes as Raft needs it, for one event loop; server/cluster implements it, the
// simulator and the tests do. What arrives goes to MultiRaft::Deliver of the loop that owns the
// group. Called on that loop.
class Transport {
 public:
  virtual ~Transport() = default;
  // Towards message.to.node. May lose, double or delay it, and reorder between classes; never
  // blocks. What waits for a peer is bounded; beyond, it is lost.
  virtual void Send(Message message) = 0;
  // The turn is over: what was sent in it may leave, as one batch per node and class.
  virtual void EndTurn() {}
};

}  // namespace pontoon::raft

#endif  // PONTOON_RAFT_NODE_TRANSPORT_H_
