#include "raft/node/wire.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/crc32c.h"
#include "raft/core/entry.h"
#include "raft/node/wire_layout.h"
#include "raft/node/wire_samples.h"

namespace pontoon::raft {
namespace {

BatchHeader HeaderOf(TrafficClass traffic) {
  BatchHeader header = kSampleHeader;
  header.traffic = traffic;
  return header;
}

std::string Encoded(BatchWriter* writer) {
  const base::Slice flat = writer->Take().Flatten();
  return std::string(flat.data(), flat.size());
}

absl::StatusOr<Batch> Decode(const std::string& bytes) {
  return DecodeBatch(base::Slice::Copy(bytes), kSampleHeader.cluster_id, kSampleHeader.receiver);
}

// The same bytes with a checksum that is right again.
std::string Sealed(std::string bytes) {
  uint32_t meta_bytes;
  std::memcpy(&meta_bytes, bytes.data() + wire::kMetaBytesAt, sizeof(meta_bytes));
  uint32_t crc = base::Crc32c({bytes.data(), wire::kChecksumAt});
  crc = base::Crc32cExtend(crc, absl::string_view(bytes).substr(wire::kHeaderBytes, meta_bytes));
  std::memcpy(bytes.data() + wire::kChecksumAt, &crc, sizeof(crc));
  return bytes;
}

std::string SampleBatch(uint64_t seed, TrafficClass traffic, int messages) {
  const BatchHeader header = HeaderOf(traffic);
  MessageMaker maker(seed, header);
  BatchWriter writer(header);
  for (int i = 0; i < messages; ++i) EXPECT_TRUE(writer.Add(maker.Make()).ok());
  return Encoded(&writer);
}

// An append with one entry and a body of its own.
Message SmallAppend() {
  Message m;
  m.kind = MessageKind::kAppend;
  m.group = {3};
  m.from = kSampleHeader.sender;
  m.to = {kSampleHeader.receiver, 1};
  m.term = {5};
  m.log = {{4}, {1000}};
  m.commit = {999};
  m.stamp = {1000000000};
  Entry entry = MakeEntry(base::SliceChain(base::Slice::Static("head")),
                          base::SliceChain(base::Slice::Static("body")));
  entry.id = {{5}, {1001}};
  m.entries.push_back(std::move(entry));
  return m;
}

TEST(WireTest, MessagesOfEveryKindArriveAsTheyWereSent) {
  for (const TrafficClass traffic :
       {TrafficClass::kControl, TrafficClass::kAppend, TrafficClass::kSnapshot}) {
    const BatchHeader header = HeaderOf(traffic);
    for (uint64_t seed = 0; seed < 500; ++seed) {
      MessageMaker maker(seed, header);
      BatchWriter writer(header);
      std::vector<Message> sent;
      for (uint64_t n = 0; n <= seed % 7; ++n) {
        sent.push_back(maker.Make());
        ASSERT_TRUE(writer.Add(sent.back()).ok());
      }
      const size_t expected = writer.bytes();
      const std::string bytes = Encoded(&writer);
      EXPECT_EQ(bytes.size(), expected);
      EXPECT_TRUE(writer.empty());
      const auto batch = Decode(bytes);
      ASSERT_TRUE(batch.ok()) << batch.status();
      EXPECT_EQ(batch->header, header);
      ASSERT_EQ(batch->messages.size(), sent.size());
      for (size_t i = 0; i < sent.size(); ++i) {
        ASSERT_EQ(Describe(batch->messages[i]), Describe(sent[i])) << "seed " << seed;
      }
    }
  }
}

TEST(WireTest, Version1IsReadForEver) {
  Message heartbeat;
  heartbeat.kind = MessageKind::kHeartbeat;
  heartbeat.group = {300};
  heartbeat.from = kSampleHeader.sender;
  heartbeat.to = {kSampleHeader.receiver, 1};
  heartbeat.term = {5};
  heartbeat.commit = {1000};
  heartbeat.stamp = {1000000000};
  heartbeat.round = 9;
  BatchWriter writer(kSampleHeader);
  ASSERT_TRUE(writer.Add(heartbeat).ok());
  const std::string sender_and_receiver =
      "c8c7c6c5c4c3c2c1"
      "1111111111111111"
      "02000000"
      "07000000"
      "2222222222222222";
  const std::string heartbeat_hex =
      "50526674"
      "0100"
      "00"
      "00" +
      sender_and_receiver +
      "00ca9a3b00000000"
      "01000000"
      "0b000000"
      "00000000"
      "befc2fc4"
      "06"
      "0007"
      "ac02"
      "01"
      "05"
      "e807"
      "00"
      "09";
  const std::string append_hex =
      "50526674"
      "0100"
      "01"
      "00" +
      sender_and_receiver +
      "00ca9a3b00000000"
      "01000000"
      "1e000000"
      "04000000"
      "49120899"
      "04"
      "4013"
      "03"
      "01"
      "05"
      "04e807"
      "e707"
      "00"
      "01"
      "04"
      "00"
      "02"
      "04"
      "e8977cea"
      "04"
      "50c93f26"
      "68656164"
      "626f6479";
  EXPECT_EQ(absl::BytesToHexString(Encoded(&writer)), heartbeat_hex);
  BatchWriter append(HeaderOf(TrafficClass::kAppend));
  ASSERT_TRUE(append.Add(SmallAppend()).ok());
  EXPECT_EQ(absl::BytesToHexString(Encoded(&append)), append_hex);

  const auto heartbeats = Decode(absl::HexStringToBytes(heartbeat_hex));
  ASSERT_TRUE(heartbeats.ok()) << heartbeats.status();
  EXPECT_EQ(Describe(heartbeats->messages[0]), Describe(heartbeat));
  const auto appends = Decode(absl::HexStringToBytes(append_hex));
  ASSERT_TRUE(appends.ok()) << appends.status();
  EXPECT_EQ(Describe(appends->messages[0]), Describe(SmallAppend()));

  // Everything else there is, in drawn samples.
  EXPECT_EQ(base::Crc32c(SampleBatch(1, TrafficClass::kControl, 100)), 2479115298u);
  EXPECT_EQ(base::Crc32c(SampleBatch(2, TrafficClass::kAppend, 100)), 3505783064u);
  EXPECT_EQ(base::Crc32c(SampleBatch(3, TrafficClass::kSnapshot, 100)), 2487078295u);
}

TEST(WireTest, BodiesAreReferredToAndNeverCopied) {
  Message m = SmallAppend();
  const base::Slice body = base::Slice::Copy(std::string(100000, 'b'));
  m.entries[0].body = base::SliceChain(body);
  m.entries[0].body_bytes = 100000;
  BatchWriter writer(HeaderOf(TrafficClass::kAppend));
  ASSERT_TRUE(writer.Add(m).ok());
  const base::SliceChain chain = writer.Take();
  ASSERT_EQ(chain.slices().size(), 2u);
  EXPECT_TRUE(chain.slices()[1].SameBlock(body));

  const base::Slice received = chain.Flatten();
  const auto batch = DecodeBatch(received, kSampleHeader.cluster_id, kSampleHeader.receiver);
  ASSERT_TRUE(batch.ok());
  const Entry& entry = batch->messages[0].entries[0];
  EXPECT_TRUE(entry.body.slices()[0].SameBlock(received));
  EXPECT_TRUE(entry.header.slices()[0].SameBlock(received));
}

TEST(WireTest, HeartbeatsOfAThousandGroupsTakeFewBytes) {
  BatchWriter writer(kSampleHeader);
  for (uint32_t group = 1; group <= 1000; ++group) {
    Message m;
    m.kind = MessageKind::kHeartbeat;
    m.group = {group};
    m.from = kSampleHeader.sender;
    m.to = {kSampleHeader.receiver, 1};
    m.term = {50};
    m.commit = {10'000'000};
    m.stamp = {123'456'789'012'345};
    m.round = 5000;
    ASSERT_TRUE(writer.Add(m).ok());
  }
  EXPECT_LE(writer.bytes(), 16 * 1000u);
}

TEST(WireTest, EveryCutBatchIsRefused) {
  for (const TrafficClass traffic :
       {TrafficClass::kControl, TrafficClass::kAppend, TrafficClass::kSnapshot}) {
    const std::string bytes = SampleBatch(3, traffic, 5);
    ASSERT_TRUE(Decode(bytes).ok());
    for (size_t size = 0; size < bytes.size(); ++size) {
      ASSERT_EQ(Decode(bytes.substr(0, size)).status().code(), absl::StatusCode::kOutOfRange)
          << size;
    }
    EXPECT_EQ(Decode(bytes + "x").status().code(), absl::StatusCode::kOutOfRange);
  }
}

TEST(WireTest, EveryFlippedBitOutsideTheBodiesIsRefused) {
  for (const TrafficClass traffic :
       {TrafficClass::kControl, TrafficClass::kAppend, TrafficClass::kSnapshot}) {
    std::string bytes = SampleBatch(4, traffic, 3);
    uint32_t meta_bytes;
    std::memcpy(&meta_bytes, bytes.data() + wire::kMetaBytesAt, sizeof(meta_bytes));
    for (size_t bit = 0; bit < (wire::kHeaderBytes + meta_bytes) * 8; ++bit) {
      bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
      ASSERT_FALSE(Decode(bytes).ok()) << "bit " << bit;
      bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
    }
    EXPECT_TRUE(Decode(bytes).ok());
  }
}

TEST(WireTest, DamagedPageOrRootIsRefused) {
  auto part = std::make_shared<SnapshotPart>();
  part->page_bytes.push_back(base::SliceChain(base::Slice::Static("a page")));
  part->root = base::SliceChain(base::Slice::Static("a root"));
  Message m;
  m.kind = MessageKind::kSnapshotPart;
  m.from = kSampleHeader.sender;
  m.to = {kSampleHeader.receiver, 1};
  m.snapshot = part;
  BatchWriter writer(HeaderOf(TrafficClass::kSnapshot));
  ASSERT_TRUE(writer.Add(m).ok());
  const std::string bytes = Encoded(&writer);
  ASSERT_TRUE(Decode(bytes).ok());
  for (size_t back = 1; back <= 12; ++back) {
    std::string damaged = bytes;
    damaged[bytes.size() - back] ^= 4;
    EXPECT_EQ(Decode(damaged).status().code(), absl::StatusCode::kDataLoss);
  }
}

TEST(WireTest, BytesWithARightChecksumThatMakeNoSenseAreRefusedWithoutHarm) {
  // Every byte of the header and of the meta part takes values that a length, a count, a kind or a
  // flag can go wrong with.
  for (const TrafficClass traffic :
       {TrafficClass::kControl, TrafficClass::kAppend, TrafficClass::kSnapshot}) {
    for (uint64_t seed = 0; seed < 6; ++seed) {
      const std::string bytes = SampleBatch(seed, traffic, 2);
      uint32_t meta_bytes;
      std::memcpy(&meta_bytes, bytes.data() + wire::kMetaBytesAt, sizeof(meta_bytes));
      int refused = 0;
      for (size_t at = wire::kMessagesAt; at < wire::kHeaderBytes + meta_bytes; ++at) {
        if (at >= wire::kMetaBytesAt && at < wire::kHeaderBytes) continue;
        for (const int value : {0, 1, 0x7f, 0x80, 0xff}) {
          std::string changed = bytes;
          changed[at] = static_cast<char>(value);
          const auto batch = Decode(Sealed(changed));
          refused += !batch.ok();
        }
      }
      EXPECT_GT(refused, 0);
    }
  }
}

TEST(WireTest, RefusalsTellWhy) {
  const std::string bytes = SampleBatch(5, TrafficClass::kControl, 2);
  const auto changed = [&](size_t at, auto value) {
    std::string copy = bytes;
    std::memcpy(copy.data() + at, &value, sizeof(value));
    return Decode(Sealed(copy)).status().code();
  };
  EXPECT_EQ(changed(wire::kMarkAt, uint32_t{1}), absl::StatusCode::kUnimplemented);
  EXPECT_EQ(changed(wire::kVersionAt, uint16_t{2}), absl::StatusCode::kUnimplemented);
  EXPECT_EQ(changed(wire::kClusterAt, uint64_t{1}), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(changed(wire::kReceiverAt, uint64_t{1}), absl::StatusCode::kNotFound);
  EXPECT_EQ(changed(wire::kSenderAt, uint64_t{0}), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(changed(wire::kClassAt, uint8_t{1}), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(changed(wire::kClassAt, uint8_t{3}), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(changed(wire::kMessagesAt, uint32_t{1}), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(changed(wire::kMessagesAt, uint32_t{3}), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(changed(wire::kMessagesAt, ~uint32_t{0}), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(changed(wire::kBodyBytesAt, uint32_t{1}), absl::StatusCode::kOutOfRange);
  std::string oversized = bytes;
  oversized.resize(kBatchBytesMax + 1);
  EXPECT_EQ(Decode(oversized).status().code(), absl::StatusCode::kResourceExhausted);
  std::string flipped = bytes;
  flipped.back() ^= 1;
  EXPECT_EQ(Decode(flipped).status().code(), absl::StatusCode::kDataLoss);
}

TEST(WireTest, NothingIsAllocatedForACountThatTheBytesCannotHold) {
  // An append that says it has 2^62 entries.
  BatchWriter writer(HeaderOf(TrafficClass::kAppend));
  ASSERT_TRUE(writer.Add(SmallAppend()).ok());
  std::string bytes = Encoded(&writer);
  const size_t count_at = wire::kHeaderBytes + 12;
  ASSERT_EQ(bytes[count_at], 1);
  bytes.resize(bytes.size() - 4);  // No bodies.
  uint32_t none = 0;
  std::memcpy(bytes.data() + wire::kBodyBytesAt, &none, sizeof(none));
  bytes.replace(count_at, std::string::npos, "\xff\xff\xff\xff\xff\xff\xff\xff\x3f");
  const auto meta_bytes = static_cast<uint32_t>(bytes.size() - wire::kHeaderBytes);
  std::memcpy(bytes.data() + wire::kMetaBytesAt, &meta_bytes, sizeof(meta_bytes));
  const auto batch = Decode(Sealed(bytes));
  EXPECT_EQ(batch.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(batch.status().message(),
            "a count is beyond the bytes that are there, or above its limit");
}

TEST(WireTest, MessageThatHasNoRoomLeavesTheBatchAsItWas) {
  Message large = SmallAppend();
  large.entries[0].body = base::SliceChain(base::Slice::Copy(std::string(9 << 20, 'b')));
  large.entries[0].body_bytes = 9 << 20;
  BatchWriter writer(HeaderOf(TrafficClass::kAppend));
  ASSERT_TRUE(writer.Add(SmallAppend()).ok());
  ASSERT_TRUE(writer.Add(large).ok());
  EXPECT_EQ(writer.Add(large).code(), absl::StatusCode::kResourceExhausted);
  ASSERT_TRUE(writer.Add(SmallAppend()).ok());
  const auto batch = Decode(Encoded(&writer));
  ASSERT_TRUE(batch.ok()) << batch.status();
  ASSERT_EQ(batch->messages.size(), 3u);
  EXPECT_EQ(Describe(batch->messages[2]), Describe(SmallAppend()));
  large.entries[0].body = base::SliceChain(base::Slice::Copy(std::string(17 << 20, 'b')));
  large.entries[0].body_bytes = 17 << 20;
  EXPECT_EQ(writer.Add(large).code(), absl::StatusCode::kResourceExhausted);
  ASSERT_TRUE(writer.Add(SmallAppend()).ok());
  EXPECT_TRUE(Decode(Encoded(&writer)).ok());
}

}  // namespace
}  // namespace pontoon::raft
