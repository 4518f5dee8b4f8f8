#include <benchmark/benchmark.h>
#include <malloc.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "base/crc32c.h"
#include "server/broker/shard.h"

// What a shard costs in CPU and memory per message, without storage, network or sessions.

namespace pontoon::broker {
namespace {

// A log that is committed at once and a disk of pages; bodies are kept only if somebody will read
// them.
class LeanEnvironment : public ShardEnvironment {
 public:
  explicit LeanEnvironment(bool keep_bodies) : keep_bodies_(keep_bodies) {
    shard = NewShard({1}, {}, this);
  }

  void Propose(base::SliceChain header, base::SliceChain body, uint32_t) override {
    LogEntry entry;
    entry.index = ++last_index;
    entry.header = std::move(header);
    entry.body = std::move(body);
    if (keep_bodies_ && !entry.body.empty()) bodies[entry.index] = entry.body.Flatten();
    proposed.push_back(std::move(entry));
  }
  void Respond(const SessionId&, ShardResponse response) override {
    if (auto* deliveries = std::get_if<Deliveries>(&response)) {
      for (Delivery& delivery : deliveries->deliveries) delivered.push_back(std::move(delivery));
    }
  }
  void ReadBodies(uint64_t read, std::vector<BodyPart> parts) override {
    reads.emplace_back(read, std::move(parts));
  }
  void ReadPage(uint64_t read, uint64_t page) override { page_reads.emplace_back(read, page); }
  void SubmitState(ShardState state) override {
    for (auto& [page, bytes] : state.put_pages) {
      page_bytes += bytes.size();
      pages[page] = bytes.Flatten();
    }
    for (const uint64_t page : state.drop_pages) pages.erase(page);
    for (const uint64_t body : state.drop_bodies) bodies.erase(body);
    root_bytes = std::max(root_bytes, state.root.size());
  }
  void ForgetQueue(QueueId) override {}
  void WantTurn() override { wanted = true; }

  void Turn() {
    now += 1000000;
    wanted = false;
    shard->OnTurnEnd({now}, {now});
  }
  void Commit() {
    std::vector<LogEntry> entries = std::exchange(proposed, {});
    if (!entries.empty()) shard->Apply(entries);
    for (auto& [read, parts] : std::exchange(reads, {})) {
      std::vector<absl::StatusOr<base::Slice>> slices;
      for (const BodyPart& part : parts)
        slices.push_back(bodies[part.index].Sub(part.offset, part.size));
      shard->OnBodies(read, std::move(slices));
    }
    for (auto& [read, page] : std::exchange(page_reads, {})) shard->OnPage(read, pages[page]);
  }
  void Run() {
    do {
      Turn();
      Commit();
    } while (wanted);
  }

