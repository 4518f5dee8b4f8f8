#ifndef PONTOON_SERVER_NET_STREAM_SOCKET_H_
#define PONTOON_SERVER_NET_STREAM_SOCKET_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "base/slice.h"
#include "base/time.h"
#include "server/net/accepted_socket.h"
#include "server/net/event_loop.h"

namespace pontoon::net {

// Told what happens to a StreamSocket, on its loop. May destroy the socket in any of these.
class StreamHandler {
 public:
  // Bytes can flow: at once after Start() without TLS, else after the handshake.
  virtual void OnOpen() {}
  // The next bytes, in order. Neighbouring slices often continue each other in one block.
  virtual void OnBytes(base::Slice bytes) = 0;
  // The first `position` bytes of all that was ever given to Write are with the kernel. Only as
  // WantWritten asked.
  virtual void OnWritten(uint64_t position) { static_cast<void>(position); }
  // The queue was at the low-water mark or above, and now is below it.
  virtual void OnWriteQueueLow() {}
  // The last call, and the only one of its kind. OK: closed as Close() asked. Cancelled: the peer
  // closed. Unauthenticated: the TLS handshake failed, and how. DeadlineExceeded: the peer did not
  // take the last bytes, did not answer the close, or did not finish the handshake in time.
  // Unavailable: the connection broke.
  virtual void OnClosed(const absl::Status& reason) = 0;

 protected:
  ~StreamHandler() = default;
};

// One accepted TCP connection, with or without TLS, on one loop and used only there.
//
// Reading: the kernel's bytes land in blocks that are handed out as slices, never copied if a read
// brings much. What a read brings little of is copied into a slice of its own, so that idle
// connections hold no buffer at all and a small slice pins no big block. Work per turn is bounded;
// a flood of one connection leaves turns to the others. Writing: slices are queued and sent at the
// end of the turn by one gathered write.
class StreamSocket {
 public:
  struct Options {
    base::Duration tls_handshake_timeout = base::Seconds(5);
    // From Close() (or the peer's close) until the connection is dropped whatever is still unsent
    // or unanswered.
    base::Duration linger = base::Seconds(3);
  };
  // Of an open connection with TLS; empty strings otherwise.
  struct TlsInfo {
    std::string protocol;      // "TLSv1.3"
    std::string cipher;        // "TLS_AES_256_GCM_SHA384"
    std::string peer_subject;  // "CN=client,O=Example"; empty if the client showed no certificate.
  };

  // `handler` outlives this.
  StreamSocket(EventLoop* loop, AcceptedSocket socket, StreamHandler* handler, Options options);
  // No call comes after this. A socket on which Close() was called goes on closing by itself;
  // another is dropped.
  ~StreamSocket();
  StreamSocket(const StreamSocket&) = delete;
  StreamSocket& operator=(const StreamSocket&) = delete;

  // Begins; OnOpen may be called inside.
  void Start();

  // Queues bytes; they leave at the end of the turn. Dropped after Close(), Abort() or OnClosed.
  void Write(base::SliceChain bytes);
  void Write(base::Slice bytes);
  // Bytes queued and not yet with the kernel.
  uint64_t queued_bytes() const;
  // All bytes ever given to Write; a position for OnWritten.
  uint64_t write_position() const;
  // All bytes that the kernel has taken.
  uint64_t bytes_written() const;
  uint64_t bytes_read() const;
  // OnWritten is called after each write to the kernel until this position (at most
  // write_position()) is reached.
  void WantWritten(uint64_t position);
  // OnWriteQueueLow is called when queued_bytes() falls below this. 0 (the default): never.
  void SetLowWater(uint64_t bytes);

  // Reads at most `more_bytes` more, then stops until ResumeReading. A reset by the peer is noticed
  // all the same, and an orderly close within a few seconds (bytes that were still unread are then
  // lost).
  void PauseReading(uint64_t more_bytes = 0);
  void ResumeReading();
  // True while a pause has used up its bytes: silence of the peer then means nothing.
  bool reading_stopped() const;

  // Sends what is queued, then closes, waits for the peer to close too, and calls OnClosed; at most
  // Options::linger.
  void Close();
  // Drops the connection with a reset. No call comes after this.
  void Abort();

  const Endpoint& peer() const;
  const Endpoint& local() const;
  bool is_tls() const;
  TlsInfo tls_info() const;

 private:
  class Impl;
  const std::shared_ptr<Impl> impl_;
};

}  // namespace pontoon::net

#endif  // PONTOON_SERVER_NET_STREAM_SOCKET_H_
