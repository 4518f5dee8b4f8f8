#ifndef PONTOON_SERVER_BROKER_SEGMENT_H_
#define PONTOON_SERVER_BROKER_SEGMENT_H_

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "server/broker/codec.h"
#include "server/broker/reference.h"

namespace pontoon::broker {

// Numbers of messages: how many, how long, and how much of it is persistent.
struct MessageTotals {
  uint64_t messages = 0;
  uint64_t bytes = 0;
  uint64_t persistent = 0;
  uint64_t persistent_bytes = 0;

  void Add(const Reference& reference, uint64_t n = 1) {
    messages += n;
    bytes += n * reference.bytes();
    if (!reference.persistent) return;
    persistent += n;
    persistent_bytes += n * reference.bytes();
  }
  MessageTotals& operator+=(const MessageTotals& o) {
    messages += o.messages, bytes += o.bytes, persistent += o.persistent,
        persistent_bytes += o.persistent_bytes;
    return *this;
  }
  MessageTotals& operator-=(const MessageTotals& o) {
    messages -= o.messages, bytes -= o.bytes, persistent -= o.persistent,
        persistent_bytes -= o.persistent_bytes;
    return *this;
  }
  friend bool operator==(const MessageTotals&, const MessageTotals&) = default;
};

// A stretch of a queue: the references of up to kSlots consecutive positions, as compressed runs,
// and which of them are gone. A full one can be written as a page and its references left on disk;
// what becomes of its messages is noted here all the same. Messages that went while the references
// were on disk are "owed": their bodies are released when the page is read.
class Segment {
 public:
  static constexpr uint32_t kSlots = 2048;
  static constexpr uint8_t kPageVersion = 1;  // [format] The first byte of a page.
  using Bits = std::array<uint64_t, kSlots / 64>;
  // Called with a reference that `count` messages share as to entry and size.
  using Released = absl::FunctionRef<void(const Reference& reference, uint64_t count)>;

  // `first_slot`: slots below it went before (their references are nowhere any more).
  explicit Segment(uint32_t first_slot = 0) : count_(first_slot), gone_below_(first_slot) {}

  uint32_t count() const { return count_; }
  uint32_t live() const { return live_; }
  bool full() const { return count_ == kSlots; }
  bool loaded() const { return loaded_; }
  bool owes() const { return owed_ != nullptr; }
  uint64_t page() const { return page_; }
  // Of what lives and of what is owed (references on disk cannot be told apart by size).
  const MessageTotals& totals() const { return totals_; }

  // Only while loaded and not full.
  void Append(const Reference& reference);
  bool IsLive(uint32_t slot) const {
    return slot < count_ && !(gone_ != nullptr ? Test(*gone_, slot) : slot < gone_below_);
  }
  // The first live slot at or behind `slot`; kSlots if there is none.
  uint32_t NextLive(uint32_t slot) const;
  // Only while loaded.
  Reference At(uint32_t slot) const;

  // Marks the live ones of [slot, slot + n) as gone and returns how many they were. Loaded: each is
  // reported to `released` and leaves the totals; else it is owed.
  uint32_t Remove(uint32_t slot, uint32_t n, Released released);

  // The references as a page, for as long as they live nowhere else.
  std::string EncodePage() const;
  void set_page(uint64_t page) { page_ = page; }
  // Forgets the references, which `page()` holds.
  void Unload();
  // Takes the references from a page and pays what is owed. False: the page is damaged or of
  // another segment.
  bool Load(absl::string_view page, Released released);

  // Whether one of its messages may lie in an entry of [first, last].
  bool MayTouch(uint64_t first, uint64_t last) const {
    return last_entry_ >= first && first_entry_ <= last;
  }
  // Calls `each` for what lives, except for runs whose entries [first, last] `wanted` does not
  // want. Loaded, or with the bytes of the page that holds the references (false: it is damaged).
  bool VisitLive(absl::string_view page,
                 absl::FunctionRef<bool(uint64_t first, uint64_t last)> wanted,
                 absl::FunctionRef<void(const Reference&)> each) const;

  size_t memory_bytes() const;

  // For checkpoints: everything, without the references where a page has them.
  void Encode(Encoder* out) const;
  bool Restore(Decoder* in);

 private:
  // Positions that follow each other and lie at equal distances, alike in size. 32 bytes.
  struct Run {
    uint64_t entry;
    uint32_t offset;
    int32_t offset_step;
    uint32_t envelope_bytes;
    uint32_t payload_bytes;
    int32_t
        piece_distance;  // From `entry` to the first piece; 0 = no pieces. Such a run has one slot.
    uint16_t slot;       // The first. The run reaches to the next one's, less slots that are gone.
    uint16_t steps;      // Entries from one to the next (upper 15 bits), persistent (lowest bit).

    uint32_t entry_step() const { return steps >> 1; }
    bool persistent() const { return (steps & 1) != 0; }
  };
  static constexpr uint32_t kEntryStepMax = 0x7fff;

  static bool Test(const Bits& bits, uint32_t slot) {
    return (bits[slot / 64] >> (slot % 64) & 1) != 0;
  }
  static void Set(Bits* bits, uint32_t slot) { (*bits)[slot / 64] |= uint64_t{1} << (slot % 64); }
  static Reference RunAt(const Run& run, uint32_t nth);
  size_t RunOf(uint32_t slot) const;
  void MakeBits();
  // Lets go of runs that have no live slot, where they are many: what waits behind a forgotten
  // message, or the few that are left of a full segment, shall cost what they are.
  void Trim();
  // Takes [slot, slot + n), all in `run`, out of the totals and reports them.
  void Release(const Run& run, uint32_t slot, uint32_t n, Released released);
  void EncodeRuns(Encoder* out) const;
  bool DecodeRuns(Decoder* in);

  uint32_t count_;
  uint32_t live_ = 0;
  uint32_t gone_below_;  // While gone_ is null: exactly the slots below are gone.
  bool loaded_ = true;
  mutable uint32_t hot_run_ = 0;
  uint64_t page_ = 0;
  uint64_t first_entry_ = ~uint64_t{0};  // Of all that were appended.
  uint64_t last_entry_ = 0;
  MessageTotals totals_;
  std::vector<Run> runs_;
  std::unique_ptr<Bits> gone_;
  std::unique_ptr<Bits> owed_;
};

}  // namespace pontoon::broker

#endif  // PONTOON_SERVER_BROKER_SEGMENT_H_
