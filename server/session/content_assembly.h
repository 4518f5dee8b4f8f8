#ifndef PONTOON_SERVER_SESSION_CONTENT_ASSEMBLY_H_
#define PONTOON_SERVER_SESSION_CONTENT_ASSEMBLY_H_

#include <cstdint>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "base/slice.h"
#include "server/amqp/frame.h"

namespace pontoon::session {

// One message of a channel on its way in: the method's frame, the content header, the body frames
// (AMQP 0-9-1 section 4.2.6). Bytes are not copied: the parts share the blocks that were read from
// the socket.
class ContentAssembly {
 public:
  bool active() const { return stage_ != Stage::kIdle; }

  // basic.publish came; `payload` is its frame's.
  void Begin(base::Slice payload);
  // Any frame while active. `*complete` once the message is whole. UNEXPECTED_FRAME (505) where
  // another frame is due, in RabbitMQ's words, and for a body longer than announced; FRAME_ERROR
  // (501) for a header that is cut short.
  absl::Status OnFrame(const amqp::Frame& frame, bool* complete);
  // Back to idle; what was collected is dropped.
  void Reset();

  const base::Slice& method() const { return method_; }
  const base::Slice& header() const { return header_; }  // The whole payload of the header frame.
  uint64_t body_size() const { return body_size_; }  // As announced; valid once the header is here.
  bool has_header() const { return stage_ == Stage::kBody; }
  // Moves the body behind what `*chain` has.
  void TakeBody(base::SliceChain* chain) { chain->Append(std::move(body_)); }

 private:
  enum class Stage : uint8_t { kIdle, kHeader, kBody };

  Stage stage_ = Stage::kIdle;
  base::Slice method_;
  base::Slice header_;
  uint64_t body_size_ = 0;
  base::SliceChain body_;
};

}  // namespace pontoon::session

#endif  // PONTOON_SERVER_SESSION_CONTENT_ASSEMBLY_H_
