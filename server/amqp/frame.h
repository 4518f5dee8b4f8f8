#ifndef PONTOON_SERVER_AMQP_FRAME_H_
#define PONTOON_SERVER_AMQP_FRAME_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "base/slice.h"

// AMQP 0-9-1 section 2.3.5: type (1), channel (2), payload size (4), payload, end octet (1).
namespace pontoon::amqp {

enum class FrameType : uint8_t { kMethod = 1, kHeader = 2, kBody = 3, kHeartbeat = 8 };
constexpr bool IsKnownFrameType(FrameType type) {
  return type == FrameType::kMethod || type == FrameType::kHeader || type == FrameType::kBody ||
         type == FrameType::kHeartbeat;
}

inline constexpr uint32_t kFrameHeaderBytes = 7;
inline constexpr uint8_t kFrameEnd = 0xce;
// Header and end octet: what frame_max counts beside the payload.
inline constexpr uint32_t kFrameOverheadBytes = kFrameHeaderBytes + 1;
// Every peer takes whole frames of this size; also what holds before connection.tune_ok.
inline constexpr uint32_t kFrameMinBytes = 4096;

struct Frame {
  FrameType type = FrameType::kHeartbeat;  // May be an unknown one: see IsKnownFrameType.
  uint16_t channel = 0;
  base::SliceChain payload;  // Shares the blocks that were read.
};

// Where a frame is not what the protocol allows, in RabbitMQ's words. FRAME_ERROR (501): a type
// nobody knows, or a heartbeat with a payload. UNEXPECTED_FRAME (505): a known type where it has no
// place.
absl::Status UnknownFrameError(const Frame& frame);
absl::Status UnexpectedFrameError(const Frame& frame);
// "type 1, all octets = <<...>>": what those texts begin with.
std::string FrameText(FrameType type, const base::SliceChain& payload);

}  // namespace pontoon::amqp

#endif  // PONTOON_SERVER_AMQP_FRAME_H_
