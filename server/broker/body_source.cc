#include "server/broker/body_source.h"

#include <algorithm>
#include <utility>

namespace pontoon::broker {
namespace {

// Bytes that are read ahead for one queue: enough to keep a disk busy while a turn's worth is
// handed out.
constexpr uint64_t kReadAheadBytes = 2 << 20;
// Bytes of one read.
constexpr uint64_t kReadBytes = 512 << 10;
constexpr size_t kReadMessagesMax = 4096;
// Neighbouring messages are read as one part up to this size, so that a part pins little more than
// is used.
constexpr uint32_t kPartBytesMax = 64 << 10;

}  // namespace

bool BodySource::FromCache(const Reference& reference, MessageBytes* bytes) {
  if (!cache_.Has(reference.entry)) return false;
  if (reference.first_piece == 0) {
    return cache_.Read({reference.entry, reference.offset, reference.envelope_bytes},
                       &bytes->envelope) &&
           cache_.Read({reference.entry, reference.offset + reference.envelope_bytes,
                        reference.payload_bytes},
                       &bytes->payload);
  }
  parts_.clear();
  replica_->PartsOf(reference, &parts_);
  for (const BodyPart& part : parts_) {
    if (!cache_.Has(part.index)) return false;
  }
  cache_.Read(parts_[0], &bytes->envelope);
  for (size_t i = 1; i < parts_.size(); ++i) cache_.Read(parts_[i], &bytes->payload);
  return true;
}

bool BodySource::Take(LeaderQueue* queue, uint64_t position, const Reference& reference,
                      MessageBytes* bytes) {
  if (!queue->fetched.empty()) {
    if (const auto it = queue->fetched.find(position); it != queue->fetched.end()) {
      *bytes = std::move(it->second);
      queue->fetched.erase(it);
      queue->fetched_bytes -= reference.bytes();
      held_bytes_ -= reference.bytes();
      return true;
    }
  }
  if (FromCache(reference, bytes)) return true;
  if (queue->fetching.contains(position)) return false;
  Request request;
  AddTo(&request, queue, position, reference);
  if (position < queue->fetch_cursor && position >= queue->cursor)
    queue->fetch_cursor = position + 1;
  Send(std::move(request));
  return false;
}

void BodySource::AddTo(Request* request, LeaderQueue* queue, uint64_t position,
                       const Reference& reference) {
  std::vector<BodyPart>& parts = request->parts;
  Wanted wanted;
  wanted.position = position;
  wanted.bytes = reference.bytes();
  wanted.envelope_bytes = reference.envelope_bytes;
  wanted.offset = 0;
  const uint32_t size = static_cast<uint32_t>(reference.bytes());
  if (reference.first_piece == 0 && !parts.empty() && parts.back().index == reference.entry &&
      parts.back().offset + parts.back().size == reference.offset &&
      parts.back().size + size <= kPartBytesMax) {
    wanted.first_part = static_cast<uint32_t>(parts.size()) - 1;
    wanted.parts = 1;
    wanted.offset = parts.back().size;
    parts.back().size += size;
  } else {
    wanted.first_part = static_cast<uint32_t>(parts.size());
    replica_->PartsOf(reference, &parts);
    wanted.parts = static_cast<uint32_t>(parts.size()) - wanted.first_part;
  }
  request->read.queue = queue->state->id();
  request->read.messages.push_back(wanted);
  queue->fetching.insert(position);
  queue->fetching_bytes += wanted.bytes;
  held_bytes_ += wanted.bytes;
}

void BodySource::Send(Request request) {
  const uint64_t read = next_read_++;
  reads_[read] = std::move(request.read);
  environment_->ReadBodies(read, std::move(request.parts));
}

void BodySource::ReadAhead(LeaderQueue* queue, uint64_t messages) {
  if (queue->state == nullptr || held_bytes_ >= cache_bytes_) return;
  const size_t there = queue->fetched.size() + queue->fetching.size();
  if (there >= messages || queue->fetched_bytes + queue->fetching_bytes > kReadAheadBytes / 2)
    return;
  messages = std::min<uint64_t>(messages - there, kReadMessagesMax);
  Request request;
  uint64_t bytes = 0;
  const auto add = [&](uint64_t position) {
    Segment* segment = queue->state->SegmentOf(position);
    if (!segment->loaded()) {
      replica_->WantSegment(queue->state, (position - 1) / Segment::kSlots);
      return false;
    }
    if (queue->fetched.contains(position) || queue->fetching.contains(position)) return true;
    const Reference reference = queue->state->At(position);
    --messages;
    bytes += reference.bytes();
    if (!cache_.Has(reference.entry)) AddTo(&request, queue, position, reference);
    return true;
  };
  for (const uint64_t position : queue->returned) {
    if (messages == 0 || bytes >= kReadBytes) break;
    if (!add(position)) break;
  }
  uint64_t& at = queue->fetch_cursor;
  at = std::max(at, queue->cursor);
  while (messages != 0 && bytes < kReadBytes && (at = queue->state->NextLive(at)) != 0) {
    if (!add(at)) break;
    ++at;
  }
  if (at == 0) at = queue->state->tail() + 1;
  if (!request.parts.empty()) Send(std::move(request));
}

LeaderQueue* BodySource::OnBodies(
    uint64_t read, std::vector<absl::StatusOr<base::Slice>> parts,
    const absl::btree_map<QueueId, std::unique_ptr<LeaderQueue>>& queues) {
  const auto it = reads_.find(read);
  if (it == reads_.end()) return nullptr;
  const Read done = std::move(it->second);
  reads_.erase(it);
  const auto found = queues.find(done.queue);
  LeaderQueue* queue = found == queues.end() ? nullptr : found->second.get();
  for (const Wanted& wanted : done.messages) {
    if (queue == nullptr || queue->fetching.erase(wanted.position) == 0) {
      held_bytes_ -= wanted.bytes;
      continue;
    }
    queue->fetching_bytes -= wanted.bytes;
    MessageBytes bytes;
    bool whole = wanted.first_part + wanted.parts <= parts.size();
    base::SliceChain all;
    for (uint32_t i = 0; whole && i < wanted.parts; ++i) {
      whole = parts[wanted.first_part + i].ok();
      if (whole) all.Append(*parts[wanted.first_part + i]);
    }
    whole = whole && all.size() >= wanted.offset + wanted.bytes;
    const bool live = queue->state != nullptr && queue->state->IsLive(wanted.position);
    if (!live || !whole) {
      held_bytes_ -= wanted.bytes;
      if (live) queue->unreadable.insert(wanted.position);
      continue;
    }
    bytes.envelope = all.Sub(wanted.offset, wanted.envelope_bytes);
    bytes.payload =
        all.Sub(wanted.offset + wanted.envelope_bytes, wanted.bytes - wanted.envelope_bytes);
    queue->fetched_bytes += wanted.bytes;
    queue->fetched[wanted.position] = std::move(bytes);
  }
  return queue;
}

void BodySource::OnApplied(const LogEntry& entry, uint32_t wanted) {
  cache_.Insert(entry.index, entry.body, wanted);
}

void BodySource::Forget(LeaderQueue* queue) {
  held_bytes_ -= queue->fetched_bytes;
  queue->fetched.clear();
  queue->fetched_bytes = 0;
  queue->fetching.clear();  // What is still being read is taken off when it comes.
  queue->fetching_bytes = 0;
  queue->fetch_cursor = 1;
}

void BodySource::Clear() {
  cache_.Clear();
  reads_.clear();
  held_bytes_ = 0;
}

}  // namespace pontoon::broker
