#include "bench/raft/bench_machine.h"

#include <cstring>
#include <string>
#include <utility>

#include "base/check.h"
#include "raft/core/entry.h"

namespace pontoon::bench {
namespace {

constexpr char kPut = 1;
constexpr char kSettle = 2;
// As server/cluster's shards.
constexpr uint64_t kCheckpointBytes = 8 << 20;

// This machine's byte order: only replicas within one process read it.
void Write(char* to, uint64_t value) { std::memcpy(to, &value, sizeof(value)); }
uint64_t Read(const char* from) {
  uint64_t value;
  std::memcpy(&value, from, sizeof(value));
  return value;
}

}  // namespace

raft::Entry BenchMachine::Put(base::SliceWriter* writer, base::Slice body) {
  char* const header = writer->Reserve(kPutHeaderBytes);
  std::memset(header, 'h', kPutHeaderBytes);
  header[0] = kPut;
  return raft::MakeEntry(writer->Take(), base::SliceChain(std::move(body)));
}

raft::Entry BenchMachine::Settle(base::SliceWriter* writer, raft::Index through) {
  char* const header = writer->Reserve(9);
  header[0] = kSettle;
  Write(header + 1, through.value);
  return raft::MakeEntry(writer->Take());
}

void BenchMachine::Apply(absl::Span<const raft::Entry> committed) {
  uint64_t puts = 0;
  for (const raft::Entry& entry : committed) {
    digest_ = (digest_ ^ entry.header_crc ^ entry.body_crc) * 0x9e3779b97f4a7c15u;
    const base::Slice& header = entry.header.slices().front();
    if (header.view()[0] == kPut) {
      ++puts;
      if (!live_.empty() && live_.back().first + live_.back().count == entry.id.index) {
        ++live_.back().count;
      } else {
        live_.push_back({entry.id.index, 1});
      }
    } else {
      PONTOON_CHECK(header.view()[0] == kSettle);
      SettleThrough({Read(header.data() + 1)});
    }
  }
  live_count_ += puts;
  if (puts != 0 && on_puts) on_puts(committed.back().id.index, puts);
}

void BenchMachine::SettleThrough(raft::Index through) {
  raft::StateTask task;
  task.group = group_;
  while (!live_.empty() && live_.front().first <= through) {
    raft::IndexRun& run = live_.front();
    const uint64_t count = std::min(run.count, through.value - run.first.value + 1);
    for (uint64_t i = 0; i < count; ++i) task.drop_bodies.push_back(run.first + i);
    run = {run.first + count, run.count - count};
    if (run.count == 0) live_.pop_front();
  }
  if (task.drop_bodies.empty()) return;
  live_count_ -= task.drop_bodies.size();
  raft_->SubmitState(std::move(task));
}

void BenchMachine::MaybeCheckpoint() {
  if (raft_->reclaimable_bytes(group_) >= kCheckpointBytes) MakeCheckpoint();
}

void BenchMachine::MakeCheckpoint() {
  raft::Checkpoint checkpoint;
  checkpoint.applied = raft_->applied(group_);
  checkpoint.root.resize(8 + 16 * live_.size());
  char* out = checkpoint.root.data();
  Write(out, digest_);
  for (const raft::IndexRun& run : live_) {
    Write(out += 8, run.first.value);
    Write(out += 8, run.count);
  }
  raft::StateTask task;
  task.group = group_;
  task.checkpoint = std::move(checkpoint);
  raft_->SubmitState(std::move(task));
}

void BenchMachine::Install(const raft::Checkpoint& checkpoint) {
  const absl::StatusOr<Contents> contents = ListContents(checkpoint.root);
  PONTOON_CHECK(contents.ok());
  digest_ = Read(checkpoint.root.data());
  live_.assign(contents->bodies.begin(), contents->bodies.end());
  live_count_ = 0;
  for (const raft::IndexRun& run : live_) live_count_ += run.count;
}

absl::StatusOr<raft::StateMachine::Contents> BenchMachine::ListContents(
    absl::string_view root) const {
  if (root.size() % 16 != 8) return absl::DataLossError("a root of an impossible size");
  Contents contents;
  for (size_t at = 8; at < root.size(); at += 16)
    contents.bodies.push_back({{Read(root.data() + at)}, Read(root.data() + at + 8)});
  return contents;
}

bool BenchMachine::NeedsBody(raft::Index index) const {
  for (const raft::IndexRun& run : live_) {
    if (index >= run.first && index < run.first + run.count) return true;
  }
  return false;
}

}  // namespace pontoon::bench
