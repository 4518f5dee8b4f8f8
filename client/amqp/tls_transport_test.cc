#include "client/amqp/tls_transport.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"

namespace pontoon::client {
namespace {

// A self-signed certificate for 127.0.0.1 in files of its own.
class Certificate {
 public:
  Certificate() {
    key_ = EVP_EC_gen("P-256");
    certificate_ = X509_new();
    ASN1_INTEGER_set(X509_get_serialNumber(certificate_), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate_), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate_), 3600);
    X509_set_pubkey(certificate_, key_);
    X509_NAME* name = X509_get_subject_name(certificate_);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>("test"), -1, -1, 0);
    X509_set_issuer_name(certificate_, name);
    X509_set_version(certificate_, 2);
    X509_EXTENSION* names =
        X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, "IP:127.0.0.1");
    X509_add_ext(certificate_, names, -1);
    X509_EXTENSION_free(names);
    X509_sign(certificate_, key_, EVP_sha256());
    static int count = 0;
    file_ = absl::StrCat(testing::TempDir(), "/client_tls_", getpid(), "_", ++count, ".pem");
    FILE* out = std::fopen(file_.c_str(), "w");
    PEM_write_X509(out, certificate_);
    std::fclose(out);
  }
  ~Certificate() {
    std::remove(file_.c_str());
    X509_free(certificate_);
    EVP_PKEY_free(key_);
  }
  const std::string& file() const { return file_; }
  X509* certificate() const { return certificate_; }
  EVP_PKEY* key() const { return key_; }

 private:
  EVP_PKEY* key_ = nullptr;
  X509* certificate_ = nullptr;
  std::string file_;
};

// Sends back what one TLS client sends, until it goes.
class TlsEcho {
 public:
  explicit TlsEcho(const Certificate& certificate) : listener_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(listener_, 1), 0);
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    context_ = SSL_CTX_new(TLS_server_method());
    SSL_CTX_use_certificate(context_, certificate.certificate());
    SSL_CTX_use_PrivateKey(context_, certificate.key());
    thread_ = std::thread([this] { Serve(); });
  }
  ~TlsEcho() {
    shutdown(listener_, SHUT_RDWR);
    thread_.join();
    close(listener_);
    SSL_CTX_free(context_);
  }
  uint16_t port() const { return port_; }

 private:
  void Serve() {
    const int fd = accept(listener_, nullptr, nullptr);
    if (fd < 0) return;
    SSL* ssl = SSL_new(context_);
    SSL_set_fd(ssl, fd);
    if (SSL_accept(ssl) == 1) {
      char buffer[65536];
      int n;
      while ((n = SSL_read(ssl, buffer, sizeof(buffer))) > 0 && SSL_write(ssl, buffer, n) > 0) {
      }
    }
    SSL_free(ssl);
    close(fd);
  }

  const int listener_;
  uint16_t port_ = 0;
  SSL_CTX* context_ = nullptr;
  std::thread thread_;
};

absl::StatusOr<std::unique_ptr<Transport>> Connect(const TlsEcho& echo, TlsOptions tls) {
  ConnectionOptions options;
  options.port = echo.port();
  options.tls = std::move(tls);
  return Transport::Connect(options, DeadlineIn(base::Seconds(20)));
}

TEST(TlsTransportTest, MegabytesComeBackThroughAVerifiedServer) {
  Certificate certificate;
  TlsEcho echo(certificate);
  auto transport = Connect(echo, {.ca_file = certificate.file()});
  ASSERT_TRUE(transport.ok()) << transport.status();
  std::string sent(3000000, '\0');
  for (size_t i = 0; i < sent.size(); ++i) sent[i] = static_cast<char>(i * 2654435761u >> 13);
  base::SliceChain chain;
  for (size_t i = 0; i < sent.size(); i += 1000) {
    chain.Append(base::Slice::Copy(absl::string_view(sent).substr(i, 1000)));
  }
  // Both directions at once, as a connection's I/O thread does it.
  std::string received;
  size_t slice = 0, offset = 0;
  char buffer[65536];
  const Deadline deadline = DeadlineIn(base::Seconds(30));
  while (received.size() < sent.size() && std::chrono::steady_clock::now() < deadline) {
    if (slice < chain.slices().size()) {
      auto n = (*transport)->Write(chain, slice, offset);
      ASSERT_TRUE(n.ok()) << n.status();
      for (size_t left = *n; left > 0;) {
        const size_t here = std::min(left, chain.slices()[slice].size() - offset);
        left -= here;
        offset += here;
        if (offset == chain.slices()[slice].size()) {
          ++slice;
          offset = 0;
        }
      }
    } else {
      (*transport)->AwaitReadable(deadline);
    }
    const auto n = (*transport)->Read(buffer, sizeof(buffer));
    ASSERT_TRUE(n.ok()) << n.status();
    received.append(buffer, *n);
  }
  EXPECT_TRUE(received == sent);
}

TEST(TlsTransportTest, AServerThatTheAuthorityDoesNotVouchForIsRefused) {
  Certificate certificate;
  Certificate another;
  TlsEcho echo(certificate);
  const auto transport = Connect(echo, {.ca_file = another.file()});
  EXPECT_TRUE(absl::IsUnavailable(transport.status()));
  EXPECT_NE(transport.status().message().find("certificate verify failed"),
            absl::string_view::npos);
}

TEST(TlsTransportTest, AServerOfAnotherNameIsRefused) {
  Certificate certificate;
  TlsEcho echo(certificate);
  EXPECT_TRUE(absl::IsUnavailable(
      Connect(echo, {.ca_file = certificate.file(), .server_name = "broker.example"}).status()));
}

TEST(TlsTransportTest, AMissingFileIsNamed) {
  Certificate certificate;
  TlsEcho echo(certificate);
  const auto transport = Connect(echo, {.ca_file = "/no/such/file.pem"});
  EXPECT_TRUE(absl::IsUnavailable(transport.status()));
  EXPECT_NE(transport.status().message().find("/no/such/file.pem"), absl::string_view::npos);
}

}  // namespace
}  // namespace pontoon::client
