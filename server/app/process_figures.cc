#include "server/app/process_figures.h"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <string>

namespace pontoon::app {
namespace {

// The number that a file holds; 0 if there is none ("max" in a cgroup).
uint64_t NumberIn(const char* path) {
  std::ifstream file(path);
  uint64_t number = 0;
  file >> number;
  return file ? number : 0;
}

}  // namespace

uint64_t TotalMemoryBytes() {
  uint64_t total =
      static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<uint64_t>(sysconf(_SC_PAGE_SIZE));
  for (const char* path : {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
    const uint64_t limit = NumberIn(path);
    if (limit != 0) total = std::min(total, limit);
  }
  return total;
}

uint64_t ResidentBytes() {
  std::ifstream file("/proc/self/statm");
  uint64_t size = 0, resident = 0;
  file >> size >> resident;
  return resident * static_cast<uint64_t>(sysconf(_SC_PAGE_SIZE));
}

void DescribeProcess(admin::NodeFigures* figures) {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  figures->descriptors_limit = limit.rlim_cur;
  figures->sockets_limit = limit.rlim_cur;
  if (DIR* directory = opendir("/proc/self/fd")) {
    while (readdir(directory) != nullptr) ++figures->descriptors_used;
    closedir(directory);
    figures->descriptors_used -= std::min<uint64_t>(figures->descriptors_used, 3);  // ".", ".." and this one.
  }
}

}  // namespace pontoon::app
