// The crash matrix of the store on a real disk (design section 4): every fault in every place, at
// every step of a group's life, each with the outcome that is stated for it. Whatever is found
// after a start is what a prefix of the tasks leaves, at least all that was vouched for: never a
// hole, never a silent loss. Prints the matrix.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "storage/database.h"
#include "storage/durable_mark.h"
#include "storage/faulty_file_system.h"
#include "storage/files.h"
#include "storage/open_store.h"
#include "storage/rocks_log_store.h"
#include "storage/test_support.h"
#include "tests/storage/crash_script.h"

namespace pontoon::raft {
namespace {

using rocksdb::IOStatus;
using storage::CopyBlocking;
using storage::Exists;
using storage::ReadFileBlocking;
using storage::RocksLogStore;
using storage::RocksLogStoreOptions;
using storage::testing::FaultyFileSystem;
using storage::testing::RecordingEvents;
using Operation = FaultyFileSystem::Operation;

enum class Outcome {
  kWhole,    // All that was written is there.
  kTailCut,  // All before the last step is there, and of that a prefix.
  kRefused,  // The node does not start, says why and how to go on, and nothing was changed.
  kTold,     // Who reads what is damaged is told; the rest is whole. Or kRefused. If a compaction
             // is the first to read it, the process ends and says so.
  kEnds,     // The process ends at once; all that was reported is there at the next start.
};

const char* NameOf(Outcome outcome) {
  switch (outcome) {
    case Outcome::kWhole:
      return "whole";
    case Outcome::kTailCut:
      return "torn tail is cut off";
    case Outcome::kRefused:
      return "refuses to start, changes nothing";
    case Outcome::kTold:
      return "whoever reads it is told";
    case Outcome::kEnds:
      return "the process ends; all that was reported is there";
  }
  return "?";
}

void PrintRow(const std::string& fault, const std::string& place, const std::string& step,
              Outcome outcome) {
  std::printf("| %-34s | %-38s | %-13s | %s |\n", fault.c_str(), place.c_str(), step.c_str(),
              ::testing::Test::HasFailure() ? "(a row failed)" : NameOf(outcome));
}

void Rewrite(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::trunc | std::ios::binary) << bytes;
}

std::map<std::string, std::string> FilesIn(const std::string& path) {
  std::map<std::string, std::string> out;
  for (const auto& file : std::filesystem::recursive_directory_iterator(path)) {
    if (file.is_regular_file()) out[file.path().string()] = *ReadFileBlocking(file.path().string());
  }
  return out;
}

// A store that goes through the script, one step after the other.
class Runner {
 public:
  explicit Runner(RocksLogStoreOptions options, base::Logger* logger = nullptr) {
    auto store = RocksLogStore::OpenBlocking(std::move(options), logger, &events_);
    EXPECT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
  }
  RocksLogStore* store() { return store_.get(); }
  // Submits the next step. What its last task reports once it is done: Await.
  void Submit() {
    for (const MemoryDisk::Task& task : CrashScript()[next_].tasks) {
      std::visit([this](const auto& t) { store_->Submit(t); }, task);
    }
    ++next_;
  }
  void Await() {
    const auto& last = std::get<StorageTask>(CrashScript()[next_ - 1].tasks.back());
    ASSERT_TRUE(events_.AwaitDone(last.group.value, last.seq.value));
  }
  // The number of steps of which every task was reported.
  size_t Reported() {
    size_t steps = 0;
    const auto done = events_.done();
    for (; steps < CrashScript().size(); ++steps) {
      const auto& last = std::get<StorageTask>(CrashScript()[steps].tasks.back());
      const auto is_done = [&](const auto& report) {
        return report.first == last.group.value && report.second >= last.seq.value;
      };
      if (!std::any_of(done.begin(), done.end(), is_done)) break;
    }
    return steps;
  }

