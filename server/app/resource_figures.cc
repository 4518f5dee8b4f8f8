#include <malloc.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "server/app/resource_monitor.h"

namespace pontoon::app {
namespace {

// The number that a file begins with; nullopt for "max" and for what is not there.
std::optional<uint64_t> NumberIn(const std::string& path) {
  std::string word;
  uint64_t number = 0;
  if (!(std::ifstream(path) >> word) || !absl::SimpleAtoi(word, &number)) return std::nullopt;
  return number;
}

uint64_t MachineMemory(const std::string& root) {
  std::ifstream in(root + "/proc/meminfo");
  std::string name;
  uint64_t kilobytes = 0;
  while (in >> name) {
    if (name == "MemTotal:" && in >> kilobytes) return kilobytes * 1024;
    in.ignore(1000, '\n');
  }
  return 0;
}

// The smallest limit from the process's group up to the root of `hierarchy`.
uint64_t SmallestLimit(const std::string& hierarchy, std::string group, const std::string& file) {
  uint64_t least = UINT64_MAX;
  for (;;) {
    if (const auto limit = NumberIn(absl::StrCat(hierarchy, group, "/", file)))
      least = std::min(least, *limit);
    if (group.empty() || group == "/") return least;
    group.resize(group.rfind('/'));
  }
}

}  // namespace

uint64_t TotalMemoryBytesUnder(const std::string& root) {
  const uint64_t machine = MachineMemory(root);
  uint64_t least = machine == 0 ? UINT64_MAX : machine;
  std::ifstream in(root + "/proc/self/cgroup");
  std::string line;
  while (std::getline(in, line)) {
    // "hierarchy:controllers:path"; version 2 has "0::path".
    const std::vector<std::string> parts = absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (parts.size() != 3) continue;
    if (parts[1].empty()) {
      least = std::min(least, SmallestLimit(root + "/sys/fs/cgroup", parts[2], "memory.max"));
    } else if (absl::StrContains(parts[1], "memory")) {
      least = std::min(
          least, SmallestLimit(root + "/sys/fs/cgroup/memory", parts[2], "memory.limit_in_bytes"));
    }
  }
  return least == UINT64_MAX ? 0 : least;
}

uint64_t TotalMemoryBytes() { return TotalMemoryBytesUnder(""); }

uint64_t ResidentBytes() {
  std::ifstream in("/proc/self/statm");
  uint64_t size = 0;
  uint64_t resident = 0;
  in >> size >> resident;
  return resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

absl::StatusOr<uint64_t> FreeDiskBytes(const std::string& path) {
  struct statvfs figures {};
  if (statvfs(path.c_str(), &figures) != 0) {
    return absl::UnavailableError(
        absl::StrCat("cannot ask for the free space of ", path, ": ", std::strerror(errno)));
  }
  return uint64_t{figures.f_bavail} * figures.f_frsize;
}

void ReleaseFreeMemory() { malloc_trim(0); }

}  // namespace pontoon::app
