#ifndef PONTOON_RAFT_NODE_STATE_MACHINE_H_
#define PONTOON_RAFT_NODE_STATE_MACHINE_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "raft/core/core.h"
#include "raft/core/log_store.h"
#include "raft/core/types.h"

namespace pontoon::raft {

// What a group's log is for. Called on the loop that owns the group, from within MultiRaft::Flush.
// It may call MultiRaft's Propose and SubmitState from in there, but not Flush or CloseGroup.
class StateMachine {
 public:
  virtual ~StateMachine() = default;

  // Committed entries of kind kNormal, in order, each once in this life of the process (after a
  // restart again from the checkpoint on). `body` is there if the entry was proposed or received in
  // this life, whole; otherwise (after a recovery, or when parts of it were left out) it is empty
  // while `body_bytes` is not, and LogStore::ReadBodies has what there is. Must be a pure function
  // of the state and the entries.
  virtual void Apply(absl::Span<const Entry> committed) = 0;

  // This replica leads `term` and has applied everything that was committed before it: it may
  // decide and propose (with this term) from now on. Comes between two Applys, so applied state is
  // what the last Apply left.
  virtual void OnLeader(Term term) = 0;
  // The leadership told by OnLeader is over: whatever was proposed and not applied may or may not
  // come to be applied. Told only after an OnLeader. `leader`: who leads now, if known.
  virtual void OnFollower(Term term, std::optional<ReplicaId> leader) = 0;

  // Takes over a snapshot of another replica in place of all state so far; only of a replica that
  // does not lead. The root's pages are in the store. What a root of this program's version can be
  // must be taken; a damaged one was noticed before (ListContents).
  virtual void Install(const Checkpoint& checkpoint) = 0;

  // What a root refers to, in ascending order. Looks at nothing but the root. DataLoss: damaged.
  // FailedPrecondition: of a newer version.
  struct Contents {
    std::vector<PageId> pages;
    std::vector<IndexRun> bodies;
  };
  virtual absl::StatusOr<Contents> ListContents(absl::string_view root) const = 0;

  // Whether the state as it is now refers to a body (or a part of it) of this entry.
  virtual bool NeedsBody(Index index) const = 0;

  // The same on every replica that has applied the same entries (design section 3): replicas
  // compare it to notice that one of them went astray.
  virtual uint64_t Digest() const = 0;

  // The state that is applied now contains everything that was committed when MultiRaft::ReadIndex
  // was called.
  virtual void OnReadReady(ReadId id) { (void)id; }
};

}  // namespace pontoon::raft

#endif  // PONTOON_RAFT_NODE_STATE_MACHINE_H_
