#ifndef PONTOON_STORAGE_NODE_DIRECTORY_H_
#define PONTOON_STORAGE_NODE_DIRECTORY_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "base/ids.h"
#include "base/random.h"
#include "storage/records.h"

namespace pontoon::storage {

// A node's data directory, locked for this process: who the node is, how often it was started, and
// its cookie.
//
//   DIR/node            [format] format version, cluster id, node id, incarnation, boot (text, with
//   a checksum) DIR/lock            locked while a server runs; holds its process id
//   DIR/.erlang.cookie  what an operator's command must know; mode 0600; made at the first start
//   DIR/store, DIR/durable.mark   RocksLogStore's
//   DIR/reserve         DiskReserve's
class NodeDirectory {
 public:
  // Locks and reads the directory; makes it, with new random ids, if it is not there or empty.
  // Blocking. An existing directory is not changed, but for its lock file and a missing cookie.
  //
  // FailedPrecondition: another server uses it (named by its process id), it is not ours, a newer
  // version wrote it, or others may read the cookie. DataLoss: the file "node" is damaged or
  // missing. PermissionDenied, ResourceExhausted, Unavailable: it cannot be read or written. The
  // message names the file.
  static absl::StatusOr<std::unique_ptr<NodeDirectory>> OpenBlocking(const std::string& path,
                                                                     base::Random* random);
  // Looks only, for whoever writes into the directory before it is opened (a log folder): OK if it
  // is ours, empty or not there; FailedPrecondition or DataLoss as OpenBlocking otherwise.
  static absl::Status CheckBlocking(const std::string& path);
  // Gives the lock up.
  ~NodeDirectory();
  NodeDirectory(const NodeDirectory&) = delete;
  NodeDirectory& operator=(const NodeDirectory&) = delete;

  // Counts this start, durably, and records that the store was made: to be called once, when the
  // store is open and before the node speaks to anybody.
  absl::Status BeginBootBlocking();

  const std::string& path() const { return path_; }
  const StoreIdentity& identity() const { return identity_; }
  base::NodeId node_id() const { return identity_.node; }
  uint64_t cluster_id() const { return identity_.cluster_id; }
  // The how-manieth life of this node's disk, from 1.
  uint32_t incarnation() const { return incarnation_; }
  // This start's number once BeginBootBlocking has succeeded, before that the last one's.
  base::BootId boot() const { return boot_; }
  // False until the first BeginBootBlocking: then the store may have to be made
  // (RocksLogStoreOptions::may_create).
  bool store_made() const { return store_made_; }
  const std::string& cookie() const { return cookie_; }

 private:
  NodeDirectory() = default;
  absl::Status Lock();
  absl::Status Read(const std::string& text);
  absl::Status ReadOrMakeCookie(base::Random* random);
  absl::Status WriteBlocking() const;
  std::string NodePath() const { return path_ + "/node"; }

  std::string path_;
  int lock_fd_ = -1;
  StoreIdentity identity_;
  uint32_t incarnation_ = 1;
  base::BootId boot_;
  bool store_made_ = false;
  std::string cookie_;
};

}  // namespace pontoon::storage

#endif  // PONTOON_STORAGE_NODE_DIRECTORY_H_
