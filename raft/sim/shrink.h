#ifndef PONTOON_RAFT_SIM_SHRINK_H_
#define PONTOON_RAFT_SIM_SHRINK_H_

#include <functional>
#include <string>

#include "raft/sim/plan.h"

namespace pontoon::raft::sim {

// Cuts a failing plan down as long as the same invariant breaks: ends it earlier, leaves out events
// (halves, quarters, .. as ddmin does), then groups and nodes. `run` gives the invariant that a
// plan breaks, or the empty string.
Plan Shrink(Plan plan, const std::string& invariant,
            const std::function<std::string(const Plan&)>& run);

}  // namespace pontoon::raft::sim

#endif  // PONTOON_RAFT_SIM_SHRINK_H_
