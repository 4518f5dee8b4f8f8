#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "server/net/net_test_support.h"
#include "server/net/test_identity.h"
#include "server/net/tls_context.h"

namespace pontoon::net {
namespace {

// A client that speaks TLS over a blocking socket.
class TlsClient {
 public:
  TlsClient(uint16_t port, const Identity* identity)
      : tcp_(port), context_(SSL_CTX_new(TLS_client_method())) {
    if (identity != nullptr) {
      SSL_CTX_use_certificate(context_, identity->certificate);
      SSL_CTX_use_PrivateKey(context_, identity->key);
    }
    ssl_ = SSL_new(context_);
    SSL_set_fd(ssl_, tcp_.fd());
  }
  ~TlsClient() {
    SSL_free(ssl_);
    SSL_CTX_free(context_);
    ERR_clear_error();
  }
  bool Connect() { return SSL_connect(ssl_) == 1; }
  void SetMaxVersion(int version) { SSL_set_max_proto_version(ssl_, version); }
  void Send(absl::string_view bytes) {
    while (!bytes.empty()) {
      const int n =
          SSL_write(ssl_, bytes.data(), static_cast<int>(std::min<size_t>(bytes.size(), 1 << 20)));
      if (n <= 0) return;
      bytes.remove_prefix(static_cast<size_t>(n));
    }
  }
  std::string Receive(size_t bytes) {
    std::string all;
    char buffer[16384];
    while (all.size() < bytes) {
      const int n =
          SSL_read(ssl_, buffer, static_cast<int>(std::min(sizeof buffer, bytes - all.size())));
      if (n <= 0) break;
      all.append(buffer, static_cast<size_t>(n));
    }
    return all;
  }
  TestClient& tcp() { return tcp_; }
  SSL* ssl() { return ssl_; }

 private:
  TestClient tcp_;
  SSL_CTX* context_;
  SSL* ssl_ = nullptr;
};

class TlsTest : public testing::Test {
 protected:
  TlsTest()
      : ca_("Test CA"), server_("localhost", &ca_), client_("bunny", &ca_), stranger_("stranger") {
    folder_ = std::filesystem::temp_directory_path() / absl::StrCat("pontoon-tls-", getpid());
    std::filesystem::create_directories(folder_);
    options_.certfile = WriteCertificate("server.pem", server_);
    options_.keyfile = WriteKey("server.key", server_, "");
    options_.cacertfile = WriteCertificate("ca.pem", ca_);
  }
  ~TlsTest() override { std::filesystem::remove_all(folder_); }

  std::string WriteCertificate(const std::string& name, const Identity& identity) {
    return WriteFile(name, [&](FILE* out) { PEM_write_X509(out, identity.certificate); });
  }
  std::string WriteKey(const std::string& name, const Identity& identity,
                       const std::string& password) {
    return WriteFile(name, [&](FILE* out) {
      PEM_write_PrivateKey(out, identity.key, password.empty() ? nullptr : EVP_aes_256_cbc(),
                           reinterpret_cast<const unsigned char*>(password.data()),
                           static_cast<int>(password.size()), nullptr, nullptr);
    });
  }
  std::string WriteFile(const std::string& name, const std::function<void(FILE*)>& write) {
    const std::string path = folder_ / name;
    FILE* out = std::fopen(path.c_str(), "w");
    write(out);
    std::fclose(out);
    return path;
  }
  absl::Status StartServer(StreamSocket::Options socket_options = {}) {
    auto context = TlsContext::ForServer(options_);
    if (!context.ok()) return context.status();
    return tls_server_.Start({.tls = *context}, socket_options);
  }
  // The error of a context with these options; checks that it is one.
  std::string ErrorOf(const TlsOptions& options) {
    const auto context = TlsContext::ForServer(options);
    EXPECT_TRUE(absl::IsInvalidArgument(context.status())) << context.status();
    return std::string(context.status().message());
  }

