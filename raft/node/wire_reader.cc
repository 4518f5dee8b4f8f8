#include <algorithm>
#include <cstring>
#include <limits>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/crc32c.h"
#include "raft/core/mutants.h"
#include "raft/node/wire.h"
#include "raft/node/wire_layout.h"

namespace pontoon::raft {

using namespace wire;  // NOLINT: the layout is this file's subject.

namespace {

template <typename T>
T Get(const char* in) {
  T value;
  std::memcpy(&value, in, sizeof(value));
  return value;
}

// Reads the meta part front to back, and beside it the bodies' part. What does not fit fails the
// whole, and everything read afterwards is zero; so a caller may check once at the end, but for
// counts, which are bounded by the bytes that are left before anything is allocated for them.
class MetaReader {
 public:
  MetaReader(const base::Slice& batch, size_t meta_bytes)
      : batch_(batch),
        at_(kHeaderBytes),
        meta_end_(kHeaderBytes + meta_bytes),
        body_at_(meta_end_) {}

  bool ok() const { return why_ == nullptr; }
  const char* why() const { return why_; }
  bool damaged() const { return damaged_; }
  bool at_end() const { return at_ == meta_end_ && body_at_ == batch_.size(); }
  void Fail(const char* why) {
    if (why_ == nullptr) why_ = why;
    at_ = meta_end_;
  }

  template <typename T>
  T Fixed() {
    if (meta_end_ - at_ < sizeof(T)) {
      Fail("a field ends behind the batch");
      return T{};
    }
    const T value = Get<T>(batch_.data() + at_);
    at_ += sizeof(T);
    return value;
  }
  uint8_t Byte() { return Fixed<uint8_t>(); }

  uint64_t Varint(uint64_t max = std::numeric_limits<uint64_t>::max()) {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const uint8_t byte = Byte();
      const uint64_t bits = byte & 0x7f;
      if (shift == 63 && bits > 1) break;
      value |= bits << shift;
      if (byte < 0x80) {
        if (value <= max) return value;
        break;
      }
    }
    Fail("a number is too large");
    return 0;
  }
  template <typename T>
  T VarintOf() {
    return static_cast<T>(Varint(std::numeric_limits<T>::max()));
  }
  uint64_t Difference(uint64_t from) { return UnZigZag(Varint(), from); }

  // A number of things that take at least `bytes_each` bytes each.
  size_t Count(size_t bytes_each, size_t max = std::numeric_limits<size_t>::max()) {
    const uint64_t count = Varint();
    if (count > (meta_end_ - at_) / bytes_each || count > max) {
      Fail("a count is beyond the bytes that are there, or above its limit");
      return 0;
    }
    return static_cast<size_t>(count);
  }

  // The same of what takes much more memory than bytes: bounded in the whole batch.
  size_t ItemCount(size_t bytes_each, size_t max = kBatchItemsMax) {
    const size_t count = Count(bytes_each, std::min(max, items_left_));
    items_left_ -= count;
    return count;
  }

  base::SliceChain Bytes(uint64_t size) {
    if (size > meta_end_ - at_) {
      Fail("a header ends behind the batch");
      return {};
    }
    base::SliceChain bytes(batch_.Sub(at_, static_cast<size_t>(size)));
    at_ += static_cast<size_t>(size);
    return bytes;
  }
  // The next `size` bytes of the bodies' part.
  base::SliceChain Body(uint64_t size) {
    if (!ok()) return {};
    if (size > batch_.size() - body_at_) {
      Fail("a body ends behind the batch");
      return {};
    }
    base::SliceChain bytes(batch_.Sub(body_at_, static_cast<size_t>(size)));
    body_at_ += static_cast<size_t>(size);
    return bytes;
  }
  // The same with its size and checksum before it.
  base::SliceChain CheckedBody() {
    const uint64_t size = Varint();
    const uint32_t crc = Fixed<uint32_t>();
    base::SliceChain bytes = Body(size);
    if (ok() && base::Crc32c(bytes) != crc) {
      damaged_ = true;
      Fail("a page or root has a wrong checksum");
    }
    return bytes;
  }

