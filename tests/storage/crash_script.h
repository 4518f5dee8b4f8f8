#ifndef PONTOON_TESTS_STORAGE_CRASH_SCRIPT_H_
#define PONTOON_TESTS_STORAGE_CRASH_SCRIPT_H_

#include <string>
#include <vector>

#include "raft/core/log_store.h"
#include "raft/node/memory_disk.h"

namespace pontoon::raft {

// What two groups do in the crash matrix, from their first entry to a snapshot that has taken the
// place of what the first one had. Each step ends with a task that must be synced.
struct CrashStep {
  std::string name;
  std::vector<MemoryDisk::Task> tasks;
};
const std::vector<CrashStep>& CrashScript();
// Tasks of the first `steps` steps.
size_t TasksOf(size_t steps);

// All that there is of the groups, one line each; what cannot be read for damage is a line with
// "DataLoss".
std::vector<std::string> DumpGroups(LogStore* store);
// What the first `tasks` tasks of the script leave.
std::vector<std::string> ExpectedDump(size_t tasks);

}  // namespace pontoon::raft

#endif  // PONTOON_TESTS_STORAGE_CRASH_SCRIPT_H_
