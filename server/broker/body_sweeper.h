#ifndef PONTOON_SERVER_BROKER_BODY_SWEEPER_H_
#define PONTOON_SERVER_BROKER_BODY_SWEEPER_H_

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "server/broker/body_ledger.h"
#include "server/broker/queue_state.h"
#include "server/broker/shard.h"

namespace pontoon::broker {

// Finds what still lives in bodies that are mostly settled, by going through the queues now and
// then, so that they can be cut down. Costs nothing while messages come and go: no account is kept
// per message. Bounded per step, it goes on where it stopped; what is settled meanwhile is kept a
// little longer than needed. Local to the replica.
class BodySweeper {
 public:
  using Queues = absl::btree_map<QueueId, std::unique_ptr<QueueState>>;
  // A segment on disk that must be read to go on; page 0: none.
  struct PageNeeded {
    uint64_t page = 0;
    QueueId queue;
    uint64_t segment = 0;
  };

  // Bodies that are worth looking at.
  void Add(const std::vector<uint64_t>& entries, const BodyLedger& ledger);
  // Bytes of bodies that wait to be looked at: an upper bound of what cutting can win.
  uint64_t waiting_bytes() const { return waiting_bytes_; }
  bool running() const { return running_; }

  // For checkpoints: which bodies wait, also those of a round under way.
  void Encode(Encoder* out) const;
  bool Restore(Decoder* in, const BodyLedger& ledger);

  void Start();
  // Goes on; appends what is found to `cuts` when it is through (running() is false then).
  PageNeeded Step(const Queues& queues, const BodyLedger& ledger, std::vector<BodyKeep>* cuts);
  // The page that Step asked for; or it cannot be read or is not needed any more, then empty.
  void OnPage(const Queues& queues, const PageNeeded& needed, absl::string_view page);

 private:
  struct Found {
    uint32_t references = 0;
    std::vector<std::pair<uint32_t, uint32_t>> extents;  // (offset, size), as they were found.
  };

  void Visit(const Segment& segment, absl::string_view page);
  void Finish(const BodyLedger& ledger, std::vector<BodyKeep>* cuts);

  absl::btree_set<uint64_t> waiting_;
  uint64_t waiting_bytes_ = 0;
  bool running_ = false;
  bool page_pending_ = false;
  absl::btree_map<uint64_t, Found> found_;  // By entry: those of this round.
  QueueId queue_;                           // Where the round stands.
  uint64_t segment_ = 0;
};

}  // namespace pontoon::broker

#endif  // PONTOON_SERVER_BROKER_BODY_SWEEPER_H_
