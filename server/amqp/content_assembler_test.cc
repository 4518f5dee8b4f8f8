#include "server/amqp/content_assembler.h"

#include <gtest/gtest.h>

#include "server/amqp/frame_reader.h"
#include "server/amqp/frame_writer.h"
#include "server/amqp/reply_code.h"

namespace pontoon::amqp {
namespace {

Frame FrameOf(FrameType type, absl::string_view payload) {
  return {type, 1, base::SliceChain(base::Slice::Copy(payload))};
}
Frame Header(uint16_t class_id, uint16_t weight, uint64_t body_size) {
  std::string payload(14, '\0');
  payload[1] = static_cast<char>(class_id);
  payload[3] = static_cast<char>(weight);
  payload[11] = static_cast<char>(body_size);
  return FrameOf(FrameType::kHeader, payload);
}
std::string Refusal(const absl::StatusOr<bool>& result) {
  if (result.ok()) return "taken";
  return absl::StrCat(ReplyNumber(*ReplyCodeOf(result.status())), " ", result.status().message());
}
ContentAssembler Begun() {
  ContentAssembler assembler;
  assembler.Begin(BasicPublish::kId);
  return assembler;
}

TEST(ContentAssemblerTest, AnySplitOfABodyGivesTheBody) {
  const std::string body = "twelve bytes";
  for (size_t cut = 0; cut <= body.size(); ++cut) {
    ContentAssembler assembler = Begun();
    ASSERT_EQ(*assembler.OnFrame(Header(60, 0, body.size())), false);
    ASSERT_EQ(*assembler.OnFrame(FrameOf(FrameType::kBody, body.substr(0, cut))),
              cut == body.size());
    if (cut < body.size()) {
      EXPECT_EQ(*assembler.OnFrame(FrameOf(FrameType::kBody, body.substr(cut))), true);
    }
    EXPECT_EQ(assembler.Take().body.Flatten().view(), body);
    EXPECT_FALSE(assembler.active());
  }
}

TEST(ContentAssemblerTest, AnEmptyBodyNeedsNoBodyFrame) {
  ContentAssembler assembler = Begun();
  EXPECT_EQ(*assembler.OnFrame(Header(60, 0, 0)), true);
  EXPECT_EQ(assembler.Take().properties.view(), absl::string_view("\0\0", 2));
}

// The texts are what RabbitMQ 3.10.8 sent.
TEST(ContentAssemblerTest, FramesOutOfPlaceAreRefusedInRabbitMqsWords) {
  EXPECT_EQ(Refusal(ContentAssembler().OnFrame(Header(60, 0, 1))),
            "505 expected method frame, got non method frame instead");
  EXPECT_EQ(Refusal(Begun().OnFrame(FrameOf(FrameType::kMethod, ""))),
            "505 expected content header for class 60, got non content header frame instead");
  EXPECT_EQ(Refusal(Begun().OnFrame(Header(60, 1, 1))),
            "505 expected content header for class 60, got non content header frame instead");
  EXPECT_EQ(Refusal(Begun().OnFrame(Header(61, 0, 1))),
            "505 expected content header for class 60, got one for class 61 instead");
  EXPECT_EQ(Refusal(Begun().OnFrame(FrameOf(FrameType::kHeader, absl::string_view("\0\0", 2)))),
            "501 type 2, all octets = <<0,0>>: unknown_frame");
  ContentAssembler assembler = Begun();
  ASSERT_TRUE(assembler.OnFrame(Header(60, 0, 2)).ok());
  EXPECT_EQ(Refusal(assembler.OnFrame(FrameOf(FrameType::kMethod, ""))),
            "505 expected content body, got non content body frame instead");
}

TEST(ContentAssemblerTest, ABodyLongerThanAnnouncedIsRefused) {
  ContentAssembler assembler = Begun();
  ASSERT_TRUE(assembler.OnFrame(Header(60, 0, 2)).ok());
  EXPECT_EQ(Refusal(assembler.OnFrame(FrameOf(FrameType::kBody, "abc"))),
            "505 content body is longer than the 2 octets announced");
}

}  // namespace
}  // namespace pontoon::amqp