 private:
  RecordingEvents events_;
  std::unique_ptr<RocksLogStore> store_;
  size_t next_ = 0;
};

class CrashMatrixTest : public ::testing::Test {
 protected:
  // The folder of a node killed after so many steps, beside what its log held by then.
  struct Moment {
    std::string path;
    uint64_t last_batch = 0;
    size_t wal_bytes = 0;
  };

  static void SetUpTestSuite() {
    root_ = new storage::testing::TempDir();
    moments_ = new std::vector<Moment>();
    const std::string running = *root_ / "running";
    ASSERT_EQ(mkdir(running.c_str(), 0755), 0);
    Runner runner(storage::testing::TestOptions(running));
    for (size_t steps = 0; steps <= CrashScript().size(); ++steps) {
      if (steps > 0) {
        runner.Submit();
        runner.Await();
      }
      Moment moment;
      moment.path = *root_ / absl::StrCat("killed", steps);
      moment.last_batch = runner.store()->Metrics().last_batch;
      ASSERT_TRUE(CopyBlocking(running, moment.path).ok());
      moment.wal_bytes = ReadFileBlocking(WalOf(moment.path))->size();
      moments_->push_back(moment);
      // The same with everything in data files.
      const std::string flushed = moment.path + "-flushed";
      ASSERT_TRUE(CopyBlocking(moment.path, flushed).ok());
      auto database = storage::Database::OpenBlocking(
          storage::DatabaseOptionsFor(storage::testing::TestOptions(flushed), nullptr));
      ASSERT_TRUE(database.ok()) << database.status();
      rocksdb::DB* const db = (*database)->db();
      ASSERT_TRUE(db->Flush(rocksdb::FlushOptions(), (*database)->families()).ok());
    }
    std::printf("| %-34s | %-38s | %-13s | outcome |\n", "fault", "place", "last step");
  }
  static void TearDownTestSuite() {
    delete std::exchange(moments_, nullptr);
    delete std::exchange(root_, nullptr);
  }

  static std::string WalOf(const std::string& path) { return NewestOf(path, ".log"); }
  static std::string NewestOf(const std::string& path, const std::string& ending) {
    std::string newest;
    const std::vector<std::string> names = *storage::ListBlocking(path + "/store");
    for (const std::string& name : names) {
      if (absl::EndsWith(name, ending) || absl::StartsWith(name, ending))
        newest = std::max(newest, absl::StrCat(path, "/store/", name));
    }
    return newest;
  }
  static std::string FileWith(const std::string& path, const std::string& text) {
    const std::vector<std::string> names = *storage::ListBlocking(path + "/store");
    for (const std::string& name : names) {
      const std::string file = absl::StrCat(path, "/store/", name);
      if (absl::EndsWith(name, ".sst") && absl::StrContains(*ReadFileBlocking(file), text))
        return file;
    }
    return "";
  }
  static const Moment& After(size_t steps) { return (*moments_)[steps]; }
  static std::string StepName(size_t steps) {
    return steps == 0 ? "(none)" : CrashScript()[steps - 1].name;
  }

  // A copy of what was killed after `steps`, whose mark vouches for what the first `marked` wrote.
  std::string Copy(size_t steps, size_t marked, bool flushed = false) {
    const std::string path = dir_ / absl::StrCat("copy", ++copies_);
    EXPECT_TRUE(CopyBlocking(After(steps).path + (flushed ? "-flushed" : ""), path).ok());
    EXPECT_TRUE(storage::WriteNewMarkBlocking(
                    path + "/durable.mark",
                    {10, After(marked).last_batch, storage::testing::TestOptions(path).identity})
                    .ok());
    return path;
  }
  static void FlipBit(const std::string& path, size_t at) {
    std::string bytes = *ReadFileBlocking(path);
    ASSERT_LT(at, bytes.size()) << path;
    bytes[at] = static_cast<char>(bytes[at] ^ 0x10);
    Rewrite(path, bytes);
  }
  static void ZeroPage(const std::string& path, size_t at) {
    std::string bytes = *ReadFileBlocking(path);
    at = at / 4096 * 4096;
    const size_t size = std::min<size_t>(4096, bytes.size() - at);
    bytes.replace(at, size, std::string(size, '\0'));
    Rewrite(path, bytes);
  }
  static void Cut(const std::string& path, size_t size) {
    std::filesystem::resize_file(path, size);
  }

