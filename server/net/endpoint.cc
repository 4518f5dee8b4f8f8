#include "server/net/endpoint.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace pontoon::net {

std::string Endpoint::ToString() const {
  if (absl::StrContains(address, ":")) return absl::StrCat("[", address, "]:", port);
  return absl::StrCat(address, ":", port);
}

bool Endpoint::is_loopback() const { return address == "::1" || absl::StartsWith(address, "127."); }

Endpoint EndpointOf(const sockaddr& address) {
  char text[INET6_ADDRSTRLEN] = "";
  if (address.sa_family == AF_INET) {
    sockaddr_in v4;
    std::memcpy(&v4, &address, sizeof v4);
    inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
    return {text, ntohs(v4.sin_port)};
  }
  if (address.sa_family == AF_INET6) {
    sockaddr_in6 v6;
    std::memcpy(&v6, &address, sizeof v6);
    if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
      inet_ntop(AF_INET, v6.sin6_addr.s6_addr + 12, text, sizeof text);
    } else {
      inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
    }
    return {text, ntohs(v6.sin6_port)};
  }
  return {};
}

std::string ConnectionName(const Endpoint& peer, const Endpoint& local) {
  return absl::StrCat(peer.ToString(), " -> ", local.ToString());
}

}  // namespace pontoon::net
