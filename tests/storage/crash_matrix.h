#ifndef PONTOON_TESTS_STORAGE_CRASH_MATRIX_H_
#define PONTOON_TESTS_STORAGE_CRASH_MATRIX_H_

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/match.h"
#include "storage/accept_data_loss.h"
#include "storage/database.h"
#include "storage/durable_mark.h"
#include "storage/files.h"
#include "storage/open_store.h"
#include "storage/rocks_log_store.h"
#include "storage/test_support.h"
#include "tests/storage/crash_script.h"

// The crash matrix of the store on a real disk (design section 4): every fault in every place, at
// every step of a group's life, each with the outcome that is stated for it. Whatever is found
// after a start is what a prefix of the tasks leaves, at least all that was vouched for: never a
// hole, never a silent loss. The tests print the matrix.

namespace pontoon::raft {

enum class Outcome {
  kWhole,    // All that was written is there.
  kTailCut,  // All before the last step is there, and of that a prefix.
  kRefused,  // The node does not start, says why and how to go on, and nothing was changed.
  kTold,     // Who reads what is damaged is told; the rest is whole. Or kRefused. If a compaction
             // is the first to read it, the process ends and says so.
  kEnds,     // The process ends at once; all that was reported is there at the next start.
};

inline const char* NameOf(Outcome outcome) {
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

inline void PrintRow(const std::string& fault, const std::string& place, const std::string& step,
                     Outcome outcome) {
  std::printf("| %-34s | %-38s | %-13s | %s |\n", fault.c_str(), place.c_str(), step.c_str(),
              ::testing::Test::HasFailure() ? "(a row failed)" : NameOf(outcome));
}

inline void Rewrite(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::trunc | std::ios::binary) << bytes;
}

inline std::map<std::string, std::string> FilesIn(const std::string& path) {
  std::map<std::string, std::string> out;
  for (const auto& file : std::filesystem::recursive_directory_iterator(path)) {
    if (file.is_regular_file())
      out[file.path().string()] = *storage::ReadFileBlocking(file.path().string());
  }
  return out;
}

// A store that goes through the script, one step after the other.
class Runner {
 public:
  explicit Runner(storage::RocksLogStoreOptions options, base::Logger* logger = nullptr) {
    auto store = storage::RocksLogStore::OpenBlocking(std::move(options), logger, &events_);
    EXPECT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
  }
  storage::RocksLogStore* store() { return store_.get(); }
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
  storage::testing::RecordingEvents events_;
  std::unique_ptr<storage::RocksLogStore> store_;
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
      ASSERT_TRUE(storage::CopyBlocking(running, moment.path).ok());
      moment.wal_bytes = storage::ReadFileBlocking(WalOf(moment.path))->size();
      moments_->push_back(moment);
      // The same with everything in data files.
      const std::string flushed = moment.path + "-flushed";
      ASSERT_TRUE(storage::CopyBlocking(moment.path, flushed).ok());
      auto database = storage::Database::OpenBlocking(
          storage::DatabaseOptionsFor(storage::testing::TestOptions(flushed), nullptr));
      ASSERT_TRUE(database.ok()) << database.status();
      ASSERT_TRUE((*database)->FlushBlocking().ok());
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
      if (absl::EndsWith(name, ".sst") && absl::StrContains(*storage::ReadFileBlocking(file), text))
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
    EXPECT_TRUE(storage::CopyBlocking(After(steps).path + (flushed ? "-flushed" : ""), path).ok());
    EXPECT_TRUE(storage::WriteNewMarkBlocking(
                    path + "/durable.mark",
                    {10, After(marked).last_batch, storage::testing::TestOptions(path).identity})
                    .ok());
    return path;
  }
  static void FlipBit(const std::string& path, size_t at) {
    std::string bytes = *storage::ReadFileBlocking(path);
    ASSERT_LT(at, bytes.size()) << path;
    bytes[at] = static_cast<char>(bytes[at] ^ 0x10);
    Rewrite(path, bytes);
  }
  static void ZeroPage(const std::string& path, size_t at) {
    std::string bytes = *storage::ReadFileBlocking(path);
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

  // Whether anybody was told of damage.
  bool Check(const std::string& path, size_t steps, Outcome outcome) {
    bool noticed = false;
    CheckIt(path, steps, outcome, &noticed);
    return noticed;
  }
  void CheckIt(const std::string& path, size_t steps, Outcome outcome, bool* noticed) {
    const auto before = FilesIn(path);
    storage::testing::RecordingEvents events;
    storage::RocksLogStoreOptions options = storage::testing::TestOptions(path);
    std::promise<absl::Status> fatal;
    auto ended = fatal.get_future();
    options.on_fatal = [&](const absl::Status& error) { fatal.set_value(error); };
    auto store = storage::RocksLogStore::OpenBlocking(options, nullptr, &events);
    if (outcome == Outcome::kRefused || (outcome == Outcome::kTold && !store.ok())) {
      *noticed = true;
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
      *noticed = true;
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
    *noticed = told > 0;
    if (outcome != Outcome::kTold) {
      EXPECT_EQ(told, 0u);
    }
  }

  // The operator's way on: what is left is the truth from then on, without a hole. Or, where there
  // are others to ask, each replica counts for nothing until it has come back.
  void CheckThatLossCanBeAccepted(const std::string& path,
                                  storage::AfterLoss after = storage::AfterLoss::kServe) {
    SCOPED_TRACE(after == storage::AfterLoss::kServe ? "serves" : "in quarantine");
    const auto identity = storage::testing::TestOptions(path).identity;
    const auto accepted = storage::AcceptDataLossBlocking(path, identity, nullptr, after);
    ASSERT_TRUE(accepted.ok()) << accepted.status();
    EXPECT_TRUE(storage::Exists(accepted->copy + "/node") || !storage::Exists(path + "/node"));
    storage::testing::RecordingEvents events;
    auto store =
        storage::RocksLogStore::OpenBlocking(storage::testing::TestOptions(path), nullptr, &events);
    ASSERT_TRUE(store.ok()) << store.status();
    for (const GroupId group : {GroupId{1}, GroupId{2}}) {
      const auto recovered = (*store)->RecoverBlocking(group);
      ASSERT_TRUE(recovered.ok()) << recovered.status();
      // The script gave its replica of group 2 up; with nothing left of one there is nobody to be.
      if (after == storage::AfterLoss::kServe) {
        EXPECT_FALSE(recovered->quarantined && group == GroupId{1});
      } else if (absl::c_linear_search((*store)->groups(), group)) {
        EXPECT_TRUE(recovered->quarantined);
      }
      Index next{1};
      if (recovered->checkpoint.has_value()) next = recovered->checkpoint->applied.index + 1;
      for (const Entry& entry : recovered->entries) {
        EXPECT_EQ(entry.id.index, next);
        next = next + 1;
      }
    }
  }

  void CheckThatLossCanBeAcceptedEitherWay(const std::string& path) {
    const std::string with_peers = path + "-with-peers";
    ASSERT_TRUE(storage::CopyBlocking(path, with_peers).ok());
    CheckThatLossCanBeAccepted(path);
    CheckThatLossCanBeAccepted(with_peers, storage::AfterLoss::kQuarantine);
  }

  storage::testing::TempDir dir_;
  int copies_ = 0;
  static inline storage::testing::TempDir* root_ = nullptr;
  static inline std::vector<Moment>* moments_ = nullptr;
};

}  // namespace pontoon::raft

#endif  // PONTOON_TESTS_STORAGE_CRASH_MATRIX_H_
