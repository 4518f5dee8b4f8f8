#ifndef PONTOON_SERVER_AMQP_CONTENT_ASSEMBLER_H_
#define PONTOON_SERVER_AMQP_CONTENT_ASSEMBLER_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "base/slice.h"
#include "server/amqp/frame.h"
#include "server/amqp/method_id.h"
#include "server/amqp/properties.h"

namespace pontoon::amqp {

// A content: what follows basic.publish, deliver, return and get_ok.
struct Content {
  base::Slice
      properties;         // Flags and list, byte for byte, not yet checked: BasicProperties::Parse.
  base::SliceChain body;  // Shares the blocks that were read.
};

// Puts the header and body frames behind a method together again, for one channel (AMQP 0-9-1
// section 4.2.6). Errors are UNEXPECTED_FRAME (505), in RabbitMQ's words, and end the connection.
class ContentAssembler {
 public:
  // True between Begin and the last body frame: then method frames have no place on this channel.
  bool active() const { return state_ != State::kIdle; }
  // The method that began it; names itself in the close that an error leads to.
  MethodId method() const { return method_; }
  // Octets of body that the header announced; meaningful once it has come.
  uint64_t body_size() const { return body_size_; }

  // A method with content came; must not be active.
  void Begin(MethodId method);

  // The next frame of the channel while active, or a frame that is no method while not (always an
  // error then). True once the content is whole: take it. Frames whose body exceeds what was
  // announced are refused. FRAME_ERROR (501): a header shorter than its fixed part.
  absl::StatusOr<bool> OnFrame(const Frame& frame);

  // The whole content; afterwards not active.
  Content Take();

 private:
  enum class State { kIdle, kHeader, kBody };
  State state_ = State::kIdle;
  MethodId method_;
  uint64_t body_size_ = 0;
  Content content_;
};

}  // namespace pontoon::amqp

#endif  // PONTOON_SERVER_AMQP_CONTENT_ASSEMBLER_H_
