#ifndef PONTOON_STORAGE_COMPACTION_GUARD_H_
#define PONTOON_STORAGE_COMPACTION_GUARD_H_

#include <cstdint>
#include <functional>
#include <memory>

#include "absl/status/statusor.h"

namespace rocksdb {
class Env;
}

namespace pontoon::storage {

// An Env over `base` in which a compaction fails with "no space" before it has taken the last
// `keep_free_bytes` of the disk. A compaction that fails leaves everything as it was and is tried
// again later, whereas the write-ahead log and flushes, which it would compete with, end the
// process when they fail (Database). `free_bytes` tells what is free.
std::unique_ptr<rocksdb::Env> MakeCompactionGuard(
    rocksdb::Env* base, uint64_t keep_free_bytes,
    std::function<absl::StatusOr<uint64_t>()> free_bytes);

}  // namespace pontoon::storage

#endif  // PONTOON_STORAGE_COMPACTION_GUARD_H_
