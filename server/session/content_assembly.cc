#include "server/session/content_assembly.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/amqp/method_id.h"
#include "server/amqp/properties.h"
#include "server/amqp/reply_code.h"

namespace pontoon::session {

void ContentAssembly::Begin(base::Slice payload) {
  method_ = std::move(payload);
  stage_ = Stage::kHeader;
}

absl::Status ContentAssembly::OnFrame(const amqp::Frame& frame, bool* complete) {
  *complete = false;
  if (stage_ == Stage::kHeader) {
    if (frame.type != amqp::FrameType::kHeader) {
      return amqp::UnexpectedFrame(absl::StrCat("expected content header for class ",
                                                amqp::kBasicClass,
                                                ", got non content header frame instead"));
    }
    header_ = frame.payload.Flatten();
    auto header = amqp::ContentHeader::Parse(header_.view());
    if (!header.ok()) return amqp::UnknownFrameError(frame);
    if (header->weight != 0) {
      return amqp::UnexpectedFrame(absl::StrCat("expected content header for class ",
                                                amqp::kBasicClass,
                                                ", got non content header frame instead"));
    }
    if (header->class_id != amqp::kBasicClass) {
      return amqp::UnexpectedFrame(absl::StrCat("expected content header for class ",
                                                amqp::kBasicClass, ", got one for class ",
                                                header->class_id, " instead"));
    }
    body_size_ = header->body_size;
    stage_ = Stage::kBody;
    *complete = body_size_ == 0;
    return absl::OkStatus();
  }
  if (frame.type != amqp::FrameType::kBody) {
    return amqp::UnexpectedFrame("expected content body, got non content body frame instead");
  }
  if (frame.payload.size() > body_size_ - body_.size()) {
    return amqp::UnexpectedFrame(absl::StrCat("content body of ",
                                              body_.size() + frame.payload.size(),
                                              " octets is longer than the announced ", body_size_));
  }
  body_.Append(frame.payload);
  *complete = body_.size() == body_size_;
  return absl::OkStatus();
}

void ContentAssembly::Reset() {
  stage_ = Stage::kIdle;
  method_ = base::Slice();
  header_ = base::Slice();
  body_.Clear();
  body_size_ = 0;
}

}  // namespace pontoon::session