 private:
  const base::Slice& batch_;
  size_t at_;
  const size_t meta_end_;
  size_t body_at_;
  size_t items_left_ = kBatchItemsMax;
  const char* why_ = nullptr;
  bool damaged_ = false;
};

Entry ReadEntry(MetaReader* in, EntryId before) {
  Entry entry;
  const uint8_t flags = in->Byte();
  if ((flags & ~kAllEntryFlags) != 0 ||
      (flags & kEntryKindBits) > static_cast<uint8_t>(EntryKind::kConfig) ||
      ((flags & kEntryHasRemains) && (flags & kEntryBodyIsLeftOut))) {
    in->Fail("an unknown kind of entry");
    return entry;
  }
  entry.kind = static_cast<EntryKind>(flags & kEntryKindBits);
  entry.id.index.value = in->Difference(before.index.value + 1);
  entry.id.term.value = in->Difference(before.term.value);
  const uint64_t header_bytes = in->Varint();
  entry.header_crc = in->Fixed<uint32_t>();
  if (flags & kEntryHasBody) {
    entry.body_bytes = in->VarintOf<uint32_t>();
    entry.body_crc = in->Fixed<uint32_t>();
  }
  if (flags & kEntryHasRemains) {
    auto remains = std::make_shared<BodyRemains>();
    remains->ended.value = in->Varint();
    remains->kept.resize(in->Count(kExtentBytesMin));
    for (BodyExtent& extent : remains->kept) {
      extent.offset = in->VarintOf<uint32_t>();
      extent.size = in->VarintOf<uint32_t>();
    }
    remains->crc = in->Fixed<uint32_t>();
    entry.body = in->Body(in->Varint());
    entry.remains = std::move(remains);
  } else if (!(flags & kEntryBodyIsLeftOut)) {
    entry.body = in->Body(entry.body_bytes);
  }
  entry.header = in->Bytes(header_bytes);
  return entry;
}

void ReadReplicas(MetaReader* in, std::vector<ReplicaId>* replicas) {
  replicas->resize(in->Count(kReplicaBytesMin));
  for (ReplicaId& replica : *replicas) {
    replica.node.value = in->Fixed<uint64_t>();
    replica.incarnation = in->VarintOf<uint32_t>();
  }
}

void ReadImage(MetaReader* in, BodyImage* image) {
  image->index.value = in->Varint();
  image->body_bytes = in->VarintOf<uint32_t>();
  image->extents.resize(in->Count(kImageExtentBytesMin));
  for (BodyImage::Extent& extent : image->extents) {
    extent.offset = in->VarintOf<uint32_t>();
    extent.size = in->VarintOf<uint32_t>();
    extent.crc = in->Fixed<uint32_t>();
  }
  image->bytes = in->Body(in->Varint());
}

std::shared_ptr<const SnapshotPart> ReadSnapshot(MetaReader* in) {
  auto part = std::make_shared<SnapshotPart>();
  const uint8_t kind = in->Byte(), flags = in->Byte();
  if (kind > static_cast<uint8_t>(SnapshotPart::Kind::kBodies) || flags & ~kAllSnapshotFlags) {
    in->Fail("an unknown kind of snapshot part");
    return part;
  }
  part->kind = static_cast<SnapshotPart::Kind>(kind);
  part->gone = flags & kGone;
  part->request = in->Fixed<uint64_t>();
  part->checkpoint.term.value = in->Varint();
  part->checkpoint.index.value = in->Varint();
  part->offset = in->Varint();
  part->pages.resize(in->ItemCount(1, kSnapshotItemsMax));
  for (PageId& page : part->pages) page.value = in->Varint();
  part->bodies.resize(in->ItemCount(kWantedBytesMin, kSnapshotItemsMax));
  Index before;
  for (BodyWanted& body : part->bodies) {
    before.value = in->Difference(before.value);
    body.index = before;
    body.fingerprint = in->Fixed<uint32_t>();
  }
  if (flags & kHasRootAnswer) {
    part->root_bytes = in->Varint();
    part->root_crc = in->Fixed<uint32_t>();
    ReadReplicas(in, &part->membership.voters);
    ReadReplicas(in, &part->membership.outgoing_voters);
    ReadReplicas(in, &part->membership.learners);
    part->page_generation = in->VarintOf<uint16_t>();
    part->root = in->CheckedBody();
  }
  part->page_bytes.resize(in->ItemCount(kPageBytesMin, kSnapshotItemsMax));
  for (base::SliceChain& page : part->page_bytes) page = in->CheckedBody();
  part->body_answers.resize(in->ItemCount(kAnswerBytesMin, kSnapshotItemsMax));
  for (BodyAnswer& answer : part->body_answers) {
    const uint8_t answer_kind = in->Byte();
    if (answer_kind > static_cast<uint8_t>(BodyAnswer::Kind::kEnded)) {
      in->Fail("an unknown kind of answer about a body");
      return part;
    }
    answer.kind = static_cast<BodyAnswer::Kind>(answer_kind);
    answer.index.value = in->Varint();
    answer.ended.value = in->Varint();
    if (answer.kind == BodyAnswer::Kind::kBytes) ReadImage(in, &answer.image);
  }
  return part;
}

// `stamp`: of the message before; becomes this one's, if it has one.
Message ReadMessage(MetaReader* in, const BatchHeader& header, base::MonotonicTime* stamp) {
  Message message;
  const uint8_t kind = in->Byte();
  const uint16_t flags = in->Fixed<uint16_t>();
  if (kind > static_cast<uint8_t>(kLastMessageKind) || flags & ~kAllMessageFlags) {
    in->Fail("an unknown kind of message");
    return message;
  }
  message.kind = static_cast<MessageKind>(kind);
  if (ClassOf(message.kind) != header.traffic) {
    in->Fail("a message of another class");
    return message;
  }
  message.refused = flags & kRefused;
  message.transfer = flags & kTransfer;
  message.quarantined = flags & kQuarantined;
  message.no_room = flags & kNoRoom;
  message.must_take = flags & kMustTake;
  message.group.value = in->VarintOf<uint32_t>();
  message.from = header.sender;
  message.to = {header.receiver, in->VarintOf<uint32_t>()};
  message.term.value = in->Varint();
  if (flags & kHasEpoch) message.epoch.value = in->VarintOf<uint16_t>();
  if (flags & kHasIncarnation) message.from.incarnation = in->VarintOf<uint32_t>();
  if (flags & kHasLog) {
    message.log.term.value = in->Varint();
    message.log.index.value = in->Varint();
  }
  if (flags & kHasProbe) message.probe.value = in->Varint();
  if (flags & kHasCommit) message.commit.value = in->Varint();
  if (flags & kHasStamp) {
    stamp->nanos = static_cast<int64_t>(in->Difference(static_cast<uint64_t>(stamp->nanos)));
    message.stamp = *stamp;
  }
  if (flags & kHasRound) message.round = in->Varint();
  if (flags & kHasDigest) {
    message.digest_index.value = in->Varint();
    message.digest = in->Fixed<uint64_t>();
  }
  if (flags & kHasEntries) {
    const size_t count = in->ItemCount(kEntryBytesMin);
    message.entries.reserve(count);
    EntryId before = message.log;
    for (size_t i = 0; i < count && in->ok(); ++i) {
      message.entries.push_back(ReadEntry(in, before));
      before = message.entries.back().id;
    }
  }
  if (flags & kHasSnapshot) message.snapshot = ReadSnapshot(in);
  return message;
}

}  // namespace

