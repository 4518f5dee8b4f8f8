#ifndef PONTOON_RAFT_CORE_PROGRESS_H_
#define PONTOON_RAFT_CORE_PROGRESS_H_

#include <cstdint>
#include <deque>

#include "base/time.h"
#include "raft/core/types.h"

namespace pontoon::raft {

// What a leader knows of one other member, in one term.
struct Progress {
  enum class State : uint8_t {
    kProbe,          // Where the logs agree is not known: one append at a time.
    kReplicate,      // Appends are sent one after the other without waiting, within limits.
    kNeedsSnapshot,  // What it lacks is not in the log any more.
    kQuarantined,    // It has given itself up: nothing it says counts.
  };
  struct InFlight {
    Index last;
    uint64_t bytes;
  };

  State state = State::kProbe;
  Index match;                      // It has everything up to here, durably.
  Index next;                       // The next entry to send; match < next.
  bool waiting = false;             // kProbe: an append is under way.
  bool reading = false;             // Its entries are being read from the store.
  bool no_room = false;             // It has no room for bodies.
  bool try_without_bodies = false;  // Once: it may be sent what has none.
  Index unreadable;                 // kNeedsSnapshot: what the leader itself could not read for it.
  Index offered;                    // kNeedsSnapshot: headers behind this one are kept for it.
  std::deque<InFlight> in_flight;   // kReplicate: appends not yet answered.
  uint64_t in_flight_bytes = 0;
  base::MonotonicTime sent;   // The last append.
  base::MonotonicTime heard;  // Its last answer came in.
  base::MonotonicTime stamp;  // The newest of our own sends that it has answered (for the lease).
  uint64_t round = 0;         // The newest round of heartbeats that it has answered.
  Index applied;              // By its last answer to a heartbeat.
  Index digest_index;         // Its newest digest, and the index that it is of.
  uint64_t digest = 0;

  void BecomeProbe() {
    state = State::kProbe;
    next = match + 1;
    waiting = false;
    in_flight.clear();
    in_flight_bytes = 0;
  }
  void BecomeQuarantined() {
    *this = Progress{.state = State::kQuarantined, .next = {1}, .heard = heard};
  }
  void BecomeReplicate() {
    BecomeProbe();  // What was under way before it was asked has been answered, or is lost.
    state = State::kReplicate;
  }
  // It has everything up to `index`.
  void Advance(Index index) {
    if (index > match) match = index;
    if (next <= match) next = match + 1;
    while (!in_flight.empty() && in_flight.front().last <= match) {
      in_flight_bytes -= in_flight.front().bytes;
      in_flight.pop_front();
    }
  }
};

}  // namespace pontoon::raft

#endif  // PONTOON_RAFT_CORE_PROGRESS_H_