  const Identity ca_, server_, client_, stranger_;
  std::filesystem::path folder_;
  TlsOptions options_;
  TestServer tls_server_;
};

TEST_F(TlsTest, BytesTravelBothWaysUnchanged) {
  ASSERT_TRUE(StartServer().ok());
  TlsClient client(tls_server_.port(), nullptr);
  ASSERT_TRUE(client.Connect());
  auto session = tls_server_.AwaitSession();
  std::string sent(1'000'000, '\0');
  for (size_t i = 0; i < sent.size(); ++i) sent[i] = static_cast<char>(i * 31 >> 3);
  client.Send(sent);
  ASSERT_TRUE(session->AwaitReceived(sent.size()));
  EXPECT_TRUE(session->received == sent);
  RunOn(tls_server_.loop(), [&] {
    session->socket->WantWritten(UINT64_MAX);
    // Small pieces and a big one, so that records are both collected and cut.
    for (size_t i = 0; i < 100'000; i += 100)
      session->socket->Write(base::Slice::Copy(sent.substr(i, 100)));
    session->socket->Write(base::Slice::Copy(sent.substr(100'000)));
    EXPECT_EQ(session->socket->tls_info().protocol, "TLSv1.3");
    EXPECT_NE(session->socket->tls_info().cipher, "");
    EXPECT_EQ(session->socket->tls_info().peer_subject, "");
  });
  EXPECT_TRUE(client.Receive(sent.size()) == sent);
  EXPECT_TRUE(session->signal.Await([&] { return session->written == sent.size(); }));
}

TEST_F(TlsTest, AClientThatReadsLateGetsEverything) {
  ASSERT_TRUE(StartServer().ok());
  TlsClient client(tls_server_.port(), nullptr);
  ASSERT_TRUE(client.Connect());
  auto session = tls_server_.AwaitSession();
  ASSERT_TRUE(session->signal.Await([&] { return session->open; }));
  std::string expected;
  for (int round = 0; round < 200; ++round) {
    const std::string piece(50'000 + round, static_cast<char>('a' + round % 26));
    expected += piece;
    RunOn(tls_server_.loop(), [&] { session->socket->Write(base::Slice::Copy(piece)); });
  }
  EXPECT_TRUE(client.Receive(expected.size()) == expected);
}

TEST_F(TlsTest, APausedConnectionKeepsDecryptedBytesForLater) {
  tls_server_.prepare = [](TestSession* session) { session->socket->PauseReading(10); };
  ASSERT_TRUE(StartServer().ok());
  TlsClient client(tls_server_.port(), nullptr);
  ASSERT_TRUE(client.Connect());
  auto session = tls_server_.AwaitSession();
  client.Send(std::string(5000, 'x'));
  ASSERT_TRUE(session->AwaitReceived(10));
  RunOn(tls_server_.loop(), [&] {
    EXPECT_EQ(session->socket->bytes_read(), 10u);
    session->socket->ResumeReading();
  });
  EXPECT_TRUE(session->AwaitReceived(5000));
}

TEST_F(TlsTest, AClientWithACertificateOfTheAuthorityIsKnownByItsSubject) {
  options_.verify_peer = true;
  options_.fail_if_no_peer_cert = true;
  ASSERT_TRUE(StartServer().ok());
  TlsClient client(tls_server_.port(), &client_);
  ASSERT_TRUE(client.Connect());
  auto session = tls_server_.AwaitSession();
  ASSERT_TRUE(session->signal.Await([&] { return session->open; }));
  RunOn(tls_server_.loop(),
        [&] { EXPECT_EQ(session->socket->tls_info().peer_subject, "CN=bunny"); });
}

TEST_F(TlsTest, AClientWithoutOrWithAForeignCertificateIsRefusedWithAReason) {
  options_.verify_peer = true;
  options_.fail_if_no_peer_cert = true;
  ASSERT_TRUE(StartServer().ok());
  TlsClient without(tls_server_.port(), nullptr);
  without.Connect();
  absl::Status reason = tls_server_.AwaitSession(0)->AwaitClosed();
  EXPECT_TRUE(absl::IsUnauthenticated(reason));
  EXPECT_THAT(std::string(reason.message()),
              testing::HasSubstr("peer did not return a certificate"));
  TlsClient foreign(tls_server_.port(), &stranger_);
  foreign.Connect();
  reason = tls_server_.AwaitSession(1)->AwaitClosed();
  EXPECT_TRUE(absl::IsUnauthenticated(reason));
  EXPECT_THAT(std::string(reason.message()), testing::HasSubstr("certificate verify failed"));
}

TEST_F(TlsTest, APlainClientOnTheTlsPortIsRefusedWithAReason) {
  ASSERT_TRUE(StartServer().ok());
  TestClient client(tls_server_.port());
  client.Send(absl::string_view("AMQP\0\0\x09\x01", 8));
  const absl::Status reason = tls_server_.AwaitSession()->AwaitClosed();
  EXPECT_TRUE(absl::IsUnauthenticated(reason)) << reason;
}

TEST_F(TlsTest, AClientThatSaysNothingIsDroppedAfterTheHandshakeTimeout) {
  ASSERT_TRUE(StartServer({.tls_handshake_timeout = base::Millis(50)}).ok());
  TestClient client(tls_server_.port());
  EXPECT_TRUE(absl::IsDeadlineExceeded(tls_server_.AwaitSession()->AwaitClosed()));
  EXPECT_TRUE(client.AwaitEnd());
}

TEST_F(TlsTest, OnlyTheConfiguredVersionsAreSpoken) {
  options_.versions = {"tlsv1.3"};
  ASSERT_TRUE(StartServer().ok());
  TlsClient old(tls_server_.port(), nullptr);
  old.SetMaxVersion(TLS1_2_VERSION);
  EXPECT_FALSE(old.Connect());
  TlsClient current(tls_server_.port(), nullptr);
  EXPECT_TRUE(current.Connect());
}

TEST_F(TlsTest, AnEncryptedKeyIsOpenedWithThePassword) {
  options_.keyfile = WriteKey("locked.key", server_, "carrot");
  options_.password = "carrot";
  EXPECT_TRUE(TlsContext::ForServer(options_).ok());
  options_.password = "turnip";
  EXPECT_THAT(ErrorOf(options_), testing::HasSubstr("ssl_options.keyfile"));
}

TEST_F(TlsTest, EachBadFileIsOneErrorThatNamesKeyAndFile) {
  TlsOptions bad = options_;
  bad.certfile = "";
  EXPECT_EQ(ErrorOf(bad), "ssl_options.certfile is not set");
  bad = options_;
  bad.certfile = folder_ / "absent.pem";
  EXPECT_EQ(ErrorOf(bad),
            absl::StrCat("ssl_options.certfile = ", bad.certfile, ": no such file or directory"));
  bad = options_;
  bad.keyfile = options_.certfile;
  EXPECT_THAT(ErrorOf(bad),
              testing::HasSubstr(absl::StrCat("ssl_options.keyfile = ", bad.keyfile)));
  bad.keyfile = WriteKey("other.key", client_, "");
  EXPECT_THAT(ErrorOf(bad), testing::HasSubstr("is not the key of ssl_options.certfile"));
  bad = options_;
  bad.cacertfile = WriteFile("junk.pem", [](FILE* out) { std::fputs("junk", out); });
  EXPECT_THAT(ErrorOf(bad),
              testing::HasSubstr(absl::StrCat("ssl_options.cacertfile = ", bad.cacertfile)));
  bad = options_;
  bad.verify_peer = true;
  bad.cacertfile = "";
  EXPECT_EQ(ErrorOf(bad), "ssl_options.cacertfile is not set");
  bad = options_;
  bad.versions = {"tlsv9"};
  EXPECT_THAT(ErrorOf(bad), testing::HasSubstr("ssl_options.versions = tlsv9"));
  bad = options_;
  bad.ciphers = {"ROT13"};
  EXPECT_THAT(ErrorOf(bad), testing::HasSubstr("ssl_options.ciphers = ROT13"));
}

}  // namespace
}  // namespace pontoon::net
