#ifndef PONTOON_STORAGE_SPACE_GUARD_H_
#define PONTOON_STORAGE_SPACE_GUARD_H_

#include <cstdint>
#include <functional>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/time.h"

namespace rocksdb {
class Env;
}

namespace pontoon::storage {

// An Env over `base` that looks at the disk before each write to a file. `free_bytes` tells what is
// free; it is called on the thread that writes, so that it can make room first: however fast the
// store writes, it does not get ahead of the look.
//
// A compaction fails with "no space" before it has taken the last `keep_free_bytes` of the disk. A
// compaction that fails leaves everything as it was and is tried again later, whereas the
// write-ahead log and flushes, which it would compete with, end the process when they fail
// (Database). After a refusal all compactions are refused for `pause`, or they would write the same
// files in vain every second.
std::unique_ptr<rocksdb::Env> MakeSpaceGuard(rocksdb::Env* base, uint64_t keep_free_bytes,
                                             base::Duration pause,
                                             std::function<absl::StatusOr<uint64_t>()> free_bytes);

// The words of the refusal, by which RocksDB's complaints about it can be told from others.
inline constexpr absl::string_view kNoRoomForCompaction =
    "what is left is for the log, not for a compaction";

}  // namespace pontoon::storage

#endif  // PONTOON_STORAGE_SPACE_GUARD_H_
