#ifndef PONTOON_CLIENT_AMQP_RAW_CLIENT_H_
#define PONTOON_CLIENT_AMQP_RAW_CLIENT_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/time.h"
#include "client/amqp/options.h"
#include "server/amqp/frame_reader.h"
#include "server/amqp/frame_writer.h"
#include "server/amqp/methods.h"

namespace pontoon::client {

class Transport;

// Octets and frames by hand, for tests that say what no client library would. One thread; blocks.
class RawClient {
 public:
  // Connects, and says nothing yet.
  static absl::StatusOr<std::unique_ptr<RawClient>> Connect(const ConnectionOptions& options);
  ~RawClient();

  // The protocol header and everything up to connection.open_ok, with `options`' login; afterwards
  // channel 0 is open.
  absl::Status Handshake(const ConnectionOptions& options);
  // channel.open and its answer.
  absl::Status OpenChannel(uint16_t channel);

  // Waits until the socket has taken all octets. Unavailable: the peer closed.
  absl::Status Send(absl::string_view octets);
  absl::Status SendFrame(amqp::FrameType type, uint16_t channel, absl::string_view payload);
  template <typename M>
  absl::Status SendMethod(uint16_t channel, const M& method) {
    writer_.AddMethod(channel, method);
    return FlushWriter();
  }
  absl::Status SendContent(uint16_t channel, const amqp::BasicPublish& publish,
                           absl::string_view properties, absl::string_view body);

  // The next octets as they come (at most `size`); Unavailable at the end of the stream.
  absl::StatusOr<std::string> ReadOctets(size_t size, base::Duration timeout = base::Seconds(10));
  // The next frame that is no heartbeat. Unavailable: the peer closed; DeadlineExceeded: nothing
  // came.
  absl::StatusOr<amqp::Frame> ReadFrame(base::Duration timeout = base::Seconds(10));
  // The next frame, which must be a method. Its channel in *channel if that is not null. The texts
  // of content methods live until the next read.
  absl::StatusOr<amqp::Method> ReadMethod(base::Duration timeout = base::Seconds(10),
                                          uint16_t* channel = nullptr);
  // The next method, which must be an M; a close that comes instead becomes its error (code and
  // text).
  template <typename M>
  absl::StatusOr<M> Expect(base::Duration timeout = base::Seconds(10)) {
    absl::StatusOr<amqp::Method> method = ReadMethod(timeout);
    if (!method.ok()) return method.status();
    if (M* wanted = std::get_if<M>(&*method)) return std::move(*wanted);
    return Unexpected(*method);
  }
  // OK once the peer has closed the stream; what comes before is read and forgotten.
  absl::Status AwaitEndOfStream(base::Duration timeout = base::Seconds(10));
  // Ends our direction only.
  void ShutdownWrites();

 private:
  explicit RawClient(std::unique_ptr<Transport> transport);
  absl::Status FlushWriter();
  static absl::Status Unexpected(const amqp::Method& method);

  const std::unique_ptr<Transport> transport_;
  amqp::FrameReader reader_;
  amqp::FrameWriter writer_;
  base::Slice method_payload_;
};

}  // namespace pontoon::client

#endif  // PONTOON_CLIENT_AMQP_RAW_CLIENT_H_
