#ifndef PONTOON_SERVER_SESSION_LOOP_CONTEXT_H_
#define PONTOON_SERVER_SESSION_LOOP_CONTEXT_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "base/logger.h"
#include "base/random.h"
#include "server/cluster/front_end.h"
#include "server/session/session_options.h"

namespace pontoon::session {

class Connection;

// What the connections of one event loop share. Owned by the Registry.
struct LoopContext {
  cluster::FrontEnd* front_end = nullptr;
  base::Logger* logger = nullptr;
  base::Random* random = nullptr;
  std::shared_ptr<const SessionOptions> options;

  uint64_t TakeNumber() {
    const uint64_t number = next_number;
    next_number += number_step;
    return number;
  }

  uint64_t next_number = 1000;
  uint64_t number_step = 1;
  bool memory_alarm = false;
  bool disk_alarm = false;
  uint64_t turn = 1;                    // Counts OnTurnEnd, for budgets per turn.
  bool any_gone = false;                // A connection waits to be destroyed.
  std::vector<Connection*> dirty;       // Have something to write at the end of this turn.
  std::vector<Connection*> unfinished;  // Have input left for the next turn.
};

}  // namespace pontoon::session

#endif  // PONTOON_SERVER_SESSION_LOOP_CONTEXT_H_
