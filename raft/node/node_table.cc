#include "raft/node/node_table.h"

#include "raft/core/mutants.h"

namespace pontoon::raft {

bool NodeTable::Admit(NodeId node, uint64_t boot) {
  base::MutexLock lock(&mutex_);
  uint64_t& highest = boots_[node];
  if (boot < highest && !MutantIs(Mutant::kOldBootHeard)) return false;
  highest = boot;
  return true;
}

uint64_t NodeTable::boot(NodeId node) const {
  base::MutexLock lock(&mutex_);
  const auto it = boots_.find(node);
  return it == boots_.end() ? 0 : it->second;
}

}  // namespace pontoon::raft
