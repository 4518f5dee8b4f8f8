#ifndef PONTOON_RAFT_NODE_SNAPSHOT_BUDGET_H_
#define PONTOON_RAFT_NODE_SNAPSHOT_BUDGET_H_

#include <algorithm>
#include <cstddef>
#include <deque>
#include <set>

#include "raft/core/types.h"

namespace pontoon::raft {

// How many groups of one loop fetch a snapshot at the same time: a node that comes back with a
// thousand groups behind it must not ask for all of them at once. The others wait in line.
class SnapshotBudget {
 public:
  static constexpr size_t kGroupsAtOnce = 2;

  // Whether the group may fetch now; it keeps its place, in the line or at work, until Release.
  bool Take(GroupId group) {
    if (at_work_.contains(group)) return true;
    if (std::find(line_.begin(), line_.end(), group) == line_.end()) line_.push_back(group);
    if (at_work_.size() >= kGroupsAtOnce || line_.front() != group) return false;
    line_.pop_front();
    at_work_.insert(group);
    return true;
  }
  // Somebody waits in line.
  bool contended() const { return !line_.empty(); }
  void Release(GroupId group) {
    at_work_.erase(group);
    line_.erase(std::remove(line_.begin(), line_.end(), group), line_.end());
  }

 private:
  std::set<GroupId> at_work_;
  std::deque<GroupId> line_;
};

}  // namespace pontoon::raft

#endif  // PONTOON_RAFT_NODE_SNAPSHOT_BUDGET_H_
