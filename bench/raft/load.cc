#include "bench/raft/load.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/check.h"

namespace pontoon::bench {
namespace {

constexpr size_t kBodyPool = 4 << 20;

// Bytes that do not compress and differ from body to body.
base::Slice RandomBytes(size_t size) {
  base::SeededRandom random(7);
  base::Block* const block = base::Block::New(size);
  for (size_t i = 0; i + 8 <= size; i += 8) {
    const uint64_t value = random.Next();
    std::memcpy(block->data() + i, &value, sizeof(value));
  }
  return base::Slice(block, block->data(), size);
}

struct Written {
  uint64_t wal = 0, flush = 0, compaction = 0, batches = 0, syncs = 0;
  double device = 0;
};
Written WrittenBy(BenchCluster* cluster) {
  Written written;
  for (size_t i = 0; i < cluster->size(); ++i) {
    const storage::StorageMetrics metrics = cluster->node(i)->store()->Metrics();
    written.wal += metrics.wal_bytes;
    written.flush += metrics.flush_bytes;
    written.compaction += metrics.compaction_bytes;
    written.batches += metrics.batches;
    written.syncs += metrics.syncs;
  }
  written.device = DeviceBytesWritten();
  return written;
}

}  // namespace

Load::Load(BenchCluster* cluster, const LoadOptions& options)
    : cluster_(cluster), options_(options), bytes_(RandomBytes(kBodyPool)) {
  const size_t groups = cluster_->node(0)->machines().size();
  const size_t loaded = options.only_group.has_value() ? 1 : groups;
  const auto room = std::max<uint64_t>(1, static_cast<uint64_t>(options.in_flight) / loaded);
  for (size_t i = 0; i < cluster_->size(); ++i) {
    auto loop = std::make_unique<LoopLoad>();
    loop->node = cluster_->node(i);
    for (size_t g = 0; g < groups; ++g) {
      if (cluster_->leader_of(g) == loop->node && options.only_group.value_or(g) == g)
        loop->groups.push_back({loop->node->machines()[g].get(), room, 0, {}, {}});
    }
    if (!loop->groups.empty()) loops_.push_back(std::move(loop));
  }
}

void Load::Start() {
  for (auto& owned : loops_) {
    LoopLoad* const loop = owned.get();
    loop->node->RunBlocking([this, loop] {
      for (GroupLoad& group : loop->groups) {
        group.machine->on_puts = [this, loop, &group](raft::Index last, uint64_t puts) {
          OnPuts(loop, &group, last, puts);
        };
      }
      loop->node->on_turn = [this, loop] { OnTurn(loop); };
      loop->running = true;
    });
  }
}

absl::Status Load::StopBlocking(Settled settled) {
  bool lost = false;
  for (bool idle = false; !idle && !lost; Pause(0.05)) {
    idle = true;
    for (auto& loop : loops_) {
      loop->node->RunBlocking([&] {
        loop->running = false;
        loop->settles = settled == Settled::kAll;
        for (const GroupLoad& group : loop->groups)
          idle =
              idle && group.under_way == 0 && (!loop->settles || group.machine->live_bodies() == 0);
        lost = lost || loop->lost;
      });
    }
  }
  for (auto& loop : loops_) {
    loop->node->RunBlocking([&] {
      loop->node->on_turn = nullptr;
      for (const GroupLoad& group : loop->groups) group.machine->on_puts = nullptr;
    });
  }
  return lost ? absl::AbortedError("a group changed its leader: the machine is too busy")
              : absl::OkStatus();
}

Load::Taken Load::TakeBlocking() {
  Taken all;
  for (auto& loop : loops_) {
    Taken taken;
    loop->node->RunBlocking([&] { taken = std::exchange(loop->taken, {}); });
    all.proposals += taken.proposals;
    all.bytes += taken.bytes;
    all.latencies.Add(taken.latencies);
  }
  return all;
}

base::Slice Load::NextBody(LoopLoad* loop) {
  const size_t places = (kBodyPool - options_.payload_bytes) / 64;
  return bytes_.Sub(loop->next_body++ % places * 64, options_.payload_bytes);
}

void Load::OnPuts(LoopLoad* loop, GroupLoad* group, raft::Index last, uint64_t puts) {
  const base::MonotonicTime now = Now();
  loop->taken.proposals += puts;
  loop->taken.bytes += puts * (BenchMachine::kPutHeaderBytes + options_.payload_bytes);
  loop->lost = loop->lost || group->under_way < puts;
  if (loop->lost) return;
  group->under_way -= puts;
  group->unsettled.push_back({last, now});
  while (puts != 0) {
    Batch& batch = group->batches.front();
    const uint64_t done = std::min(puts, batch.count);
    loop->taken.latencies.Add(now - batch.at, done);
    batch.count -= done;
    puts -= done;
    if (batch.count == 0) group->batches.pop_front();
  }
}

void Load::OnTurn(LoopLoad* loop) {
  const base::MonotonicTime now = Now();
  for (GroupLoad& group : loop->groups) {
    raft::Index old;
    while (loop->settles && !group.unsettled.empty() &&
           now - group.unsettled.front().at >= options_.settle_after) {
      old = group.unsettled.front().last;
      group.unsettled.pop_front();
    }
    if (old != raft::Index{0}) loop->entries.push_back(BenchMachine::Settle(&loop->headers, old));
    const uint64_t puts = loop->running ? group.room - group.under_way : 0;
    for (uint64_t i = 0; i < puts; ++i)
      loop->entries.push_back(BenchMachine::Put(&loop->headers, NextBody(loop)));
    if (loop->entries.empty()) continue;
    const absl::StatusOr<raft::Index> proposed = loop->node->raft()->Propose(
        group.machine->group(), group.machine->leading().value_or(raft::Term{}),
        absl::MakeSpan(loop->entries), raft::Core::Room::kAlways);
    loop->entries.clear();
    if (!proposed.ok()) {
      loop->lost = true;
      return;
    }
    if (puts == 0) continue;
    group.under_way += puts;
    group.batches.push_back({puts, now});
  }
}

absl::StatusOr<Figures> MeasureLoad(const ClusterOptions& cluster_options,
                                    const LoadOptions& load_options, const LoadTimes& times) {
  auto cluster = BenchCluster::StartBlocking(cluster_options);
  if (!cluster.ok()) return cluster.status();
  Load load(cluster->get(), load_options);
  load.Start();
  Pause(times.warm_up_seconds);
  load.TakeBlocking();
  const base::MonotonicTime begin = Now();
  const base::Duration cpu_before = ProcessCpu();
  const Written before = WrittenBy(cluster->get());
  Pause(times.seconds);
  const Load::Taken taken = load.TakeBlocking();
  const Written after = WrittenBy(cluster->get());
  const double cpu = (ProcessCpu() - cpu_before).seconds();
  const double seconds = (Now() - begin).seconds();
  if (absl::Status stopped = load.StopBlocking(); !stopped.ok()) return stopped;
  cluster->reset();

  const auto proposals = static_cast<double>(taken.proposals);
  const double bytes = static_cast<double>(taken.bytes) * cluster_options.voters;
  const auto per_byte = [&](uint64_t a, uint64_t b) { return static_cast<double>(b - a) / bytes; };
  const auto batches = static_cast<double>(after.batches - before.batches);
  return Figures{
      {"proposals_per_second", proposals / seconds},
      {"p50_microseconds", taken.latencies.Micros(0.50)},
      {"p99_microseconds", taken.latencies.Micros(0.99)},
      {"longest_microseconds", taken.latencies.Micros(1)},
      {"cpu_microseconds_per_proposal", 1e6 * cpu / proposals},
      {"proposals_per_batch", proposals * cluster_options.voters / batches},
      {"written_per_proposed_byte", per_byte(before.wal + before.flush + before.compaction,
                                             after.wal + after.flush + after.compaction)},
      {"of_that_wal", per_byte(before.wal, after.wal)},
      {"of_that_flush", per_byte(before.flush, after.flush)},
      {"of_that_compaction", per_byte(before.compaction, after.compaction)},
      {"device_bytes_per_proposed_byte", (after.device - before.device) / bytes},
  };
}

}  // namespace pontoon::bench
