#ifndef PONTOON_RAFT_SIM_NETWORK_H_
#define PONTOON_RAFT_SIM_NETWORK_H_

#include <cstdint>
#include <vector>

#include "base/slice.h"
#include "raft/core/message.h"
#include "raft/node/transport.h"
#include "raft/sim/chance.h"
#include "raft/sim/plan.h"

namespace pontoon::raft::sim {

// What one turn of one node sent to another in one class: travels, and gets lost, as one.
struct Packet {
  uint32_t from = 0;  // Nodes count from 1.
  uint32_t to = 0;
  uint64_t boot = 0;   // Of the sender.
  uint64_t start = 0;  // The same, also where an old disk was put back.
  TrafficClass traffic = TrafficClass::kControl;
  std::vector<Message> messages;
  bool outcast = false;  // Of an old disk that others know to be old.
  base::Slice bytes;     // Of the messages, which are then empty while it is on its way.
  bool damaged = false;
};

// The links between the nodes: decides of each packet whether, when and how often it arrives.
class Network {
 public:
  // `options` is borrowed.
  explicit Network(const Options& options);

  struct Arrival {
    int64_t at_us;
    bool refused = false;        // Nothing arrives; the sender learns that nobody is there.
    bool damaged = false;        // On its way.
    bool damaged_parts = false;  // Before it was packed.
  };
  // Up to two arrivals; none: lost. Nodes from 1. `messages` may lose some of its kind here.
  std::vector<Arrival>& Route(int64_t now_us, Packet* packet, bool to_is_up);

  // Faults; each until its time is over.
  void Cut(uint64_t from_mask, uint64_t to_mask, int64_t until_us);
  void Clog(uint64_t from_mask, uint64_t to_mask, int64_t until_us);
  void Slow(uint64_t from_mask, uint64_t to_mask, int64_t until_us, int64_t extra_us);
  void Lose(uint64_t permille, int64_t until_us) { loss_ = {permille, until_us}; }
  void Duplicate(uint64_t permille, int64_t until_us) { duplicate_ = {permille, until_us}; }
  enum class Garbled : uint8_t { kAny, kSnapshots, kParts, kCount };
  void Garble(Garbled which, uint64_t permille, int64_t until_us) {
    garble_[static_cast<size_t>(which)] = {permille, until_us};
  }
  void Scramble(int64_t until_us) { scramble_until_ = until_us; }
  void Refuse(uint64_t node, int64_t until_us) { refuse_until_[node] = until_us; }
  void LoseKind(MessageKind kind, uint64_t permille, int64_t until_us) {
    kinds_[static_cast<size_t>(kind)] = {permille, until_us};
  }
  // From now on everything arrives, soon, once and in order, until then.
  void Heal(int64_t until_us);
  // Whether a packet that is on its way still arrives (a cut kills what is under way).
  bool Passes(int64_t now_us, uint32_t from, uint32_t to) const {
    return now_us >= links_[Link(from, to)].cut_until;
  }

 private:
  struct LinkState {
    int64_t cut_until = 0;
    int64_t clog_until = 0;
    int64_t slow_until = 0;
    int64_t extra_us = 0;
    int64_t last_arrival[kTrafficClasses] = {};
  };
  struct Rate {
    uint64_t permille = 0;
    int64_t until = 0;
  };
  size_t Link(uint64_t from, uint64_t to) const { return (from - 1) * nodes_ + (to - 1); }
  template <typename Do>
  void ForLinks(uint64_t from_mask, uint64_t to_mask, Do&& change);

  const Options& options_;
  const size_t nodes_;
  Chance chance_;
  int64_t healed_until_ = 0;
  std::vector<LinkState> links_;
  Rate loss_, duplicate_;
  Rate garble_[static_cast<size_t>(Garbled::kCount)];
  int64_t scramble_until_ = 0;
  std::vector<int64_t> refuse_until_;
  Rate kinds_[static_cast<size_t>(kLastMessageKind) + 1];
  std::vector<Arrival> arrivals_;
};

}  // namespace pontoon::raft::sim

#endif  // PONTOON_RAFT_SIM_NETWORK_H_
