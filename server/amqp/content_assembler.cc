#include "server/amqp/content_assembler.h"

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "server/amqp/reply_code.h"

namespace pontoon::amqp {

void ContentAssembler::Begin(MethodId method) {
  PONTOON_CHECK(state_ == State::kIdle);
  method_ = method;
  body_size_ = 0;
  state_ = State::kHeader;
}

absl::StatusOr<bool> ContentAssembler::OnFrame(const Frame& frame) {
  if (state_ == State::kIdle) {
    return UnexpectedFrame("expected method frame, got non method frame instead");
  }
  if (state_ == State::kBody) {
    if (frame.type != FrameType::kBody) {
      return UnexpectedFrame("expected content body, got non content body frame instead");
    }
    if (frame.payload.size() > body_size_ - content_.body.size()) {
      return UnexpectedFrame(
          absl::StrCat("content body is longer than the ", body_size_, " octets announced"));
    }
    content_.body.Append(frame.payload);
    return content_.body.size() == body_size_;
  }
  const absl::string_view not_header = "got non content header frame instead";
  if (frame.type != FrameType::kHeader) {
    return UnexpectedFrame(
        absl::StrCat("expected content header for class ", method_.class_id, ", ", not_header));
  }
  const base::Slice payload = frame.payload.Flatten();
  const absl::StatusOr<ContentHeader> header = ContentHeader::Parse(payload.view());
  if (!header.ok()) return header.status();
  if (header->class_id != method_.class_id) {
    return UnexpectedFrame(absl::StrCat("expected content header for class ", method_.class_id,
                                        ", got one for class ", header->class_id, " instead"));
  }
  if (header->weight != 0) {
    return UnexpectedFrame(
        absl::StrCat("expected content header for class ", method_.class_id, ", ", not_header));
  }
  content_.properties =
      payload.Sub(payload.size() - header->properties.size(), header->properties.size());
  body_size_ = header->body_size;
  state_ = State::kBody;
  return body_size_ == 0;
}

Content ContentAssembler::Take() {
  PONTOON_CHECK(state_ == State::kBody && content_.body.size() == body_size_);
  state_ = State::kIdle;
  return std::exchange(content_, Content());
}

}  // namespace pontoon::amqp
