#include "storage/records.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/crc32c.h"
#include "storage/bytes.h"

namespace pontoon::storage {
namespace {

using absl::string_view;

uint32_t KeyedCrc(string_view key, string_view bytes) {
  return base::Crc32cExtend(base::Crc32c(key), bytes);
}

absl::Status Damaged(string_view what, string_view why) {
  return absl::DataLossError(absl::StrCat("damaged ", what, ": ", why));
}

absl::Status CheckVersion(string_view what, string_view value, uint8_t known) {
  if (value.empty()) return Damaged(what, "no bytes");
  const auto version = static_cast<uint8_t>(value[0]);
  if (version > known) {
    return absl::FailedPreconditionError(
        absl::StrCat(what, " of format version ", version,
                     ", written by a newer Pontoon (this one knows up to ", known, ")"));
  }
  if (version == 0) return Damaged(what, "format version 0");
  return absl::OkStatus();
}

// Small values are sealed alike: version byte and three zeros, the content, the checksum of key and
// all before it.
std::string BeginSealed() { return std::string({static_cast<char>(kMetaVersion), 0, 0, 0}); }

std::string Seal(string_view key, std::string value) {
  AppendLittle<uint32_t>(&value, KeyedCrc(key, value));
  return value;
}

absl::StatusOr<LittleReader> OpenSealed(string_view what, string_view key, string_view value) {
  if (absl::Status status = CheckVersion(what, value, kMetaVersion); !status.ok()) return status;
  if (value.size() < 8) return Damaged(what, "cut short");
  const string_view sealed = value.substr(0, value.size() - 4);
  if (KeyedCrc(key, sealed) != GetLittle<uint32_t>(value.data() + sealed.size())) {
    return Damaged(what, "checksum does not match");
  }
  return LittleReader(sealed.substr(4));
}

void AppendReplicas(std::string* out, const std::vector<raft::ReplicaId>& replicas) {
  AppendLittle<uint32_t>(out, static_cast<uint32_t>(replicas.size()));
  for (const raft::ReplicaId& replica : replicas) {
    AppendLittle<uint64_t>(out, replica.node.value);
    AppendLittle<uint32_t>(out, replica.incarnation);
  }
}

std::vector<raft::ReplicaId> TakeReplicas(LittleReader* reader) {
  std::vector<raft::ReplicaId> replicas;
  const auto count = reader->Take<uint32_t>();
  for (uint32_t i = 0; i < count && reader->ok(); ++i) {
    const auto node = reader->Take<uint64_t>();
    replicas.push_back({{node}, reader->Take<uint32_t>()});
  }
  return replicas;
}

constexpr size_t kEntryChecked = sizeof(EntryPrefix) - 4;
constexpr size_t kBodyFixed = 8;
constexpr size_t kExtentBytes = 12;

}  // namespace

EntryPrefix EncodeEntryPrefix(string_view key, const raft::Entry& entry,
                              base::RecoveryEpoch epoch) {
  EntryPrefix out;
  out[0] = static_cast<char>(kEntryVersion);
  out[1] = static_cast<char>(entry.kind);
  PutLittle<uint16_t>(&out[2], epoch.value);
  PutLittle<uint64_t>(&out[4], entry.id.term.value);
  PutLittle<uint32_t>(&out[12], static_cast<uint32_t>(entry.header.size()));
  PutLittle<uint32_t>(&out[16], entry.header_crc);
  PutLittle<uint32_t>(&out[20], entry.body_bytes);
  PutLittle<uint32_t>(&out[24], entry.body_crc);
  PutLittle<uint32_t>(&out[28], KeyedCrc(key, string_view(out.data(), kEntryChecked)));
  return out;
}

absl::StatusOr<StoredEntry> DecodeEntry(string_view key, string_view value) {
  constexpr string_view kWhat = "entry header";
  if (absl::Status status = CheckVersion(kWhat, value, kEntryVersion); !status.ok()) return status;
  if (value.size() < sizeof(EntryPrefix) || key.size() != 12) return Damaged(kWhat, "cut short");
  if (KeyedCrc(key, value.substr(0, kEntryChecked)) != GetLittle<uint32_t>(&value[28])) {
    return Damaged(kWhat, "checksum does not match");
  }
  StoredEntry stored;
  raft::Entry& entry = stored.entry;
  const auto kind = static_cast<uint8_t>(value[1]);
  if (kind > static_cast<uint8_t>(raft::EntryKind::kConfig)) return Damaged(kWhat, "unknown kind");
  entry.kind = static_cast<raft::EntryKind>(kind);
  stored.epoch = {GetLittle<uint16_t>(&value[2])};
  entry.id.term = {GetLittle<uint64_t>(&value[4])};
  uint64_t index;
  std::copy_n(key.data() + 4, 8, reinterpret_cast<char*>(&index));
  entry.id.index = {__builtin_bswap64(index)};
  entry.header_crc = GetLittle<uint32_t>(&value[16]);
  entry.body_bytes = GetLittle<uint32_t>(&value[20]);
  entry.body_crc = GetLittle<uint32_t>(&value[24]);
  const string_view header = value.substr(sizeof(EntryPrefix));
  if (header.size() != GetLittle<uint32_t>(&value[12])) return Damaged(kWhat, "wrong length");
  if (base::Crc32c(header) != entry.header_crc)
    return Damaged(kWhat, "checksum of the header's bytes does not match");
  if (!header.empty()) entry.header.Append(base::Slice::Copy(header));
  return stored;
}

std::string EncodeBodyPrefix(string_view key, uint32_t body_bytes,
                             absl::Span<const StoredExtent> extents) {
  PONTOON_CHECK(extents.size() <= 0xffff);
  std::string out;
  out.reserve(kBodyFixed + extents.size() * kExtentBytes + 4);
  AppendLittle<uint8_t>(&out, kBodyVersion);
  AppendLittle<uint8_t>(&out, 0);
  AppendLittle<uint16_t>(&out, static_cast<uint16_t>(extents.size()));
  AppendLittle<uint32_t>(&out, body_bytes);
  for (const StoredExtent& extent : extents) {
    AppendLittle<uint32_t>(&out, extent.offset);
    AppendLittle<uint32_t>(&out, extent.size);
    AppendLittle<uint32_t>(&out, extent.crc);
  }
  AppendLittle<uint32_t>(&out, KeyedCrc(key, out));
  return out;
}

absl::StatusOr<BodyView> BodyView::Parse(string_view key, string_view value) {
  constexpr string_view kWhat = "body";
  if (absl::Status status = CheckVersion(kWhat, value, kBodyVersion); !status.ok()) return status;
  if (value.size() < kBodyFixed + 4) return Damaged(kWhat, "cut short");
  const size_t count = GetLittle<uint16_t>(&value[2]);
  const size_t checked = kBodyFixed + count * kExtentBytes;
  if (value.size() < checked + 4) return Damaged(kWhat, "cut short");
  if (KeyedCrc(key, value.substr(0, checked)) != GetLittle<uint32_t>(value.data() + checked)) {
    return Damaged(kWhat, "checksum of its list of parts does not match");
  }
  BodyView body;
  body.body_bytes_ = GetLittle<uint32_t>(&value[4]);
  string_view rest = value.substr(checked + 4);
  uint64_t end = 0;
  for (size_t i = 0; i < count; ++i) {
    const char* const at = value.data() + kBodyFixed + i * kExtentBytes;
    Extent extent{
        {GetLittle<uint32_t>(at), GetLittle<uint32_t>(at + 4), GetLittle<uint32_t>(at + 8)}, {}};
    if (extent.stored.offset < end || extent.stored.size > rest.size())
      return Damaged(kWhat, "parts do not fit");
    end = uint64_t{extent.stored.offset} + extent.stored.size;
    extent.bytes = rest.substr(0, extent.stored.size);
    rest.remove_prefix(extent.stored.size);
    body.extents_.push_back(extent);
  }
  if (end > body.body_bytes_ || !rest.empty()) return Damaged(kWhat, "wrong length");
  return body;
}

absl::Status BodyView::Verify(Extent* extent) {
  if (!extent->verified && base::Crc32c(extent->bytes) != extent->stored.crc) {
    return Damaged("body", "checksum does not match");
  }
  extent->verified = true;
  return absl::OkStatus();
}

absl::StatusOr<string_view> BodyView::Part(uint32_t offset, uint32_t size) {
  const auto next =
      std::upper_bound(extents_.begin(), extents_.end(), offset,
                       [](uint32_t o, const Extent& extent) { return o < extent.stored.offset; });
  if (next == extents_.begin()) return absl::NotFoundError("part of a body that is not there");
  Extent& extent = *(next - 1);
  const uint32_t within = offset - extent.stored.offset;
  if (within > extent.stored.size || size > extent.stored.size - within) {
    return absl::NotFoundError("part of a body that is not there");
  }
  if (absl::Status status = Verify(&extent); !status.ok()) return status;
  return extent.bytes.substr(within, size);
}

absl::StatusOr<raft::BodyImage> BodyView::Image(raft::Index index, bool with_bytes) {
  raft::BodyImage image{.index = index, .body_bytes = body_bytes_, .extents = {}, .bytes = {}};
  size_t total = 0;
  for (Extent& extent : extents_) {
    if (absl::Status status = Verify(&extent); !status.ok()) return status;
    const auto& [offset, size, crc] = extent.stored;
    total += size;
    // Neighbours that touch are one part to everybody else.
    if (!image.extents.empty() &&
        image.extents.back().offset + image.extents.back().size == offset) {
      raft::BodyImage::Extent& last = image.extents.back();
      last.crc = base::Crc32cCombine(last.crc, crc, size);
      last.size += size;
    } else {
      image.extents.push_back({offset, size, crc});
    }
  }
  if (!with_bytes || total == 0) return image;
  base::Block* const block = base::Block::New(total);
  char* out = block->data();
  for (const Extent& extent : extents_)
    out = std::copy_n(extent.bytes.data(), extent.bytes.size(), out);
  image.bytes.Append(base::Slice(block, block->data(), total));
  return image;
}

absl::StatusOr<std::string> BodyView::Cut(string_view key,
                                          absl::Span<const raft::BodyExtent> keep) {
  std::vector<StoredExtent> extents;
  std::string kept;
  for (const raft::BodyExtent& wanted : keep) {
    const uint64_t wanted_end = uint64_t{wanted.offset} + wanted.size;
    for (Extent& extent : extents_) {
      const uint32_t begin = std::max(wanted.offset, extent.stored.offset);
      const uint64_t end =
          std::min(wanted_end, uint64_t{extent.stored.offset} + extent.stored.size);
      if (begin >= end) continue;
      if (absl::Status status = Verify(&extent); !status.ok()) return status;
      const auto size = static_cast<uint32_t>(end - begin);
      const string_view bytes = extent.bytes.substr(begin - extent.stored.offset, size);
      extents.push_back({begin, size, base::Crc32c(bytes)});
      kept.append(bytes.data(), bytes.size());
    }
  }
  if (extents.size() > 0xffff)
    return absl::InvalidArgumentError("more than 65535 parts of one body");
  return EncodeBodyPrefix(key, body_bytes_, extents) + kept;
}

PagePrefix EncodePagePrefix(string_view key, const base::SliceChain& page) {
  PagePrefix out{};
  out[0] = static_cast<char>(kPageVersion);
  PutLittle<uint32_t>(&out[4], static_cast<uint32_t>(page.size()));
  uint32_t crc = KeyedCrc(key, string_view(out.data(), 8));
  for (const base::Slice& slice : page.slices()) crc = base::Crc32cExtend(crc, slice.view());
  PutLittle<uint32_t>(&out[8], crc);
  return out;
}

absl::StatusOr<string_view> DecodePage(string_view key, string_view value) {
  constexpr string_view kWhat = "page";
  if (absl::Status status = CheckVersion(kWhat, value, kPageVersion); !status.ok()) return status;
  if (value.size() < sizeof(PagePrefix)) return Damaged(kWhat, "cut short");
  const string_view page = value.substr(sizeof(PagePrefix));
  if (page.size() != GetLittle<uint32_t>(&value[4])) return Damaged(kWhat, "wrong length");
  const uint32_t crc = base::Crc32cExtend(KeyedCrc(key, value.substr(0, 8)), page);
  if (crc != GetLittle<uint32_t>(&value[8])) return Damaged(kWhat, "checksum does not match");
  return page;
}

std::string EncodeHardState(string_view key, const raft::HardState& state) {
  std::string out = BeginSealed();
  AppendLittle<uint64_t>(&out, state.term.value);
  AppendLittle<uint8_t>(&out, state.vote.has_value() ? 1 : 0);
  AppendLittle<uint64_t>(&out, state.vote ? state.vote->node.value : 0);
  AppendLittle<uint32_t>(&out, state.vote ? state.vote->incarnation : 0);
  return Seal(key, std::move(out));
}

absl::StatusOr<raft::HardState> DecodeHardState(string_view key, string_view value) {
  absl::StatusOr<LittleReader> reader = OpenSealed("hard state", key, value);
  if (!reader.ok()) return reader.status();
  raft::HardState state;
  state.term = {reader->Take<uint64_t>()};
  const bool voted = reader->Take<uint8_t>() != 0;
  raft::ReplicaId vote;
  vote.node = {reader->Take<uint64_t>()};
  vote.incarnation = reader->Take<uint32_t>();
  if (!reader->ok() || !reader->rest().empty()) return Damaged("hard state", "wrong length");
  if (voted) state.vote = vote;
  return state;
}

std::string EncodeCheckpoint(string_view key, const raft::Checkpoint& checkpoint) {
  std::string out = BeginSealed();
  PutLittle<uint16_t>(&out[2], checkpoint.page_generation);
  AppendLittle<uint64_t>(&out, checkpoint.applied.term.value);
  AppendLittle<uint64_t>(&out, checkpoint.applied.index.value);
  AppendReplicas(&out, checkpoint.membership.voters);
  AppendReplicas(&out, checkpoint.membership.outgoing_voters);
  AppendReplicas(&out, checkpoint.membership.learners);
  out += checkpoint.root;
  return Seal(key, std::move(out));
}

absl::StatusOr<raft::Checkpoint> DecodeCheckpoint(string_view key, string_view value) {
  absl::StatusOr<LittleReader> reader = OpenSealed("checkpoint", key, value);
  if (!reader.ok()) return reader.status();
  raft::Checkpoint checkpoint;
  checkpoint.page_generation = GetLittle<uint16_t>(&value[2]);
  checkpoint.applied.term = {reader->Take<uint64_t>()};
  checkpoint.applied.index = {reader->Take<uint64_t>()};
  checkpoint.membership.voters = TakeReplicas(&*reader);
  checkpoint.membership.outgoing_voters = TakeReplicas(&*reader);
  checkpoint.membership.learners = TakeReplicas(&*reader);
  if (!reader->ok()) return Damaged("checkpoint", "cut short");
  checkpoint.root = std::string(reader->rest());
  return checkpoint;
}

std::string EncodeStaging(string_view key, const raft::Staging& staging) {
  std::string out = BeginSealed();
  AppendLittle<uint64_t>(&out, staging.sender.node.value);
  AppendLittle<uint32_t>(&out, staging.sender.incarnation);
  AppendLittle<uint16_t>(&out, staging.sender_generation);
  AppendLittle<uint16_t>(&out, staging.generation);
  return Seal(key, std::move(out));
}

absl::StatusOr<raft::Staging> DecodeStaging(string_view key, string_view value) {
  absl::StatusOr<LittleReader> reader = OpenSealed("staging", key, value);
  if (!reader.ok()) return reader.status();
  raft::Staging staging;
  staging.sender.node = {reader->Take<uint64_t>()};
  staging.sender.incarnation = reader->Take<uint32_t>();
  staging.sender_generation = reader->Take<uint16_t>();
  staging.generation = reader->Take<uint16_t>();
  if (!reader->ok() || !reader->rest().empty()) return Damaged("staging", "wrong length");
  return staging;
}

std::string EncodeNumber(string_view key, uint64_t number) {
  std::string out = BeginSealed();
  AppendLittle<uint64_t>(&out, number);
  return Seal(key, std::move(out));
}

absl::StatusOr<uint64_t> DecodeNumber(string_view key, string_view value) {
  absl::StatusOr<LittleReader> reader = OpenSealed("number", key, value);
  if (!reader.ok()) return reader.status();
  const auto number = reader->Take<uint64_t>();
  if (!reader->ok() || !reader->rest().empty()) return Damaged("number", "wrong length");
  return number;
}

std::string EncodeBatchMark(string_view key, const BatchMark& mark) {
  std::string out = BeginSealed();
  AppendLittle<uint64_t>(&out, mark.number);
  AppendLittle<uint64_t>(&out, mark.synced);
  return Seal(key, std::move(out));
}

absl::StatusOr<BatchMark> DecodeBatchMark(string_view key, string_view value) {
  absl::StatusOr<LittleReader> reader = OpenSealed("batch mark", key, value);
  if (!reader.ok()) return reader.status();
  BatchMark mark;
  mark.number = reader->Take<uint64_t>();
  if (reader->ok() && !reader->rest().empty()) mark.synced = reader->Take<uint64_t>();
  if (!reader->ok() || !reader->rest().empty()) return Damaged("batch mark", "wrong length");
  return mark;
}

std::string EncodeIdentity(string_view key, const StoreIdentity& identity) {
  std::string out = BeginSealed();
  AppendLittle<uint64_t>(&out, identity.cluster_id);
  AppendLittle<uint64_t>(&out, identity.node.value);
  return Seal(key, std::move(out));
}

absl::StatusOr<StoreIdentity> DecodeIdentity(string_view key, string_view value) {
  absl::StatusOr<LittleReader> reader = OpenSealed("identity", key, value);
  if (!reader.ok()) return reader.status();
  StoreIdentity identity;
  identity.cluster_id = reader->Take<uint64_t>();
  identity.node = {reader->Take<uint64_t>()};
  if (!reader->ok() || !reader->rest().empty()) return Damaged("identity", "wrong length");
  return identity;
}

}  // namespace pontoon::storage
