#ifndef PONTOON_STORAGE_OPEN_STORE_H_
#define PONTOON_STORAGE_OPEN_STORE_H_

#include <memory>
#include <string>

#include "absl/container/btree_map.h"
#include "absl/status/statusor.h"
#include "base/logger.h"
#include "storage/batch_builder.h"
#include "storage/database.h"
#include "storage/durable_mark.h"
#include "storage/store_options.h"

// Private to storage/: from a data directory to an open database that holds all that was ever
// vouched for.

namespace pontoon::storage {

struct OpenedStore {
  std::unique_ptr<Database> database;
  DurableMark mark;
  uint64_t last_batch = 0;  // Recovered; at least mark.batch.
  absl::btree_map<base::GroupId, GroupLog> groups;
};

std::string StorePath(const std::string& data_dir);
std::string MarkPath(const std::string& data_dir);

// Opens the store of `options.data_dir`, or makes it if the directory never had one
// (`options.may_create`). First the write-ahead log is judged without changing anything on the
// disk; only what holds every batch up to the durable mark is opened for writing. A torn tail above
// the mark is cut off (its files are copied to "wal-aside" first).
//
// DataLoss: something that was vouched for is missing or damaged, named together with the file and
// the command that accepts the loss; nothing was changed. FailedPrecondition: the store of another
// node, or of a newer version.
absl::StatusOr<OpenedStore> OpenStoreBlocking(const RocksLogStoreOptions& options,
                                              base::Logger* logger, StorageCounters* counters,
                                              FatalError* fatal);

// A loss, told as the one error that an operator sees: what is damaged, and the command that
// accepts it. Any other error stays what it is.
absl::Status TellLoss(const RocksLogStoreOptions& options, const absl::Status& error);

// The parts, for whoever repairs a store.
DatabaseOptions DatabaseOptionsFor(const RocksLogStoreOptions& options, base::Logger* logger);
// Makes a store where there is none; its first batch names whose it is.
absl::Status CreateStoreBlocking(const RocksLogStoreOptions& options, base::Logger* logger);
// The newest batch that the database holds; 0 if it holds none.
absl::StatusOr<uint64_t> ReadBatchNumber(const Database& database);
absl::StatusOr<absl::btree_map<base::GroupId, GroupLog>> ReadGroups(const Database& database);

}  // namespace pontoon::storage

#endif  // PONTOON_STORAGE_OPEN_STORE_H_
