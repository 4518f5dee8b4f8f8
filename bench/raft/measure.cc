#include "bench/raft/measure.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "base/check.h"

namespace pontoon::bench {

base::MonotonicTime Now() { return base::SystemClock().Now(); }

base::Duration ProcessCpu() {
  struct rusage usage;
  PONTOON_CHECK(getrusage(RUSAGE_SELF, &usage) == 0);
  const auto of = [](const timeval& t) {
    return base::Seconds(t.tv_sec) + base::Micros(t.tv_usec);
  };
  return of(usage.ru_utime) + of(usage.ru_stime);
}

double ResidentBytes() {
  std::FILE* const file = std::fopen("/proc/self/statm", "r");
  long total = 0, resident = 0;
  if (file == nullptr) return 0;
  if (std::fscanf(file, "%ld %ld", &total, &resident) != 2) resident = 0;
  std::fclose(file);
  return static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE));
}

double DeviceBytesWritten() {
  std::FILE* const file = std::fopen("/proc/self/io", "r");
  if (file == nullptr) return 0;
  char line[128];
  unsigned long long bytes = 0;
  while (std::fgets(line, sizeof(line), file) != nullptr) {
    if (std::sscanf(line, "write_bytes: %llu", &bytes) == 1) break;
  }
  std::fclose(file);
  return static_cast<double>(bytes);
}

double Latencies::Micros(double share) const {
  std::vector<std::pair<int64_t, uint64_t>> sorted = taken_;
  std::sort(sorted.begin(), sorted.end());
  uint64_t total = 0;
  for (const auto& [nanos, count] : sorted) total += count;
  const auto wanted = static_cast<uint64_t>(std::ceil(share * static_cast<double>(total)));
  uint64_t seen = 0;
  for (const auto& [nanos, count] : sorted) {
    seen += count;
    if (seen >= wanted) return static_cast<double>(nanos) / 1000;
  }
  return 0;
}

ScratchFolder::ScratchFolder(const std::string& parent) : path_(parent + "/pontoon-raft-XXXXXX") {
  std::filesystem::create_directories(parent);
  PONTOON_CHECK_MSG(mkdtemp(path_.data()) != nullptr, "cannot make a scratch folder");
}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

void Pause(double seconds) { std::this_thread::sleep_for(std::chrono::duration<double>(seconds)); }

}  // namespace pontoon::bench
