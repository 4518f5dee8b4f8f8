#ifndef PONTOON_RAFT_NODE_TRANSPORT_H_
#define PONTOON_RAFT_NODE_TRANSPORT_H_

#include "raft/core/message.h"

namespace pontoon::raft {

// Bytes between nodes as Raft needs them. server/net implements it, and the tests.
class Transport {
 public:
  virtual ~Transport() = default;
  // Towards message.to. May lose, double or delay it; never blocks.
  virtual void Send(Message message) = 0;
};

}  // namespace pontoon::raft

#endif  // PONTOON_RAFT_NODE_TRANSPORT_H_
