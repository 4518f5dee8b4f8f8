#ifndef PONTOON_RAFT_NODE_NODE_TABLE_H_
#define PONTOON_RAFT_NODE_NODE_TABLE_H_

#include <cstdint>
#include <map>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"
#include "raft/core/types.h"

namespace pontoon::raft {

// What this process has heard of the boots of other nodes. A node's boot number grows at each of
// its starts, so one that goes back means that an old copy of its disk was put back: what it says
// has nothing to do with what it promised (design section 4, "Damage"). Shared by the loops of a
// node; any thread.
class NodeTable {
 public:
  // Whether what `node` says in `boot` counts: not if a later boot was heard of.
  bool Admit(NodeId node, uint64_t boot);
  // The highest boot heard of; 0: none.
  uint64_t boot(NodeId node) const;

 private:
  mutable base::Mutex mutex_;
  std::map<NodeId, uint64_t> boots_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace pontoon::raft

#endif  // PONTOON_RAFT_NODE_NODE_TABLE_H_
