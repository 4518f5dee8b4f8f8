// What a synced write costs: batches of messages through RocksLogStore (header and body, numbered
// batch, report), and the same bytes through RocksDB alone. Real time includes the disk's sync; CPU
// is that of the whole process.
//
//   storage_bench [--benchmark_filter=...]   writes under $TMPDIR

#include <benchmark/benchmark.h>
#include <rocksdb/db.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/crc32c.h"
#include "base/mutex.h"
#include "storage/rocks_log_store.h"

namespace pontoon::storage {
namespace {

// Header bytes that an Enqueue spends per message: queue, size, checksum.
constexpr size_t kHeaderBytesPerMessage = 14;
// Bodies are dropped this many batches later: what clients have in flight.
constexpr uint64_t kBatchesInFlight = 4;

class TempDir {
 public:
  TempDir() {
    const char* const root = std::getenv("TMPDIR");
    path_ = absl::StrCat(root != nullptr ? root : "/tmp", "/pontoon-bench-XXXXXX");
    if (mkdtemp(path_.data()) == nullptr) std::abort();
  }
  ~TempDir() { std::filesystem::remove_all(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

class AwaitingEvents final : public raft::StorageEvents {
 public:
  void OnStorageDone(base::GroupId, raft::IoSeq seq) override {
    base::MutexLock lock(&mutex_);
    done_ = seq;
    changed_.NotifyOne();
  }
  void OnCheckpointDurable(base::GroupId, raft::EntryId) override {}
  void Await(raft::IoSeq seq) {
    base::MutexLock lock(&mutex_);
    while (done_ < seq) changed_.Wait(&mutex_);
  }

 private:
  base::Mutex mutex_;
  base::CondVar changed_;
  raft::IoSeq done_;
};

// Cuts `messages` of `bytes` into bodies of at most what one entry may hold.
std::vector<size_t> MessagesPerEntry(size_t messages, size_t bytes) {
  const size_t most = std::max<size_t>(1, raft::kEntryBodyBytesMax / bytes);
  std::vector<size_t> out;
  for (size_t left = messages; left > 0; left -= out.back()) out.push_back(std::min(left, most));
  return out;
}

void BM_LogStore(benchmark::State& state) {
  const auto messages = static_cast<size_t>(state.range(0));
  const auto bytes = static_cast<size_t>(state.range(1));
  TempDir dir;
  RocksLogStoreOptions options;
  options.data_dir = dir.path();
  options.identity = {1, {1}};
  AwaitingEvents events;
  auto store = RocksLogStore::OpenBlocking(options, nullptr, &events);
  if (!store.ok()) std::abort();
  const base::Slice payload = base::Slice::Copy(std::string(messages * bytes, 'm'));
  const base::Slice header = base::Slice::Copy(std::string(messages * kHeaderBytesPerMessage, 'h'));
  const std::vector<size_t> entries = MessagesPerEntry(messages, bytes);
  uint64_t index = 0, seq = 0, dropped = 0;
  for (auto _ : state) {
    raft::StorageTask task;
    task.group = {1};
    task.seq = {++seq};
    size_t offset = 0;
    for (const size_t n : entries) {
      raft::Entry entry;
      entry.id = {{1}, {++index}};
      entry.header = base::SliceChain(header.Sub(0, n * kHeaderBytesPerMessage));
      entry.header_crc = base::Crc32c(entry.header);
      entry.body = base::SliceChain(payload.Sub(offset, n * bytes));
      entry.body_bytes = static_cast<uint32_t>(n * bytes);
      entry.body_crc = base::Crc32c(entry.body);
      offset += n * bytes;
      task.append.push_back(std::move(entry));
    }
    raft::StateTask settled;
    settled.group = {1};
    while (dropped + entries.size() * kBatchesInFlight < index)
      settled.drop_bodies.push_back({++dropped});
    if (!settled.drop_bodies.empty()) (*store)->Submit(std::move(settled));
    (*store)->Submit(std::move(task));
    events.Await({seq});
  }
  state.SetItemsProcessed(static_cast<int64_t>(seq * messages));
  state.SetBytesProcessed(static_cast<int64_t>(seq * messages * bytes));
  const StorageMetrics metrics = (*store)->Metrics();
  const double payload_bytes = static_cast<double>(seq * messages * bytes);
  state.counters["write_amplification"] =
      static_cast<double>(metrics.wal_bytes + metrics.flush_bytes + metrics.compaction_bytes) /
      payload_bytes;
  state.counters["sync_p99_us"] = static_cast<double>(metrics.sync_p99.nanos) / 1000;
}

// One put per message and one synced batch, nothing else: what one would write without thinking.
void BM_RocksDbAlone(benchmark::State& state) {
  const auto messages = static_cast<size_t>(state.range(0));
  const std::string payload(static_cast<size_t>(state.range(1)), 'm');
  TempDir dir;
  rocksdb::Options options;
  options.create_if_missing = true;
  options.compression = rocksdb::kNoCompression;
  rocksdb::DB* opened = nullptr;
  if (!rocksdb::DB::Open(options, dir.path(), &opened).ok()) std::abort();
  const std::unique_ptr<rocksdb::DB> db(opened);
  const auto key = [](uint64_t n) {
    n = __builtin_bswap64(n);
    return std::string(reinterpret_cast<const char*>(&n), sizeof(n));
  };
  rocksdb::WriteOptions write;
  write.sync = true;
  uint64_t number = 0, dropped = 0;
  for (auto _ : state) {
    rocksdb::WriteBatch batch;
    for (size_t i = 0; i < messages; ++i) batch.Put(key(++number), payload);
    while (dropped + messages * kBatchesInFlight < number) batch.Delete(key(++dropped));
    if (!db->Write(write, &batch).ok()) std::abort();
  }
  state.SetItemsProcessed(static_cast<int64_t>(number));
  state.SetBytesProcessed(static_cast<int64_t>(number * payload.size()));
}

void Shapes(benchmark::internal::Benchmark* benchmark) {
  for (const int64_t bytes : {100, 1024, 16384}) {
    for (const int64_t messages : {1, 10, 100, 1000}) benchmark->Args({messages, bytes});
  }
  benchmark->ArgNames({"messages", "bytes"})->UseRealTime()->MeasureProcessCPUTime();
}
BENCHMARK(BM_LogStore)->Apply(Shapes);
BENCHMARK(BM_RocksDbAlone)->Apply(Shapes);

}  // namespace
}  // namespace pontoon::storage

BENCHMARK_MAIN();
