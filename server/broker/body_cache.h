#ifndef PONTOON_SERVER_BROKER_BODY_CACHE_H_
#define PONTOON_SERVER_BROKER_BODY_CACHE_H_

#include <cstdint>
#include <vector>

#include "absl/container/btree_map.h"
#include "base/slice.h"
#include "server/broker/shard.h"

namespace pontoon::broker {

// Bodies of entries that were applied just now and that consumers wait for, so that a message which
// is consumed at once is never read from disk. An entry leaves when all that waited for it was
// handed out, when its body is dropped, or as the oldest when there is no more room. Bytes are
// shared with whoever brought them, never copied.
class BodyCache {
 public:
  // `wanted`: how many hand-overs are expected of it; 0: until it is evicted or dropped.
  void Insert(uint64_t entry, const base::SliceChain& body, uint32_t wanted);
  // Appends the part to `out`; false (nothing appended) if its entry is not here.
  bool Read(const BodyPart& part, base::SliceChain* out);
  bool Has(uint64_t entry) const { return entries_.contains(entry); }
  // One of the hand-overs was made.
  void Delivered(uint64_t entry);
  void Drop(uint64_t entry);
  // Evicts the oldest entries until at most `bytes` are held.
  void TrimTo(uint64_t bytes);
  void Clear();
  // Of memory that is kept from being freed: whole blocks, of which a body may be a small part.
  uint64_t bytes() const { return bytes_; }

 private:
  struct Entry {
    base::SliceChain body;
    uint64_t pinned = 0;
    uint32_t wanted = 0;
    size_t hot_slice = 0;  // Reading goes on where it stopped: messages are mostly read in order.
    uint64_t hot_slice_start = 0;
  };

  absl::btree_map<uint64_t, Entry> entries_;
  uint64_t hot_index_ = 0;  // The entry used last; 0: none.
  Entry* hot_ = nullptr;
  uint64_t bytes_ = 0;

  Entry* Find(uint64_t entry);
};

}  // namespace pontoon::broker

#endif  // PONTOON_SERVER_BROKER_BODY_CACHE_H_
