#ifndef PONTOON_RAFT_NODE_COUNTERS_H_
#define PONTOON_RAFT_NODE_COUNTERS_H_

#include <cstdint>

namespace pontoon::raft {

// What one loop's groups exchanged with their peers since the start. A message that is dropped has
// changed nothing.
struct RaftCounters {
  uint64_t messages_in = 0;   // That a group took.
  uint64_t messages_out = 0;  // Given to the transport (which may lose them).

  // Dropped, by reason.
  uint64_t old_boot = 0;       // Of an earlier start of the sender than one that was heard already.
  uint64_t wrong_sender = 0;   // Names another node as its sender than the one it came from.
  uint64_t no_such_group = 0;  // Not open on this loop.
  uint64_t wrong_replica = 0;  // For another node, or another incarnation of this replica.
  uint64_t wrong_epoch = 0;    // The group was reopened since, or has not been here.
  uint64_t old_incarnation = 0;  // The sender's disk was replaced since.
  uint64_t invalid = 0;          // Damaged, impossible, or of a stranger.
  // A part of a snapshot that nobody asked for, or that is no answer: late, damaged, impossible.
  uint64_t unasked_snapshot = 0;

  uint64_t installed_snapshots = 0;
  uint64_t unused_snapshots = 0;  // Complete, when the group had got further by itself.
  uint64_t astray = 0;  // Replicas found to have lost or changed what they had vouched for.

  uint64_t dropped() const {
    return old_boot + wrong_sender + no_such_group + wrong_replica + wrong_epoch + old_incarnation +
           invalid + unasked_snapshot;
  }
};

}  // namespace pontoon::raft

#endif  // PONTOON_RAFT_NODE_COUNTERS_H_
