#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/crc32c.h"
#include "raft/node/wire.h"
#include "raft/node/wire_layout.h"

namespace pontoon::raft {

using namespace wire;  // NOLINT: the layout is this file's subject.

namespace {

// A body below this is copied: a slice of its own would cost the socket more.
constexpr size_t kCopiedBodyBytesMax = 2048;
constexpr size_t kFirstBlockBytes = 2048;
constexpr size_t kVarintBytesMax = 10;

template <typename T>
void Put(char* out, T value) {
  std::memcpy(out, &value, sizeof(value));
}

size_t ItemsOf(const Message& message) {
  size_t items = message.entries.size();
  if (message.snapshot != nullptr) {
    const SnapshotPart& part = *message.snapshot;
    items +=
        part.pages.size() + part.bodies.size() + part.page_bytes.size() + part.body_answers.size();
  }
  return items;
}

}  // namespace

BatchWriter::BatchWriter(const BatchHeader& header) : header_(header), small_bodies_(16 * 1024) {
  PONTOON_CHECK(header.sender.node.value != 0 && header.receiver.value != 0);
}

BatchWriter::~BatchWriter() {
  if (block_ != nullptr) block_->Unref();
}

char* BatchWriter::Room(size_t size) {
  if (block_->capacity() - used_ < size) {
    base::Block* larger = base::Block::New(std::max(block_->capacity() * 2, used_ + size));
    std::memcpy(larger->data(), block_->data(), used_);
    block_->Unref();
    block_ = larger;
  }
  return block_->data() + used_;
}

void BatchWriter::PutByte(uint8_t value) {
  *Room(1) = static_cast<char>(value);
  ++used_;
}

template <typename T>
void BatchWriter::PutFixed(T value) {
  Put(Room(sizeof(value)), value);
  used_ += sizeof(value);
}

void BatchWriter::PutVarint(uint64_t value) {
  char* out = Room(kVarintBytesMax);
  char* const start = out;
  for (; value >= 0x80; value >>= 7) *out++ = static_cast<char>(value | 0x80);
  *out++ = static_cast<char>(value);
  used_ += static_cast<size_t>(out - start);
}

void BatchWriter::PutDifference(uint64_t value, uint64_t from) { PutVarint(ZigZag(value, from)); }

void BatchWriter::PutBytes(const base::SliceChain& bytes) {
  bytes.AppendTo(Room(bytes.size()));
  used_ += bytes.size();
}

void BatchWriter::PutBody(const base::SliceChain& bytes) {
  for (const base::Slice& slice : bytes.slices()) {
    if (slice.size() >= kCopiedBodyBytesMax) {
      bodies_.Append(slice);
    } else {
      small_bodies_.Append(slice.view());
      bodies_.Append(small_bodies_.Take());
    }
  }
}

// Which of the message's fields are not zero (raft/node/FORMAT.md).
uint16_t BatchWriter::FlagsOf(const Message& message) const {
  uint16_t flags = 0;
  const auto set = [&](bool is, MessageFlag flag) { flags |= is ? flag : 0; };
  set(message.refused, kRefused);
  set(message.transfer, kTransfer);
  set(message.quarantined, kQuarantined);
  set(message.no_room, kNoRoom);
  set(message.must_take, kMustTake);
  set(message.epoch.value != 0, kHasEpoch);
  set(message.from.incarnation != header_.sender.incarnation, kHasIncarnation);
  set(message.log != EntryId{}, kHasLog);
  set(message.probe.value != 0, kHasProbe);
  set(message.commit.value != 0, kHasCommit);
  set(message.stamp.nanos != 0, kHasStamp);
  set(message.round != 0, kHasRound);
  set(message.digest_index.value != 0 || message.digest != 0, kHasDigest);
  set(!message.entries.empty(), kHasEntries);
  set(message.snapshot != nullptr, kHasSnapshot);
  return flags;
}

absl::Status BatchWriter::Add(const Message& message) {
  PONTOON_CHECK(message.from.node == header_.sender.node && message.to.node == header_.receiver);
  PONTOON_CHECK(ClassOf(message.kind) == header_.traffic);
  if (block_ == nullptr) {
    block_ = base::Block::New(kFirstBlockBytes);
    used_ = kHeaderBytes;
    first_stamp_ = last_stamp_ = message.stamp;
  }
  const size_t used = used_, body_bytes = bodies_.size();
  const uint16_t flags = FlagsOf(message);
  PutByte(static_cast<uint8_t>(message.kind));
  PutFixed(flags);
  PutVarint(message.group.value);
  PutVarint(message.to.incarnation);
  PutVarint(message.term.value);
  if (flags & kHasEpoch) PutVarint(message.epoch.value);
  if (flags & kHasIncarnation) PutVarint(message.from.incarnation);
  if (flags & kHasLog) {
    PutVarint(message.log.term.value);
    PutVarint(message.log.index.value);
  }
  if (flags & kHasProbe) PutVarint(message.probe.value);
  if (flags & kHasCommit) PutVarint(message.commit.value);
  if (flags & kHasStamp) {
    PutDifference(static_cast<uint64_t>(message.stamp.nanos),
                  static_cast<uint64_t>(last_stamp_.nanos));
  }
  if (flags & kHasRound) PutVarint(message.round);
  if (flags & kHasDigest) {
    PutVarint(message.digest_index.value);
    PutFixed(message.digest);
  }
  if (flags & kHasEntries) {
    PutVarint(message.entries.size());
    EntryId before = message.log;
    for (const Entry& entry : message.entries) {
      PutEntry(entry, before);
      before = entry.id;
    }
  }
  if (flags & kHasSnapshot) PutSnapshot(*message.snapshot);

  if (bytes() > kBatchBytesMax || messages_ == kBatchMessagesMax ||
      items_ + ItemsOf(message) > kBatchItemsMax) {
    used_ = used;
    bodies_ = bodies_.Sub(0, body_bytes);
    return absl::ResourceExhaustedError("the batch has no room for the message");
  }
  if (flags & kHasStamp) last_stamp_ = message.stamp;
  ++messages_;
  items_ += ItemsOf(message);
  return absl::OkStatus();
}

void BatchWriter::PutEntry(const Entry& entry, EntryId before) {
  // Whole is what nobody says anything else of; a header alone has a body that is not there.
  const bool left_out = entry.remains == nullptr && entry.body.size() != entry.body_bytes;
  uint8_t flags = static_cast<uint8_t>(entry.kind);
  if (entry.body_bytes != 0 || entry.body_crc != 0) flags |= kEntryHasBody;
  if (entry.remains != nullptr) flags |= kEntryHasRemains;
  if (left_out) flags |= kEntryBodyIsLeftOut;
  PutByte(flags);
  PutDifference(entry.id.index.value, before.index.value + 1);
  PutDifference(entry.id.term.value, before.term.value);
  PutVarint(entry.header.size());
  PutFixed(entry.header_crc);
  if (flags & kEntryHasBody) {
    PutVarint(entry.body_bytes);
    PutFixed(entry.body_crc);
  }
  if (flags & kEntryHasRemains) {
    const BodyRemains& remains = *entry.remains;
    PutVarint(remains.ended.value);
    PutVarint(remains.kept.size());
    for (const BodyExtent& extent : remains.kept) {
      PutVarint(extent.offset);
      PutVarint(extent.size);
    }
    PutFixed(remains.crc);
    PutVarint(entry.body.size());
    PutBody(entry.body);
  } else if (!left_out) {
    PutBody(entry.body);
  }
  PutBytes(entry.header);
}

void BatchWriter::PutReplicas(const std::vector<ReplicaId>& replicas) {
  PutVarint(replicas.size());
  for (const ReplicaId& replica : replicas) {
    PutFixed(replica.node.value);
    PutVarint(replica.incarnation);
  }
}

void BatchWriter::PutSnapshot(const SnapshotPart& part) {
  const bool root_answer = part.root_bytes != 0 || part.root_crc != 0 ||
                           part.membership != Membership{} || part.page_generation != 0 ||
                           !part.root.empty();
  PutByte(static_cast<uint8_t>(part.kind));
  PutByte(static_cast<uint8_t>((part.gone ? kGone : 0) | (root_answer ? kHasRootAnswer : 0)));
  PutFixed(part.request);
  PutVarint(part.checkpoint.term.value);
  PutVarint(part.checkpoint.index.value);
  PutVarint(part.offset);
  PutVarint(part.pages.size());
  for (const PageId page : part.pages) PutVarint(page.value);
  PutVarint(part.bodies.size());
  Index before;
  for (const BodyWanted& body : part.bodies) {
    PutDifference(body.index.value, before.value);
    PutFixed(body.fingerprint);
    before = body.index;
  }
  if (root_answer) {
    PutVarint(part.root_bytes);
    PutFixed(part.root_crc);
    PutReplicas(part.membership.voters);
    PutReplicas(part.membership.outgoing_voters);
    PutReplicas(part.membership.learners);
    PutVarint(part.page_generation);
    PutVarint(part.root.size());
    PutFixed(base::Crc32c(part.root));
    PutBody(part.root);
  }
  PutVarint(part.page_bytes.size());
  for (const base::SliceChain& page : part.page_bytes) {
    PutVarint(page.size());
    PutFixed(base::Crc32c(page));
    PutBody(page);
  }
  PutVarint(part.body_answers.size());
  for (const BodyAnswer& answer : part.body_answers) {
    PutByte(static_cast<uint8_t>(answer.kind));
    PutVarint(answer.index.value);
    PutVarint(answer.ended.value);
    if (answer.kind == BodyAnswer::Kind::kBytes) PutImage(answer.image);
  }
}

void BatchWriter::PutImage(const BodyImage& image) {
  PutVarint(image.index.value);
  PutVarint(image.body_bytes);
  PutVarint(image.extents.size());
  for (const BodyImage::Extent& extent : image.extents) {
    PutVarint(extent.offset);
    PutVarint(extent.size);
    PutFixed(extent.crc);
  }
  PutVarint(image.bytes.size());
  PutBody(image.bytes);
}

base::SliceChain BatchWriter::Take() {
  if (empty()) return {};
  char* const out = block_->data();
  const size_t meta_bytes = used_ - kHeaderBytes;
  Put(out + kMarkAt, kMark);
  Put(out + kVersionAt, kVersion);
  Put(out + kClassAt, static_cast<uint8_t>(header_.traffic));
  Put(out + kZeroAt, uint8_t{0});
  Put(out + kClusterAt, header_.cluster_id);
  Put(out + kSenderAt, header_.sender.node.value);
  Put(out + kIncarnationAt, header_.sender.incarnation);
  Put(out + kBootAt, header_.boot.value);
  Put(out + kReceiverAt, header_.receiver.value);
  Put(out + kStampAt, first_stamp_.nanos);
  Put(out + kMessagesAt, static_cast<uint32_t>(messages_));
  Put(out + kMetaBytesAt, static_cast<uint32_t>(meta_bytes));
  Put(out + kBodyBytesAt, static_cast<uint32_t>(bodies_.size()));
  uint32_t crc = base::Crc32c({out, kChecksumAt});
  crc = base::Crc32cExtend(crc, {out + kHeaderBytes, meta_bytes});
  Put(out + kChecksumAt, crc);

  base::SliceChain batch(base::Slice(std::exchange(block_, nullptr), out, used_));
  batch.Append(std::exchange(bodies_, {}));
  messages_ = items_ = used_ = 0;
  return batch;
}

}  // namespace pontoon::raft
