#ifndef PONTOON_RAFT_SIM_WORLD_H_
#define PONTOON_RAFT_SIM_WORLD_H_

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "base/random.h"
#include "base/time.h"
#include "raft/core/core.h"
#include "raft/core/invariants.h"
#include "raft/sim/disk.h"

namespace pontoon::raft::sim {

// What may go wrong in a run; drawn from its seed.
struct Faults {
  uint32_t loss_percent = 0;
  uint32_t duplicate_percent = 0;
  base::Duration delay_max = base::Millis(5);
  uint32_t stragglers_percent = 0;  // Messages that arrive up to two seconds late.
  base::Duration election_spread = base::Millis(300);  // Small: candidates meet.
  uint32_t crashes_percent = 0;                        // Per 100 ms: of the leader, or of somebody.
  uint32_t partitions_percent = 0;                     // Per 100 ms: another partition, or none.
  uint32_t slow_disk_percent = 0;                      // Chance that a disk does nothing in a step.
  uint32_t transfers_percent = 0;                      // Per 100 ms.
  uint32_t changes_percent = 0;                        // Of the members, per 100 ms.
  uint32_t checkpoints_percent = 0;
  static Faults Draw(base::Random* random);
};

// One group of several replicas in one thread, with simulated time, network and disks, everything
// from one seed. After every step all invariants are checked: those of each replica, and those of
// all together.
class World {
 public:
  World(uint64_t seed, size_t nodes, size_t founders, Faults faults);
  ~World();

  // A millisecond passes. Internal: an invariant is broken.
  absl::Status Step();
  // From now on nothing fails, everybody lives and hears everybody.
  void Heal();
  void StopProposing() { proposing_ = false; }
  // Proposes at whoever leads; false if nobody takes it.
  bool Propose();
  // A leader is ready, and every member has applied everything. For after Heal.
  bool Converged() const;

  size_t committed() const { return history_.size(); }
  size_t elections() const { return leaders_.size(); }
  size_t reads() const { return reads_answered_; }
  size_t changes() const { return changes_; }
  size_t crashes() const { return crashes_; }
  size_t needs_snapshot() const;
  const std::string& trace() const { return trace_; }
  // Where every replica stands, for whoever reads a failure.
  std::string Describe() const;

 private:
  struct Node {
    ReplicaId id;
    Disk disk;
    std::unique_ptr<Core> core;  // Null while it is down.
    Invariants invariants;
    base::Duration clock_offset;
    int64_t clock_ppm = 0;
    base::MonotonicTime up_at;
    std::vector<HeldMessage> held;
    std::vector<EntryRead> reads;
    std::string applied;  // The state: digests of what was applied, in order.
    std::map<ReadId, size_t>
        asked;  // Reads under way, and what was committed when they were asked.
    Index committed_checked;
  };
  struct Packet {
    base::MonotonicTime at;
    uint64_t order;
    Message message;
    bool operator<(const Packet& other) const {
      return at != other.at ? at < other.at : order < other.order;
    }
  };

  void Start(Node* node, const Membership* founders);
  void Stop(Node* node);
  base::MonotonicTime ClockOf(const Node& node) const;
  void Post(Message message);
  absl::Status Run(Node* node);
  absl::Status Apply(Node* node, const std::vector<Entry>& entries);
  absl::Status CheckAll();
  absl::Status CheckCommitted(Node* node);
  void Disturb();
  void AskForChange();
  Node* Find(const ReplicaId& id);
  Node* AnyLeader();
  bool Chance(uint32_t percent) { return random_.Below(100) < percent; }

  base::SeededRandom random_;
  base::SeededRandom network_random_;
  base::SeededRandom election_random_;
  Faults faults_;
  base::MonotonicTime now_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::set<Packet> packets_;
  uint64_t packets_sent_ = 0;
  std::set<std::pair<size_t, size_t>> cut_;  // From whom to whom nothing arrives.

  std::map<Term, ReplicaId> leaders_;  // R1.
  struct Committed {
    EntryId id;
    uint32_t header_crc;
  };
  std::vector<Committed> history_;  // R6, R7: what was ever applied anywhere, by index.
  bool proposing_ = true;
  uint64_t proposed_ = 0;
  uint64_t next_read_ = 0;
  size_t reads_answered_ = 0;
  size_t changes_ = 0;
  size_t crashes_ = 0;
  std::string trace_;
};

}  // namespace pontoon::raft::sim

#endif  // PONTOON_RAFT_SIM_WORLD_H_
