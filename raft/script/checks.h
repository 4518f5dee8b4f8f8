#ifndef PONTOON_RAFT_SCRIPT_CHECKS_H_
#define PONTOON_RAFT_SCRIPT_CHECKS_H_

#include <functional>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "raft/script/replica.h"

namespace pontoon::raft::script {

// What must hold between the replicas of a script, after every step; what one replica must hold by
// itself is in Invariants. Internal: which one is broken, and how. For tests.
class Checks {
 public:
  using Replicas = std::map<NodeId, std::unique_ptr<Replica>>;

  // All at once: R1, R6, R8, R14, R15. `clock` tells a replica's time.
  absl::Status Check(const Replicas& replicas,
                     const std::function<base::MonotonicTime(const Replica&)>& clock);
  // What leaves a replica promises only what is on its disk, and no two votes: R3, R10, R13.
  absl::Status OnSend(const Replica& from, const Message& message);
  // R6, R7.
  absl::Status OnApply(const Replica& replica, const Entry& entry);
  // R16.
  absl::Status OnRead(Replica* replica, const ReadReady& read) const;

  // What was committed anywhere.
  Index committed() const { return committed_.empty() ? Index{0} : committed_.rbegin()->first; }

 private:
  absl::Status CheckCommitted(const Replicas& replicas, Replica* replica);
  absl::Status CheckLeader(const Replicas& replicas, const Replica& replica);

  std::map<Term, ReplicaId> leaders_;
  std::map<std::pair<ReplicaId, Term>, ReplicaId> votes_;
  std::map<Index, EntryId> committed_;
  std::map<Index, uint32_t> applied_;  // CRC-32C of the header.
};

}  // namespace pontoon::raft::script

#endif  // PONTOON_RAFT_SCRIPT_CHECKS_H_
