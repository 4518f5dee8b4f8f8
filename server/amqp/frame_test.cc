#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "server/amqp/frame_reader.h"
#include "server/amqp/frame_writer.h"
#include "server/amqp/properties.h"
#include "server/amqp/reply_code.h"

namespace pontoon::amqp {
namespace {

using Result = FrameReader::Result;

std::string Flat(const base::SliceChain& chain) { return std::string(chain.Flatten().view()); }

std::string FrameBytes(FrameType type, uint16_t channel, absl::string_view payload) {
  FrameWriter writer;
  writer.AddFrame(type, channel, payload);
  return Flat(writer.Take());
}

std::vector<Frame> ReadAll(FrameReader* reader) {
  std::vector<Frame> frames;
  Frame frame;
  while (reader->Next(&frame) == Result::kFrame) frames.push_back(frame);
  return frames;
}

// A publish with a body of several frames between two other frames.
std::string Stream() {
  FrameWriter writer(64);
  writer.AddHeartbeat();
  BasicPublish publish;
  publish.exchange = "amq.direct";
  publish.routing_key = "key";
  writer.AddContent(7, publish, PropertiesBuilder{.delivery_mode = 2}.Encode(),
                    base::SliceChain(base::Slice::Copy(std::string(150, 'x'))));
  writer.AddMethod(7, BasicAck{.delivery_tag = 9, .multiple = true});
  return Flat(writer.Take());
}

void ExpectStream(const std::vector<Frame>& frames) {
  ASSERT_EQ(frames.size(), 7u);
  EXPECT_EQ(frames[0].type, FrameType::kHeartbeat);
  BasicPublish publish;
  const base::Slice method = frames[1].payload.Flatten();
  ASSERT_TRUE(DecodeMethodAs(method.view(), &publish).ok());
  EXPECT_EQ(publish.exchange, "amq.direct");
  EXPECT_EQ(publish.routing_key, "key");
  const base::Slice header_payload = frames[2].payload.Flatten();
  const auto header = ContentHeader::Parse(header_payload.view());
  ASSERT_TRUE(header.ok());
  EXPECT_EQ(header->body_size, 150u);
  std::string body;
  for (size_t i = 3; i < 6; ++i) {
    EXPECT_EQ(frames[i].type, FrameType::kBody);
    EXPECT_EQ(frames[i].channel, 7);
    EXPECT_LE(frames[i].payload.size(), 56u);
    body += Flat(frames[i].payload);
  }
  EXPECT_EQ(body, std::string(150, 'x'));
  BasicAck ack;
  const base::Slice last = frames[6].payload.Flatten();
  ASSERT_TRUE(DecodeMethodAs(last.view(), &ack).ok());
  EXPECT_TRUE(ack.multiple);
}

TEST(FrameReaderTest, EverySplitOfAStreamGivesTheSameFrames) {
  const std::string stream = Stream();
  for (size_t cut = 0; cut <= stream.size(); ++cut) {
    FrameReader reader;
    reader.Feed(base::Slice::Copy(absl::string_view(stream).substr(0, cut)));
    std::vector<Frame> frames = ReadAll(&reader);
    reader.Feed(base::Slice::Copy(absl::string_view(stream).substr(cut)));
    for (Frame& frame : ReadAll(&reader)) frames.push_back(frame);
    SCOPED_TRACE(cut);
    ExpectStream(frames);
    EXPECT_EQ(reader.buffered_bytes(), 0u);
  }
}

TEST(FrameReaderTest, OneOctetAtATimeGivesTheSameFrames) {
  const std::string stream = Stream();
  for (const bool same_block : {false, true}) {
    const base::Slice block = base::Slice::Copy(stream);
    FrameReader reader;
    std::vector<Frame> frames;
    for (size_t i = 0; i < stream.size(); ++i) {
      reader.Feed(same_block ? block.Sub(i, 1)
                             : base::Slice::Copy(absl::string_view(stream).substr(i, 1)));
      for (Frame& frame : ReadAll(&reader)) frames.push_back(frame);
    }
    ExpectStream(frames);
    if (same_block) {
      for (const Frame& frame : frames) EXPECT_LE(frame.payload.slices().size(), 1u);
    }
  }
}

TEST(FrameReaderTest, PayloadsShareTheBlocksThatWereRead) {
  const std::string body(5000, 'b');
  const std::string stream = FrameBytes(FrameType::kBody, 1, body);
  const base::Slice first = base::Slice::Copy(absl::string_view(stream).substr(0, 2000));
  const base::Slice second = base::Slice::Copy(absl::string_view(stream).substr(2000));
  FrameReader reader(0);
  reader.Feed(first);
  Frame frame;
  ASSERT_EQ(reader.Next(&frame), Result::kIncomplete);
  EXPECT_EQ(reader.missing_bytes(), stream.size() - 2000);
  reader.Feed(second);
  ASSERT_EQ(reader.Next(&frame), Result::kFrame);
  ASSERT_EQ(frame.payload.slices().size(), 2u);
  EXPECT_EQ(frame.payload.slices()[0].data(), first.data() + kFrameHeaderBytes);
  EXPECT_EQ(frame.payload.slices()[1].data(), second.data());
  EXPECT_EQ(reader.missing_bytes(), 0u);
}

TEST(FrameReaderTest, TooLargeAFrameIsRefusedByItsHeaderAlone) {
  const std::string header("\x01\x00\x05\x00\x01\xff\xf9", 7);  // 131065 of payload: one too many.
  FrameReader reader(131072);
  reader.Feed(base::Slice::Copy(header));
  Frame frame;
  ASSERT_EQ(reader.Next(&frame), Result::kError);
  EXPECT_EQ(ReplyCodeOf(reader.error()), ReplyCode::kFrameError);
  EXPECT_EQ(reader.error().message(), "type 1, all octets = <<>>: {frame_too_large,131065,131064}");
  EXPECT_EQ(reader.current_channel(), 5);
  reader.Feed(base::Slice::Copy(Stream()));
  EXPECT_EQ(reader.Next(&frame), Result::kError);
}

TEST(FrameReaderTest, AFrameOfExactlyFrameMaxPasses) {
  const std::string stream = FrameBytes(FrameType::kBody, 1, std::string(4096 - 8, 'x'));
  FrameReader reader(4096);
  reader.Feed(base::Slice::Copy(stream));
  Frame frame;
  EXPECT_EQ(reader.Next(&frame), Result::kFrame);
}

TEST(FrameReaderTest, WrongEndOctetIsAFrameError) {
  std::string stream = FrameBytes(FrameType::kMethod, 3, "abc");
  stream.back() = 'x';
  FrameReader reader;
  reader.Feed(base::Slice::Copy(stream));
  Frame frame;
  ASSERT_EQ(reader.Next(&frame), Result::kError);
  EXPECT_EQ(reader.error().message(),
            "type 1, all octets = <<\"abc\">>: {invalid_frame_end_marker,120}");
}

TEST(FrameTest, UnknownAndMisplacedFramesAreToldInRabbitMqsWords) {
  Frame frame{static_cast<FrameType>(9), 1,
              base::SliceChain(base::Slice::Static("0123456789abcdefghij"))};
  EXPECT_FALSE(IsKnownFrameType(frame.type));
  EXPECT_EQ(UnknownFrameError(frame).message(),
            "type 9, first 16 octets = <<\"0123456789abcdef\">>: unknown_frame");
  EXPECT_EQ(ReplyCodeOf(UnexpectedFrameError(frame)), ReplyCode::kUnexpectedFrame);
}

TEST(FrameWriterTest, ABigBodyIsSentWithoutACopy) {
  const base::Slice body = base::Slice::Copy(std::string(300000, 'z'));
  FrameWriter writer(131072);
  writer.AddContent(1, BasicDeliver{}, BasicProperties().octets(), base::SliceChain(body));
  const base::SliceChain chain = writer.Take();
  size_t shared = 0;
  for (const base::Slice& slice : chain.slices()) {
    if (slice.SameBlock(body)) shared += slice.size();
  }
  EXPECT_EQ(shared, body.size());
  FrameReader reader(131072);
  for (const base::Slice& slice : chain.slices()) reader.Feed(slice);
  EXPECT_EQ(ReadAll(&reader).size(), 2u + 3u);
}

TEST(FrameWriterTest, AnEmptyBodyHasNoBodyFrame) {
  FrameWriter writer;
  writer.AddContent(1, BasicDeliver{}, BasicProperties().octets(), base::SliceChain());
  FrameReader reader;
  reader.Feed(writer.Take().Flatten());
  EXPECT_EQ(ReadAll(&reader).size(), 2u);
}

TEST(ProtocolHeaderTest, TellsWhoIsSpeaking) {
  using Kind = ProtocolHeader::Kind;
  const auto kind = [](absl::string_view octets) { return ProtocolHeader::Parse(octets).kind; };
  EXPECT_EQ(kind(kProtocolHeader), Kind::kAmqp091);
  EXPECT_EQ(kind(absl::string_view("AMQP\x01\x01\x00\x09", 8)), Kind::kAmqp091);
  EXPECT_EQ(kind(absl::string_view("AMQP\x00\x01\x00\x00", 8)), Kind::kOtherAmqp);
  EXPECT_EQ(kind(absl::string_view("AMQP\x01\x01\x08\x00", 8)), Kind::kOtherAmqp);
  EXPECT_EQ(kind(absl::string_view("\x16\x03\x01\x02\x00\x01\x00\x01", 8)), Kind::kTls);
  EXPECT_EQ(kind("GET / HTTP/1.1"), Kind::kHttp);
  EXPECT_EQ(kind("hello world"), Kind::kGarbage);
}

TEST(ProtocolHeaderTest, IsCutOffTheFrontOfTheStream) {
  FrameReader reader;
  ProtocolHeader header;
  reader.Feed(base::Slice::Copy(kProtocolHeader.substr(0, 5)));
  EXPECT_EQ(reader.NextProtocolHeader(&header), Result::kIncomplete);
  reader.Feed(base::Slice::Copy(std::string(kProtocolHeader.substr(5)) + Stream()));
  ASSERT_EQ(reader.NextProtocolHeader(&header), Result::kFrame);
  EXPECT_EQ(header.kind, ProtocolHeader::Kind::kAmqp091);
  ExpectStream(ReadAll(&reader));
}

}  // namespace
}  // namespace pontoon::amqp
