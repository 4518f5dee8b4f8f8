#include "raft/node/node_table.h"

#include <algorithm>

#include "raft/core/mutants.h"

namespace pontoon::raft {

bool NodeTable::Admit(NodeId node, uint64_t boot) {
  {
    base::MutexLock lock(&mutex_);
    uint64_t& known = boots_[node];
    if (boot < known && !MutantIs(Mutant::kOldBootHeard)) return false;
    if (boot <= known) return true;
    if (remember_ == nullptr) {
      known = boot;
      return true;
    }
    uint64_t& remembering = remembering_[node];
    if (boot <= remembering) return MutantIs(Mutant::kHeardBeforeRemembered);
    remembering = boot;
  }
  remember_(node, boot);
  // It may be known by now.
  return MutantIs(Mutant::kHeardBeforeRemembered) || this->boot(node) == boot;
}

void NodeTable::Learn(NodeId node, uint64_t boot) {
  base::MutexLock lock(&mutex_);
  uint64_t& known = boots_[node];
  known = std::max(known, boot);
}

uint64_t NodeTable::boot(NodeId node) const {
  base::MutexLock lock(&mutex_);
  const auto it = boots_.find(node);
  return it == boots_.end() ? 0 : it->second;
}

}  // namespace pontoon::raft
