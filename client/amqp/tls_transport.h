#ifndef PONTOON_CLIENT_AMQP_TLS_TRANSPORT_H_
#define PONTOON_CLIENT_AMQP_TLS_TRANSPORT_H_

#include <memory>
#include <string>

#include "client/amqp/transport.h"

struct ssl_st;
struct ssl_ctx_st;

namespace pontoon::client {

// Transport through OpenSSL.
class TlsTransport final : public Transport {
 public:
  // Takes over the socket. Unavailable, with OpenSSL's words, if the files cannot be used or the
  // handshake fails.
  static absl::StatusOr<std::unique_ptr<Transport>> Handshake(int fd, const TlsOptions& options,
                                                              const std::string& host,
                                                              Deadline deadline);
  ~TlsTransport() override;

  absl::StatusOr<size_t> Read(char* out, size_t size) override;
  absl::StatusOr<size_t> Write(const base::SliceChain& chain, size_t first_slice,
                               size_t offset) override;
  bool HasBufferedInput() const override;

 private:
  explicit TlsTransport(int fd) : Transport(fd) {}
  absl::Status SetUp(const TlsOptions& options, const std::string& host);
  absl::Status ShakeHands(Deadline deadline);
  absl::StatusOr<size_t> Outcome(int result, absl::string_view what) const;

  ssl_ctx_st* context_ = nullptr;
  ssl_st* ssl_ = nullptr;
};

}  // namespace pontoon::client

#endif  // PONTOON_CLIENT_AMQP_TLS_TRANSPORT_H_
