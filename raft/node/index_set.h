#ifndef PONTOON_RAFT_NODE_INDEX_SET_H_
#define PONTOON_RAFT_NODE_INDEX_SET_H_

#include <algorithm>
#include <iterator>
#include <map>

#include "raft/core/types.h"

namespace pontoon::raft {

// A set of indexes that costs what its gaps cost: millions of neighbours are one stretch.
class IndexSet {
 public:
  void Add(Index index) {
    if (Contains(index)) return;
    auto after = stretches_.upper_bound(index);
    Index first = index;
    Index end = index + 1;
    if (after != stretches_.begin()) {
      const auto before = std::prev(after);
      if (before->second == first) {
        first = before->first;
        after = stretches_.erase(before);
      }
    }
    if (after != stretches_.end() && after->first == end) {
      end = after->second;
      stretches_.erase(after);
    }
    stretches_[first] = end;
  }

  // Removes `from` and all above.
  void RemoveFrom(Index from) {
    stretches_.erase(stretches_.lower_bound(from), stretches_.end());
    if (stretches_.empty()) return;
    const auto last = std::prev(stretches_.end());
    last->second = std::min(last->second, from);
  }

  bool Contains(Index index) const { return NextMissing(index) != index; }

  // The lowest index from `from` on that is not in the set.
  Index NextMissing(Index from) const {
    auto it = stretches_.upper_bound(from);
    if (it == stretches_.begin()) return from;
    --it;
    return it->second > from ? it->second : from;
  }

  // The lowest index from `from` on that is in the set; `none` if there is none below it.
  Index NextPresent(Index from, Index none) const {
    if (Contains(from)) return std::min(from, none);
    const auto it = stretches_.upper_bound(from);
    return it == stretches_.end() ? none : std::min(it->first, none);
  }

  bool empty() const { return stretches_.empty(); }
  void clear() { stretches_.clear(); }

 private:
  std::map<Index, Index> stretches_;  // First, and the one after the last. Never touching.
};

}  // namespace pontoon::raft

#endif  // PONTOON_RAFT_NODE_INDEX_SET_H_
