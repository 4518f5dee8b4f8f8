#ifndef PONTOON_RAFT_NODE_HEARTBEATS_H_
#define PONTOON_RAFT_NODE_HEARTBEATS_H_

#include <vector>

#include "absl/base/thread_annotations.h"
#include "base/ids.h"
#include "base/mutex.h"
#include "base/time.h"
#include "raft/core/message.h"

namespace pontoon::raft {

// Brings together what the loops of a node have to say in one interval of heartbeats, so that it
// leaves as one batch per peer, however many loops and groups there are. Who speaks for a group is
// its own loop: of a loop that is stuck nothing is named, and nobody waits for it longer than
// `patience`. Any thread; it has none of its own, and does not block: what is complete leaves with
// whoever completed it.
class HeartbeatGatherer {
 public:
  struct Options {
    size_t loops = 1;
    base::Duration interval = base::Millis(50);  // CoreOptions::heartbeat.
    // How long the first that has something to say waits for the others. A few ms more than the
    // loops take from one tick to the next.
    base::Duration patience = base::Millis(15);
  };
  explicit HeartbeatGatherer(Options options);

  // Loop number `loop` (below options.loops) has done a turn; its last tick was at `now`. Takes its
  // heartbeats and replies, and appends to `leaving` what it has to send now, also for others.
  void Gather(size_t loop, base::MonotonicTime now, std::vector<Message>* heartbeats,
              std::vector<Message>* replies, std::vector<Message>* leaving);

 private:
  struct Round {
    std::vector<Message> messages;  // Empty: nobody has begun one.
    base::MonotonicTime begun;
    std::vector<bool> joined;  // By loop.
    size_t missing = 0;        // Loops that have not.
  };

  void Add(size_t loop, base::MonotonicTime now, std::vector<Message>* share, Round* round)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Join(size_t loop, Round* round) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Leave(base::MonotonicTime now, Round* round, std::vector<Message>* leaving)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Options options_;
  base::Mutex mutex_;
  Round heartbeats_ ABSL_GUARDED_BY(mutex_);
  Round replies_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace pontoon::raft

#endif  // PONTOON_RAFT_NODE_HEARTBEATS_H_
