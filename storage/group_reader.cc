#include "storage/group_reader.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/crc32c.h"
#include "raft/core/entry.h"
#include "storage/keys.h"
#include "storage/records.h"

namespace pontoon::storage {
namespace {

// A moment of the database, held as long as this lives.
class Moment {
 public:
  explicit Moment(const Database& database)
      : db_(database.db()), snapshot_(database.db()->GetSnapshot()) {}
  ~Moment() { db_->ReleaseSnapshot(snapshot_); }
  Moment(const Moment&) = delete;
  Moment& operator=(const Moment&) = delete;
  rocksdb::ReadOptions Options() const {
    rocksdb::ReadOptions options;
    options.snapshot = snapshot_;
    options.fill_cache = false;
    return options;
  }

 private:
  rocksdb::DB* const db_;
  const rocksdb::Snapshot* const snapshot_;
};

absl::Status Named(base::GroupId group, absl::string_view what, uint64_t number,
                   const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat("group ", group.value, ", ", what, " ", number,
                                                  ": ", status.message()));
}

absl::Status InGroup(base::GroupId group, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat("group ", group.value, ": ", status.message()));
}

absl::Status MissingHeaders(base::GroupId group, raft::Index from, raft::Index to) {
  return absl::DataLossError(absl::StrCat("group ", group.value, ": log entries ", from.value,
                                          " to ", to.value, " are missing from the store"));
}

// A record of the family "meta"; nullopt if there is none.
template <typename T>
absl::StatusOr<std::optional<T>> ReadMeta(
    const Database& database, const rocksdb::ReadOptions& options, base::GroupId group,
    MetaKind kind, absl::StatusOr<T> (*decode)(absl::string_view, absl::string_view)) {
  const MetaKey key = MakeMetaKey(group, kind);
  rocksdb::PinnableSlice value;
  const rocksdb::Status status = database.db()->Get(options, database.meta(), ToRocks(key), &value);
  if (status.IsNotFound()) return std::optional<T>();
  if (!status.ok()) return InGroup(group, FromRocks(status, "reading from the store"));
  absl::StatusOr<T> decoded = decode(AsView(key), FromRocks(value));
  if (!decoded.ok()) return InGroup(group, decoded.status());
  return std::optional<T>(*std::move(decoded));
}

// Calls `take` with each header from `first` up to `to`, until it returns false or one is missing
// (`next` then names the one that was found instead; zero at the end of the log). `upper` bounds
// the walk.
template <typename Take>
absl::Status WalkHeaders(const Database& database, rocksdb::ReadOptions options,
                         base::GroupId group, raft::Index first, raft::Index to, raft::Index* next,
                         const Take& take) {
  const ItemKey lower = MakeItemKey(group, first.value);
  const ItemKey upper = MakeItemKey({group.value + 1}, 0);
  const rocksdb::Slice upper_slice = ToRocks(upper);
  options.iterate_upper_bound = &upper_slice;
  const std::unique_ptr<rocksdb::Iterator> it(database.db()->NewIterator(options, database.log()));
  raft::Index expected = first;
  *next = {};
  for (it->Seek(ToRocks(lower)); it->Valid() && expected <= to; it->Next()) {
    absl::StatusOr<StoredEntry> stored = DecodeEntry(FromRocks(it->key()), FromRocks(it->value()));
    if (!stored.ok()) return Named(group, "log entry", expected.value, stored.status());
    if (stored->entry.id.index != expected) {
      *next = stored->entry.id.index;
      return absl::OkStatus();
    }
    if (!take(std::move(stored->entry))) return absl::OkStatus();
    expected = expected + 1;
  }
  return FromRocks(it->status(), absl::StrCat("group ", group.value, ": reading the log"));
}

absl::StatusOr<raft::BodyImage> ReadImage(const Database& database,
                                          const rocksdb::ReadOptions& options, base::GroupId group,
                                          raft::Index index, bool with_bytes) {
  const ItemKey key = MakeItemKey(group, index.value);
  rocksdb::PinnableSlice value;
  const rocksdb::Status status = database.db()->Get(options, database.body(), ToRocks(key), &value);
  if (!status.ok()) return Named(group, "body", index.value, FromRocks(status, "reading"));
  absl::StatusOr<BodyView> body = BodyView::Parse(AsView(key), FromRocks(value));
  if (!body.ok()) return Named(group, "body", index.value, body.status());
  absl::StatusOr<raft::BodyImage> image = body->Image(index, with_bytes);
  if (!image.ok()) return Named(group, "body", index.value, image.status());
  return image;
}