absl::StatusOr<Batch> DecodeBatch(const base::Slice& bytes, uint64_t cluster_id, NodeId self) {
  const char* const in = bytes.data();
  if (bytes.size() < kHeaderBytes) {
    return absl::OutOfRangeError(absl::StrCat("a batch of only ", bytes.size(), " bytes"));
  }
  if (Get<uint32_t>(in + kMarkAt) != kMark) return absl::UnimplementedError("not a batch");
  if (const uint16_t version = Get<uint16_t>(in + kVersionAt); version != kVersion) {
    return absl::UnimplementedError(absl::StrCat("a batch of version ", version));
  }
  const uint64_t meta_bytes = Get<uint32_t>(in + kMetaBytesAt);
  const uint64_t body_bytes = Get<uint32_t>(in + kBodyBytesAt);
  const uint64_t size = kHeaderBytes + meta_bytes + body_bytes;
  if (bytes.size() > kBatchBytesMax || size > kBatchBytesMax) {
    return absl::ResourceExhaustedError(
        absl::StrCat("a batch of ", std::max<uint64_t>(bytes.size(), size), " bytes"));
  }
  if (size != bytes.size()) {
    return absl::OutOfRangeError(
        absl::StrCat("a batch of ", size, " bytes of which ", bytes.size(), " came"));
  }
  uint32_t crc = base::Crc32c({in, kChecksumAt});
  crc = base::Crc32cExtend(crc, {in + kHeaderBytes, static_cast<size_t>(meta_bytes)});
  if (crc != Get<uint32_t>(in + kChecksumAt) && !MutantIs(Mutant::kBatchUnchecked)) {
    return absl::DataLossError("a batch with a wrong checksum");
  }

  Batch batch;
  BatchHeader& header = batch.header;
  header.cluster_id = Get<uint64_t>(in + kClusterAt);
  header.sender = {{Get<uint64_t>(in + kSenderAt)}, Get<uint32_t>(in + kIncarnationAt)};
  header.boot.value = Get<uint32_t>(in + kBootAt);
  header.receiver.value = Get<uint64_t>(in + kReceiverAt);
  if (header.cluster_id != cluster_id) return absl::PermissionDeniedError("from another cluster");
  if (header.receiver != self) return absl::NotFoundError("for another node");
  const uint8_t traffic = Get<uint8_t>(in + kClassAt);
  if (traffic >= kTrafficClasses || in[kZeroAt] != 0 || header.sender.node.value == 0) {
    return absl::InvalidArgumentError("a batch of no known class, or of nobody");
  }
  header.traffic = static_cast<TrafficClass>(traffic);

  const size_t count = Get<uint32_t>(in + kMessagesAt);
  if (count > kBatchMessagesMax || count > meta_bytes / kMessageBytesMin) {
    return absl::ResourceExhaustedError(
        absl::StrCat("a batch of ", count, " messages in ", meta_bytes, " bytes"));
  }
  MetaReader reader(bytes, static_cast<size_t>(meta_bytes));
  base::MonotonicTime stamp{Get<int64_t>(in + kStampAt)};
  batch.messages.reserve(count);
  for (size_t i = 0; i < count && reader.ok(); ++i) {
    batch.messages.push_back(ReadMessage(&reader, header, &stamp));
  }
  if (reader.damaged()) return absl::DataLossError(reader.why());
  if (!reader.ok()) return absl::InvalidArgumentError(reader.why());
  if (!reader.at_end()) return absl::InvalidArgumentError("bytes behind the last message");
  return batch;
}

}  // namespace pontoon::raft
