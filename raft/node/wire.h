#ifndef PONTOON_RAFT_NODE_WIRE_H_
#define PONTOON_RAFT_NODE_WIRE_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/ids.h"
#include "base/slice.h"
#include "raft/core/message.h"
#include "raft/core/snapshot.h"
#include "raft/node/transport.h"

// [format] The bytes of Raft's messages between two nodes: batches, described byte by byte in
// FORMAT.md. Flat, and read in place: what is decoded refers to the block that was received.

namespace pontoon::raft {

// Bytes of one batch at most. A message holds about CoreOptions::append_bytes_max or
// kSnapshotPartBytes and always fits, unless those are set beyond it.
inline constexpr size_t kBatchBytesMax = size_t{16} << 20;
// Of one batch at most, so that what is decoded takes a small multiple of what was received.
inline constexpr size_t kBatchMessagesMax = 65536;
inline constexpr size_t kBatchItemsMax = 262144;  // Entries, and what snapshot parts list.
static_assert(kSnapshotPartBytes * 4 <= kBatchBytesMax);
static_assert(kSnapshotItemsMax * 4 <= kBatchItemsMax);

struct BatchHeader {
  uint64_t cluster_id = 0;
  ReplicaId sender;
  base::BootId boot;  // Of the sender's process.
  NodeId receiver;
  TrafficClass traffic = TrafficClass::kControl;
  friend bool operator==(const BatchHeader&, const BatchHeader&) = default;
};

// Puts messages of one class to one node together. Large bodies, pages and roots are referred to,
// never copied; all else is small. One thread.
class BatchWriter {
 public:
  explicit BatchWriter(const BatchHeader& header);
  ~BatchWriter();
  BatchWriter(const BatchWriter&) = delete;
  BatchWriter& operator=(const BatchWriter&) = delete;

  // `message` must be from the header's sender node, to its receiver, and of its class (checked).
  // ResourceExhausted: there is no room for it, and nothing was added: Take what there is and try
  // again; into an empty batch it never fits.
  absl::Status Add(const Message& message);

  bool empty() const { return messages_ == 0; }
  // What Take would return.
  size_t bytes() const { return used_ + bodies_.size(); }
  size_t messages() const { return messages_; }
  // The batch; the writer begins the next one. Empty if there is none.
  base::SliceChain Take();

 private:
  uint16_t FlagsOf(const Message& message) const;
  char* Room(size_t size);  // At the end of the meta part, not yet counted as used.
  void PutByte(uint8_t value);
  template <typename T>
  void PutFixed(T value);
  void PutVarint(uint64_t value);
  void PutDifference(uint64_t value, uint64_t from);
  void PutBytes(const base::SliceChain& bytes);  // Into the meta part.
  void PutBody(const base::SliceChain& bytes);   // Their length is the caller's to put.
  void PutEntry(const Entry& entry, EntryId before);
  void PutReplicas(const std::vector<ReplicaId>& replicas);
  void PutSnapshot(const SnapshotPart& part);
  void PutImage(const BodyImage& image);

  const BatchHeader header_;
  base::Block* block_ = nullptr;  // The header and the meta part.
  size_t used_ = 0;
  base::SliceChain bodies_;
  base::SliceWriter small_bodies_;
  size_t messages_ = 0;
  size_t items_ = 0;  // Entries, and what snapshot parts list.
  base::MonotonicTime first_stamp_, last_stamp_;
};

struct Batch {
  BatchHeader header;
  std::vector<Message> messages;
};

// Takes a received batch apart; the messages refer to its block. Entries' headers, bodies and their
// checksums are what the peer says: Core and the one who fetches snapshots verify them. Everything
// else was covered by a checksum.
//   Unimplemented       another version, or no batch at all
//   OutOfRange          fewer or more bytes than the batch says it has
//   ResourceExhausted   above a limit
//   DataLoss            a checksum is wrong
//   PermissionDenied    from another cluster
//   NotFound            for another node than `self`
//   InvalidArgument     the sender made it wrongly
absl::StatusOr<Batch> DecodeBatch(const base::Slice& bytes, uint64_t cluster_id, NodeId self);

}  // namespace pontoon::raft

#endif  // PONTOON_RAFT_NODE_WIRE_H_
