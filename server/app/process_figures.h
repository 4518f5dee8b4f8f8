#ifndef PONTOON_SERVER_APP_PROCESS_FIGURES_H_
#define PONTOON_SERVER_APP_PROCESS_FIGURES_H_

#include <cstdint>

#include "server/admin/node_control.h"

namespace pontoon::app {

// Memory that this process may use: the machine's, or less where a cgroup says so. Read once at the start.
uint64_t TotalMemoryBytes();
// Memory that this process uses: resident, as the kernel counts it.
uint64_t ResidentBytes();
// Descriptors in use and their limit.
void DescribeProcess(admin::NodeFigures* figures);

}  // namespace pontoon::app

#endif  // PONTOON_SERVER_APP_PROCESS_FIGURES_H_