// Gives the header what there is of its body.
absl::Status AddBody(const Database& database, const rocksdb::ReadOptions& options,
                     base::GroupId group, raft::Entry* entry) {
  if (entry->body_bytes == 0) return absl::OkStatus();
  absl::StatusOr<raft::BodyImage> image =
      ReadImage(database, options, group, entry->id.index, /*with_bytes=*/true);
  if (!image.ok() && !absl::IsNotFound(image.status())) return image.status();
  const auto mismatch = [&] {
    return Named(group, "body", entry->id.index.value,
                 absl::DataLossError("it does not belong to its header"));
  };
  if (image.ok()) {
    if (image->body_bytes != entry->body_bytes) return mismatch();
    entry->body = std::move(image->bytes);
    if (image->extents.size() == 1 && image->extents[0].size == entry->body_bytes)
      return image->extents[0].crc == entry->body_crc ? absl::OkStatus() : mismatch();
  }
  auto remains = std::make_shared<raft::BodyRemains>();
  if (image.ok()) {
    for (const raft::BodyImage::Extent& extent : image->extents) {
      remains->kept.push_back({extent.offset, extent.size});
      remains->crc = base::Crc32cCombine(remains->crc, extent.crc, extent.size);
    }
  }
  entry->remains = std::move(remains);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<raft::Entry>> ReadEntriesBlocking(const Database& database,
                                                             base::GroupId group, raft::Index from,
                                                             raft::Index to, uint64_t bytes_max) {
  const Moment moment(database);
  const rocksdb::ReadOptions options = moment.Options();
  std::vector<raft::Entry> entries;
  uint64_t bytes = 0;
  raft::Index next;
  absl::Status body_status;
  absl::Status status =
      WalkHeaders(database, options, group, from, to, &next, [&](raft::Entry entry) {
        // Its body is not fetched in vain.
        if (!entries.empty() && bytes + raft::HeaderCost(entry) > bytes_max) return false;
        body_status = AddBody(database, options, group, &entry);
        if (!body_status.ok()) return false;
        bytes += raft::EntryCost(entry);
        if (!entries.empty() && bytes > bytes_max) return false;
        entries.push_back(std::move(entry));
        return bytes < bytes_max;
      });
  // What stands before the damage is good; whoever goes on is told then.
  if (!entries.empty()) return entries;
  if (!status.ok()) return status;
  if (!body_status.ok()) return body_status;
  if (next.value != 0) {
    // Compacted away, or a hole?
    absl::StatusOr<std::optional<uint64_t>> start =
        ReadMeta(database, options, group, MetaKind::kLogStart, DecodeNumber);
    if (!start.ok()) return start.status();
    if (from.value >= start->value_or(1)) return MissingHeaders(group, from, next - 1);
  }
  return absl::NotFoundError(
      absl::StrCat("group ", group.value, ", log entry ", from.value, ": not in the store"));
}

std::vector<absl::StatusOr<raft::BodyImage>> ReadBodyImagesBlocking(
    const Database& database, base::GroupId group, const std::vector<raft::Index>& bodies,
    bool with_bytes) {
  const Moment moment(database);
  const rocksdb::ReadOptions options = moment.Options();
  std::vector<absl::StatusOr<raft::BodyImage>> images;
  images.reserve(bodies.size());
  for (const raft::Index index : bodies)
    images.push_back(ReadImage(database, options, group, index, with_bytes));
  return images;
}

absl::StatusOr<raft::Checkpoint> ReadCheckpointBlocking(const Database& database,
                                                        base::GroupId group) {
  absl::StatusOr<std::optional<raft::Checkpoint>> checkpoint =
      ReadMeta(database, rocksdb::ReadOptions(), group, MetaKind::kCheckpoint, DecodeCheckpoint);
  if (!checkpoint.ok()) return checkpoint.status();
  if (!checkpoint->has_value())
    return absl::NotFoundError(absl::StrCat("group ", group.value, ": no checkpoint"));
  return **std::move(checkpoint);
}

absl::StatusOr<raft::RecoveredGroup> RecoverGroupBlocking(const Database& database,
                                                          base::GroupId group) {
  const Moment moment(database);
  rocksdb::ReadOptions options = moment.Options();
  raft::RecoveredGroup out;
  auto hard_state = ReadMeta(database, options, group, MetaKind::kHardState, DecodeHardState);
  if (!hard_state.ok()) return hard_state.status();
  out.hard_state = hard_state->value_or(raft::HardState());
  auto checkpoint = ReadMeta(database, options, group, MetaKind::kCheckpoint, DecodeCheckpoint);
  if (!checkpoint.ok()) return checkpoint.status();
  out.checkpoint = *std::move(checkpoint);
  auto epoch = ReadMeta(database, options, group, MetaKind::kGroup, DecodeNumber);
  if (!epoch.ok()) return epoch.status();
  out.epoch = {static_cast<uint16_t>(epoch->value_or(0))};
  auto quarantine = ReadMeta(database, options, group, MetaKind::kQuarantine, DecodeNumber);
  if (!quarantine.ok()) return quarantine.status();
  out.quarantined = quarantine->has_value();
  auto ended = ReadMeta(database, options, group, MetaKind::kEndedThrough, DecodeNumber);
  if (!ended.ok()) return ended.status();
  out.ended_through = {ended->value_or(0)};
  auto staging = ReadMeta(database, options, group, MetaKind::kStaging, DecodeStaging);
  if (!staging.ok()) return staging.status();
  out.staging = *std::move(staging);
  raft::EntryId covered;
  if (out.checkpoint.has_value()) covered = out.checkpoint->applied;
  auto start = ReadMeta(database, options, group, MetaKind::kLogStart, DecodeNumber);
  if (!start.ok()) return start.status();
  const raft::Index first = covered.index + 1;
  if (start->value_or(0) > first.value) return MissingHeaders(group, first, {**start - 1});

  options.readahead_size = 1 << 20;
  raft::Index next;
  raft::Term term = covered.term;
  bool goes_back = false;
  absl::Status status =
      WalkHeaders(database, options, group, first, {UINT64_MAX}, &next, [&](raft::Entry entry) {
        goes_back = goes_back || entry.id.term < term;
        term = entry.id.term;
        out.entries.push_back(std::move(entry));
        return !goes_back;
      });
  if (!status.ok()) return status;
  if (goes_back) return InGroup(group, absl::DataLossError("terms of the log go back"));
  const raft::Index expected = first + out.entries.size();
  if (next.value != 0) return MissingHeaders(group, expected, next - 1);
  return out;
}

}  // namespace pontoon::storage
