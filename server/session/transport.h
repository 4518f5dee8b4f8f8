#ifndef PONTOON_SERVER_SESSION_TRANSPORT_H_
#define PONTOON_SERVER_SESSION_TRANSPORT_H_

#include <cstdint>
#include <string>

#include "base/slice.h"

namespace pontoon::session {

// What a connection needs of its socket; server/app implements it over net::StreamSocket, tests
// over a string.
class Transport {
 public:
  virtual ~Transport() = default;
  // Queued; goes out in one gathered write at the end of the turn. Nothing is dropped.
  virtual void Write(base::SliceChain bytes) = 0;
  // Bytes that were ever handed to Write, and those of them that the kernel has taken.
  virtual uint64_t bytes_queued() const = 0;
  virtual uint64_t bytes_written() const = 0;
  virtual void PauseReading() = 0;
  virtual void ResumeReading() = 0;
  // Closes once all that was queued has gone out, or after a bounded time. No input follows.
  virtual void CloseAfterWrites() = 0;
  virtual void Abort() = 0;
};

struct PeerInfo {
  std::string peer_host;
  uint16_t peer_port = 0;
  std::string host;
  uint16_t port = 0;
  bool loopback = false;  // The peer is on this machine (also as an IPv4-mapped address).
  bool tls = false;
  std::string tls_protocol, tls_cipher, tls_peer_subject;
};

}  // namespace pontoon::session

#endif  // PONTOON_SERVER_SESSION_TRANSPORT_H_
