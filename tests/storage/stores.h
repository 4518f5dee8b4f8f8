#ifndef PONTOON_TESTS_STORAGE_STORES_H_
#define PONTOON_TESTS_STORAGE_STORES_H_

#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "base/random.h"
#include "raft/node/memory_log_store.h"
#include "storage/rocks_log_store.h"
#include "storage/test_support.h"

// Both stores behind one face, so that one test asks the same of both.

namespace pontoon::raft {

// What was reported, in order: "done 1 7", "checkpoint 1 12", "written 1 3".
class RecordingEvents final : public StorageEvents {
 public:
  void OnStorageDone(GroupId group, IoSeq seq) override { Add("done", group, seq.value); }
  void OnCheckpointDurable(GroupId group, EntryId applied) override {
    Add("checkpoint", group, applied.index.value);
  }
  void OnStateWritten(GroupId group, uint64_t ticket) override { Add("written", group, ticket); }
  std::vector<std::string> Take() {
    base::MutexLock lock(&mutex_);
    return std::exchange(log_, {});
  }
  bool Has(const std::string& line) {
    base::MutexLock lock(&mutex_);
    return std::find(log_.begin(), log_.end(), line) != log_.end();
  }
  void Await(const std::string& line) {
    base::MutexLock lock(&mutex_);
    while (std::find(log_.begin(), log_.end(), line) == log_.end()) changed_.Wait(&mutex_);
  }

 private:
  void Add(absl::string_view what, GroupId group, uint64_t number) {
    base::MutexLock lock(&mutex_);
    log_.push_back(absl::StrCat(what, " ", group.value, " ", number));
    changed_.NotifyAll();
  }
  base::Mutex mutex_;
  base::CondVar changed_;
  std::vector<std::string> log_;
};

class StoreUnderTest {
 public:
  virtual ~StoreUnderTest() = default;
  virtual LogStore& store() = 0;
  // All that was submitted is written, synced and reported.
  virtual void Settle() = 0;
  // The process ends after all that was submitted is on the disk, and starts again.
  virtual void Restart() = 0;
  // Runs the reads that were asked for.
  virtual void AnswerReads() = 0;
  // One byte of the body's value on the disk is another; whoever reads it must notice.
  virtual void DamageBody(GroupId group, Index index) = 0;
  RecordingEvents events;
};

class MemoryStoreUnderTest final : public StoreUnderTest {
 public:
  LogStore& store() override { return store_; }
  void Settle() override { store_.SyncAndReport(); }
  void Restart() override {
    store_.Sync();
    base::SeededRandom random(1);
    store_.Crash(&random, &events);
  }
  void AnswerReads() override { store_.AnswerReads(); }
  void DamageBody(GroupId group, Index index) override { store_.DamageBody(group, index); }

 private:
  MemoryLogStore store_{&events};
};

class RocksStoreUnderTest final : public StoreUnderTest {
 public:
  RocksStoreUnderTest() { Open(); }
  LogStore& store() override { return *store_; }
  void Settle() override {
    // Cuts are made beside the writer. The first round ends when the writer has reported the batch
    // that asks for them, the second when it has handed them to the reader (there is one) and the
    // reader has made them and handed the results in, the third when those are written.
    for (int i = 0; i < 3; ++i) {
      StorageTask last;
      last.group = kOther;
      last.seq = IoSeq{++seq_};
      store_->Submit(std::move(last));
      events.Await(absl::StrCat("done ", kOther.value, " ", seq_));
      std::promise<void> answered;
      store_->ReadBodies(kOther, {}, [&](auto) { answered.set_value(); });
      answered.get_future().wait();
    }
  }
  void Restart() override {
    store_.reset();
    Open();
  }
  void AnswerReads() override {}
  void DamageBody(GroupId group, Index index) override;

 private:
  static constexpr GroupId kOther{4096};
  void Open() {
    storage::RocksLogStoreOptions options = storage::testing::TestOptions(dir_.path());
    options.reader_threads = 1;
    auto store = storage::RocksLogStore::OpenBlocking(std::move(options), nullptr, &events);
    if (!store.ok()) std::abort();
    store_ = *std::move(store);
  }
  storage::testing::TempDir dir_;
  std::unique_ptr<storage::RocksLogStore> store_;
  uint64_t seq_ = 0;
};

// A test that runs over both.
class LogStoreTest : public ::testing::TestWithParam<const char*> {
 protected:
  static constexpr GroupId kGroup{1};

  // A new, empty store.
  void SetUp() override {
    if (std::string(GetParam()) == "memory") {
      under_test_ = std::make_unique<MemoryStoreUnderTest>();
    } else {
      under_test_ = std::make_unique<RocksStoreUnderTest>();
    }
  }
  LogStore& store() { return under_test_->store(); }
  void Settle() { under_test_->Settle(); }
  void Restart() { under_test_->Restart(); }

