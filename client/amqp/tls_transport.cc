#include "client/amqp/tls_transport.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <csignal>

#include "absl/strings/str_cat.h"

namespace pontoon::client {
namespace {

absl::Status TlsError(absl::string_view what) {
  const unsigned long code = ERR_get_error();
  char text[256] = "the peer closed the connection";
  if (code != 0) ERR_error_string_n(code, text, sizeof(text));
  ERR_clear_error();
  return absl::UnavailableError(absl::StrCat(what, ": ", text));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Transport>> TlsTransport::Handshake(int fd,
                                                                   const TlsOptions& options,
                                                                   const std::string& host,
                                                                   Deadline deadline) {
  // OpenSSL writes with write(2): a peer that is gone must be an error, not the end of the process.
  std::signal(SIGPIPE, SIG_IGN);
  std::unique_ptr<TlsTransport> transport(new TlsTransport(fd));
  if (absl::Status status = transport->SetUp(options, host); !status.ok()) return status;
  if (absl::Status status = transport->ShakeHands(deadline); !status.ok()) return status;
  return transport;
}

TlsTransport::~TlsTransport() {
  if (ssl_ != nullptr) SSL_free(ssl_);
  if (context_ != nullptr) SSL_CTX_free(context_);
}

absl::Status TlsTransport::SetUp(const TlsOptions& options, const std::string& host) {
  context_ = SSL_CTX_new(TLS_client_method());
  if (context_ == nullptr) return TlsError("TLS");
  SSL_CTX_set_min_proto_version(context_, TLS1_2_VERSION);
  SSL_CTX_set_mode(context_, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  if (!options.ca_file.empty()) {
    if (SSL_CTX_load_verify_locations(context_, options.ca_file.c_str(), nullptr) != 1) {
      return TlsError(options.ca_file);
    }
    SSL_CTX_set_verify(context_, SSL_VERIFY_PEER, nullptr);
  }
  if (!options.certificate_file.empty() &&
      SSL_CTX_use_certificate_chain_file(context_, options.certificate_file.c_str()) != 1) {
    return TlsError(options.certificate_file);
  }
  if (!options.key_file.empty() &&
      SSL_CTX_use_PrivateKey_file(context_, options.key_file.c_str(), SSL_FILETYPE_PEM) != 1) {
    return TlsError(options.key_file);
  }
  ssl_ = SSL_new(context_);
  if (ssl_ == nullptr || SSL_set_fd(ssl_, fd()) != 1) return TlsError("TLS");
  const std::string& name = options.server_name.empty() ? host : options.server_name;
  // An address is checked as such; only names go into SNI.
  if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl_), name.c_str()) != 1) {
    SSL_set_tlsext_host_name(ssl_, name.c_str());
    SSL_set1_host(ssl_, name.c_str());
  }
  ERR_clear_error();
  return absl::OkStatus();
}

absl::Status TlsTransport::ShakeHands(Deadline deadline) {
  while (true) {
    const int result = SSL_connect(ssl_);
    if (result == 1) return absl::OkStatus();
    bool in_time;
    switch (SSL_get_error(ssl_, result)) {
      case SSL_ERROR_WANT_READ:
        in_time = AwaitReadable(deadline);
        break;
      case SSL_ERROR_WANT_WRITE:
        in_time = AwaitWritable(deadline);
        break;
      default:
        return TlsError("TLS handshake");
    }
    if (!in_time) return absl::DeadlineExceededError("the TLS handshake took too long");
  }
}

absl::StatusOr<size_t> TlsTransport::Outcome(int result, absl::string_view what) const {
  if (result > 0) return static_cast<size_t>(result);
  switch (SSL_get_error(ssl_, result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
      return 0;
    default:
      return TlsError(what);
  }
}

absl::StatusOr<size_t> TlsTransport::Read(char* out, size_t size) {
  return Outcome(SSL_read(ssl_, out, static_cast<int>(std::min<size_t>(size, 1 << 30))), "read");
}

absl::StatusOr<size_t> TlsTransport::Write(const base::SliceChain& chain, size_t first_slice,
                                           size_t offset) {
  if (first_slice >= chain.slices().size()) return 0;
  // One record holds at most 16 KiB, so small slices are put together and large ones go as they
  // are.
  char record[16384];
  size_t size = 0;
  for (size_t i = first_slice; i < chain.slices().size() && size < sizeof(record); ++i) {
    const base::Slice& slice = chain.slices()[i];
    const size_t n = std::min(slice.size() - offset, sizeof(record) - size);
    std::copy_n(slice.data() + offset, n, record + size);
    size += n;
    offset = 0;
  }
  return Outcome(SSL_write(ssl_, record, static_cast<int>(size)), "write");
}

bool TlsTransport::HasBufferedInput() const { return SSL_pending(ssl_) > 0; }

}  // namespace pontoon::client
