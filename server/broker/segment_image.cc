#include "base/check.h"
#include "server/broker/segment.h"

// How a segment looks in a page and in a checkpoint (FORMAT.md).

namespace pontoon::broker {
namespace {

void EncodeBits(const Segment::Bits& bits, uint32_t count, Encoder* out) {
  // Lengths of stretches that are clear, set, clear, ...
  uint32_t slot = 0;
  bool value = false;
  while (slot < count) {
    const uint32_t start = slot;
    while (slot < count && ((bits[slot / 64] >> (slot % 64) & 1) != 0) == value) ++slot;
    out->Varint(slot - start);
    value = !value;
  }
}

bool DecodeBits(Decoder* in, uint32_t count, Segment::Bits* bits) {
  bits->fill(0);
  uint32_t slot = 0;
  bool value = false;
  while (slot < count && in->ok()) {
    const uint32_t n = static_cast<uint32_t>(in->Bounded(count - slot));
    if (n == 0 && slot != 0) return in->Fail(), false;
    for (uint32_t i = 0; value && i < n; ++i)
      (*bits)[(slot + i) / 64] |= uint64_t{1} << ((slot + i) % 64);
    slot += n;
    value = !value;
  }
  return in->ok();
}

uint32_t CountBits(const Segment::Bits& bits) {
  int n = 0;
  for (const uint64_t word : bits) n += __builtin_popcountll(word);
  return static_cast<uint32_t>(n);
}

}  // namespace

void Segment::EncodeRuns(Encoder* out) const {
  out->Varint(runs_.size());
  if (!runs_.empty()) out->Varint(runs_.front().slot);
  uint64_t entry = 0;
  int64_t offset = 0;
  uint32_t envelope = 0;
  uint32_t payload = 0;
  for (size_t i = 0; i < runs_.size(); ++i) {
    const Run& run = runs_[i];
    const uint32_t length = (i + 1 < runs_.size() ? runs_[i + 1].slot : count_) - run.slot;
    const bool same_sizes = run.envelope_bytes == envelope && run.payload_bytes == payload;
    const bool pieces = run.piece_distance != 0;
    const bool single = length == 1;
    out->Varint(uint64_t{length} << 3 | (same_sizes ? 1u : 0u) | (pieces ? 2u : 0u) |
                (run.persistent() ? 4u : 0u));
    out->Signed(static_cast<int64_t>(run.entry - entry));
    out->Signed(int64_t{run.offset} - offset);
    if (!single) {
      out->Varint(run.entry_step());
      out->Signed(run.offset_step);
    }
    if (!same_sizes) {
      out->Varint(run.envelope_bytes);
      out->Varint(run.payload_bytes);
    }
    if (pieces) out->Signed(run.piece_distance);
    const Reference last = RunAt(run, length - 1);
    entry = last.entry;
    offset = int64_t{last.offset} + last.envelope_bytes + last.payload_bytes;
    envelope = run.envelope_bytes;
    payload = run.payload_bytes;
  }
}

bool Segment::DecodeRuns(Decoder* in) {
  const uint64_t runs = in->Bounded(count_);
  runs_.clear();
  runs_.reserve(runs);
  hot_run_ = 0;
  uint32_t slot = runs == 0 ? count_ : static_cast<uint32_t>(in->Bounded(count_));
  uint64_t entry = 0;
  int64_t offset = 0;
  uint32_t envelope = 0;
  uint32_t payload = 0;
  for (uint64_t i = 0; i < runs && in->ok(); ++i) {
    const uint64_t head = in->Varint();
    const uint64_t length = head >> 3;
    if (length == 0 || length > count_ - slot) return in->Fail(), false;
    Run run{};
    run.slot = static_cast<uint16_t>(slot);
    run.entry = entry + static_cast<uint64_t>(in->Signed());
    offset += in->Signed();
    run.offset = static_cast<uint32_t>(offset);
    uint64_t entry_step = 0;
    if (length > 1) {
      entry_step = in->Bounded(kEntryStepMax);
      run.offset_step = static_cast<int32_t>(in->Signed());
    }
    run.steps = static_cast<uint16_t>(entry_step << 1 | (head >> 2 & 1));
    if ((head & 1) == 0) {
      envelope = static_cast<uint32_t>(in->Bounded(~uint32_t{0}));
      payload = static_cast<uint32_t>(in->Bounded(~uint32_t{0}));
    }
    run.envelope_bytes = envelope;
    run.payload_bytes = payload;
    if ((head & 2) != 0) {
      run.piece_distance = static_cast<int32_t>(in->Signed());
      if (run.piece_distance == 0) return in->Fail(), false;
    }
    runs_.push_back(run);
    const Reference last = RunAt(run, static_cast<uint32_t>(length) - 1);
    entry = last.entry;
    offset = int64_t{last.offset} + last.envelope_bytes + last.payload_bytes;
    slot += static_cast<uint32_t>(length);
  }
  if (slot != count_) return in->Fail(), false;
  return in->ok();
}

std::string Segment::EncodePage() const {
  PONTOON_CHECK(loaded_);
  std::string bytes;
  Encoder out(&bytes);
  out.U8(kPageVersion);
  out.Varint(count_);
  EncodeRuns(&out);
  return bytes;
}

void Segment::Encode(Encoder* out) const {
  out->Varint(count_);
  out->Varint(page_);
  out->Varint(first_entry_);
  out->Varint(last_entry_ - first_entry_);
  out->Varint(totals_.messages);
  out->Varint(totals_.bytes);
  out->Varint(totals_.persistent);
  out->Varint(totals_.persistent_bytes);
  out->U8((gone_ != nullptr ? 1 : 0) | (owed_ != nullptr ? 2 : 0));
  if (gone_ != nullptr) {
    EncodeBits(*gone_, count_, out);
  } else {
    out->Varint(gone_below_);
  }
  if (owed_ != nullptr) EncodeBits(*owed_, count_, out);
  if (page_ == 0) EncodeRuns(out);
}

bool Segment::Restore(Decoder* in) {
  count_ = static_cast<uint32_t>(in->Bounded(kSlots));
  page_ = in->Varint();
  first_entry_ = in->Varint();
  last_entry_ = first_entry_ + in->Varint();
  totals_.messages = in->Varint();
  totals_.bytes = in->Varint();
  totals_.persistent = in->Varint();
  totals_.persistent_bytes = in->Varint();
  const uint8_t bits = in->U8();
  if (bits > 3 || !in->ok()) return in->Fail(), false;
  uint32_t gone = 0;
  if ((bits & 1) != 0) {
    gone_ = std::make_unique<Bits>();
    if (!DecodeBits(in, count_, gone_.get())) return false;
    gone = CountBits(*gone_);
  } else {
    gone_below_ = gone = static_cast<uint32_t>(in->Bounded(count_));
  }
  live_ = count_ - gone;
  if ((bits & 2) != 0) {
    if (page_ == 0) return in->Fail(), false;
    owed_ = std::make_unique<Bits>();
    if (!DecodeBits(in, count_, owed_.get())) return false;
  }
  loaded_ = page_ == 0;
  return loaded_ ? DecodeRuns(in) : in->ok();
}

}  // namespace pontoon::broker
