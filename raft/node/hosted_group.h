#ifndef PONTOON_RAFT_NODE_HOSTED_GROUP_H_
#define PONTOON_RAFT_NODE_HOSTED_GROUP_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <utility>

#include "raft/core/core.h"
#include "raft/node/multi_raft.h"
#include "raft/node/state_machine.h"

// Of multi_raft*.cc alone.

namespace pontoon::raft {

// What MultiRaft keeps for one group besides its core.
struct MultiRaft::Group {
  GroupId id;
  std::unique_ptr<Core> core;
  StateMachine* machine;
  uint64_t opening;  // The how-manieth OpenGroup of this loop.
  uint16_t page_generation = 0;
  EntryId checkpoint;                   // The newest that is durable.
  std::pair<IoSeq, EntryId> installed;  // The newest that came from a peer, and its task.
  // Pages that an earlier life of the process had begun to receive.
  std::optional<uint16_t> drop_generation;
  size_t place = 0;             // In in_order_ and due_.
  bool dirty = false;           // Is in dirty_.
  base::MonotonicTime ticked;   // When its core was last told the time.
  std::optional<Term> leading;  // Was told OnLeader of it, and no OnFollower since.
  EntryId applied;
  std::deque<HeldMessage> held;
  std::deque<ReadReady> reads;  // Their index is not applied yet; ascending.
  // The newest round of reads of which heartbeats were sent here, or came: those of another one are
  // waited for, and do not wait themselves for the heartbeats of other groups.
  uint64_t round = 0;
};

}  // namespace pontoon::raft

#endif  // PONTOON_RAFT_NODE_HOSTED_GROUP_H_
