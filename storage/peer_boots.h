#ifndef PONTOON_STORAGE_PEER_BOOTS_H_
#define PONTOON_STORAGE_PEER_BOOTS_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "base/ids.h"

namespace pontoon::storage {

// The highest boots in which this node heard others, kept in its data directory: what
// raft::NodeTable has remembered, so that a peer whose old disk was put back is recognised although
// this node has started since (design section 4, "Damage").
//
//   DIR/peers   [format] text, with a checksum (FORMAT.md); written anew for each new boot of a
//   peer, which is rare
//
// Not thread-safe. All functions may block on the disk.
class PeerBoots {
 public:
  // Of the data directory `path`, which NodeDirectory has locked. No file: none was heard.
  // DataLoss: it is damaged. FailedPrecondition: a newer version wrote it. The message names the
  // file.
  static absl::StatusOr<std::unique_ptr<PeerBoots>> OpenBlocking(const std::string& path);

  // Durable once this returns OK; a lower boot than is known changes nothing. On an error nobody
  // may count on it.
  absl::Status RememberBlocking(base::NodeId node, uint64_t boot);
  const std::map<base::NodeId, uint64_t>& boots() const { return boots_; }

 private:
  explicit PeerBoots(std::string path) : path_(std::move(path)) {}
  absl::Status Read(const std::string& text);

  const std::string path_;
  std::map<base::NodeId, uint64_t> boots_;
};

}  // namespace pontoon::storage

#endif  // PONTOON_STORAGE_PEER_BOOTS_H_
