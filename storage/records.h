#ifndef PONTOON_STORAGE_RECORDS_H_
#define PONTOON_STORAGE_RECORDS_H_

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/ids.h"
#include "base/slice.h"
#include "raft/core/log_store.h"
#include "raft/core/types.h"

// [format] Values of the store, byte by byte in storage/FORMAT.md. Every value begins with a
// version byte and holds a CRC-32C that also covers its key, so that a value under a wrong key is
// noticed.
//
// All decoders: DataLoss says what is wrong with the bytes; FailedPrecondition that a newer version
// wrote them.

namespace pontoon::storage {

inline constexpr uint8_t kEntryVersion = 1;
inline constexpr uint8_t kBodyVersion = 1;
inline constexpr uint8_t kPageVersion = 1;
inline constexpr uint8_t kMetaVersion = 1;

// What stands before the header's bytes in an entry's value.
using EntryPrefix = std::array<char, 32>;
EntryPrefix EncodeEntryPrefix(absl::string_view key, const raft::Entry& entry,
                              base::RecoveryEpoch epoch);
struct StoredEntry {
  raft::Entry entry;  // Without the body's bytes.
  base::RecoveryEpoch epoch;
};
absl::StatusOr<StoredEntry> DecodeEntry(absl::string_view key, absl::string_view value);

// A part of a body that is still there, with its own checksum.
using StoredExtent = raft::BodyImage::Extent;
// What stands before the extents' bytes in a body's value.
std::string EncodeBodyPrefix(absl::string_view key, uint32_t body_bytes,
                             absl::Span<const StoredExtent> extents);

// A body's value, read in place; points into the bytes that it was parsed from.
class BodyView {
 public:
  // Checks the prefix; the extents' bytes are checked when they are asked for.
  static absl::StatusOr<BodyView> Parse(absl::string_view key, absl::string_view value);

  // The bytes [offset, offset + size) of the body as it was proposed. NotFound if they are not all
  // there (any more); DataLoss if the extent that holds them does not match its checksum (computed
  // once per extent).
  absl::StatusOr<absl::string_view> Part(uint32_t offset, uint32_t size);

  uint32_t body_bytes() const { return body_bytes_; }  // As proposed.
  size_t extent_count() const { return extents_.size(); }

  // What is there: its extents, and their bytes one behind the other (also without the bytes, which
  // are then verified all the same). DataLoss if an extent does not match its checksum.
  absl::StatusOr<raft::BodyImage> Image(raft::Index index, bool with_bytes);

  // The value that keeps only what `keep` still names of what is there. DataLoss as for Part.
  absl::StatusOr<std::string> Cut(absl::string_view key, absl::Span<const raft::BodyExtent> keep);

 private:
  struct Extent {
    StoredExtent stored;
    absl::string_view bytes;
    bool verified = false;
  };
  absl::Status Verify(Extent* extent);

  uint32_t body_bytes_ = 0;
  absl::InlinedVector<Extent, 2> extents_;
};

// What stands before a page's bytes.
using PagePrefix = std::array<char, 12>;
PagePrefix EncodePagePrefix(absl::string_view key, const base::SliceChain& page);
// Points into `value`.
absl::StatusOr<absl::string_view> DecodePage(absl::string_view key, absl::string_view value);

std::string EncodeHardState(absl::string_view key, const raft::HardState& state);
absl::StatusOr<raft::HardState> DecodeHardState(absl::string_view key, absl::string_view value);

std::string EncodeCheckpoint(absl::string_view key, const raft::Checkpoint& checkpoint);
absl::StatusOr<raft::Checkpoint> DecodeCheckpoint(absl::string_view key, absl::string_view value);

std::string EncodeStaging(absl::string_view key, const raft::Staging& staging);
absl::StatusOr<raft::Staging> DecodeStaging(absl::string_view key, absl::string_view value);

// One number: the log's first index, a group's recovery epoch and the like.
std::string EncodeNumber(absl::string_view key, uint64_t number);
absl::StatusOr<uint64_t> DecodeNumber(absl::string_view key, absl::string_view value);

// What every write batch ends with.
struct BatchMark {
  uint64_t number = 0;  // Of this batch; without gaps, over all starts.
  // The newest batch that was synced when this one was written: if this one is there, all up to
  // that one was vouched for. 0: none, or an early version 1 wrote it.
  uint64_t synced = 0;
};
std::string EncodeBatchMark(absl::string_view key, const BatchMark& mark);
absl::StatusOr<BatchMark> DecodeBatchMark(absl::string_view key, absl::string_view value);

// Whose store it is: the folder "store" of one node's data directory must not be put into
// another's.
struct StoreIdentity {
  uint64_t cluster_id = 0;
  base::NodeId node;
  friend bool operator==(const StoreIdentity&, const StoreIdentity&) = default;
};
std::string EncodeIdentity(absl::string_view key, const StoreIdentity& identity);
absl::StatusOr<StoreIdentity> DecodeIdentity(absl::string_view key, absl::string_view value);

}  // namespace pontoon::storage

#endif  // PONTOON_STORAGE_RECORDS_H_
