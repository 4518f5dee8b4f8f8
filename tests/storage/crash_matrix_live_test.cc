// The crash matrix, second half: writes and syncs that fail, and power that is cut, while the store
// runs.

#include "storage/faulty_file_system.h"
#include "tests/storage/crash_matrix.h"

namespace pontoon::raft {
namespace {

using rocksdb::IOStatus;
using storage::testing::FaultyFileSystem;
using Operation = FaultyFileSystem::Operation;

class CrashMatrixLiveTest : public CrashMatrixTest {};

TEST_F(CrashMatrixLiveTest, FailedWritesAndSyncs) {
  struct Row {
    const char* fault;
    Operation operation;
    IOStatus error;
    bool once;  // What comes after would succeed.
    bool torn = false;
  };
  IOStatus retryable = IOStatus::IOError("planted");
  retryable.SetRetryable(true);
  const Row rows[] = {
      {"failed write", Operation::kAppend, IOStatus::IOError("planted"), false},
      {"failed write, once", Operation::kAppend, retryable, true},
      {"full disk", Operation::kAppend, IOStatus::NoSpace("planted"), false},
      {"full disk, once", Operation::kAppend, IOStatus::NoSpace("planted"), true},
      {"torn write", Operation::kAppend, IOStatus::IOError("planted"), false, /*torn=*/true},
      {"torn write, once", Operation::kAppend, retryable, true, /*torn=*/true},
      {"full disk, torn write", Operation::kAppend, IOStatus::NoSpace("planted"), false,
       /*torn=*/true},
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
        storage::RocksLogStoreOptions options = storage::testing::TestOptions(path);
        options.env = env.get();
        options.on_fatal = [&](const absl::Status&) {
          if (++fatal_count == 1) fatal.set_value();
        };
        Runner runner(std::move(options));
        for (size_t i = 1; i < steps; ++i) {
          runner.Submit();
          runner.Await();
        }
        file_system->SetTorn(row.torn);
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

TEST_F(CrashMatrixLiveTest, FailedWritesOfDataFiles) {
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
      storage::RocksLogStoreOptions options = storage::testing::TestOptions(path);
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
TEST_F(CrashMatrixLiveTest, PowerCut) {
  const std::string path = dir_ / "running";
  ASSERT_EQ(mkdir(path.c_str(), 0755), 0);
  auto file_system = std::make_shared<FaultyFileSystem>();
  const std::unique_ptr<rocksdb::Env> env = rocksdb::NewCompositeEnv(file_system);
  storage::RocksLogStoreOptions options = storage::testing::TestOptions(path);
  options.env = env.get();
  Runner runner(std::move(options));
  for (size_t steps = 1; steps <= CrashScript().size(); ++steps) {
    SCOPED_TRACE(StepName(steps));
    runner.Submit();
    runner.Await();
    const std::string cut = dir_ / absl::StrCat("cut", steps);
    ASSERT_EQ(mkdir(cut.c_str(), 0755), 0);
    ASSERT_TRUE(storage::CopyBlocking(path + "/durable.mark", cut + "/durable.mark").ok());
    ASSERT_TRUE(storage::CopyBlocking(path + "/store", cut + "/store").ok());
    for (const auto& [name, bytes] : file_system->SyncedBytes()) {
      const std::string copy =
          absl::StrCat(cut, "/store/", std::filesystem::path(name).filename().string());
      if (storage::Exists(copy)) std::filesystem::resize_file(copy, bytes);
    }
    Check(cut, steps, Outcome::kWhole);
    PrintRow("power cut", "all that was not synced", StepName(steps), Outcome::kWhole);
  }
}

}  // namespace
}  // namespace pontoon::raft
