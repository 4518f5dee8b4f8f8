#include <algorithm>

#include "raft/core/core.h"

// Replicas that applied the same entries hold the same state. Heartbeats compare a digest of it;
// where two differ the majority is right (design section 3).

namespace pontoon::raft {
namespace {

constexpr size_t kDigestsKept = 64;

}  // namespace

void Core::OnDigest(Index index, uint64_t digest) {
  if (!digests_.empty() && digests_.back().first >= index) return;
  digests_.emplace_back(index, digest);
  if (digests_.size() > kDigestsKept) digests_.pop_front();
}

const uint64_t* Core::DigestAt(Index index) const {
  const auto it = std::lower_bound(digests_.begin(), digests_.end(), index,
                                   [](const auto& a, Index b) { return a.first < b; });
  return it != digests_.end() && it->first == index ? &it->second : nullptr;
}

// The newest that both have, or the one that is in dispute.
void Core::AddDigest(const Progress& progress, Message* heartbeat) const {
  for (auto it = digests_.rbegin(); it != digests_.rend(); ++it) {
    if (dispute_ > Index{0} ? it->first != dispute_ : it->first > progress.applied) continue;
    heartbeat->digest_index = it->first;
    heartbeat->digest = it->second;
    return;
  }
}

void Core::AnswerDigest(const Message& heartbeat, Message* reply) {
  const uint64_t* own = DigestAt(heartbeat.digest_index);
  if (own == nullptr) return;
  differs_ = *own != heartbeat.digest;
  reply->digest_index = heartbeat.digest_index;
  reply->digest = *own;
}

void Core::OnPeerDigest(const Message& reply, Progress* progress) {
  const uint64_t* own = DigestAt(reply.digest_index);
  if (own == nullptr) return;
  progress->digest_index = reply.digest_index;
  progress->digest = reply.digest;
  if (*own != reply.digest && dispute_ == Index{0}) dispute_ = reply.digest_index;
  if (dispute_ > Index{0}) SettleDispute();
}

// Each voter's digest at the disputed index is a vote for what the state is. Without a majority
// nothing is guessed.
void Core::SettleDispute() {
  const uint64_t* own = DigestAt(dispute_);
  if (own == nullptr) {
    dispute_ = {};  // Too long ago; the next difference shows it again.
    return;
  }
  const auto digest_of = [this, own](const ReplicaId& voter) -> std::optional<uint64_t> {
    if (voter == options_.self) return *own;
    const auto it = progress_.find(voter);
    if (it == progress_.end() || it->second.digest_index != dispute_) return std::nullopt;
    return it->second.digest;
  };
  for (const ReplicaId& candidate : AllVoters(membership())) {
    const std::optional<uint64_t> right = digest_of(candidate);
    if (!right.has_value()) continue;
    const auto agrees = [&](const ReplicaId& voter) -> std::optional<bool> {
      const std::optional<uint64_t> digest = digest_of(voter);
      return digest.has_value() ? std::optional(*digest == *right) : std::nullopt;
    };
    if (CountVotes(membership(), agrees) != VoteResult::kWon) continue;
    if (*own != *right) {
      Out().astray.push_back({options_.self, Astray::Why::kDigestDiffers, dispute_});
      return Quarantine();
    }
    for (auto& [peer, progress] : progress_) {
      if (progress.digest_index == dispute_ && progress.digest != *right)
        NoteQuarantined(peer, &progress, Astray::Why::kDigestDiffers);
    }
    dispute_ = {};
    return;
  }
}

}  // namespace pontoon::raft
