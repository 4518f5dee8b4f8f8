#ifndef PONTOON_SERVER_BROKER_BODY_SOURCE_H_
#define PONTOON_SERVER_BROKER_BODY_SOURCE_H_

#include <cstdint>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/status/statusor.h"
#include "server/broker/body_cache.h"
#include "server/broker/leader_state.h"
#include "server/broker/replica.h"

namespace pontoon::broker {

// Where a leader gets the bytes of a message that it hands out: from the entries just applied, from
// what was read ahead for the queue, or by asking for it.
class BodySource {
 public:
  // `term` keeps answers to an earlier leader of this replica apart.
  BodySource(uint64_t term, Replica* replica, ShardEnvironment* environment, uint64_t cache_bytes)
      : replica_(replica),
        environment_(environment),
        cache_bytes_(cache_bytes),
        next_read_((term << 40) + 1) {}

  // The bytes of a live position of the queue whose segment is loaded; false: they were asked for,
  // and OnBodies tells.
  bool Take(LeaderQueue* queue, uint64_t position, const Reference& reference, MessageBytes* bytes);
  // Asks for what the queue will need next, for at most `messages` hand-overs, if little of it is
  // there.
  void ReadAhead(LeaderQueue* queue, uint64_t messages);
  // Returns the queue that the answer was for; null if it went meanwhile or the read is not ours.
  LeaderQueue* OnBodies(uint64_t read, std::vector<absl::StatusOr<base::Slice>> parts,
                        const absl::btree_map<QueueId, std::unique_ptr<LeaderQueue>>& queues);

  void OnApplied(const LogEntry& entry, uint32_t wanted);
  void OnDropped(uint64_t entry) { cache_.Drop(entry); }
  void Delivered(const Reference& reference) { cache_.Delivered(reference.entry); }
  // Nobody of the queue can take anything now: what was read for it makes room for others if that
  // is scarce.
  void Pause(LeaderQueue* queue) {
    if (held_bytes_ > cache_bytes_ / 2) Forget(queue);
  }
  // The queue needs nothing of what was read any more.
  void Forget(LeaderQueue* queue);
  // At the end of a turn.
  void Trim() { cache_.TrimTo(cache_bytes_); }
  void Clear();
  uint64_t memory_bytes() const { return cache_.bytes() + held_bytes_; }

 private:
  struct Wanted {  // One message of a read.
    uint64_t position;
    uint64_t bytes;
    uint32_t envelope_bytes;
    uint32_t first_part;
    uint32_t parts;
    uint32_t offset;  // In the first part.
  };
  struct Read {
    QueueId queue;
    std::vector<Wanted> messages;
  };
  struct Request {
    Read read;
    std::vector<BodyPart> parts;
  };

  void AddTo(Request* request, LeaderQueue* queue, uint64_t position, const Reference& reference);
  void Send(Request request);
  bool FromCache(const Reference& reference, MessageBytes* bytes);

  Replica* const replica_;
  ShardEnvironment* const environment_;
  const uint64_t cache_bytes_;
  BodyCache cache_;
  absl::btree_map<uint64_t, Read> reads_;
  uint64_t next_read_;
  uint64_t held_bytes_ = 0;  // Read ahead or being read, over all queues.
  std::vector<BodyPart> parts_;
};

}  // namespace pontoon::broker

#endif  // PONTOON_SERVER_BROKER_BODY_SOURCE_H_
