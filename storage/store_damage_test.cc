// What a node alone does about a damaged store: a torn end behind all that was vouched for is cut
// off; anything that is missing below the durable mark stops it with one error, and nothing on the
// disk changes.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <fstream>

#include "absl/strings/match.h"
#include "storage/accept_data_loss.h"
#include "storage/durable_mark.h"
#include "storage/files.h"
#include "storage/rocks_log_store.h"
#include "storage/test_support.h"
#include "storage/wal_scan.h"

namespace pontoon::storage {
namespace {

using testing::Append;
using testing::MakeEntry;

constexpr uint64_t kEntries = 200;

std::string BodyOf(uint64_t index) {
  std::string body = absl::StrCat("<body ", index, ">");
  body.resize(1000, 'x');
  return body;
}

class StoreDamageTest : public ::testing::Test {
 protected:
  // Writes entries 1 to kEntries, each synced in a batch of its own, and copies the folder while
  // the server still runs: what kill -9 leaves.
  static void SetUpTestSuite() {
    killed_ = new testing::TempDir();
    const std::string running = *killed_ / "running";
    ASSERT_EQ(mkdir(running.c_str(), 0755), 0);
    testing::RecordingEvents events;
    auto store = RocksLogStore::OpenBlocking(testing::TestOptions(running), nullptr, &events);
    ASSERT_TRUE(store.ok()) << store.status();
    for (uint64_t i = 1; i <= kEntries; ++i) {
      (*store)->Submit(Append(1, i, {MakeEntry(1, i, "header", BodyOf(i))}));
      ASSERT_TRUE(events.AwaitDone(1, i));
    }
    last_batch_ = (*store)->Metrics().last_batch;
    ASSERT_TRUE(CopyBlocking(running, *killed_ / "killed").ok());
  }
  static void TearDownTestSuite() { delete std::exchange(killed_, nullptr); }
  // The mark vouches for all of them.
  void SetUp() override {
    ASSERT_TRUE(CopyBlocking(*killed_ / "killed", path_).ok());
    SetMark(last_batch_);
  }

  RocksLogStoreOptions Options() { return testing::TestOptions(path_); }

  void SetMark(uint64_t batch) {
    ASSERT_TRUE(
        WriteNewMarkBlocking(path_ + "/durable.mark", {10, batch, Options().identity}).ok());
  }
  // The mark vouches for the batch that wrote this entry, and nothing later.
  void SetMarkAtEntry(uint64_t index) { SetMark(last_batch_ - kEntries + index); }

  std::vector<std::string> StoreFiles() { return *ListBlocking(path_ + "/store"); }
  std::string WalPath() {
    std::string newest;
    for (const std::string& name : StoreFiles()) {
      if (absl::EndsWith(name, ".log")) newest = absl::StrCat(path_, "/store/", name);
    }
    return newest;
  }
  // Where the entry's body begins in the write-ahead log.
  size_t OffsetOf(uint64_t index) {
    const size_t at = ReadFileBlocking(WalPath())->find(absl::StrCat("<body ", index, ">"));
    EXPECT_NE(at, std::string::npos);
    return at;
  }
  void Rewrite(const std::string& path, const std::string& bytes) {
    std::ofstream(path, std::ios::trunc | std::ios::binary) << bytes;
  }
  void FlipBit(const std::string& path, size_t at) {
    std::string bytes = *ReadFileBlocking(path);
    bytes[at] = static_cast<char>(bytes[at] ^ 0x20);
    Rewrite(path, bytes);
  }
  void CutWal(size_t size) { Rewrite(WalPath(), ReadFileBlocking(WalPath())->substr(0, size)); }

  std::map<std::string, std::string> Contents() {
    std::map<std::string, std::string> out;
    for (const auto& file : std::filesystem::recursive_directory_iterator(path_)) {
      if (file.is_regular_file())
        out[file.path().string()] = *ReadFileBlocking(file.path().string());
    }
    return out;
  }

  // Opens, expects entries 1 to `count` whole and none behind, appends one more and finds it again.
  void ExpectEntries(uint64_t count) {
    for (int start = 0; start < 2; ++start) {
      testing::RecordingEvents events;
      auto store = RocksLogStore::OpenBlocking(Options(), &logger_, &events);
      ASSERT_TRUE(store.ok()) << store.status();
      const auto group = (*store)->RecoverBlocking({1});
      ASSERT_TRUE(group.ok()) << group.status();
      ASSERT_EQ(group->entries.size(), count);
      for (uint64_t i = 1; i <= count; ++i) {
        const std::string body = BodyOf(i);
        const auto read =
            testing::Read(store->get(), 1, {{{i}, 0, static_cast<uint32_t>(body.size())}});
        ASSERT_TRUE(read[0].ok()) << read[0].status();
        ASSERT_EQ(read[0]->view(), body);
      }
      if (start == 0) {
        ++count;
        (*store)->Submit(Append(1, 1, {MakeEntry(1, count, "header", BodyOf(count))}));
        ASSERT_TRUE(events.AwaitDone(1, 1));
      }
    }
  }