  // A task of the group with the next number.
  StorageTask Task() {
    StorageTask task;
    task.group = kGroup;
    task.seq = IoSeq{++seq_};
    return task;
  }
  static Entry MakeEntry(uint64_t term, uint64_t index, const std::string& body = "") {
    return storage::testing::MakeEntry(term, index, absl::StrCat("h", index), body);
  }
  // Entries `from` to `to` of this term, each with the body BodyOf(index).
  void Append(uint64_t term, uint64_t from, uint64_t to) {
    StorageTask task = Task();
    for (uint64_t i = from; i <= to; ++i) task.append.push_back(MakeEntry(term, i, BodyOf(i)));
    store().Submit(std::move(task));
  }
  static std::string BodyOf(uint64_t index) { return absl::StrCat("<body of entry ", index, ">"); }
  static BodyImage ImageOf(uint64_t index, const std::string& body) {
    BodyImage image;
    image.index = Index{index};
    image.body_bytes = static_cast<uint32_t>(body.size());
    image.extents = {{0, image.body_bytes, base::Crc32c(body)}};
    image.bytes = base::SliceChain(base::Slice::Copy(body));
    return image;
  }
  static StateTask State() {
    StateTask task;
    task.group = kGroup;
    return task;
  }
  static base::SliceChain Bytes(const std::string& bytes) {
    return base::SliceChain(base::Slice::Copy(bytes));
  }

  absl::StatusOr<std::vector<Entry>> ReadEntries(uint64_t from, uint64_t to,
                                                 uint64_t bytes_max = 1 << 20) {
    std::promise<absl::StatusOr<std::vector<Entry>>> promise;
    auto future = promise.get_future();
    store().ReadEntries(kGroup, Index{from}, Index{to}, bytes_max,
                        [&](auto entries) { promise.set_value(std::move(entries)); });
    under_test_->AnswerReads();
    return future.get();
  }
  std::vector<absl::StatusOr<BodyImage>> ReadImages(const std::vector<Index>& bodies,
                                                    bool with_bytes = true) {
    std::promise<std::vector<absl::StatusOr<BodyImage>>> promise;
    auto future = promise.get_future();
    store().ReadBodyImages(kGroup, bodies, with_bytes,
                           [&](auto images) { promise.set_value(std::move(images)); });
    under_test_->AnswerReads();
    return future.get();
  }
  absl::StatusOr<Checkpoint> ReadCheckpoint() {
    std::promise<absl::StatusOr<Checkpoint>> promise;
    auto future = promise.get_future();
    store().ReadCheckpoint(kGroup,
                           [&](auto checkpoint) { promise.set_value(std::move(checkpoint)); });
    under_test_->AnswerReads();
    return future.get();
  }
  // The page's bytes, or "" if it is not there.
  std::string ReadPage(PageId page) {
    std::promise<absl::StatusOr<base::Slice>> promise;
    auto future = promise.get_future();
    store().ReadPage(kGroup, page, [&](auto slice) { promise.set_value(std::move(slice)); });
    under_test_->AnswerReads();
    const absl::StatusOr<base::Slice> slice = future.get();
    EXPECT_TRUE(slice.ok() || absl::IsNotFound(slice.status())) << slice.status();
    return slice.ok() ? std::string(slice->view()) : "";
  }
  // What there is of the body, "" if nothing.
  std::string ReadBody(uint64_t index) {
    const absl::StatusOr<BodyImage> image = ReadImages({Index{index}})[0];
    EXPECT_TRUE(image.ok() || absl::IsNotFound(image.status())) << image.status();
    return image.ok() ? std::string(image->bytes.Flatten().view()) : "";
  }
  // Of `first` to `last`, those of which there is a body.
  std::vector<uint64_t> BodiesAmong(uint64_t first, uint64_t last) {
    std::vector<Index> indexes;
    for (uint64_t i = first; i <= last; ++i) indexes.push_back(Index{i});
    std::vector<uint64_t> found;
    for (const absl::StatusOr<BodyImage>& image : ReadImages(indexes, false)) {
      if (image.ok()) found.push_back(image->index.value);
    }
    return found;
  }
  RecoveredGroup Recover() {
    absl::StatusOr<RecoveredGroup> group = store().RecoverBlocking(kGroup);
    EXPECT_TRUE(group.ok()) << group.status();
    return group.ok() ? *std::move(group) : RecoveredGroup();
  }
  static std::vector<uint64_t> IndexesOf(const std::vector<Entry>& entries) {
    std::vector<uint64_t> indexes;
    for (const Entry& entry : entries) indexes.push_back(entry.id.index.value);
    return indexes;
  }

  std::unique_ptr<StoreUnderTest> under_test_;
  uint64_t seq_ = 0;
};

}  // namespace pontoon::raft

#endif  // PONTOON_TESTS_STORAGE_STORES_H_
