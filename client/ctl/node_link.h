#ifndef PONTOON_CLIENT_CTL_NODE_LINK_H_
#define PONTOON_CLIENT_CTL_NODE_LINK_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "proto/admin.pb.h"

namespace pontoon::ctl {

// Asks one node to carry out commands. One thread at a time.
class NodeLink {
 public:
  virtual ~NodeLink() = default;
  // Blocking, at most `timeout_seconds` (0 or less: as long as it takes).
  // Unavailable: nothing listens there. Unauthenticated: the cookie is not the node's.
  // FailedPrecondition: what listens there is no node or does not know the cookie itself.
  // DeadlineExceeded: no answer in time.
  virtual absl::StatusOr<admin::Result> Execute(const admin::Command& command,
                                                double timeout_seconds) = 0;
};

// A link to the administration port of proto/admin.proto. Every command is a conversation of its
// own, in which both sides prove that they know `cookie`.
std::unique_ptr<NodeLink> NewNodeLink(const std::string& host, uint16_t port, std::string cookie);

}  // namespace pontoon::ctl

#endif  // PONTOON_CLIENT_CTL_NODE_LINK_H_
