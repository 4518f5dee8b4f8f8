#include "server/net/tls_context.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace pontoon::net {
namespace {

constexpr size_t kRecordBytesMax = 16 * 1024;

// The first of OpenSSL's queued errors in words; empties the queue.
std::string TakeSslError() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  if (code == 0) return "unknown error";
  const char* reason = ERR_reason_error_string(code);
  return reason != nullptr ? reason : absl::StrCat("OpenSSL error ", code);
}

class TlsTransport final : public Transport {
 public:
  TlsTransport(SSL_CTX* context, int fd) : ssl_(SSL_new(context)) {
    SSL_set_fd(ssl_, fd);
    SSL_set_accept_state(ssl_);
  }
  ~TlsTransport() override { SSL_free(ssl_); }

  IoResult Handshake() override {
    ERR_clear_error();
    errno = 0;
    const int n = SSL_do_handshake(ssl_);
    return n == 1 ? IoResult() : Failure(n);
  }

  IoResult Read(char* out, size_t size) override {
    ERR_clear_error();
    errno = 0;
    const int n = SSL_read(ssl_, out, static_cast<int>(std::min<size_t>(size, INT32_MAX)));
    return n > 0 ? Moved(n) : Failure(n);
  }

  IoResult Write(absl::Span<const iovec> pieces) override {
    if (pieces.empty()) return {};
    const char* bytes = static_cast<const char*>(pieces[0].iov_base);
    size_t size = std::min(pieces[0].iov_len, kRecordBytesMax);
    // After a write that has to wait OpenSSL wants the same bytes again; the front of the queue
    // still is the same, though more may have come behind it.
    if (size < kRecordBytesMax && pieces.size() > 1) {
      size = Collect(pieces);
      bytes = record_;
    }
    if (waiting_ > 0) size = waiting_;
    ERR_clear_error();
    errno = 0;
    const int n = SSL_write(ssl_, bytes, static_cast<int>(size));
    waiting_ = n > 0 ? 0 : size;
    return n > 0 ? Moved(n) : Failure(n);
  }

  bool has_buffered() const override { return SSL_pending(ssl_) > 0; }

  void EndOfWrites() override {
    ERR_clear_error();
    SSL_shutdown(ssl_);
  }

  std::string protocol() const override { return SSL_get_version(ssl_); }

  std::string cipher() const override {
    const SSL_CIPHER* cipher = SSL_get_current_cipher(ssl_);
    return cipher == nullptr ? "" : SSL_CIPHER_get_name(cipher);
  }

  std::string peer_subject() const override {
    X509* certificate = SSL_get0_peer_certificate(ssl_);
    if (certificate == nullptr) return "";
    BIO* out = BIO_new(BIO_s_mem());
    X509_NAME_print_ex(out, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253);
    char* text = nullptr;
    const long size = BIO_get_mem_data(out, &text);
    std::string subject(text, static_cast<size_t>(size));
    BIO_free(out);
    return subject;
  }

 private:
  static IoResult Moved(int n) {
    return {.kind = IoResult::kBytes, .bytes = static_cast<size_t>(n), .error = {}};
  }

  size_t Collect(absl::Span<const iovec> pieces) {
    // One per thread: a connection needs it only during the call.
    static thread_local char record[kRecordBytesMax];
    record_ = record;
    size_t size = 0;
    for (const iovec& piece : pieces) {
      const size_t n = std::min(piece.iov_len, kRecordBytesMax - size);
      std::memcpy(record + size, piece.iov_base, n);
      size += n;
      if (size == kRecordBytesMax) break;
    }
    return size;
  }

