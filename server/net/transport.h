#ifndef PONTOON_SERVER_NET_TRANSPORT_H_
#define PONTOON_SERVER_NET_TRANSPORT_H_

#include <sys/uio.h>

#include <cstddef>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/types/span.h"

namespace pontoon::net {

// What one attempt at a non-blocking socket came to.
struct IoResult {
  enum Kind {
    kBytes,      // `bytes` were moved.
    kWantRead,   // Nothing until the socket is readable.
    kWantWrite,  // Nothing until the socket is writable.
    kEnd,        // The peer sends nothing more.
    kError,      // `error`; the connection is of no more use.
  };
  Kind kind = kBytes;
  size_t bytes = 0;
  absl::Status error;
};

// The bytes of a connection below which there is the socket, with or without TLS. Does not own the
// socket.
class Transport {
 public:
  virtual ~Transport() = default;
  // kBytes with 0 bytes: done, the connection is ready.
  virtual IoResult Handshake() = 0;
  virtual IoResult Read(char* out, size_t size) = 0;
  // May write only the beginning. After kWant*: call again with the same bytes at the front.
  virtual IoResult Write(absl::Span<const iovec> pieces) = 0;
  // Bytes that Read could give though the socket is not readable.
  virtual bool has_buffered() const = 0;
  // Says goodbye in the protocol's own way; the socket itself is shut down by the caller.
  virtual void EndOfWrites() = 0;
  // Empty without TLS: "TLSv1.3", the cipher, the subject of the peer's certificate.
  virtual std::string protocol() const = 0;
  virtual std::string cipher() const = 0;
  virtual std::string peer_subject() const = 0;
};

std::unique_ptr<Transport> NewPlainTransport(int fd);

// An error with the kernel's text for `error_number`: kUnavailable, "connection reset by peer" for
// a reset.
absl::Status SocketError(int error_number);

}  // namespace pontoon::net

#endif  // PONTOON_SERVER_NET_TRANSPORT_H_
