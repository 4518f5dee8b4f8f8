#include "server/net/descriptor_limit.h"

#include <sys/resource.h>

#include <algorithm>

namespace pontoon::net {
namespace {

// RocksDB's open files and ours; a small limit is shared half and half.
constexpr uint64_t kKeptForOthers = 1100;

}  // namespace

uint64_t RaiseDescriptorLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  if (limit.rlim_cur != limit.rlim_max) {
    const rlimit raised{.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};
    if (setrlimit(RLIMIT_NOFILE, &raised) == 0) limit = raised;
  }
  return limit.rlim_cur;
}

uint64_t ConnectionsFor(uint64_t descriptors) {
  return descriptors - std::min(descriptors / 2, kKeptForOthers);
}

}  // namespace pontoon::net
