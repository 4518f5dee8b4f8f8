#ifndef PONTOON_RAFT_CORE_INVARIANTS_H_
#define PONTOON_RAFT_CORE_INVARIANTS_H_

#include "absl/status/status.h"
#include "raft/core/core.h"
#include "raft/core/types.h"

namespace pontoon::raft {

// What must hold of one replica after every step, executable; tests and the simulator call Check
// after each. The ids in the messages (R2, ..) are those of the invariants as core.h lists them.
// What concerns several replicas at once is checked by the simulator.
class Invariants {
 public:
  // Internal, naming the invariant that is broken. Compares with what the calls before saw.
  absl::Status Check(const Core& core);
  // The replica is opened again from its disk: what was only in memory may have gone back.
  void OnRestart();

 private:
  absl::Status CheckOrder(const Core& core) const;
  absl::Status CheckProgress(const Core& core) const;
  absl::Status CheckLeader(const Core& core) const;

  bool restarted_ = false;
  HardState hard_state_;
  HardState durable_hard_state_;
  Index base_;
  Index durable_;
  Index commit_;
  Index handed_out_;
  Index applied_;
  IoSeq last_io_seq_;
};

}  // namespace pontoon::raft

#endif  // PONTOON_RAFT_CORE_INVARIANTS_H_
