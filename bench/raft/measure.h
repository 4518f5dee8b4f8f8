#ifndef PONTOON_BENCH_RAFT_MEASURE_H_
#define PONTOON_BENCH_RAFT_MEASURE_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/time.h"

namespace pontoon::bench {

// Names of figures with their values, in the order in which they are shown.
using Figures = std::vector<std::pair<std::string, double>>;

base::MonotonicTime Now();

// What this process has used of the processors so far, in user and kernel mode.
base::Duration ProcessCpu();
// Bytes that this process has resident now.
double ResidentBytes();
// Bytes that this process made the kernel write to a device so far (whole pages); 0 if unknown.
double DeviceBytesWritten();

// How long each of many things took, exactly.
class Latencies {
 public:
  void Add(base::Duration took, uint64_t count) {
    if (count != 0) taken_.emplace_back(took.nanos, count);
  }
  void Add(const Latencies& other) {
    taken_.insert(taken_.end(), other.taken_.begin(), other.taken_.end());
  }
  void Clear() { taken_.clear(); }
  // The smallest time that `share` of all did not exceed, in microseconds; 0 if there are none.
  double Micros(double share) const;

 private:
  std::vector<std::pair<int64_t, uint64_t>> taken_;  // Nanoseconds, how many took so long.
};

// An empty directory of its own under `parent`, removed with all that is in it.
class ScratchFolder {
 public:
  explicit ScratchFolder(const std::string& parent);
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// For what lasts as long as was asked (a measurement, what warms it up), and before looking again
// at what other threads change.
void Pause(double seconds);

}  // namespace pontoon::bench

#endif  // PONTOON_BENCH_RAFT_MEASURE_H_
