#ifndef PONTOON_RAFT_SCRIPT_REPLICA_H_
#define PONTOON_RAFT_SCRIPT_REPLICA_H_

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "raft/core/core.h"
#include "raft/core/invariants.h"
#include "raft/script/disk.h"

namespace pontoon::raft::script {

// Draws nothing: every election timeout is election_min and so much more.
class NoChance final : public base::Random {
 public:
  uint64_t Next() override { return static_cast<uint64_t>(above_min.nanos); }
  base::Duration above_min;
};

// One replica of a script with all that a host would keep for it. Its state machine is the text of
// what it applied. For tests.
struct Replica {
  struct State {
    EntryId applied;
    std::string text;
  };
  struct AskedRead {
    EntryRead read;
    absl::StatusOr<std::vector<Entry>> then;  // What the disk had when it was asked.
  };
  struct Asked {
    ReadId id;
    Index committed;  // Anywhere, when it was asked.
  };

  ReplicaId id;
  NoChance random;
  int64_t clock_ppm = 0;
  std::unique_ptr<Core> core;  // Null: it is down.
  Invariants invariants;
  Disk disk;
  std::deque<HeldMessage> held;
  bool reads_at_once = true;
  std::deque<AskedRead> reads;
  std::vector<Asked> asked;
  bool applies = true;
  std::deque<Entry> unapplied;
  std::map<Index, State> states;  // After each index since the last start or install.
  Index committed_checked;

  const State& state() const { return states.rbegin()->second; }
};

}  // namespace pontoon::raft::script

#endif  // PONTOON_RAFT_SCRIPT_REPLICA_H_