  // What is there is what a number of tasks from `least` to `most` leaves; lines that tell of
  // damage aside, which are counted.
  static size_t ExpectPrefix(const std::vector<std::string>& found, size_t least, size_t most) {
    size_t told = 0;
    std::string nearest;
    for (size_t tasks = most + 1; tasks-- > least;) {
      const std::vector<std::string> expected = ExpectedDump(tasks);
      told = 0;
      std::string wrong;
      for (const std::string& line : found) {
        if (absl::EndsWith(line, "DATA_LOSS")) {
          ++told;
        } else if (std::find(expected.begin(), expected.end(), line) == expected.end()) {
          absl::StrAppend(&wrong, "\n  unexpected: ", line);
        }
      }
      for (const std::string& line : expected) {
        // One that cannot be read is told of under the beginning of its line.
        const auto shows = [&](const std::string& other) {
          if (other == line) return true;
          const size_t end = other.size() - std::min(other.size(), sizeof("DATA_LOSS") - 1);
          return absl::EndsWith(other, "DATA_LOSS") && absl::StartsWith(line, other.substr(0, end));
        };
        if (std::none_of(found.begin(), found.end(), shows))
          absl::StrAppend(&wrong, "\n  missing: ", line);
      }
      if (wrong.empty()) return told;
      if (nearest.empty()) nearest = absl::StrCat("not as after ", tasks, " tasks:", wrong);
    }
    ADD_FAILURE() << "no prefix of the tasks, " << least << " to " << most << ": " << nearest;
    return told;
  }

  void Check(const std::string& path, size_t steps, Outcome outcome) {
    const auto before = FilesIn(path);
    RecordingEvents events;
    RocksLogStoreOptions options = storage::testing::TestOptions(path);
    std::promise<absl::Status> fatal;
    auto ended = fatal.get_future();
    options.on_fatal = [&](const absl::Status& error) { fatal.set_value(error); };
    auto store = RocksLogStore::OpenBlocking(options, nullptr, &events);
    if (outcome == Outcome::kRefused || (outcome == Outcome::kTold && !store.ok())) {
      ASSERT_TRUE(absl::IsDataLoss(store.status())) << store.status();
      EXPECT_TRUE(absl::StrContains(store.status().message(), path)) << store.status();
      EXPECT_TRUE(absl::StrContains(store.status().message(), "--accept-data-loss"))
          << store.status();
      if (outcome == Outcome::kRefused) {
        EXPECT_TRUE(FilesIn(path) == before) << "a file was changed";
      }
      return;
    }
    ASSERT_TRUE(store.ok()) << store.status();
    StorageTask settle;
    settle.group = GroupId{4096};
    settle.seq = IoSeq{1};
    (*store)->Submit(std::move(settle));
    while (!events.AwaitDone(4096, 1, std::chrono::seconds(1))) {
      if (ended.wait_for(std::chrono::seconds(0)) == std::future_status::ready) break;
    }
    if (ended.wait_for(std::chrono::seconds(0)) == std::future_status::ready) {
      const absl::Status error = ended.get();
      EXPECT_EQ(outcome, Outcome::kTold) << error;
      EXPECT_TRUE(absl::IsDataLoss(error) && absl::StrContains(error.message(), path)) << error;
      return;
    }
    const size_t told =
        ExpectPrefix(DumpGroups(store->get()),
                     outcome == Outcome::kTailCut || outcome == Outcome::kEnds ? TasksOf(steps - 1)
                                                                               : TasksOf(steps),
                     outcome == Outcome::kTailCut ? TasksOf(steps) - 1 : TasksOf(steps));
    if (outcome != Outcome::kTold) {
      EXPECT_EQ(told, 0u);
    }
  }

