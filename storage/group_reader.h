#ifndef PONTOON_STORAGE_GROUP_READER_H_
#define PONTOON_STORAGE_GROUP_READER_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "raft/core/log_store.h"
#include "storage/database.h"

// Private to storage/: what Raft reads of a group: its log, bodies as they are stored, its
// checkpoint, and all of it after a start. All may block on the disk; each call sees one moment of
// the database. What they promise: raft/core/log_store.h.

namespace pontoon::storage {

absl::StatusOr<std::vector<raft::Entry>> ReadEntriesBlocking(const Database& database,
                                                             base::GroupId group, raft::Index from,
                                                             raft::Index to, uint64_t bytes_max);
std::vector<absl::StatusOr<raft::BodyImage>> ReadBodyImagesBlocking(
    const Database& database, base::GroupId group, const std::vector<raft::Index>& bodies,
    bool with_bytes);
absl::StatusOr<raft::Checkpoint> ReadCheckpointBlocking(const Database& database,
                                                        base::GroupId group);
absl::StatusOr<raft::RecoveredGroup> RecoverGroupBlocking(const Database& database,
                                                          base::GroupId group);

}  // namespace pontoon::storage

#endif  // PONTOON_STORAGE_GROUP_READER_H_
