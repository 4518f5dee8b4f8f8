#ifndef PONTOON_SERVER_NET_ENDPOINT_H_
#define PONTOON_SERVER_NET_ENDPOINT_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

struct sockaddr;

namespace pontoon::net {

// One end of a TCP connection. `address` is numeric and without brackets; an IPv4 peer of a
// dual-stack listener shows as IPv4.
struct Endpoint {
  std::string address;
  uint16_t port = 0;

  // "127.0.0.1:5672", "[::1]:5672".
  std::string ToString() const;
  bool is_loopback() const;
};

// From any AF_INET or AF_INET6 address; an empty one for others.
Endpoint EndpointOf(const sockaddr& address);

// "127.0.0.1:34800 -> 127.0.0.1:5672": how RabbitMQ's logs and listings name a connection.
std::string ConnectionName(const Endpoint& peer, const Endpoint& local);

}  // namespace pontoon::net

#endif  // PONTOON_SERVER_NET_ENDPOINT_H_
