#include "server/cluster/transient_shard.h"

namespace pontoon::cluster {

TransientShard::TransientShard(base::SessionId home, ShardEvents* events)
    : ref_{base::GroupId{}, home},
      events_(events),
      shard_(broker::NewShard({}, broker::ShardLimits{}, this)) {}

bool TransientShard::Pump() {
  if (proposed_.empty() && body_reads_.empty() && page_reads_.empty()) return false;
  const std::vector<broker::LogEntry> entries = std::exchange(proposed_, {});
  if (!entries.empty()) shard_->Apply(entries);
  for (const auto& [read, parts] : std::exchange(body_reads_, {})) {
    std::vector<absl::StatusOr<base::Slice>> bytes;
    bytes.reserve(parts.size());
    for (const broker::BodyPart& part : parts) {
      const auto it = bodies_.find(part.index);
      if (it == bodies_.end()) {
        bytes.emplace_back(absl::NotFoundError("the body was dropped"));
      } else {
        bytes.push_back(it->second.Read(part.offset, part.size));
      }
    }
    shard_->OnBodies(read, std::move(bytes));
  }
  for (const auto& [read, page] : std::exchange(page_reads_, {})) {
    const auto it = pages_.find(page);
    if (it == pages_.end()) {
      shard_->OnPage(read, absl::NotFoundError("the page was dropped"));
    } else {
      shard_->OnPage(read, it->second);
    }
  }
  return true;
}

absl::StatusOr<base::Slice> TransientShard::Body::Read(uint32_t offset, uint32_t size) const {
  if (!whole.empty()) {
    if (offset > whole.size() || size > whole.size() - offset)
      return absl::OutOfRangeError("beyond the body");
    return whole.Sub(offset, size).Flatten();
  }
  auto it = extents.upper_bound(offset);
  if (it == extents.begin()) return absl::NotFoundError("that part of the body was cut away");
  --it;
  const uint32_t skip = offset - it->first;
  if (skip > it->second.size() || size > it->second.size() - skip) {
    return absl::NotFoundError("that part of the body was cut away");
  }
  return it->second.Sub(skip, size);
}

void TransientShard::Propose(base::SliceChain header, base::SliceChain body, uint32_t body_crc) {
  (void)body_crc;
  ++last_index_;
  if (!body.empty()) bodies_[last_index_].whole = body;
  proposed_.push_back({last_index_, 1, std::move(header), std::move(body)});
}

void TransientShard::Respond(const base::SessionId& session, broker::ShardResponse response) {
  events_->OnShardResponse(ref_, session, std::move(response));
}

void TransientShard::ReadBodies(uint64_t read, std::vector<broker::BodyPart> parts) {
  body_reads_.emplace_back(read, std::move(parts));
  events_->OnShardWantsTurn();
}

void TransientShard::ReadPage(uint64_t read, uint64_t page) {
  page_reads_.emplace_back(read, page);
  events_->OnShardWantsTurn();
}

void TransientShard::SubmitState(broker::ShardState state) {
  for (auto& [page, bytes] : state.put_pages) pages_[page] = bytes.Flatten();
  for (const uint64_t page : state.drop_pages) pages_.erase(page);
  for (const uint64_t index : state.drop_bodies) bodies_.erase(index);
  for (const broker::BodyKeep& keep : state.cut_bodies) {
    const auto it = bodies_.find(keep.index);
    if (it == bodies_.end()) continue;
    // Copied out of the blocks that were read from sockets, so that those can go.
    std::map<uint32_t, base::Slice> extents;
    for (const auto& [offset, size] : keep.extents) {
      absl::StatusOr<base::Slice> part = it->second.Read(offset, size);
      if (part.ok()) extents.emplace(offset, base::Slice::Copy(part->view()));
    }
    it->second.extents = std::move(extents);
    it->second.whole.Clear();
  }
}

}  // namespace pontoon::cluster