  const bool keep_bodies_;
  std::unique_ptr<Shard> shard;
  std::vector<LogEntry> proposed;
  std::vector<Delivery> delivered;
  std::deque<std::pair<uint64_t, std::vector<BodyPart>>> reads;
  std::deque<std::pair<uint64_t, uint64_t>> page_reads;
  absl::flat_hash_map<uint64_t, base::Slice> bodies;
  absl::flat_hash_map<uint64_t, base::Slice> pages;
  uint64_t last_index = 0;
  uint64_t page_bytes = 0;
  size_t root_bytes = 0;
  int64_t now = 0;
  bool wanted = false;
};

const SessionId kSession{{1}, {1}, {0}};

void Begin(LeanEnvironment* env, int queues) {
  std::vector<QueueSpec> specs;
  for (int i = 1; i <= queues; ++i)
    specs.push_back({QueueId::Of(static_cast<uint64_t>(i)), false, absl::StrCat(i), "/"});
  env->shard->OnLeader(1, 100, specs);
  env->shard->OnRequest(kSession, OpenSession());
  env->Run();
}

// A batch as a front-end makes it: all messages in one block.
PublishBatch Batch(int count, size_t payload, int queues, uint64_t* number) {
  const std::string envelope("\x00\x05queue\x80\x00\x02properties.", 22);
  const size_t each = envelope.size() + payload;
  base::Block* block = base::Block::New(each * static_cast<size_t>(count));
  std::memset(block->data(), 'x', block->capacity());
  PublishBatch batch;
  batch.first_number = *number;
  const base::Slice all(block, block->data(), block->capacity());
  for (int i = 0; i < count; ++i) {
    broker::Publish publish;
    const size_t at = each * static_cast<size_t>(i);
    std::memcpy(block->data() + at, envelope.data(), envelope.size());
    publish.message.envelope.Append(all.Sub(at, envelope.size()));
    publish.message.payload.Append(all.Sub(at + envelope.size(), payload));
    publish.envelope_crc = base::Crc32c(publish.message.envelope);
    publish.payload_crc = base::Crc32c(publish.message.payload);
    publish.persistent = true;
    publish.targets.push_back(QueueId::Of(1 + (*number)++ % static_cast<uint64_t>(queues)));
    batch.messages.push_back(std::move(publish));
  }
  return batch;
}

SettleBatch AckAll(LeanEnvironment* env, uint64_t* number, bool run) {
  SettleBatch settle;
  settle.number = (*number)++;
  for (const Delivery& delivery : env->delivered) {
    if (run && !settle.settles.empty() && settle.settles.back().run.queue == delivery.queue) {
      ++settle.settles.back().run.count;
    } else {
      settle.settles.push_back(
          {{delivery.queue, delivery.position, delivery.delivery, 1}, SettleAction::kAcknowledge});
    }
  }
  env->delivered.clear();
  return settle;
}

// Publish, dispatch from memory, acknowledge. Arguments: messages a batch, payload bytes,
// consumers.
void BM_PublishConsumeAcknowledge(benchmark::State& state) {
  LeanEnvironment env(false);
  Begin(&env, 1);
  const int count = static_cast<int>(state.range(0));
  const int consumers = static_cast<int>(state.range(2));
  for (int i = 1; i <= consumers; ++i) {
    Consume consume;
    consume.queue = QueueId::Of(1);
    consume.consumer.value = static_cast<uint64_t>(i);
    consume.credit = {Credit::kUnlimited, Credit::kUnlimited};
    env.shard->OnRequest(kSession, consume);
  }
  env.Run();
  uint64_t publish = 1;
  uint64_t settle = 1;
  for (auto _ : state) {
    state.PauseTiming();
    PublishBatch batch = Batch(count, static_cast<size_t>(state.range(1)), 1, &publish);
    state.ResumeTiming();
    env.shard->OnRequest(kSession, std::move(batch));
    while (env.delivered.size() < static_cast<size_t>(count)) {
      env.Turn();
      env.Commit();
    }
    env.shard->OnRequest(kSession, AckAll(&env, &settle, consumers == 1));
    env.Turn();
    env.Commit();
  }
  state.SetItemsProcessed(state.iterations() * count);
}
BENCHMARK(BM_PublishConsumeAcknowledge)
    ->Args({1, 100, 1})
    ->Args({100, 100, 1})
    ->Args({1000, 100, 1})
    ->Args({1000, 100, 10})
    ->Args({100, 1024, 1})
    ->Args({100, 16384, 1});

// A backlog nobody consumes. Arguments: messages in millions, messages a batch, queues in turn.
void BM_Backlog(benchmark::State& state) {
  for (auto _ : state) {
    LeanEnvironment env(false);
    const int queues = static_cast<int>(state.range(2));
    Begin(&env, queues);
    uint64_t publish = 1;
    const uint64_t total = static_cast<uint64_t>(state.range(0)) * 1000000;
    while (publish <= total) {
      env.shard->OnRequest(kSession,
                           Batch(static_cast<int>(state.range(1)), 100, queues, &publish));
      env.Turn();
      env.Commit();
    }
    env.shard->MakeCheckpoint();
    env.Run();
    state.counters["shard_MB"] = static_cast<double>(env.shard->memory_bytes()) / 1e6;
    state.counters["pages_MB"] = static_cast<double>(env.page_bytes) / 1e6;
    state.counters["root_kB"] = static_cast<double>(env.root_bytes) / 1e3;
    env.pages.clear();
    malloc_trim(0);
    state.counters["heap_MB"] = static_cast<double>(mallinfo2().uordblks) / 1e6;
  }
  state.SetItemsProcessed(state.iterations() * state.range(0) * 1000000);
}
BENCHMARK(BM_Backlog)
    ->Args({10, 100, 1})
    ->Args({10, 100, 20})
    ->Args({10, 1, 1})
    ->Iterations(1)
    ->Unit(benchmark::kSecond);

// Consuming a backlog from disk. Argument: messages in thousands.
void BM_DrainBacklog(benchmark::State& state) {
  for (auto _ : state) {
    state.PauseTiming();
    LeanEnvironment env(true);
    Begin(&env, 1);
    uint64_t publish = 1;
    uint64_t settle = 1;
    const uint64_t total = static_cast<uint64_t>(state.range(0)) * 1000;
    while (publish <= total) {
      env.shard->OnRequest(kSession, Batch(100, 100, 1, &publish));
      env.Turn();
      env.Commit();
    }
    Consume consume;
    consume.queue = QueueId::Of(1);
    consume.consumer.value = 1;
    consume.credit = {2000, Credit::kUnlimited};
    env.shard->OnRequest(kSession, consume);
    state.ResumeTiming();
    for (uint64_t done = 0; done < total;) {
      env.Turn();
      env.Commit();
      if (env.delivered.empty()) continue;
      done += env.delivered.size();
      env.shard->OnRequest(kSession, GrantCredit{{1}, {env.delivered.size(), 0}});
      env.shard->OnRequest(kSession, AckAll(&env, &settle, true));
    }
    env.Run();
    if (!env.bodies.empty()) state.SkipWithError("bodies are left");
  }
  state.SetItemsProcessed(state.iterations() * state.range(0) * 1000);
}
BENCHMARK(BM_DrainBacklog)->Arg(1000)->Iterations(1);

}  // namespace
}  // namespace pontoon::broker

BENCHMARK_MAIN();
