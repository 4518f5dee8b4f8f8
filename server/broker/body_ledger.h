#ifndef PONTOON_SERVER_BROKER_BODY_LEDGER_H_
#define PONTOON_SERVER_BROKER_BODY_LEDGER_H_

#include <array>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "server/broker/codec.h"
#include "server/broker/shard.h"

namespace pontoon::broker {

// Which entries' bodies are still needed: for each entry how many references (message and queue)
// point at it. A body without references is dropped. Local to the replica, and consistent with the
// queues through checkpoints. Eight bytes an entry, nothing per message.
class BodyLedger {
 public:
  static constexpr uint64_t kChunkEntries = 1024;
  struct Slot {
    uint32_t references = 0;
    uint32_t bytes : 20 = 0;
    uint32_t width : 6 = 0;  // Of the number of references when the entry was sealed or named
                             // sparse last; 0: not sealed.
    bool operator==(const Slot& o) const {
      return references == o.references && bytes == o.bytes && width == o.width;
    }
  };
  static_assert(sizeof(Slot) == 8);
  // A body below this is not worth cutting.
  static constexpr uint32_t kSparseBytesMin = 4096;
  struct Chunk {
    std::array<Slot, kChunkEntries> slots{};
    uint32_t live = 0;  // Slots with references.
  };

  // A new entry's body, with `references` to begin with (not 0). Entries come in ascending order.
  void Open(uint64_t entry, uint32_t bytes, uint32_t references);
  // The body turns out to be `bytes` longer.
  void Grow(uint64_t entry, uint32_t bytes);
  void Add(uint64_t entry, uint32_t references);
  // All references of the entry have been added: from here on it is named when few of them are
  // left.
  void Seal(uint64_t entry);
  // Takes `references` away; the last one puts the entry among the dropped.
  void Release(uint64_t entry, uint32_t references);
  // Bytes of the entry's body as it was proposed; 0 if it is not (or no longer) here.
  uint32_t BytesOf(uint64_t entry) const;
  uint32_t ReferencesOf(uint64_t entry) const;

  // Entries whose body nothing needs any more, since the last call.
  std::vector<uint64_t> TakeDropped() { return std::exchange(dropped_, {}); }
  // Sealed entries of which at most a quarter of the references is left, since the last call; each
  // is named again when a quarter of that is left.
  std::vector<uint64_t> TakeSparse() { return std::exchange(sparse_, {}); }
  uint64_t live_bytes() const { return live_bytes_; }
  uint64_t live_entries() const { return live_entries_; }
  // The newest entry with a body that was opened (pieces of one message follow each other in that
  // sense).
  uint64_t last_opened() const { return last_opened_; }
  size_t memory_bytes() const { return chunks_.size() * (sizeof(Chunk) + 32); }

  // Appends the entries with references, as stretches.
  void ListRuns(std::vector<CheckpointContents::Run>* runs) const;

  // For checkpoints: entries that are alike and follow each other take a few bytes together.
  void Encode(Encoder* out) const;
  bool Restore(Decoder* in);

 private:
  Chunk* Find(uint64_t entry) const;
  Chunk* Make(uint64_t entry);

  absl::btree_map<uint64_t, std::unique_ptr<Chunk>> chunks_;
  mutable uint64_t hot_number_ = ~uint64_t{0};  // The chunk used last: entries come in runs.
  mutable Chunk* hot_ = nullptr;
  uint64_t last_opened_ = 0;
  uint64_t live_bytes_ = 0;
  uint64_t live_entries_ = 0;
  std::vector<uint64_t> dropped_;
  std::vector<uint64_t> sparse_;
};

}  // namespace pontoon::broker

#endif  // PONTOON_SERVER_BROKER_BODY_LEDGER_H_
