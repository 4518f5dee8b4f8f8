#ifndef PONTOON_RAFT_NODE_NODE_TABLE_H_
#define PONTOON_RAFT_NODE_NODE_TABLE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"
#include "raft/core/types.h"

namespace pontoon::raft {

// The highest boots of other nodes. A node's boot number grows at each of its starts, so one that
// goes back means that an old copy of its disk was put back: what it says has nothing to do with
// what it promised (design section 4, "Damage"). Shared by the loops of a node; any thread.
//
// With `remember`, a boot counts only once it is durable here that it was heard, so that an old
// copy is recognised whoever else has started again meanwhile: by every node that ever heard the
// newest boot, or learnt of it (Learn: the catalog records boots).
//
// What a boot number cannot tell: a copy made since the node's last start is one more start to
// everybody, and one made in the boot before that gets the number of the last start again. Of these
// it is noticed that they lack what they had acknowledged, by a leader that remembers: not if it
// has started since as well. A group whose replica has another incarnation by then does not hear
// the old one either (Core::Step).
class NodeTable {
 public:
  // To write, durably, that `node` was heard in `boot`, and then to call Learn, on any thread. It
  // must not block, nor call Learn at once if that could be untrue after a crash.
  using Remember = std::function<void(NodeId node, uint64_t boot)>;

  // Forgets with the process what it heard.
  NodeTable() = default;
  // `known`: what was remembered in earlier lives.
  NodeTable(std::map<NodeId, uint64_t> known, Remember remember)
      : remember_(std::move(remember)), boots_(std::move(known)) {}

  // Whether what `node` says in `boot` counts: not if a later boot is known, nor (what is said is
  // lost, as on a bad line) while a new one is being written.
  bool Admit(NodeId node, uint64_t boot);
  // That boot of the node has begun, and that is durable.
  void Learn(NodeId node, uint64_t boot);
  // The highest boot that is known; 0: none.
  uint64_t boot(NodeId node) const;

 private:
  const Remember remember_;
  mutable base::Mutex mutex_;
  std::map<NodeId, uint64_t> boots_ ABSL_GUARDED_BY(mutex_);
  std::map<NodeId, uint64_t> remembering_ ABSL_GUARDED_BY(mutex_);  // Being written.
};

}  // namespace pontoon::raft

#endif  // PONTOON_RAFT_NODE_NODE_TABLE_H_
