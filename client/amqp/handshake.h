#ifndef PONTOON_CLIENT_AMQP_HANDSHAKE_H_
#define PONTOON_CLIENT_AMQP_HANDSHAKE_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "client/amqp/options.h"
#include "client/amqp/transport.h"
#include "server/amqp/frame_reader.h"
#include "server/amqp/methods.h"

namespace pontoon::client {

// What a handshake agreed upon.
struct Negotiated {
  uint16_t channel_max = 0;  // 0: no limit.
  uint32_t frame_max = 0;    // 0: no limit.
  uint16_t heartbeat_seconds = 0;
  amqp::Table server_properties;
};

// From the protocol header to connection.open_ok (AMQP 0-9-1 section 2.2.4). `reader` may hold
// octets behind open_ok afterwards. A refusal carries the broker's code and text; Unavailable: it
// closed without a word, or answered with another protocol; DeadlineExceeded.
absl::StatusOr<Negotiated> ShakeHands(const ConnectionOptions& options, Transport* transport,
                                      amqp::FrameReader* reader, Deadline deadline);

// The status of a close that the broker sent: its code, its text.
absl::Status StatusOfClose(uint16_t reply_code, absl::string_view reply_text);

// Reads until the next frame is whole.
absl::StatusOr<amqp::Frame> ReadFrameBlocking(Transport* transport, amqp::FrameReader* reader,
                                              Deadline deadline);

}  // namespace pontoon::client

#endif  // PONTOON_CLIENT_AMQP_HANDSHAKE_H_