  // Refuses with one error that names `file` and the command, and leaves every byte as it was.
  void ExpectRefused(const std::string& file) {
    const auto before = Contents();
    testing::RecordingEvents events;
    const auto store = RocksLogStore::OpenBlocking(Options(), &logger_, &events);
    ASSERT_TRUE(absl::IsDataLoss(store.status())) << store.status();
    EXPECT_TRUE(absl::StrContains(store.status().message(), file)) << store.status();
    EXPECT_TRUE(absl::StrContains(store.status().message(), "--accept-data-loss"))
        << store.status();
    const auto after = Contents();
    for (const auto& [name, bytes] : after) {
      const auto it = before.find(name);
      EXPECT_TRUE(it != before.end() && it->second == bytes) << name << " was changed";
    }
    EXPECT_EQ(before.size(), after.size());
  }

  testing::TempDir dir_;
  const std::string path_ = dir_ / "data";
  testing::CapturingLogger logger_;
  static inline testing::TempDir* killed_ = nullptr;
  static inline uint64_t last_batch_ = 0;
};

TEST_F(StoreDamageTest, AfterKillEverythingReportedIsThere) { ExpectEntries(kEntries); }

TEST_F(StoreDamageTest, WholeLogIsJudgedWithoutReplayingIt) {
  const auto whole = ScanWalBlocking(path_ + "/store");
  ASSERT_TRUE(whole.ok());
  EXPECT_EQ(whole->trouble, "");
  EXPECT_EQ(whole->last_batch, last_batch_);
  EXPECT_EQ(whole->first_batch, 1u);
  FlipBit(WalPath(), OffsetOf(50) + 500);
  const auto damaged = ScanWalBlocking(path_ + "/store");
  EXPECT_TRUE(absl::StrContains(damaged->trouble, WalPath()));
  EXPECT_EQ(damaged->last_batch, last_batch_ - kEntries + 49);
}

TEST_F(StoreDamageTest, TornLastRecordAboveTheMarkIsCutOff) {
  SetMarkAtEntry(kEntries - 1);
  CutWal(OffsetOf(kEntries) + 10);
  ExpectEntries(kEntries - 1);
}

TEST_F(StoreDamageTest, TornLastRecordBelowTheMarkStopsTheNode) {
  CutWal(OffsetOf(kEntries) + 10);
  ExpectRefused(WalPath());
}

TEST_F(StoreDamageTest, LogCutInHalfStopsTheNode) {
  CutWal(OffsetOf(kEntries / 2));
  ExpectRefused(WalPath());
}

TEST_F(StoreDamageTest, FlippedBitBelowTheMarkStopsTheNode) {
  FlipBit(WalPath(), OffsetOf(kEntries / 2) + 500);
  ExpectRefused(WalPath());
}

TEST_F(StoreDamageTest, ZeroedPageBelowTheMarkStopsTheNode) {
  std::string bytes = *ReadFileBlocking(WalPath());
  const size_t at = OffsetOf(kEntries / 2) / 4096 * 4096;
  bytes.replace(at, 4096, std::string(4096, '\0'));
  Rewrite(WalPath(), bytes);
  ExpectRefused(WalPath());
}

TEST_F(StoreDamageTest, GarbageAtTheEndAboveTheMarkIsCutOffAndKeptAside) {
  SetMarkAtEntry(kEntries - 10);
  FlipBit(WalPath(), OffsetOf(kEntries) + 500);
  ExpectEntries(kEntries - 1);
  EXPECT_FALSE(ListBlocking(path_ + "/wal-aside-1")->empty());
  EXPECT_FALSE(Exists(path_ + "/wal-aside-2"));
}

// The mark lags behind by up to 100 ms; a batch that was written later knows better.
TEST_F(StoreDamageTest, DamageThatALaterBatchProvesToHaveBeenSyncedStopsTheNode) {
  SetMarkAtEntry(kEntries - 10);
  FlipBit(WalPath(), OffsetOf(kEntries - 3) + 500);
  ExpectRefused(WalPath());
}

TEST_F(StoreDamageTest, DamagedLengthThatLooksLikeATornEndStopsTheNode) {
  SetMarkAtEntry(kEntries - 20);
  // The length of a record lies before its body; whichever byte between two bodies is damaged,
  // nothing is cut off silently.
  const size_t body = OffsetOf(kEntries - 2);
  const std::string bytes = *ReadFileBlocking(WalPath());
  for (size_t at = OffsetOf(kEntries - 3) + 1000; at < body; at += 3) {
    Rewrite(WalPath(), bytes);
    FlipBit(WalPath(), at);
    testing::RecordingEvents events;
    const auto store = RocksLogStore::OpenBlocking(Options(), &logger_, &events);
    EXPECT_TRUE(absl::IsDataLoss(store.status())) << "byte " << at << ": " << store.status();
  }
}

TEST_F(StoreDamageTest, ZeroedEndAboveTheMarkIsCutOff) {
  SetMarkAtEntry(kEntries - 10);
  std::string bytes = *ReadFileBlocking(WalPath());
  const size_t at = OffsetOf(kEntries - 4);
  bytes.replace(at, bytes.size() - at, std::string(bytes.size() - at, '\0'));
  Rewrite(WalPath(), bytes);
  ExpectEntries(kEntries - 5);
}

TEST_F(StoreDamageTest, MissingLogFileStopsTheNode) {
  ASSERT_EQ(unlink(WalPath().c_str()), 0);
  ExpectRefused(path_ + "/store");
}

TEST_F(StoreDamageTest, MissingStoreStopsTheNode) {
  std::filesystem::remove_all(path_ + "/store");
  ExpectRefused(path_ + "/store");
}

TEST_F(StoreDamageTest, StoreThatOnceWasIsNeverMadeAnew) {
  std::filesystem::remove_all(path_ + "/store");
  unlink((path_ + "/durable.mark").c_str());
  RocksLogStoreOptions options = Options();
  options.may_create = false;
  testing::RecordingEvents events;
  EXPECT_TRUE(absl::IsDataLoss(RocksLogStore::OpenBlocking(options, &logger_, &events).status()));
}

TEST_F(StoreDamageTest, MissingMarkStopsTheNode) {
  ASSERT_EQ(unlink((path_ + "/durable.mark").c_str()), 0);
  ExpectRefused(path_ + "/durable.mark");
}

TEST_F(StoreDamageTest, OneDamagedSlotOfTheMarkIsSurvived) {
  for (const size_t slot : {0, 1}) {
    SetMark(last_batch_);
    FlipBit(path_ + "/durable.mark", slot * kMarkSlotBytes + 20);
    EXPECT_TRUE(ReadMarkBlocking(path_ + "/durable.mark").ok());
  }
  ExpectEntries(kEntries);
}

TEST_F(StoreDamageTest, MarkWithoutAWholeSlotStopsTheNode) {
  FlipBit(path_ + "/durable.mark", 20);
  FlipBit(path_ + "/durable.mark", kMarkSlotBytes + 20);
  ExpectRefused(path_ + "/durable.mark");
}

TEST_F(StoreDamageTest, DamagedManifestStopsTheNode) {
  for (const std::string& name : StoreFiles()) {
    if (absl::StartsWith(name, "MANIFEST")) FlipBit(absl::StrCat(path_, "/store/", name), 100);
  }
  ExpectRefused(path_ + "/store");
}

TEST_F(StoreDamageTest, DamagedCurrentFileStopsTheNode) {
  Rewrite(path_ + "/store/CURRENT", "nonsense");
  ExpectRefused(path_ + "/store");
}

TEST_F(StoreDamageTest, MissingDataFileStopsTheNode) {
  {
    // More than the write buffers hold, so that there are data files.
    testing::RecordingEvents events;
    auto store = RocksLogStore::OpenBlocking(Options(), &logger_, &events);
    ASSERT_TRUE(store.ok()) << store.status();
    for (uint64_t i = 1; (*store)->Metrics().flush_bytes == 0; ++i) {
      (*store)->Submit(Append(2, i, {MakeEntry(1, i, "header", std::string(100000, 'x'))}));
      ASSERT_TRUE(events.AwaitDone(2, i));
    }
  }
  std::string file;
  for (const std::string& name : StoreFiles()) {
    if (absl::EndsWith(name, ".sst")) file = name;
  }
  ASSERT_NE(file, "");
  ASSERT_EQ(unlink(absl::StrCat(path_, "/store/", file).c_str()), 0);
  ExpectRefused(file);
}

// The operator's way on: the folder is copied, then what is left is the truth.
TEST_F(StoreDamageTest, AcceptedLossGoesOnWithWhatIsLeftAndKeepsACopy) {
  FlipBit(WalPath(), OffsetOf(kEntries / 2) + 500);
  const auto before = Contents();
  const auto accepted = AcceptDataLossBlocking(path_, Options().identity, &logger_);
  ASSERT_TRUE(accepted.ok()) << accepted.status();
  EXPECT_EQ(accepted->marked_batch, last_batch_);
  EXPECT_LT(accepted->recovered_batch, last_batch_);
  EXPECT_EQ(accepted->lost.size(), 1u);
  for (const auto& [name, bytes] : before) {
    const std::string copy = accepted->copy + name.substr(path_.size());
    EXPECT_EQ(*ReadFileBlocking(copy), bytes) << copy;
  }
  ExpectEntries(kEntries / 2 - 1);
}

TEST_F(StoreDamageTest, LossOfMarkManifestOrStoreCanBeAccepted) {
  unlink((path_ + "/durable.mark").c_str());
  ASSERT_TRUE(AcceptDataLossBlocking(path_, Options().identity, &logger_).ok());
  for (const std::string& name : StoreFiles()) {
    if (absl::StartsWith(name, "MANIFEST")) FlipBit(absl::StrCat(path_, "/store/", name), 100);
  }
  const auto repaired = AcceptDataLossBlocking(path_, Options().identity, &logger_);
  ASSERT_TRUE(repaired.ok()) << repaired.status();
  ExpectEntries(kEntries);
  std::filesystem::remove_all(path_ + "/store");
  const auto empty = AcceptDataLossBlocking(path_, Options().identity, &logger_);
  ASSERT_TRUE(empty.ok()) << empty.status();
  testing::RecordingEvents events;
  EXPECT_TRUE(RocksLogStore::OpenBlocking(Options(), &logger_, &events).ok());
}

// The process that the next test kills: tells file descriptor 3 of every entry that was reported
// done, for ever.
TEST(StoreToBeKilled, DISABLED_WritesUntilItIsKilled) {
  const char* const path = std::getenv("PONTOON_STORE_TO_BE_KILLED");
  ASSERT_NE(path, nullptr);
  struct Telling final : raft::StorageEvents {
    void OnStorageDone(base::GroupId, raft::IoSeq seq) override {
      if (write(3, &seq.value, sizeof(seq.value)) < 0) _exit(1);
    }
    void OnCheckpointDurable(base::GroupId, raft::EntryId) override {}
  } telling;
  auto store = RocksLogStore::OpenBlocking(testing::TestOptions(path), nullptr, &telling);
  ASSERT_TRUE(store.ok()) << store.status();
  for (uint64_t i = 1;; ++i) {
    (*store)->Submit(Append(1, i, {MakeEntry(1, i, "header", BodyOf(i))}));
    if (i % 8 == 0) usleep(500);
  }
}

TEST_F(StoreDamageTest, ServerKilledAtAnyInstantLosesNothingReported) {
  for (int round = 0; round < 5; ++round) {
    const std::string path = absl::StrCat(dir_ / "killed", round);
    ASSERT_EQ(mkdir(path.c_str(), 0755), 0);
    int fds[2];
    ASSERT_EQ(pipe2(fds, O_CLOEXEC), 0);
    // All that allocates comes before the fork: this process has threads.
    const std::string variable = absl::StrCat("PONTOON_STORE_TO_BE_KILLED=", path);
    const char* const arguments[] = {"storage_test", "--gtest_also_run_disabled_tests",
                                     "--gtest_filter=StoreToBeKilled.*", nullptr};
    const char* const environment[] = {variable.c_str(), nullptr};
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      dup2(fds[1], 3);
      fcntl(3, F_SETFD, 0);  // Also if it was 3 already.
      execve("/proc/self/exe", const_cast<char* const*>(arguments),
             const_cast<char* const*>(environment));
      _exit(1);
    }
    close(fds[1]);
    uint64_t reported = 0;
    const uint64_t until = 20 + 150 * static_cast<uint64_t>(round);
    while (reported < until) ASSERT_EQ(read(fds[0], &reported, sizeof(reported)), 8);
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    uint64_t more = 0;
    while (read(fds[0], &more, sizeof(more)) == 8) reported = more;
    close(fds[0]);
    testing::RecordingEvents events;
    auto store = RocksLogStore::OpenBlocking(testing::TestOptions(path), &logger_, &events);
    ASSERT_TRUE(store.ok()) << store.status();
    const auto group = (*store)->RecoverBlocking({1});
    ASSERT_TRUE(group.ok()) << group.status();
    ASSERT_GE(group->entries.size(), reported);
    for (uint64_t i = 1; i <= reported; ++i) {
      ASSERT_EQ(testing::Read(store->get(), 1, {{{i}, 0, 1000}})[0]->view(), BodyOf(i));
    }
  }
}

}  // namespace
}  // namespace pontoon::storage
