#include "bench/raft/bare_costs.h"

#include <fcntl.h>
#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "bench/raft/bench_machine.h"
#include "storage/database.h"
#include "storage/disk_space.h"
#include "storage/keys.h"
#include "storage/metrics.h"
#include "storage/records.h"

namespace pontoon::bench {
namespace {

constexpr uint64_t kFileBytes = uint64_t{256} << 20;
// Headers go when a checkpoint covers them: about every 8 MiB of them.
constexpr uint64_t kEntriesPerCheckpoint = (8 << 20) / (BenchMachine::kPutHeaderBytes + 32);

// Something that makes one batch of entries durable; false: it failed.
class Bare {
 public:
  virtual ~Bare() = default;
  virtual bool WriteBatch() = 0;
};

class BareFile final : public Bare {
 public:
  BareFile(const BareOptions& options, const std::string& folder)
      : file_(open((folder + "/log").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600)) {
    const size_t entry = options.payload_bytes + BenchMachine::kPutHeaderBytes;
    bytes_.resize(entry * static_cast<size_t>(options.batch), 'b');
    for (size_t i = 0; i < bytes_.size(); i += 64) bytes_[i] = static_cast<char>(i >> 6);
    const std::string zeros(1 << 20, '\0');
    ok_ = file_ >= 0;
    for (uint64_t at = 0; ok_ && at < kFileBytes; at += zeros.size())
      ok_ = pwrite(file_, zeros.data(), zeros.size(), static_cast<off_t>(at)) ==
            static_cast<ssize_t>(zeros.size());
    ok_ = ok_ && fsync(file_) == 0;
  }
  ~BareFile() override {
    if (file_ >= 0) close(file_);
  }
  bool WriteBatch() override {
    if (!ok_) return false;
    if (at_ + bytes_.size() > kFileBytes) at_ = 0;
    const ssize_t wrote = pwrite(file_, bytes_.data(), bytes_.size(), static_cast<off_t>(at_));
    at_ += bytes_.size();
    return wrote == static_cast<ssize_t>(bytes_.size()) && fdatasync(file_) == 0;
  }

 private:
  const int file_;
  std::string bytes_;
  bool ok_;
  uint64_t at_ = 0;
};

class BareRocksDb final : public Bare {
 public:
  BareRocksDb(const BareOptions& options, const std::string& folder)
      : options_(options),
        // What stands before header and body in the store's own values.
        header_value_(sizeof(storage::EntryPrefix) + BenchMachine::kPutHeaderBytes, 'h'),
        body_value_(storage::EncodeBodyPrefix("", options.payload_bytes, {&kExtent, 1}).size() +
                        options.payload_bytes,
                    'b'),
        groups_(static_cast<size_t>(options.groups)) {
    storage::DatabaseOptions database;
    database.path = folder + "/db";
    const auto space = storage::ReadDiskSpaceBlocking(folder);
    database.sizes = storage::StoreSizes::ForDisk(space.ok() ? space->total : 0);
    database.create = true;
    database.counters = &counters_;
    auto opened = storage::Database::OpenBlocking(database);
    if (opened.ok()) database_ = *std::move(opened);
  }

  bool WriteBatch() override {
    if (database_ == nullptr) return false;
    batch_.Clear();
    for (int i = 0; i < options_.batch; ++i) {
      Group& group = groups_[static_cast<size_t>(i) % groups_.size()];
      const storage::ItemKey key = KeyOf(group, ++group.last);
      batch_.Put(database_->log(), storage::ToRocks(key), header_value_);
      batch_.Put(database_->body(), storage::ToRocks(key), body_value_);
    }
    const base::MonotonicTime now = Now();
    while (!batches_.empty() && now - batches_.front() >= options_.settle_after) {
      batches_.pop_front();
      for (int i = 0; i < options_.batch; ++i) Settle(static_cast<size_t>(i) % groups_.size());
    }
    batches_.push_back(now);
    const storage::MetaKey meta = storage::MakeNodeMetaKey(storage::NodeMetaKind::kBatchNumber);
    batch_.Put(database_->meta(), storage::ToRocks(meta), "batch number and its sum");
    rocksdb::WriteOptions write;
    write.sync = true;
    counters_.wal_bytes += batch_.GetDataSize();
    return database_->db()->Write(write, &batch_).ok();
  }
  const storage::StorageCounters& counters() const { return counters_; }

