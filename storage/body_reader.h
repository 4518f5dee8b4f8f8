#ifndef PONTOON_STORAGE_BODY_READER_H_
#define PONTOON_STORAGE_BODY_READER_H_

#include <vector>

#include "absl/status/statusor.h"
#include "base/slice.h"
#include "raft/core/log_store.h"
#include "storage/batch_builder.h"
#include "storage/database.h"

// Private to storage/: reads of bodies and pages, on a reader thread. All may block on the disk.

namespace pontoon::storage {

// One result per read, in their order; each body is fetched and verified once, however many of its
// parts are asked for.
std::vector<absl::StatusOr<base::Slice>> ReadBodiesBlocking(
    const Database& database, base::GroupId group, const std::vector<raft::BodyRead>& reads);
absl::StatusOr<base::Slice> ReadPageBlocking(const Database& database, base::GroupId group,
                                             raft::PageId page);

// The value that keeps only what the job names; empty if the body is gone already or would not get
// smaller.
absl::StatusOr<CutResult> CutBlocking(const Database& database, const CutJob& job);

}  // namespace pontoon::storage

#endif  // PONTOON_STORAGE_BODY_READER_H_
