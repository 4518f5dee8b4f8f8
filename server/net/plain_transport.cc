#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "server/net/transport.h"

namespace pontoon::net {
namespace {

class PlainTransport final : public Transport {
 public:
  explicit PlainTransport(int fd) : fd_(fd) {}

  IoResult Handshake() override { return {}; }

  IoResult Read(char* out, size_t size) override {
    for (;;) {
      const ssize_t n = recv(fd_, out, size, 0);
      if (n > 0) return {.kind = IoResult::kBytes, .bytes = static_cast<size_t>(n), .error = {}};
      if (n == 0) return {.kind = IoResult::kEnd, .bytes = 0, .error = {}};
      if (errno == EINTR) continue;
      return Failure(IoResult::kWantRead);
    }
  }

  IoResult Write(absl::Span<const iovec> pieces) override {
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(pieces.data());
    message.msg_iovlen = std::min<size_t>(pieces.size(), IOV_MAX);
    for (;;) {
      const ssize_t n = sendmsg(fd_, &message, MSG_NOSIGNAL);
      if (n >= 0) return {.kind = IoResult::kBytes, .bytes = static_cast<size_t>(n), .error = {}};
      if (errno == EINTR) continue;
      return Failure(IoResult::kWantWrite);
    }
  }

  bool has_buffered() const override { return false; }
  void EndOfWrites() override {}
  std::string protocol() const override { return ""; }
  std::string cipher() const override { return ""; }
  std::string peer_subject() const override { return ""; }

 private:
  static IoResult Failure(IoResult::Kind would_block) {
    if (errno == EAGAIN || errno == EWOULDBLOCK)
      return {.kind = would_block, .bytes = 0, .error = {}};
    return {.kind = IoResult::kError, .bytes = 0, .error = SocketError(errno)};
  }

  const int fd_;
};

}  // namespace

std::unique_ptr<Transport> NewPlainTransport(int fd) {
  return std::make_unique<PlainTransport>(fd);
}

absl::Status SocketError(int error_number) {
  return absl::UnavailableError(absl::AsciiStrToLower(std::strerror(error_number)));
}

}  // namespace pontoon::net
