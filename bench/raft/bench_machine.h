#ifndef PONTOON_BENCH_RAFT_BENCH_MACHINE_H_
#define PONTOON_BENCH_RAFT_BENCH_MACHINE_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>

#include "base/slice.h"
#include "base/time.h"
#include "raft/node/multi_raft.h"
#include "raft/node/state_machine.h"

namespace pontoon::bench {

// A state machine that asks of its log store what a shard of the broker does, and costs next to
// nothing itself: a put is one message with its body, a settle ends all puts up to an index (their
// bodies are dropped), and a checkpoint is made by reclaimable bytes.
class BenchMachine final : public raft::StateMachine {
 public:
  static constexpr size_t kPutHeaderBytes = 40;

  BenchMachine(raft::GroupId group, raft::MultiRaft* raft) : group_(group), raft_(raft) {}

  // Entries to propose; `writer` makes their headers, their checksums are made here.
  static raft::Entry Put(base::SliceWriter* writer, base::Slice body);
  static raft::Entry Settle(base::SliceWriter* writer, raft::Index through);

  // As LoopHost does once a second: a checkpoint if it lets enough of the log go. On the loop.
  void MaybeCheckpoint();
  void MakeCheckpoint();

  // Told of puts that were applied, on every replica.
  std::function<void(raft::Index last, uint64_t puts)> on_puts;

  raft::GroupId group() const { return group_; }
  std::optional<raft::Term> leading() const { return leading_; }
  uint64_t live_bodies() const { return live_count_; }

  void Apply(absl::Span<const raft::Entry> committed) override;
  void OnLeader(raft::Term term) override { leading_ = term; }
  void OnFollower(raft::Term, std::optional<raft::ReplicaId>) override { leading_.reset(); }
  void Install(const raft::Checkpoint& checkpoint) override;
  absl::StatusOr<Contents> ListContents(absl::string_view root) const override;
  bool NeedsBody(raft::Index index) const override;
  uint64_t Digest() const override { return digest_; }

 private:
  void SettleThrough(raft::Index through);

  const raft::GroupId group_;
  raft::MultiRaft* const raft_;
  std::deque<raft::IndexRun> live_;  // Of puts that are not settled.
  uint64_t live_count_ = 0;
  uint64_t digest_ = 0;
  std::optional<raft::Term> leading_;
};

}  // namespace pontoon::bench

#endif  // PONTOON_BENCH_RAFT_BENCH_MACHINE_H_
