#include "bench/raft/idle.h"

#include <malloc.h>

namespace pontoon::bench {
namespace {

uint64_t MessagesOut(BenchCluster* cluster) {
  uint64_t messages = 0;
  for (size_t i = 0; i < cluster->size(); ++i) {
    BenchNode* const node = cluster->node(i);
    node->RunBlocking([&] { messages += node->raft()->counters().messages_out; });
  }
  return messages;
}

}  // namespace

absl::StatusOr<Figures> MeasureIdle(const ClusterOptions& options, double seconds) {
  auto cluster = BenchCluster::StartBlocking(options);
  if (!cluster.ok()) return cluster.status();
  Pause(3);  // What the elections led to.
  const uint64_t messages_before = MessagesOut(cluster->get());
  const base::MonotonicTime begin = Now();
  const base::Duration cpu_before = ProcessCpu();
  Pause(seconds);
  const double cpu = (ProcessCpu() - cpu_before).seconds();
  const double took = (Now() - begin).seconds();
  const uint64_t messages = MessagesOut(cluster->get()) - messages_before;
  malloc_trim(0);
  const double nodes = options.voters;
  return Figures{
      {"percent_of_a_core_per_node", 100 * cpu / took / nodes},
      {"messages_per_node_and_second", static_cast<double>(messages) / took / nodes},
      {"resident_bytes_per_node", ResidentBytes() / nodes},
  };
}

}  // namespace pontoon::bench
