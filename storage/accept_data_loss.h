#ifndef PONTOON_STORAGE_ACCEPT_DATA_LOSS_H_
#define PONTOON_STORAGE_ACCEPT_DATA_LOSS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/logger.h"
#include "storage/records.h"

namespace pontoon::storage {

struct AcceptedLoss {
  std::string copy;           // Where the whole data directory was copied to first.
  uint64_t marked_batch = 0;  // What this node had vouched for; 0 if not even that is known.
  uint64_t recovered_batch = 0;
  std::vector<std::string> lost;  // What is known to be gone, one line each.
};

// How the groups go on: as the truth, which a node alone is, or given up
// (RecoveredGroup::quarantined) where there are peers that have the rest (design section 4).
enum class AfterLoss { kServe, kQuarantine };

// What `pontoon-server --data-dir DIR --accept-data-loss` does: copies the directory aside, opens
// what is left of the store (a data file of which a part cannot be read is given up whole), cuts
// the log of a group behind its first missing or damaged entry, forgets a damaged checkpoint or
// vote, and takes the rest as the truth from now on. The directory must be locked by the caller
// (NodeDirectory). Blocking, for as long as copying takes.
//
// Unavailable, ResourceExhausted, PermissionDenied: copying or writing failed; then the directory
// is as it was. DataLoss: not even a part of the store can be opened; the copy stays.
absl::StatusOr<AcceptedLoss> AcceptDataLossBlocking(const std::string& data_dir,
                                                    const StoreIdentity& identity,
                                                    base::Logger* logger,
                                                    AfterLoss after = AfterLoss::kServe);

}  // namespace pontoon::storage

#endif  // PONTOON_STORAGE_ACCEPT_DATA_LOSS_H_
