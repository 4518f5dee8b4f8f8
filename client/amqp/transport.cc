#include "client/amqp/transport.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "client/amqp/tls_transport.h"

namespace pontoon::client {
namespace {

constexpr int kWriteSlicesMax = 256;

absl::Status LastError(absl::string_view what) {
  return absl::UnavailableError(absl::StrCat(what, ": ", std::strerror(errno)));
}

// Tries one address; the socket, or why not.
absl::StatusOr<int> ConnectTo(const addrinfo& address, Deadline deadline) {
  const int fd = socket(address.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return LastError("socket");
  int error = connect(fd, address.ai_addr, address.ai_addrlen) == 0 ? 0 : errno;
  if (error == EINPROGRESS) {
    pollfd wait{fd, POLLOUT, 0};
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now())
            .count();
    if (poll(&wait, 1, static_cast<int>(std::max<int64_t>(left, 0))) == 0) {
      close(fd);
      return absl::DeadlineExceededError("connecting took too long");
    }
    socklen_t size = sizeof(error);
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
  }
  if (error != 0) {
    close(fd);
    return absl::UnavailableError(absl::StrCat("connect: ", std::strerror(error)));
  }
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  return fd;
}

}  // namespace

Deadline DeadlineIn(base::Duration timeout) {
  return std::chrono::steady_clock::now() + std::chrono::nanoseconds(timeout.nanos);
}

absl::StatusOr<std::unique_ptr<Transport>> Transport::Connect(const ConnectionOptions& options,
                                                              Deadline deadline) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int failed =
      getaddrinfo(options.host.c_str(), absl::StrCat(options.port).c_str(), &hints, &found);
  if (failed != 0) {
    return absl::UnavailableError(
        absl::StrCat("cannot resolve ", options.host, ": ", gai_strerror(failed)));
  }
  absl::StatusOr<int> fd = absl::UnavailableError("no address");
  for (const addrinfo* address = found; address != nullptr && !fd.ok();
       address = address->ai_next) {
    fd = ConnectTo(*address, deadline);
  }
  freeaddrinfo(found);
  if (!fd.ok()) return fd.status();
  if (!options.tls.has_value()) return std::unique_ptr<Transport>(new Transport(*fd));
  return TlsTransport::Handshake(*fd, *options.tls, options.host, deadline);
}

Transport::~Transport() { close(fd_); }

absl::StatusOr<size_t> Transport::Read(char* out, size_t size) {
  const ssize_t n = recv(fd_, out, size, 0);
  if (n > 0) return static_cast<size_t>(n);
  if (n == 0) return absl::UnavailableError("the peer closed the connection");
  if (errno == EAGAIN || errno == EINTR) return 0;
  return LastError("read");
}

absl::StatusOr<size_t> Transport::Write(const base::SliceChain& chain, size_t first_slice,
                                        size_t offset) {
  iovec parts[kWriteSlicesMax];
  msghdr message{};
  message.msg_iov = parts;
  for (size_t i = first_slice; i < chain.slices().size() && message.msg_iovlen < kWriteSlicesMax;
       ++i) {
    const base::Slice& slice = chain.slices()[i];
    parts[message.msg_iovlen++] = {const_cast<char*>(slice.data()) + offset, slice.size() - offset};
    offset = 0;
  }
  const ssize_t n = sendmsg(fd_, &message, MSG_NOSIGNAL);
  if (n >= 0) return static_cast<size_t>(n);
  if (errno == EAGAIN || errno == EINTR) return 0;
  return LastError("write");
}

bool Transport::Await(short events, Deadline deadline) const {
  while (true) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now())
            .count();
    if (left <= 0) return false;
    pollfd wait{fd_, events, 0};
    const int n = poll(&wait, 1, static_cast<int>(std::min<int64_t>(left, 1000000)));
    if (n > 0) return true;
  }
}

bool Transport::AwaitReadable(Deadline deadline) const {
  return HasBufferedInput() || Await(POLLIN, deadline);
}
bool Transport::AwaitWritable(Deadline deadline) const { return Await(POLLOUT, deadline); }

absl::Status Transport::WriteAll(absl::string_view octets, Deadline deadline) {
  const base::SliceChain chain(base::Slice::Static(octets));
  size_t written = 0;
  while (written < octets.size()) {
    const absl::StatusOr<size_t> n = Write(chain, 0, written);
    if (!n.ok()) return n.status();
    written += *n;
    if (*n == 0 && !AwaitWritable(deadline))
      return absl::DeadlineExceededError("the peer does not read");
  }
  return absl::OkStatus();
}

uint16_t Transport::local_port() const {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  if (getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size) != 0) return 0;
  // The port lies at the same place in both families.
  return ntohs(reinterpret_cast<const sockaddr_in*>(&address)->sin_port);
}

void Transport::Cut() const { shutdown(fd_, SHUT_RDWR); }
void Transport::ShutdownWrites() const { shutdown(fd_, SHUT_WR); }

}  // namespace pontoon::client
