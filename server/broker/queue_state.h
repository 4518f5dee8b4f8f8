#ifndef PONTOON_SERVER_BROKER_QUEUE_STATE_H_
#define PONTOON_SERVER_BROKER_QUEUE_STATE_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/container/btree_map.h"
#include "server/broker/facts.h"
#include "server/broker/segment.h"

namespace pontoon::broker {

struct LeaderQueue;

// A queue as every replica has it: references to the messages that wait or are held by consumers,
// in the order of their positions, and what must survive a change of leader. Changed by applying
// facts only.
class QueueState {
 public:
  using Segments = absl::btree_map<uint64_t, std::unique_ptr<Segment>>;  // By number: position 1 is
                                                                         // slot 0 of number 0.

  explicit QueueState(QueueId id) : id_(id) {}

  QueueId id() const { return id_; }
  // The position given last.
  uint64_t tail() const { return tail_; }
  // Messages that are not settled.
  uint64_t live() const { return live_; }
  // Their sizes. Too large by what is owed by segments on disk (see Segment).
  MessageTotals totals() const {
    MessageTotals totals = totals_;
    totals.messages = live_;
    return totals;
  }

  bool had_consumer() const { return had_consumer_; }
  void set_had_consumer() { had_consumer_ = true; }
  // Closed by this shard, and the catalog may not know it yet. Holds nothing.
  bool closed() const { return closed_; }
  void set_closed() { closed_ = true; }
  // Up to which position messages may have been handed out, and to whose consumers.
  uint64_t fence() const { return fence_; }
  const std::vector<ProcessId>& processes() const { return processes_; }
  bool Covers(const ProcessId& process) const;
  void ApplyFence(const FenceFact& fact);
  void ForgetProcess(const ProcessId& process);

  // Gives the message the next position.
  uint64_t Append(const Reference& reference);
  // The first position at or behind `position` that is not settled; 0 if there is none.
  uint64_t NextLive(uint64_t position) const;
  bool IsLive(uint64_t position) const;
  // The segment of a position; null if nothing of it lives.
  Segment* SegmentOf(uint64_t position) const { return Find((position - 1) / Segment::kSlots); }
  // The reference of a live position whose segment is loaded.
  Reference At(uint64_t position) const {
    return SegmentOf(position)->At((position - 1) % Segment::kSlots);
  }

  // Settles the live ones of [first, first + count) and returns how many they were. Segments of
  // which nothing lives any more are handed to `emptied` (they may owe), ones on disk that owe
  // since now are named to `owing`.
  uint64_t Remove(uint64_t first, uint64_t count, Segment::Released released,
                  absl::FunctionRef<void(std::unique_ptr<Segment>)> emptied,
                  absl::FunctionRef<void(uint64_t number, Segment*)> owing);
  // Reads the page of a segment that is on disk. False: it is damaged.
  bool LoadSegment(uint64_t number, absl::string_view page, Segment::Released released);

  // Its companion where this replica leads; null elsewhere.
  LeaderQueue* leader() const { return leader_; }
  void set_leader(LeaderQueue* leader) { leader_ = leader; }

  Segments& segments() { return segments_; }
  const Segments& segments() const { return segments_; }
  size_t memory_bytes() const;

  void Encode(Encoder* out) const;
  bool Restore(Decoder* in);

 private:
  Segment* Find(uint64_t number) const;

  QueueId id_;
  uint64_t tail_ = 0;
  uint64_t live_ = 0;
  MessageTotals totals_;
  uint64_t fence_ = 0;
  bool had_consumer_ = false;
  bool closed_ = false;
  std::vector<ProcessId> processes_;  // Sorted.
  Segments segments_;
  LeaderQueue* leader_ = nullptr;
  mutable uint64_t hot_number_ = ~uint64_t{0};
  mutable Segment* hot_ = nullptr;
};

}  // namespace pontoon::broker

#endif  // PONTOON_SERVER_BROKER_QUEUE_STATE_H_
