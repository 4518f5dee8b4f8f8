#ifndef PONTOON_SERVER_NET_TLS_CONTEXT_H_
#define PONTOON_SERVER_NET_TLS_CONTEXT_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/net/transport.h"

namespace pontoon::net {

// What a TLS listener is given; the names are those of rabbitmq.conf's ssl_options.*.
struct TlsOptions {
  std::string certfile;    // PEM: the server's certificate, then the chain. Required.
  std::string keyfile;     // PEM. Required.
  std::string password;    // Of an encrypted keyfile.
  std::string cacertfile;  // PEM: who may sign clients' certificates. Required with verify_peer.
  bool verify_peer = false;
  bool fail_if_no_peer_cert = false;  // Has a meaning only with verify_peer.
  int depth = 10;                     // Longest chain of intermediate certificates.
  std::vector<std::string>
      versions;  // "tlsv1.2", "tlsv1.3" (also "tlsv1", "tlsv1.1"); empty: 1.2 and 1.3.
  std::vector<std::string> ciphers;  // OpenSSL or IANA names; empty: OpenSSL's default.
  bool honor_cipher_order = true;
};

// Everything that the TLS connections of a listener share. Immutable, any thread.
class TlsContext {
 public:
  // InvalidArgument: which setting is at fault, the file it names, and why.
  static absl::StatusOr<std::shared_ptr<const TlsContext>> ForServer(const TlsOptions& options);

  virtual ~TlsContext() = default;
  // For the server's end of a connection. `fd` is a non-blocking socket, borrowed.
  virtual std::unique_ptr<Transport> NewTransport(int fd) const = 0;
};

}  // namespace pontoon::net

#endif  // PONTOON_SERVER_NET_TLS_CONTEXT_H_