  IoResult Failure(int n) {
    const int system_error = errno;
    switch (SSL_get_error(ssl_, n)) {
      case SSL_ERROR_WANT_READ:
        return {.kind = IoResult::kWantRead, .bytes = 0, .error = {}};
      case SSL_ERROR_WANT_WRITE:
        return {.kind = IoResult::kWantWrite, .bytes = 0, .error = {}};
      case SSL_ERROR_ZERO_RETURN:
        return {.kind = IoResult::kEnd, .bytes = 0, .error = {}};
      case SSL_ERROR_SYSCALL:
        if (system_error == 0) return {.kind = IoResult::kEnd, .bytes = 0, .error = {}};
        return {.kind = IoResult::kError, .bytes = 0, .error = SocketError(system_error)};
      default:
        break;
    }
    if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
      ERR_clear_error();
      return {.kind = IoResult::kEnd, .bytes = 0, .error = {}};
    }
    return {.kind = IoResult::kError, .bytes = 0, .error = absl::UnavailableError(TakeSslError())};
  }

  SSL* const ssl_;
  const char* record_ = nullptr;
  size_t waiting_ = 0;  // Size of the write that OpenSSL wants again.
};

class ServerContext final : public TlsContext {
 public:
  explicit ServerContext(SSL_CTX* context) : context_(context) {}
  ~ServerContext() override { SSL_CTX_free(context_); }
  std::unique_ptr<Transport> NewTransport(int fd) const override {
    return std::make_unique<TlsTransport>(context_, fd);
  }
  SSL_CTX* context() const { return context_; }

 private:
  SSL_CTX* const context_;
};

absl::Status Bad(absl::string_view key, absl::string_view value, absl::string_view why) {
  ERR_clear_error();
  return absl::InvalidArgumentError(absl::StrCat("ssl_options.", key, " = ", value, ": ", why));
}

absl::Status CheckFile(absl::string_view key, const std::string& file) {
  if (file.empty())
    return absl::InvalidArgumentError(absl::StrCat("ssl_options.", key, " is not set"));
  errno = 0;
  std::ifstream in(file);
  if (!in.good() || in.peek() == std::ifstream::traits_type::eof()) {
    return Bad(key, file,
               errno != 0 ? SocketError(errno).message() : absl::string_view("the file is empty"));
  }
  return absl::OkStatus();
}

absl::StatusOr<int> VersionOf(const std::string& name) {
  const std::pair<const char*, int> known[] = {{"tlsv1", TLS1_VERSION},
                                               {"tlsv1.1", TLS1_1_VERSION},
                                               {"tlsv1.2", TLS1_2_VERSION},
                                               {"tlsv1.3", TLS1_3_VERSION}};
  for (const auto& [text, version] : known) {
    if (name == text) return version;
  }
  return Bad("versions", name, "not one of tlsv1.3, tlsv1.2, tlsv1.1, tlsv1");
}

absl::Status SetVersions(SSL_CTX* context, const std::vector<std::string>& names) {
  if (names.empty()) {
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    return absl::OkStatus();
  }
  const std::pair<int, uint64_t> off[] = {{TLS1_VERSION, SSL_OP_NO_TLSv1},
                                          {TLS1_1_VERSION, SSL_OP_NO_TLSv1_1},
                                          {TLS1_2_VERSION, SSL_OP_NO_TLSv1_2},
                                          {TLS1_3_VERSION, SSL_OP_NO_TLSv1_3}};
  std::vector<int> wanted;
  for (const std::string& name : names) {
    const absl::StatusOr<int> version = VersionOf(name);
    if (!version.ok()) return version.status();
    wanted.push_back(*version);
  }
  SSL_CTX_set_min_proto_version(context, TLS1_VERSION);
  for (const auto& [version, option] : off) {
    if (std::find(wanted.begin(), wanted.end(), version) == wanted.end())
      SSL_CTX_set_options(context, option);
  }
  return absl::OkStatus();
}

// TLS 1.3 suites are given to OpenSSL apart from older ones.
absl::Status SetCiphers(SSL_CTX* context, const std::vector<std::string>& names) {
  std::vector<std::string> suites, older;
  for (const std::string& name : names) {
    const bool modern = name.rfind("TLS_AES_", 0) == 0 || name.rfind("TLS_CHACHA20_", 0) == 0;
    const std::string& known = name;
    (modern ? suites : older).push_back(known);
    if (modern ? SSL_CTX_set_ciphersuites(context, name.c_str()) != 1
               : SSL_CTX_set_cipher_list(context, name.c_str()) != 1) {
      return Bad("ciphers", name, "OpenSSL knows no such cipher");
    }
  }
  if (!suites.empty()) SSL_CTX_set_ciphersuites(context, absl::StrJoin(suites, ":").c_str());
  if (!older.empty()) SSL_CTX_set_cipher_list(context, absl::StrJoin(older, ":").c_str());
  return absl::OkStatus();
}

