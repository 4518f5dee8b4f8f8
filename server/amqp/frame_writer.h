#ifndef PONTOON_SERVER_AMQP_FRAME_WRITER_H_
#define PONTOON_SERVER_AMQP_FRAME_WRITER_H_

#include <cstdint>

#include "absl/strings/string_view.h"
#include "base/slice.h"
#include "server/amqp/frame.h"
#include "server/amqp/methods.h"
#include "server/amqp/protocol_header.h"

namespace pontoon::amqp {

// Encodes frames for one connection into a chain for one gathered write. Bodies from
// kCopyBodyBytesMax on are not copied but shared; smaller ones are, since an entry of their own in
// a gathered write costs more. One owner, one thread.
class FrameWriter {
 public:
  // Below this, copying a body beside its header beats a slice of its own.
  static constexpr size_t kCopyBodyBytesMax = 1024;

  // `frame_max`: as negotiated (whole frames); 0 = none.
  explicit FrameWriter(uint32_t frame_max = kFrameMinBytes, size_t block_bytes = 16384)
      : frame_max_(frame_max), writer_(block_bytes) {}

  void set_frame_max(uint32_t frame_max) { frame_max_ = frame_max; }

  void AddProtocolHeader() { AddOctets(kProtocolHeader); }
  void AddHeartbeat();
  // A method without content. A method frame is never split: its arguments must fit frame_max
  // (checked by nobody; the longest of ours are tables that came in a frame of the same limit).
  template <typename M>
  void AddMethod(uint16_t channel, const M& method) {
    char* out = BeginFrame(FrameType::kMethod, channel, EncodedMethodSize(method));
    EndFrame(EncodeMethod(method, out));
  }
  // A method, its content header (`properties`: flags and list) and its body in as many frames as
  // frame_max asks for (none for an empty body).
  template <typename M>
  void AddContent(uint16_t channel, const M& method, absl::string_view properties,
                  const base::SliceChain& body) {
    AddMethod(channel, method);
    AddHeader(channel, body.size(), properties);
    AddBody(channel, body);
  }
  void AddHeader(uint16_t channel, uint64_t body_size, absl::string_view properties);
  void AddBody(uint16_t channel, const base::SliceChain& body);
  // Octets as they are.
  void AddOctets(absl::string_view octets) { writer_.Append(octets); }
  // Any frame, also a bad one: for tests and for passing on.
  void AddFrame(FrameType type, uint16_t channel, absl::string_view payload);

  // All that was written since the last Take, in order.
  base::SliceChain Take();
  size_t pending_bytes() const { return chain_.size() + writer_.pending_bytes(); }

 private:
  char* BeginFrame(FrameType type, uint16_t channel, size_t payload_size);
  static void EndFrame(char* out) { *out = static_cast<char>(kFrameEnd); }

  uint32_t frame_max_;
  base::SliceWriter writer_;
  base::SliceChain chain_;
};

}  // namespace pontoon::amqp

#endif  // PONTOON_SERVER_AMQP_FRAME_WRITER_H_
