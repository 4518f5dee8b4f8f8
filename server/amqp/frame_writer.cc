#include "server/amqp/frame_writer.h"

#include <algorithm>
#include <limits>

#include "server/amqp/wire.h"

namespace pontoon::amqp {

char* FrameWriter::BeginFrame(FrameType type, uint16_t channel, size_t payload_size) {
  char* out = writer_.Reserve(payload_size + kFrameOverheadBytes);
  out = StoreOctet(out, static_cast<uint8_t>(type));
  out = StoreShort(out, channel);
  return StoreLong(out, static_cast<uint32_t>(payload_size));
}

void FrameWriter::AddHeartbeat() { EndFrame(BeginFrame(FrameType::kHeartbeat, 0, 0)); }

void FrameWriter::AddFrame(FrameType type, uint16_t channel, absl::string_view payload) {
  EndFrame(StoreBytes(BeginFrame(type, channel, payload.size()), payload));
}

void FrameWriter::AddHeader(uint16_t channel, uint64_t body_size, absl::string_view properties) {
  char* out = BeginFrame(FrameType::kHeader, channel, 12 + properties.size());
  out = StoreShort(out, kBasicClass);
  out = StoreShort(out, 0);  // weight
  out = StoreLongLong(out, body_size);
  EndFrame(StoreBytes(out, properties));
}

void FrameWriter::AddBody(uint16_t channel, const base::SliceChain& body) {
  const size_t part_max =
      frame_max_ == 0 ? std::numeric_limits<uint32_t>::max() : frame_max_ - kFrameOverheadBytes;
  if (body.size() < kCopyBodyBytesMax && body.size() <= part_max) {
    if (body.empty()) return;
    char* out = BeginFrame(FrameType::kBody, channel, body.size());
    body.AppendTo(out);
    EndFrame(out + body.size());
    return;
  }
  for (size_t offset = 0; offset < body.size(); offset += part_max) {
    const size_t size = std::min(part_max, body.size() - offset);
    char* out = writer_.Reserve(kFrameHeaderBytes);
    out = StoreOctet(out, static_cast<uint8_t>(FrameType::kBody));
    out = StoreShort(out, channel);
    StoreLong(out, static_cast<uint32_t>(size));
    chain_.Append(writer_.Take());
    chain_.Append(size == body.size() ? body : body.Sub(offset, size));
    EndFrame(writer_.Reserve(1));
  }
}

base::SliceChain FrameWriter::Take() {
  chain_.Append(writer_.Take());
  return std::exchange(chain_, base::SliceChain());
}

}  // namespace pontoon::amqp