 private:
  struct Group {
    uint64_t last = 0;
    uint64_t settled = 0;
    uint64_t compacted = 0;
  };
  static constexpr storage::StoredExtent kExtent{0, 1, 0};

  storage::ItemKey KeyOf(const Group& group, uint64_t index) const {
    return storage::MakeItemKey({static_cast<uint32_t>(&group - groups_.data() + 1)}, index);
  }
  void Settle(size_t of) {
    Group& group = groups_[of];
    batch_.Delete(database_->body(), storage::ToRocks(KeyOf(group, ++group.settled)));
    if (group.settled - group.compacted < kEntriesPerCheckpoint) return;
    batch_.DeleteRange(database_->log(), storage::ToRocks(KeyOf(group, group.compacted + 1)),
                       storage::ToRocks(KeyOf(group, group.settled + 1)));
    group.compacted = group.settled;
  }

  const BareOptions options_;
  const std::string header_value_;
  const std::string body_value_;
  storage::StorageCounters counters_;
  std::unique_ptr<storage::Database> database_;
  rocksdb::WriteBatch batch_;
  std::vector<Group> groups_;
  std::deque<base::MonotonicTime> batches_;  // When those that are not settled were written.
};

using Make = std::function<std::unique_ptr<Bare>(const std::string& folder)>;

absl::StatusOr<Figures> Measure(const BareOptions& options, const Make& make) {
  std::vector<std::unique_ptr<ScratchFolder>> folders;
  std::vector<std::unique_ptr<Bare>> bares;
  for (int i = 0; i < options.copies; ++i) {
    folders.push_back(std::make_unique<ScratchFolder>(options.folder));
    bares.push_back(make(folders.back()->path()));
  }
  std::atomic<bool> measuring{false}, stop{false}, failed{false};
  std::vector<Latencies> latencies(bares.size());
  std::vector<uint64_t> batches(bares.size());
  std::vector<std::thread> threads;
  for (size_t i = 0; i < bares.size(); ++i) {
    threads.emplace_back([&, i] {
      while (!stop && !failed) {
        const base::MonotonicTime begin = Now();
        const bool counts = measuring;
        if (!bares[i]->WriteBatch()) failed = true;
        if (!counts || !measuring) continue;
        ++batches[i];
        latencies[i].Add(Now() - begin, 1);
      }
    });
  }
  Pause(options.warm_up_seconds);
  const base::MonotonicTime begin = Now();
  const base::Duration cpu_before = ProcessCpu();
  measuring = true;
  Pause(options.seconds);
  measuring = false;
  const double seconds = (Now() - begin).seconds();
  const double cpu = (ProcessCpu() - cpu_before).seconds();
  stop = true;
  for (std::thread& thread : threads) thread.join();
  if (failed) return absl::UnavailableError("a write failed");

  Latencies all;
  uint64_t total = 0;
  for (size_t i = 0; i < bares.size(); ++i) {
    all.Add(latencies[i]);
    total += batches[i];
  }
  const double proposals = static_cast<double>(total) * options.batch / options.copies;
  return Figures{{"proposals_per_second", proposals / seconds},
                 {"p50_microseconds", all.Micros(0.50)},
                 {"p99_microseconds", all.Micros(0.99)},
                 {"longest_microseconds", all.Micros(1)},
                 {"cpu_microseconds_per_proposal", 1e6 * cpu / proposals},
                 {"proposals_per_batch", static_cast<double>(options.batch)}};
}

}  // namespace

absl::StatusOr<Figures> MeasureBareFile(const BareOptions& options) {
  return Measure(options, [&](const std::string& folder) {
    return std::make_unique<BareFile>(options, folder);
  });
}

absl::StatusOr<Figures> MeasureBareRocksDb(const BareOptions& options) {
  return Measure(options, [&](const std::string& folder) {
    return std::make_unique<BareRocksDb>(options, folder);
  });
}

}  // namespace pontoon::bench
