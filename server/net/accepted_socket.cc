#include "server/net/accepted_socket.h"

#include <sys/socket.h>
#include <unistd.h>

namespace pontoon::net {
namespace {

Endpoint Ask(int (*ask)(int, sockaddr*, socklen_t*), int fd) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  auto* address = reinterpret_cast<sockaddr*>(&storage);
  return ask(fd, address, &size) == 0 ? EndpointOf(*address) : Endpoint();
}

}  // namespace

AcceptedSocket::AcceptedSocket(int fd, ConnectionSlot slot, std::shared_ptr<const TlsContext> tls)
    : fd_(fd),
      slot_(std::move(slot)),
      tls_(std::move(tls)),
      peer_(Ask(getpeername, fd)),
      local_(Ask(getsockname, fd)) {}

AcceptedSocket::AcceptedSocket(AcceptedSocket&& other) noexcept
    : fd_(other.TakeFd()),
      slot_(std::move(other.slot_)),
      tls_(std::move(other.tls_)),
      peer_(std::move(other.peer_)),
      local_(std::move(other.local_)) {}

AcceptedSocket::~AcceptedSocket() {
  if (fd_ >= 0) close(fd_);
}

}  // namespace pontoon::net
