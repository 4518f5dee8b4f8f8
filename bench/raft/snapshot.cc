#include "bench/raft/snapshot.h"

#include "bench/raft/load.h"

namespace pontoon::bench {
namespace {

constexpr size_t kFilled = 0;  // Led by the first node.
constexpr size_t kOther = 1;   // Led by the second.
constexpr size_t kLate = 2;    // The node that is late.
constexpr double kPatienceSeconds = 300;

// Live bodies until there are so many, and a checkpoint of them that took the log's place.
absl::Status FillBlocking(BenchCluster* cluster, const SnapshotOptions& options) {
  Load fill(cluster, {.payload_bytes = options.body_bytes,
                      .in_flight = 256,
                      .settle_after = base::Seconds(24 * 3600),
                      .only_group = kFilled});
  fill.Start();
  const uint64_t wanted = options.bytes / options.body_bytes;
  for (uint64_t have = 0; have < wanted; have += fill.TakeBlocking().proposals) Pause(0.02);
  if (absl::Status stopped = fill.StopBlocking(Load::Settled::kNoMore); !stopped.ok())
    return stopped;
  BenchNode* const leader = cluster->leader_of(kFilled);
  BenchMachine* const machine = leader->machines()[kFilled].get();
  leader->RunBlocking([&] { machine->MakeCheckpoint(); });
  for (const base::MonotonicTime end = Now() + base::Seconds(30);; Pause(0.05)) {
    bool compacted = false;
    leader->RunBlocking([&] {
      compacted = leader->raft()->core(machine->group()).log().base().index > raft::Index{0} &&
                  leader->raft()->reclaimable_bytes(machine->group()) == 0;
    });
    if (compacted) return absl::OkStatus();
    if (Now() >= end) return absl::DeadlineExceededError("the log was not compacted");
  }
}

}  // namespace

absl::StatusOr<Figures> MeasureSnapshot(ClusterOptions cluster_options,
                                        const SnapshotOptions& options) {
  cluster_options.voters = 3;
  cluster_options.late = 1;
  cluster_options.groups = 2;
  auto started = BenchCluster::StartBlocking(cluster_options);
  if (!started.ok()) return started.status();
  BenchCluster* const cluster = started->get();
  if (absl::Status filled = FillBlocking(cluster, options); !filled.ok()) return filled;
  uint64_t live = 0;
  BenchNode* const leader = cluster->leader_of(kFilled);
  leader->RunBlocking([&] { live = leader->machines()[kFilled]->live_bodies(); });

  Load load(cluster, {.payload_bytes = options.payload_bytes,
                      .in_flight = options.in_flight,
                      .only_group = kOther});
  load.Start();
  Pause(2);
  const auto measure = [&](double seconds) {
    load.TakeBlocking();
    Pause(seconds);
    return load.TakeBlocking();
  };
  const Load::Taken before = measure(options.seconds);

  if (absl::Status late = cluster->StartLateBlocking(); !late.ok()) return late;
  load.TakeBlocking();
  const base::MonotonicTime begin = Now();
  BenchNode* const late = cluster->node(kLate);
  for (uint64_t have = 0; have < live; Pause(0.02)) {
    late->RunBlocking([&] { have = late->machines()[kFilled]->live_bodies(); });
    if ((Now() - begin).seconds() > kPatienceSeconds)
      return absl::DeadlineExceededError("the snapshot did not arrive");
  }
  const double took = (Now() - begin).seconds();
  const Load::Taken meanwhile = load.TakeBlocking();
  Pause(2);
  const Load::Taken afterwards = measure(options.seconds);
  if (absl::Status stopped = load.StopBlocking(); !stopped.ok()) return stopped;

  const double bytes = static_cast<double>(live) * options.body_bytes;
  return Figures{
      {"snapshot_megabytes", bytes / 1e6},
      {"snapshot_seconds", took},
      {"snapshot_megabytes_per_second", bytes / 1e6 / took},
      {"two_of_three_p50_microseconds", before.latencies.Micros(0.50)},
      {"two_of_three_p99_microseconds", before.latencies.Micros(0.99)},
      {"meanwhile_p50_microseconds", meanwhile.latencies.Micros(0.50)},
      {"meanwhile_p99_microseconds", meanwhile.latencies.Micros(0.99)},
      {"meanwhile_longest_microseconds", meanwhile.latencies.Micros(1)},
      {"afterwards_p50_microseconds", afterwards.latencies.Micros(0.50)},
      {"afterwards_p99_microseconds", afterwards.latencies.Micros(0.99)},
      {"afterwards_longest_microseconds", afterwards.latencies.Micros(1)},
      {"two_of_three_proposals_per_second",
       static_cast<double>(before.proposals) / options.seconds},
      {"meanwhile_proposals_per_second", static_cast<double>(meanwhile.proposals) / took},
      {"afterwards_proposals_per_second",
       static_cast<double>(afterwards.proposals) / options.seconds},
  };
}

}  // namespace pontoon::bench
