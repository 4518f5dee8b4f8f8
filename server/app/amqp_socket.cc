#include "server/app/amqp_socket.h"

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/net/endpoint.h"
#include "server/net/stream_socket.h"
#include "server/session/connection.h"
#include "server/session/transport.h"

namespace pontoon::app {
namespace {

// Ties a socket to its AMQP connection. Belongs to itself from Start() to OnClosed.
class AmqpSocket final : public net::StreamHandler {
 public:
  AmqpSocket(LoopRuntime* runtime, net::AcceptedSocket socket, base::Duration tls_handshake_timeout,
             base::Logger* logger)
      : runtime_(runtime), logger_(logger) {
    net::StreamSocket::Options options;
    options.tls_handshake_timeout = tls_handshake_timeout;
    socket_ =
        std::make_unique<net::StreamSocket>(runtime->loop(), std::move(socket), this, options);
  }
  void Start() { socket_->Start(); }

  // net::StreamHandler.
  void OnOpen() override {
    session::PeerInfo peer;
    peer.peer_host = socket_->peer().address;
    peer.peer_port = socket_->peer().port;
    peer.host = socket_->local().address;
    peer.port = socket_->local().port;
    peer.loopback = socket_->peer().is_loopback();
    peer.tls = socket_->is_tls();
    if (peer.tls) {
      const net::StreamSocket::TlsInfo tls = socket_->tls_info();
      peer.tls_protocol = tls.protocol;
      peer.tls_cipher = tls.cipher;
      peer.tls_peer_subject = tls.peer_subject;
    }
    connection_ =
        runtime_->registry()->Accept(std::make_unique<SocketTransport>(this), std::move(peer));
  }
  void OnBytes(base::Slice bytes) override { connection_->OnBytes(std::move(bytes)); }
  void OnWritten(uint64_t position) override {
    static_cast<void>(position);
    connection_->OnSocketWritten();
    // What was written settles deliveries and gives credit back, at the end of a turn.
    runtime_->WantTurn();
    if (socket_->queued_bytes() != 0) socket_->WantWritten(socket_->write_position());
  }
  void OnClosed(const absl::Status& reason) override {
    if (connection_ != nullptr) {
      connection_->OnSocketClosed(reason);
    } else if (!reason.ok() && !absl::IsCancelled(reason)) {
      logger_->Log(base::LogLevel::kError, 0,
                   absl::StrCat("TLS handshake failed (",
                                net::ConnectionName(socket_->peer(), socket_->local()),
                                "): ", reason.message()));
    }
    runtime_->WantTurn();
    delete this;
  }

 private:
  // The connection's view of the socket; lives as long as the connection, which may outlast the
  // socket by a turn.
  class SocketTransport final : public session::Transport {
   public:
    explicit SocketTransport(AmqpSocket* owner) : owner_(owner) { owner->transport_ = this; }
    ~SocketTransport() override {
      if (owner_ != nullptr) owner_->transport_ = nullptr;
    }
    void Detach() { owner_ = nullptr; }

    void Write(base::SliceChain bytes) override {
      if (owner_ == nullptr) return;
      owner_->socket_->Write(std::move(bytes));
      owner_->socket_->WantWritten(owner_->socket_->write_position());
    }
    uint64_t bytes_queued() const override {
      return owner_ == nullptr ? 0 : owner_->socket_->write_position();
    }
    uint64_t bytes_written() const override {
      return owner_ == nullptr ? 0 : owner_->socket_->bytes_written();
    }
    void PauseReading() override {
      if (owner_ != nullptr) owner_->socket_->PauseReading();
    }
    void ResumeReading() override {
      if (owner_ != nullptr) owner_->socket_->ResumeReading();
    }
    void CloseAfterWrites() override {
      if (owner_ != nullptr) owner_->socket_->Close();
    }
    void Abort() override {
      if (owner_ == nullptr) return;
      // No call comes from the socket after its Abort, so the end is told from here, in a turn of
      // its own.
      AmqpSocket* const owner = owner_;
      owner->socket_->Abort();
      owner->runtime_->loop()->Post([owner] { owner->OnClosed(absl::OkStatus()); });
    }

   private:
    AmqpSocket* owner_;
  };

  ~AmqpSocket() {
    if (transport_ != nullptr) transport_->Detach();
  }

  LoopRuntime* const runtime_;
  base::Logger* const logger_;
  std::unique_ptr<net::StreamSocket> socket_;
  session::Connection* connection_ = nullptr;  // Owned by the registry, until OnSocketClosed.
  SocketTransport* transport_ = nullptr;       // Owned by the connection.
};

}  // namespace

void ServeAmqp(LoopRuntime* runtime, net::AcceptedSocket socket,
               base::Duration tls_handshake_timeout, base::Logger* logger) {
  (new AmqpSocket(runtime, std::move(socket), tls_handshake_timeout, logger))->Start();
}

}  // namespace pontoon::app
