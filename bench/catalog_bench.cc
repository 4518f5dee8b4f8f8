// What the catalog costs: changes one by one and in batches among 100,000 queues with bindings,
// routing, restart. Run: build/release/bin/catalog_bench. Times are per item.

#include <benchmark/benchmark.h>
#include <malloc.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/catalog/catalog.h"

namespace pontoon::catalog {
namespace {

constexpr int kMany = 100000;

DeclareQueue Queue(VhostId vhost, int number) {
  DeclareQueue queue;
  queue.vhost = vhost;
  queue.name = absl::StrCat("orders.region.", number);
  queue.durable = true;
  queue.shard = GroupId{static_cast<uint32_t>(1 + number % 32)};
  queue.home = {{1}, {1}, {0}};
  queue.user = "guest";
  return queue;
}
Bind BindTo(VhostId vhost, std::string exchange, int number, std::string key) {
  return {vhost,
          {std::move(exchange), DestinationKind::kQueue, absl::StrCat("orders.region.", number),
           std::move(key), ""}};
}
std::string Key(int number) { return absl::StrCat("customer.", number, ".created"); }

class Filled {
 public:
  Filled() : machine_(NewMachine()) {
    Add(AddVhost{"/", "", {}, ""});
    Flush();
    vhost_ = machine_->version()->FindVhost("/")->id;
    for (int i = 0; i < kMany; ++i) Add(Queue(vhost_, i));
    Flush();
    for (const char* exchange : {"amq.direct", "amq.topic"}) {
      for (int i = 0; i < kMany; ++i) Add(BindTo(vhost_, exchange, i, Key(i)));
      Flush();
    }
    for (int i = 0; i < 1000; ++i) Add(BindTo(vhost_, "amq.fanout", i, ""));
    Flush();
  }
  void Add(const Command& command) { batch_.emplace_back(++index_, EncodeCommand({}, command)); }
  void Flush() {
    const AppliedBatch applied = machine_->Apply(batch_);
    batch_.clear();
    if (!applied.status.ok() || !applied.outcomes.back().status.ok()) std::abort();
    last_queue_ = applied.outcomes.back().queue;
  }
  Machine& machine() { return *machine_; }
  VhostId vhost() const { return vhost_; }
  uint64_t index() const { return index_; }
  QueueId last_queue() const { return last_queue_; }

 private:
  std::unique_ptr<Machine> machine_;
  VhostId vhost_;
  QueueId last_queue_;
  uint64_t index_ = 0;
  std::vector<std::pair<uint64_t, std::string>> batch_;
};

Filled& Shared() {
  static Filled* const filled = new Filled();
  return *filled;
}

size_t HeapBytes() { return mallinfo2().uordblks + mallinfo2().hblkhd; }

void FillHundredThousand(benchmark::State& state) {
  for (auto _ : state) {
    const size_t before = HeapBytes();
    Filled filled;
    state.counters["bytes_per_queue_and_2_bindings"] =
        static_cast<double>(HeapBytes() - before) / kMany;
  }
  state.SetItemsProcessed(state.iterations() * 3 * kMany);
}
BENCHMARK(FillHundredThousand)->Unit(benchmark::kMillisecond)->Iterations(1);

// A version of its own for each change, as when a client declares one by one.
void DeclareBindForgetOneByOne(benchmark::State& state) {
  Filled& filled = Shared();
  for (auto _ : state) {
    filled.Add(Queue(filled.vhost(), kMany));
    filled.Flush();
    const QueueId queue = filled.last_queue();
    filled.Add(BindTo(filled.vhost(), "amq.topic", kMany, "one.more"));
    filled.Flush();
    filled.Add(ForgetQueue{queue});
    filled.Flush();
  }
  state.SetItemsProcessed(state.iterations() * 3);
}
BENCHMARK(DeclareBindForgetOneByOne);

void RouteOneKey(benchmark::State& state, const char* exchange, bool by_name) {
  Filled& filled = Shared();
  const VersionPtr version = filled.machine().version();
  const ExchangeRecord& record = *version->FindExchange(filled.vhost(), exchange);
  std::vector<std::string> keys;
  for (int i = 0; i < 4096; ++i) {
    const int number = static_cast<int>(i * 2654435761u % kMany);
    keys.push_back(by_name ? absl::StrCat("orders.region.", number) : Key(number));
  }
  std::vector<Target> targets;
  size_t next = 0;
  for (auto _ : state) {
    targets.clear();
    const absl::string_view key = keys[++next % keys.size()];
    version->Route(record, {&key, 1}, nullptr, &targets);
    benchmark::DoNotOptimize(targets.data());
  }
  if (targets.empty()) state.SkipWithError("nothing was routed");
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK_CAPTURE(RouteOneKey, default_exchange, "", true);
BENCHMARK_CAPTURE(RouteOneKey, direct, "amq.direct", false);
BENCHMARK_CAPTURE(RouteOneKey, topic, "amq.topic", false);
BENCHMARK_CAPTURE(RouteOneKey, fanout_to_1000, "amq.fanout", false);

void RouteSameKey(benchmark::State& state) {
  Filled& filled = Shared();
  const VersionPtr version = filled.machine().version();
  const ExchangeRecord& record = *version->FindExchange(filled.vhost(), "amq.direct");
  const std::string text = Key(7);
  const absl::string_view key = text;
  std::vector<Target> targets;
  for (auto _ : state) {
    targets.clear();
    version->Route(record, {&key, 1}, nullptr, &targets);
    benchmark::DoNotOptimize(targets.data());
  }
}
BENCHMARK(RouteSameKey);

void CheckRights(benchmark::State& state) {
  Filled& filled = Shared();
  filled.Add(PutUser{{"u", "", HashAlgorithm::kSha256, {}}, false});
  filled.Add(SetPermission{{"u", "/", ".*", "^customer", ".*"}});
  const std::unique_ptr<Rights> rights = NewRights("u", "/");
  const VersionPtr version = filled.machine().version();
  for (auto _ : state) {
    benchmark::DoNotOptimize(rights->Check(*version, Right::kWrite, "exchange", "customers"));
  }
}
BENCHMARK(CheckRights);

void Checkpoint(benchmark::State& state) {
  Filled& filled = Shared();
  for (auto _ : state) {
    const std::string root = filled.machine().MakeCheckpoint();
    state.counters["bytes"] = static_cast<double>(root.size());
  }
}
BENCHMARK(Checkpoint)->Unit(benchmark::kMillisecond);

void Restore(benchmark::State& state) {
  Filled& filled = Shared();
  const std::string root = filled.machine().MakeCheckpoint();
  const uint64_t applied = filled.machine().version()->index();
  for (auto _ : state) {
    const std::unique_ptr<Machine> machine = NewMachine();
    if (!machine->Restore(applied, root).ok()) state.SkipWithError("restore failed");
  }
}
BENCHMARK(Restore)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace pontoon::catalog

BENCHMARK_MAIN();
