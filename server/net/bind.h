#ifndef PONTOON_SERVER_NET_BIND_H_
#define PONTOON_SERVER_NET_BIND_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace pontoon::net {

// A non-blocking socket that listens on `host` (empty: everywhere) and `port`. Errors as
// Listener::Open says. May block while a host name is looked up.
absl::StatusOr<int> BindAndListen(const std::string& host, uint16_t port, int backlog,
                                  bool reuse_address);

// " by beam.smp (pid 4711)" if a process of this machine that we may look at listens on `port`,
// else "".
std::string PortOwner(uint16_t port);

}  // namespace pontoon::net

#endif  // PONTOON_SERVER_NET_BIND_H_
