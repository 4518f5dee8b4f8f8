#ifndef PONTOON_SERVER_AMQP_FRAME_READER_H_
#define PONTOON_SERVER_AMQP_FRAME_READER_H_

#include <cstdint>
#include <deque>

#include "absl/status/status.h"
#include "base/slice.h"
#include "server/amqp/frame.h"
#include "server/amqp/protocol_header.h"

namespace pontoon::amqp {

// Cuts what was read from a socket into frames. Payloads are never copied: they share the blocks
// that were fed, also across several of them. Holds at most one unfinished frame and what was fed
// behind it. One connection, one thread.
class FrameReader {
 public:
  enum class Result {
    kFrame,       // *frame is the next one.
    kIncomplete,  // Feed more.
    kError,       // error() says why; nothing more will come.
  };

  // `frame_max`: limit of a whole frame with header and end octet, in octets; 0 = none.
  explicit FrameReader(uint32_t frame_max = kFrameMinBytes) : frame_max_(frame_max) {}

  // The limit from now on (after tuning); also for a frame of which only a part is here.
  void set_frame_max(uint32_t frame_max) { frame_max_ = frame_max; }

  // Gives the next octets of the stream.
  void Feed(base::Slice octets);

  // Takes the eight octets of a protocol header off the front; kIncomplete (nothing taken) while
  // there are fewer. Never kError: judge *header.
  Result NextProtocolHeader(ProtocolHeader* header);

  // True if the stream goes on with "A", which begins no frame: a broker that speaks another
  // version answers with its protocol header.
  bool AtProtocolHeader() const {
    return buffered_ > 0 && slices_.front().data()[position_] == 'A';
  }

  // Takes the next frame. FRAME_ERROR (501) in RabbitMQ's words if it exceeds frame_max (told as
  // soon as its header is here) or does not end in 0xCE.
  Result Next(Frame* frame);

  const absl::Status& error() const { return error_; }
  // The frame header that error() complains of (frame_max) or that is awaited; 0 if none was read.
  uint16_t current_channel() const { return channel_; }

  // Octets still missing for the frame whose header is here (at least 1), 0 if there is no such
  // frame: how much a read into a block of its own should ask for.
  size_t missing_bytes() const;
  // Octets that were fed and not yet taken.
  size_t buffered_bytes() const { return buffered_; }

 private:
  bool ReadHeader();
  // The next `size` octets, which must be here.
  base::SliceChain Take(size_t size);
  void Peek(size_t size, char* out) const;
  size_t front_bytes() const { return slices_.empty() ? 0 : slices_.front().size() - position_; }
  void Advance(size_t size);

  uint32_t frame_max_;
  std::deque<base::Slice>
      slices_;                // What was fed and is not yet taken, neighbours of one block joined.
  size_t position_ = 0;       // Octets of the first slice that are taken.
  size_t buffered_ = 0;       // Octets not taken, in all of them.
  bool have_header_ = false;  // The three below are those of the frame at the front.
  FrameType type_ = FrameType::kHeartbeat;
  uint16_t channel_ = 0;
  uint32_t payload_size_ = 0;
  absl::Status error_;
};

}  // namespace pontoon::amqp

#endif  // PONTOON_SERVER_AMQP_FRAME_READER_H_
