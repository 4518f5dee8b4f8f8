#ifndef PONTOON_SERVER_NET_STREAM_IMPL_H_
#define PONTOON_SERVER_NET_STREAM_IMPL_H_

// Inside of this room only: the state of a StreamSocket. Life and closing are in stream_socket.cc,
// moving bytes in stream_io.cc.

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "server/net/descriptor.h"
#include "server/net/loop_core.h"
#include "server/net/stream_socket.h"
#include "server/net/transport.h"

namespace pontoon::net {

class StreamSocket::Impl final : public DescriptorObserver,
                                 public TurnWriter,
                                 public std::enable_shared_from_this<StreamSocket::Impl> {
 public:
  enum class State {
    kIdle,       // Before Start().
    kHandshake,  // TLS.
    kOpen,
    kFlushing,   // Sends what is queued, then shuts down.
    kLingering,  // Has shut down its side and waits for the peer's.
    kClosed,
  };
  static constexpr uint64_t kUnlimited = UINT64_MAX;

  Impl(EventLoop* loop, AcceptedSocket socket, StreamHandler* handler, Options options);

  void Start();
  void Detach();
  void Close();
  void Abort();
  void Write(base::Slice bytes);
  void PauseReading(uint64_t more_bytes);
  void ResumeReading();

  void OnReadable() override;
  void OnWritable() override;
  void OnBroken() override;
  void WriteAtTurnEnd() override;

  EventLoop* const loop;
  const Endpoint peer;
  const Endpoint local;
  std::unique_ptr<Transport> transport;
  const bool tls;
  uint64_t queued_bytes = 0;
  uint64_t written = 0;
  uint64_t read = 0;
  uint64_t low_water = 0;
  uint64_t written_mark = 0;        // OnWritten is wanted until `written` has reached it.
  uint64_t allowance = kUnlimited;  // Bytes that may still be read.

 private:
  void Handshake();
  void Open();
  void BeginClosing(bool peer_is_done);
  // After the last queued byte: shut down our side.
  void FinishWriting();
  // The end. Calls OnClosed unless there is no handler any more.
  void Finish(const absl::Status& reason);
  void DropWithReset();
  void WatchPausedPeer();
  void CheckPausedPeer();

  // Both: false if there is nothing more to read for now.
  bool ReadOnce(size_t* budget);
  bool OnNoBytes(const IoResult& result);
  void ReadAndDrop();
  void ReleaseBlock();
  void WatchIdleBlock(size_t bytes_read);

  void ScheduleWrite();
  void WriteNow();
  void TellWritten(uint64_t before);
  // Pieces of the queue's front and, added to `*total`, their bytes.
  size_t Gather(iovec* pieces, size_t most, size_t* total) const;
  void Consume(size_t bytes);

  StreamHandler* handler_;
  const Options options_;
  ConnectionSlot slot_;
  std::unique_ptr<Descriptor> descriptor_;
  State state_ = State::kIdle;
  bool peer_is_done_ = false;
  TimerId timer_;        // Handshake, then linger; never both.
  TimerId pause_timer_;  // Looks for the peer's close while paused.
  base::MonotonicTime paused_since_;

  // The block that reads fill progressively; null while little arrives.
  base::Block* block_ = nullptr;
  size_t block_used_ = 0;
  bool large_blocks_ = false;
  base::MonotonicTime last_big_read_;
  TimerId idle_timer_;

  std::vector<base::Slice> queue_;  // From head_ on; head_offset_ bytes of the first are sent.
  size_t head_ = 0;
  size_t head_offset_ = 0;
  bool write_scheduled_ = false;
  bool write_blocked_ = false;  // The kernel's buffer is full; a wait for room runs.
  bool was_high_ = false;
};

}  // namespace pontoon::net

#endif  // PONTOON_SERVER_NET_STREAM_IMPL_H_