  storage::testing::TempDir dir_;
  int copies_ = 0;
  static inline storage::testing::TempDir* root_ = nullptr;
  static inline std::vector<Moment>* moments_ = nullptr;
};

TEST_F(CrashMatrixTest, DamagedWriteAheadLog) {
  struct Row {
    const char* fault;
    const char* place;
    Outcome outcome;
    // Steps before the last one for which the mark does not vouch.
    size_t unmarked;
    std::function<void(const std::string& wal, size_t begin, size_t end)> damage;
  };
  // `begin` and `end` are of the last step in the write-ahead log.
  const Row rows[] = {
      {"none (kill -9)", "-", Outcome::kWhole, 0, [](auto&, size_t, size_t) {}},
      {"none (kill -9)", "mark lags", Outcome::kWhole, 1, [](auto&, size_t, size_t) {}},
      {"flipped bit", "WAL middle, below the mark", Outcome::kRefused, 0,
       [](auto& wal, size_t begin, size_t) { FlipBit(wal, begin / 2); }},
      {"flipped bit", "WAL tail, below the mark", Outcome::kRefused, 0,
       [](auto& wal, size_t begin, size_t end) { FlipBit(wal, (begin + end) / 2); }},
      {"flipped bit", "WAL tail, above the mark", Outcome::kTailCut, 1,
       [](auto& wal, size_t, size_t end) { FlipBit(wal, end - 10); }},
      {"flipped bit", "WAL middle, above the mark", Outcome::kRefused, 2,
       [](auto& wal, size_t begin, size_t) { FlipBit(wal, begin - 10); }},
      {"zeroed page", "WAL middle, below the mark", Outcome::kRefused, 0,
       [](auto& wal, size_t begin, size_t) { ZeroPage(wal, begin / 2); }},
      {"zeroed to the end", "WAL tail, above the mark", Outcome::kTailCut, 1,
       [](auto& wal, size_t begin, size_t end) {
         Cut(wal, (begin + end) / 2);
         Cut(wal, end);
       }},
      {"zeroed to the end", "WAL tail, below the mark", Outcome::kRefused, 0,
       [](auto& wal, size_t begin, size_t end) {
         Cut(wal, (begin + end) / 2);
         Cut(wal, end);
       }},
      {"torn tail", "WAL tail, above the mark", Outcome::kTailCut, 1,
       [](auto& wal, size_t, size_t end) { Cut(wal, end - 1); }},
      {"torn tail", "WAL tail, below the mark", Outcome::kRefused, 0,
       [](auto& wal, size_t, size_t end) { Cut(wal, end - 1); }},
      {"cut file", "WAL middle, below the mark", Outcome::kRefused, 0,
       [](auto& wal, size_t begin, size_t) { Cut(wal, begin / 2); }},
      {"missing file", "WAL", Outcome::kRefused, 0,
       [](auto& wal, size_t, size_t) { std::filesystem::remove(wal); }},
  };
  for (const Row& row : rows) {
    for (size_t steps = std::max<size_t>(row.unmarked, 1); steps <= CrashScript().size(); ++steps) {
      SCOPED_TRACE(absl::StrCat(row.fault, ", ", row.place, ", ", StepName(steps)));
      const std::string path = Copy(steps, steps - row.unmarked);
      row.damage(WalOf(path), After(steps - 1).wal_bytes, After(steps).wal_bytes);
      Check(path, steps, row.outcome);
      PrintRow(row.fault, row.place, StepName(steps), row.outcome);
    }
  }
}

TEST_F(CrashMatrixTest, DamagedDataFiles) {
  struct Place {
    const char* name;
    const char* text;
    Outcome flipped;
  };
  const Place places[] = {
      {"SST of the log", "<header 41>", Outcome::kTold},
      {"SST of bodies", "<body 1 35>", Outcome::kTold},
      {"SST of pages", "<page 1 2>", Outcome::kTold},
      {"SST of meta", "<root 40>", Outcome::kTold},
  };
  const size_t steps = CrashScript().size();
  for (const Place& place : places) {
    SCOPED_TRACE(place.name);
    std::string path = Copy(steps, steps, /*flushed=*/true);
    std::string file = FileWith(path, place.text);
    ASSERT_NE(file, "");
    const std::string bytes = *ReadFileBlocking(file);
    FlipBit(file, bytes.find(place.text) + 3);
    Check(path, steps, place.flipped);
    PrintRow("flipped bit", absl::StrCat(place.name, ", in what it holds"), StepName(steps),
             place.flipped);
    // Wherever it is, nobody is told something else than what was written.
    for (int i = 0; i < 12; ++i) {
      path = Copy(steps, steps, /*flushed=*/true);
      file = FileWith(path, place.text);
      const size_t at = bytes.size() * static_cast<size_t>(2 * i + 1) / 24;
      SCOPED_TRACE(at);
      FlipBit(file, at);
      Check(path, steps, Outcome::kTold);
    }
    PrintRow("flipped bit, 12 places", absl::StrCat(place.name, ", anywhere"), StepName(steps),
             Outcome::kTold);
    path = Copy(steps, steps, /*flushed=*/true);
    file = FileWith(path, place.text);
    ZeroPage(file, bytes.find(place.text));
    Check(path, steps, Outcome::kTold);
    PrintRow("zeroed page", place.name, StepName(steps), Outcome::kTold);
    for (const bool missing : {false, true}) {
      path = Copy(steps, steps, /*flushed=*/true);
      file = FileWith(path, place.text);
      if (missing) {
        std::filesystem::remove(file);
      } else {
        Cut(file, bytes.size() / 2);
      }
      Check(path, steps, Outcome::kRefused);
      PrintRow(missing ? "missing file" : "cut file", place.name, StepName(steps),
               Outcome::kRefused);
    }
  }
}

TEST_F(CrashMatrixTest, DamagedFilesThatNameTheOthers) {
  struct Row {
    const char* fault;
    const char* place;
    Outcome outcome;
    std::function<void(const std::string& path)> damage;
  };
  const Row rows[] = {
      {"flipped bit", "MANIFEST", Outcome::kRefused,
       [](const std::string& path) { FlipBit(NewestOf(path, "MANIFEST"), 100); }},
      {"zeroed page", "MANIFEST", Outcome::kRefused,
       [](const std::string& path) { ZeroPage(NewestOf(path, "MANIFEST"), 0); }},
      {"cut file", "MANIFEST", Outcome::kRefused,
       [](const std::string& path) { Cut(NewestOf(path, "MANIFEST"), 50); }},
      {"missing file", "MANIFEST", Outcome::kRefused,
       [](const std::string& path) { std::filesystem::remove(NewestOf(path, "MANIFEST")); }},
      {"flipped bit", "CURRENT", Outcome::kRefused,
       [](const std::string& path) { FlipBit(path + "/store/CURRENT", 4); }},
      {"cut file", "CURRENT", Outcome::kRefused,
       [](const std::string& path) { Cut(path + "/store/CURRENT", 0); }},
      {"missing file", "CURRENT", Outcome::kRefused,
       [](const std::string& path) { std::filesystem::remove(path + "/store/CURRENT"); }},
      {"flipped bit", "durable.mark, one of two", Outcome::kWhole,
       [](const std::string& path) { FlipBit(path + "/durable.mark", 20); }},
      {"zeroed page", "durable.mark, one of two", Outcome::kWhole,
       [](const std::string& path) { ZeroPage(path + "/durable.mark", 4096); }},
      {"flipped bits", "durable.mark, both", Outcome::kRefused,
       [](const std::string& path) {
         FlipBit(path + "/durable.mark", 20);
         FlipBit(path + "/durable.mark", 4096 + 20);
       }},
      {"cut file", "durable.mark", Outcome::kRefused,
       [](const std::string& path) { Cut(path + "/durable.mark", 0); }},
      {"missing file", "durable.mark", Outcome::kRefused,
       [](const std::string& path) { std::filesystem::remove(path + "/durable.mark"); }},
      {"missing folder", "the store", Outcome::kRefused,
       [](const std::string& path) { std::filesystem::remove_all(path + "/store"); }},
  };
  for (const Row& row : rows) {
    for (const bool flushed : {false, true}) {
      const size_t steps = CrashScript().size();
      SCOPED_TRACE(absl::StrCat(row.fault, ", ", row.place, flushed ? ", flushed" : ""));
      const std::string path = Copy(steps, steps, flushed);
      row.damage(path);
      Check(path, steps, row.outcome);
      PrintRow(row.fault, absl::StrCat(row.place, flushed ? ", with data files" : ""),
               StepName(steps), row.outcome);
    }
  }
}

TEST_F(CrashMatrixTest, FailedWritesAndSyncs) {
  struct Row {
    const char* fault;
    Operation operation;
    IOStatus error;
    bool once;  // What comes after would succeed.
  };
  IOStatus retryable = IOStatus::IOError("planted");
  retryable.SetRetryable(true);
  const Row rows[] = {
      {"failed write", Operation::kAppend, IOStatus::IOError("planted"), false},
      {"failed write, once", Operation::kAppend, retryable, true},
      {"full disk", Operation::kAppend, IOStatus::NoSpace("planted"), false},
      {"full disk, once", Operation::kAppend, IOStatus::NoSpace("planted"), true},
      {"failed sync", Operation::kSync, IOStatus::IOError("planted"), false},
      {"failed sync, once", Operation::kSync, retryable, true},
  };
  for (const Row& row : rows) {
    for (size_t steps = 1; steps <= CrashScript().size(); ++steps) {
      SCOPED_TRACE(absl::StrCat(row.fault, ", ", StepName(steps)));
      const std::string path = dir_ / absl::StrCat("live", ++copies_);
      ASSERT_EQ(mkdir(path.c_str(), 0755), 0);
      auto file_system = std::make_shared<FaultyFileSystem>();
      const std::unique_ptr<rocksdb::Env> env = rocksdb::NewCompositeEnv(file_system);
      std::promise<void> fatal;
      std::atomic<int> fatal_count{0};
      size_t reported = 0;
      {
        RocksLogStoreOptions options = storage::testing::TestOptions(path);
        options.env = env.get();
        options.on_fatal = [&](const absl::Status&) {
          if (++fatal_count == 1) fatal.set_value();
        };
        Runner runner(std::move(options));
        for (size_t i = 1; i < steps; ++i) {
          runner.Submit();
          runner.Await();
        }
        file_system->SetFault([&row, failed = 0](Operation op, const std::string& file) mutable {
          if (op != row.operation || !absl::EndsWith(file, ".log")) return IOStatus::OK();
          return ++failed > 1 && row.once ? IOStatus::OK() : row.error;
        });
        runner.Submit();
        ASSERT_EQ(fatal.get_future().wait_for(std::chrono::seconds(20)), std::future_status::ready);
        if (steps < CrashScript().size()) runner.Submit();  // Must leave no trace.
        runner.store()->StopBlocking();
        reported = runner.Reported();
        file_system->SetFault({});
      }
      EXPECT_EQ(fatal_count, 1);
      EXPECT_EQ(reported, steps - 1);
      Check(path, steps, Outcome::kEnds);
      PrintRow(row.fault, "WAL", StepName(steps), Outcome::kEnds);
    }
  }
}

TEST_F(CrashMatrixTest, FailedWritesOfDataFiles) {
  struct Row {
    const char* fault;
    const char* place;
    Operation operation;
    const char* file;
    IOStatus error;
  };
  const Row rows[] = {
      {"failed write", "SST, flush", Operation::kAppend, ".sst", IOStatus::IOError("planted")},
      {"full disk", "SST, flush", Operation::kAppend, ".sst", IOStatus::NoSpace("planted")},
      {"failed sync", "SST, flush", Operation::kSync, ".sst", IOStatus::IOError("planted")},
      {"failed write", "MANIFEST", Operation::kAppend, "MANIFEST", IOStatus::IOError("planted")},
      {"full disk", "MANIFEST", Operation::kAppend, "MANIFEST", IOStatus::NoSpace("planted")},
      {"failed sync", "MANIFEST", Operation::kSync, "MANIFEST", IOStatus::IOError("planted")},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(absl::StrCat(row.fault, ", ", row.place));
    const std::string path = dir_ / absl::StrCat("live", ++copies_);
    ASSERT_EQ(mkdir(path.c_str(), 0755), 0);
    auto file_system = std::make_shared<FaultyFileSystem>();
    const std::unique_ptr<rocksdb::Env> env = rocksdb::NewCompositeEnv(file_system);
    std::promise<void> fatal;
    std::atomic<int> fatal_count{0};
    const size_t steps = CrashScript().size();
    {
      RocksLogStoreOptions options = storage::testing::TestOptions(path);
      options.env = env.get();
      options.on_fatal = [&](const absl::Status&) {
        if (++fatal_count == 1) fatal.set_value();
      };
      Runner runner(std::move(options));
      for (size_t i = 1; i <= steps; ++i) {
        runner.Submit();
        runner.Await();
      }
      file_system->SetFault([&row](Operation op, const std::string& file) {
        const bool hit = op == row.operation && absl::StrContains(file, row.file);
        return hit ? row.error : IOStatus::OK();
      });
      // Fills the write buffers until something is flushed.
      auto ended = fatal.get_future();
      uint64_t i = 0;
      while (ended.wait_for(std::chrono::milliseconds(1)) != std::future_status::ready) {
        ASSERT_LT(++i, 2000u);
        StorageTask task;
        task.group = GroupId{3};
        task.seq = IoSeq{i};
        task.append = {storage::testing::MakeEntry(1, i, "h", std::string(200000, 'x'))};
        runner.store()->Submit(std::move(task));
      }
      runner.store()->StopBlocking();
      file_system->SetFault({});
    }
    EXPECT_EQ(fatal_count, 1);
    Check(path, steps, Outcome::kWhole);
    PrintRow(row.fault, row.place, StepName(steps), Outcome::kEnds);
  }
}

// Of each log file only what was synced is left.
TEST_F(CrashMatrixTest, PowerCut) {
  const std::string path = dir_ / "running";
  ASSERT_EQ(mkdir(path.c_str(), 0755), 0);
  auto file_system = std::make_shared<FaultyFileSystem>();
  const std::unique_ptr<rocksdb::Env> env = rocksdb::NewCompositeEnv(file_system);
  RocksLogStoreOptions options = storage::testing::TestOptions(path);
  options.env = env.get();
  Runner runner(std::move(options));
  for (size_t steps = 1; steps <= CrashScript().size(); ++steps) {
    SCOPED_TRACE(StepName(steps));
    runner.Submit();
    runner.Await();
    const std::string cut = dir_ / absl::StrCat("cut", steps);
    ASSERT_EQ(mkdir(cut.c_str(), 0755), 0);
    ASSERT_TRUE(CopyBlocking(path + "/durable.mark", cut + "/durable.mark").ok());
    ASSERT_TRUE(CopyBlocking(path + "/store", cut + "/store").ok());
    for (const auto& [name, bytes] : file_system->SyncedBytes()) {
      const std::string copy =
          absl::StrCat(cut, "/store/", std::filesystem::path(name).filename().string());
      if (Exists(copy)) std::filesystem::resize_file(copy, bytes);
    }
    Check(cut, steps, Outcome::kWhole);
    PrintRow("power cut", "all that was not synced", StepName(steps), Outcome::kWhole);
  }
}

}  // namespace
}  // namespace pontoon::raft
