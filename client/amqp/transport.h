#ifndef PONTOON_CLIENT_AMQP_TRANSPORT_H_
#define PONTOON_CLIENT_AMQP_TRANSPORT_H_

#include <chrono>
#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/slice.h"
#include "client/amqp/options.h"

namespace pontoon::client {

using Deadline = std::chrono::steady_clock::time_point;
Deadline DeadlineIn(base::Duration timeout);

// A connected socket, plain or TLS, that never blocks except in the calls that take a deadline. One
// thread.
class Transport {
 public:
  // Resolves, connects and, if options ask for it, shakes hands in TLS. Unavailable (with the
  // system's or TLS's words) or DeadlineExceeded.
  static absl::StatusOr<std::unique_ptr<Transport>> Connect(const ConnectionOptions& options,
                                                            Deadline deadline);
  virtual ~Transport();

  // Octets that were read or written; 0: none now (wait for WantsRead / WantsWrite). Unavailable:
  // the stream has ended.
  virtual absl::StatusOr<size_t> Read(char* out, size_t size);
  // A gathered write of `chain` from its octet `offset` on, of as much as the socket takes.
  virtual absl::StatusOr<size_t> Write(const base::SliceChain& chain, size_t first_slice,
                                       size_t offset);
  // True where octets wait behind the socket, so that polling it would miss them.
  virtual bool HasBufferedInput() const { return false; }

  // Waits for the socket; false when the deadline passed first.
  bool AwaitReadable(Deadline deadline) const;
  bool AwaitWritable(Deadline deadline) const;
  absl::Status WriteAll(absl::string_view octets, Deadline deadline);

  int fd() const { return fd_; }
  uint16_t local_port() const;
  // Any thread: ends both directions at once, so that the owner's reads end.
  void Cut() const;
  void ShutdownWrites() const;

 protected:
  explicit Transport(int fd) : fd_(fd) {}

 private:
  bool Await(short events, Deadline deadline) const;
  const int fd_;
};

}  // namespace pontoon::client

#endif  // PONTOON_CLIENT_AMQP_TRANSPORT_H_
