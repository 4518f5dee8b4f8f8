#ifndef PONTOON_RAFT_SCRIPT_WORDS_H_
#define PONTOON_RAFT_SCRIPT_WORDS_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "base/time.h"
#include "raft/core/types.h"
#include "raft/script/world.h"

namespace pontoon::raft::script {

// What single words of a script mean; what cannot be read is zero or empty. For tests.

NodeId NodeOf(absl::string_view word);                      // 3
ReplicaId ReplicaOf(absl::string_view word);                // 3, or 3.2 for its second incarnation
std::vector<ReplicaId> ReplicasOf(absl::string_view word);  // 1,2,3
EntryId EntryOf(absl::string_view word);                    // 7@2: index 7 of term 2
base::Duration DurationOf(absl::string_view word);          // 300ms, 2s
bool IsDuration(absl::string_view word);
std::vector<uint64_t> NumbersOf(absl::string_view word);  // 1,1,2
// 1->2; 1->* and *->1 are all links of a node that the world has.
std::vector<World::Link> LinksOf(absl::string_view word, const World& world);

}  // namespace pontoon::raft::script

#endif  // PONTOON_RAFT_SCRIPT_WORDS_H_
