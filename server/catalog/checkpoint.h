#ifndef PONTOON_SERVER_CATALOG_CHECKPOINT_H_
#define PONTOON_SERVER_CATALOG_CHECKPOINT_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/catalog/editor.h"
#include "server/catalog/members.h"

namespace pontoon::catalog {

struct CheckpointContents {
  Editor editor;
  Members members;
  uint64_t digest = 0;
};

// [format] A checkpoint's root: a CatalogCheckpoint (proto/catalog.proto). The same state gives the
// same bytes on every node.
std::string WriteCheckpoint(const State& state, const Members& members, uint64_t digest);

// FailedPrecondition: made by a newer Pontoon. DataLoss: not a checkpoint of the catalog at
// `applied`, or one that contradicts itself.
absl::StatusOr<CheckpointContents> ReadCheckpoint(uint64_t applied, absl::string_view root);

}  // namespace pontoon::catalog

#endif  // PONTOON_SERVER_CATALOG_CHECKPOINT_H_
