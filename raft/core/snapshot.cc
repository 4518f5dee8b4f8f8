#include <utility>

#include "raft/core/core.h"

namespace pontoon::raft {

absl::Status Core::InstallSnapshot(std::shared_ptr<const Install> install) {
  (void)install;
  return absl::FailedPreconditionError("not yet");
}
void Core::OnPeerUnreachable(NodeId node) { (void)node; }
void Core::OnDigest(Index index, uint64_t digest) {
  (void)index;
  (void)digest;
}
void Core::Quarantine() {}
void Core::SetRoom(bool has_room) { (void)has_room; }

}  // namespace pontoon::raft
