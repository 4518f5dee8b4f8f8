#ifndef PONTOON_CLIENT_CTL_NODE_ADDRESS_H_
#define PONTOON_CLIENT_CTL_NODE_ADDRESS_H_

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/statusor.h"

namespace pontoon::ctl {

using Words = std::map<std::string, std::string>;

// Where the node meant is, and what proves that we may ask it.
struct NodeAddress {
  std::string node;           // "rabbit@host"
  bool node_is_named = true;  // False: nobody named it; whichever listens there is meant.
  std::string host = "127.0.0.1";
  uint16_t port = 0;
  std::string cookie;         // Empty: none was found.
  std::string cookie_source;  // For error texts: a file or a variable.
};

// `options`: long names as written: node, port, data-dir, cookie-file, longnames. `environment`:
// RABBITMQ_NODENAME, RABBITMQ_NODE_PORT, RABBITMQ_DIST_PORT, RABBITMQ_ERLANG_COOKIE,
// PONTOON_DATA_DIR, HOME. The port is that of
// --port, else of the file admin.endpoint in the data directory, else of the environment, else
// 25672. InvalidArgument if a number is none.
absl::StatusOr<NodeAddress> FindNode(const Words& options, const Words& environment,
                                     const std::string& host_name);

// Whether the host part of a node's name means this machine, the only one whose nodes can be
// reached.
bool IsThisHost(const std::string& host, const std::string& host_name);

// The environment's variables that matter here.
Words ReadEnvironment();
// As gethostname says it, with the domain if there is one.
std::string HostName();

}  // namespace pontoon::ctl

#endif  // PONTOON_CLIENT_CTL_NODE_ADDRESS_H_