int GivePassword(char* out, int size, int /*writing*/, void* password) {
  const auto& text = *static_cast<const std::string*>(password);
  const size_t n = std::min(text.size(), static_cast<size_t>(size));
  std::memcpy(out, text.data(), n);
  return static_cast<int>(n);
}

absl::Status LoadKeys(SSL_CTX* context, const TlsOptions& options) {
  absl::Status status = CheckFile("certfile", options.certfile);
  if (status.ok()) status = CheckFile("keyfile", options.keyfile);
  if (!status.ok()) return status;
  if (SSL_CTX_use_certificate_chain_file(context, options.certfile.c_str()) != 1) {
    return Bad("certfile", options.certfile,
               absl::StrCat("not a PEM certificate: ", TakeSslError()));
  }
  SSL_CTX_set_default_passwd_cb(context, GivePassword);
  SSL_CTX_set_default_passwd_cb_userdata(context, const_cast<std::string*>(&options.password));
  const int loaded =
      SSL_CTX_use_PrivateKey_file(context, options.keyfile.c_str(), SSL_FILETYPE_PEM);
  SSL_CTX_set_default_passwd_cb_userdata(context, nullptr);
  SSL_CTX_set_default_passwd_cb(context, nullptr);
  if (loaded == 1 && SSL_CTX_check_private_key(context) == 1) return absl::OkStatus();
  const std::string why = TakeSslError();
  if (why == "key values mismatch") {
    return Bad("keyfile", options.keyfile,
               absl::StrCat("is not the key of ssl_options.certfile ", options.certfile));
  }
  return Bad("keyfile", options.keyfile,
             absl::StrCat("no PEM key that can be read (or a wrong password): ", why));
}

absl::Status LoadAuthorities(SSL_CTX* context, const TlsOptions& options) {
  if (!options.cacertfile.empty() || options.verify_peer) {
    const absl::Status status = CheckFile("cacertfile", options.cacertfile);
    if (!status.ok()) return status;
    const char* file = options.cacertfile.c_str();
    if (SSL_CTX_load_verify_locations(context, file, nullptr) != 1) {
      return Bad("cacertfile", options.cacertfile,
                 absl::StrCat("not a PEM certificate: ", TakeSslError()));
    }
    SSL_CTX_set_client_CA_list(context, SSL_load_client_CA_file(file));
  }
  if (options.verify_peer) {
    SSL_CTX_set_verify(
        context,
        SSL_VERIFY_PEER | (options.fail_if_no_peer_cert ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
        nullptr);
    SSL_CTX_set_verify_depth(context, options.depth);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::shared_ptr<const TlsContext>> TlsContext::ForServer(const TlsOptions& options) {
  const auto made = std::make_shared<ServerContext>(SSL_CTX_new(TLS_server_method()));
  SSL_CTX* context = made->context();
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  if (options.honor_cipher_order) SSL_CTX_set_options(context, SSL_OP_CIPHER_SERVER_PREFERENCE);
  // Idle connections keep no record buffers; pieces of the queue may move in memory between two
  // attempts.
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_session_id_context(context, reinterpret_cast<const unsigned char*>("pontoon"), 7);
  absl::Status status = LoadKeys(context, options);
  if (status.ok()) status = LoadAuthorities(context, options);
  if (status.ok()) status = SetVersions(context, options.versions);
  if (status.ok()) status = SetCiphers(context, options.ciphers);
  if (!status.ok()) return status;
  return std::shared_ptr<const TlsContext>(made);
}

}  // namespace pontoon::net
