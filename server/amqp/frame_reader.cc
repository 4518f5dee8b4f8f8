#include "server/amqp/frame_reader.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "server/amqp/reply_code.h"
#include "server/amqp/wire.h"

namespace pontoon::amqp {

void FrameReader::Feed(base::Slice octets) {
  if (octets.empty()) return;
  buffered_ += octets.size();
  if (!slices_.empty()) {
    // A read that continues the last one in the same block: joined, so that most frames lie in one
    // piece.
    base::Slice& last = slices_.back();
    if (last.SameBlock(octets) && last.data() + last.size() == octets.data()) {
      last = octets.ExtendedDown(last.data(), last.size() + octets.size());
      return;
    }
  }
  slices_.push_back(std::move(octets));
}

void FrameReader::Peek(size_t size, char* out) const {
  size_t start = position_;
  for (const base::Slice& slice : slices_) {
    if (size == 0) return;
    const size_t n = std::min(size, slice.size() - start);
    out = StoreBytes(out, slice.view().substr(start, n));
    size -= n;
    start = 0;
  }
}

void FrameReader::Advance(size_t size) {
  buffered_ -= size;
  position_ += size;
  if (position_ == slices_.front().size()) {
    slices_.pop_front();
    position_ = 0;
  }
}

base::SliceChain FrameReader::Take(size_t size) {
  base::SliceChain taken;
  while (size > 0) {
    const size_t n = std::min(size, front_bytes());
    taken.Append(slices_.front().Sub(position_, n));
    Advance(n);
    size -= n;
  }
  return taken;
}

FrameReader::Result FrameReader::NextProtocolHeader(ProtocolHeader* header) {
  if (buffered_ < kProtocolHeaderBytes) return Result::kIncomplete;
  char octets[kProtocolHeaderBytes];
  Peek(kProtocolHeaderBytes, octets);
  Take(kProtocolHeaderBytes);
  *header = ProtocolHeader::Parse(absl::string_view(octets, kProtocolHeaderBytes));
  return Result::kFrame;
}

bool FrameReader::ReadHeader() {
  if (buffered_ < kFrameHeaderBytes) return false;
  char copy[kFrameHeaderBytes];
  const char* header = copy;
  if (front_bytes() < kFrameHeaderBytes) {
    Peek(kFrameHeaderBytes, copy);
  } else {
    header = slices_.front().data() + position_;
  }
  type_ = static_cast<FrameType>(header[0]);
  channel_ = LoadShort(header + 1);
  payload_size_ = LoadLong(header + 3);
  have_header_ = true;
  return true;
}

FrameReader::Result FrameReader::Next(Frame* frame) {
  if (!error_.ok()) return Result::kError;
  if (!have_header_ && !ReadHeader()) return Result::kIncomplete;
  if (frame_max_ != 0 && uint64_t{payload_size_} + kFrameOverheadBytes > frame_max_) {
    const uint32_t payload_max =
        frame_max_ < kFrameOverheadBytes ? 0 : frame_max_ - kFrameOverheadBytes;
    error_ = FrameError(absl::StrCat(FrameText(type_, base::SliceChain()), ": {frame_too_large,",
                                     payload_size_, ",", payload_max, "}"));
    return Result::kError;
  }
  if (missing_bytes() > 0) return Result::kIncomplete;
  frame->type = type_;
  frame->channel = channel_;
  have_header_ = false;
  char end;
  const size_t whole = size_t{payload_size_} + kFrameOverheadBytes;
  if (front_bytes() >= whole) {
    const base::Slice& front = slices_.front();
    end = front.data()[position_ + whole - 1];
    frame->payload = base::SliceChain(front.Sub(position_ + kFrameHeaderBytes, payload_size_));
    Advance(whole);
  } else {
    Take(kFrameHeaderBytes);
    frame->payload = Take(payload_size_);
    Peek(1, &end);
    Advance(1);
  }
  if (static_cast<uint8_t>(end) == kFrameEnd) return Result::kFrame;
  error_ = FrameError(absl::StrCat(FrameText(type_, frame->payload), ": {invalid_frame_end_marker,",
                                   static_cast<int>(static_cast<uint8_t>(end)), "}"));
  return Result::kError;
}

size_t FrameReader::missing_bytes() const {
  if (!have_header_) return 0;
  const uint64_t whole = uint64_t{payload_size_} + kFrameOverheadBytes;
  return whole > buffered_ ? static_cast<size_t>(whole - buffered_) : 0;
}

}  // namespace pontoon::amqp
