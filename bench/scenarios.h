#ifndef PONTOON_BENCH_SCENARIOS_H_
#define PONTOON_BENCH_SCENARIOS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace pontoon::bench {

// What a scenario found, as "name value" pairs in a fixed order: printed as text or JSON.
using Figures = std::vector<std::pair<std::string, double>>;

// The broker under load, and whose CPU is counted.
struct Broker {
  std::string uri;
  int pid = 0;  // 0: its CPU and memory are not asked for.
};

// Publishes a message to a queue of its own and consumes it: does the broker work?
absl::StatusOr<Figures> Smoke(const Broker& broker);

struct ThroughputOptions {
  uint32_t body_bytes = 100;
  double seconds = 5;
  double warm_up_seconds = 1;
  uint32_t outstanding = 1000;
  uint32_t prefetch = 1000;
  uint32_t ack_every = 100;
};
// One publisher (persistent, confirms) and one consumer (acknowledging every so many) at once, on a
// durable queue.
absl::StatusOr<Figures> Throughput(const Broker& broker, const ThroughputOptions& options);

// One message after the other, each after the confirm of the one before.
absl::StatusOr<Figures> Latency(const Broker& broker, uint32_t body_bytes, uint32_t messages);

// `count` persistent messages into durable queue `queue`, confirmed; they stay.
absl::StatusOr<Figures> Fill(const Broker& broker, const std::string& queue, uint64_t count,
                             uint32_t body_bytes);
// Until the queue reports `count` and a get answers: after a restart. Polls every 5 ms, for
// `seconds` at most.
absl::StatusOr<Figures> AwaitBacklog(const Broker& broker, const std::string& queue, uint64_t count,
                                     double seconds);

// `count` durable queues, from `connections` connections with `in_flight` declares each on its way.
absl::StatusOr<Figures> Declare(const Broker& broker, uint32_t count, uint32_t connections,
                                uint32_t in_flight);

// `connections` that say nothing but heartbeats, for so long.
absl::StatusOr<Figures> Idle(const Broker& broker, uint32_t connections, double seconds);

}  // namespace pontoon::bench

#endif  // PONTOON_BENCH_SCENARIOS_H_
