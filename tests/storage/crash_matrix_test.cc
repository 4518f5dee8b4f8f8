// The crash matrix, first half: what lies on the disk is damaged while nobody looks.

#include "tests/storage/crash_matrix.h"

namespace pontoon::raft {
namespace {

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
      if (row.outcome == Outcome::kRefused && steps == CrashScript().size())
        CheckThatLossCanBeAcceptedEitherWay(path);
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
    const std::string bytes = *storage::ReadFileBlocking(file);
    FlipBit(file, bytes.find(place.text) + 3);
    EXPECT_TRUE(Check(path, steps, place.flipped)) << "nobody was told";
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
      CheckThatLossCanBeAccepted(path);
    }
    PrintRow("flipped bit, 12 places", absl::StrCat(place.name, ", anywhere"), StepName(steps),
             Outcome::kTold);
    path = Copy(steps, steps, /*flushed=*/true);
    file = FileWith(path, place.text);
    ZeroPage(file, bytes.find(place.text));
    EXPECT_TRUE(Check(path, steps, Outcome::kTold)) << "nobody was told";
    CheckThatLossCanBeAccepted(path);
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
      CheckThatLossCanBeAccepted(path);
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
      CheckThatLossCanBeAcceptedEitherWay(path);
      PrintRow(row.fault, absl::StrCat(row.place, flushed ? ", with data files" : ""),
               StepName(steps), row.outcome);
    }
  }
}

}  // namespace
}  // namespace pontoon::raft
