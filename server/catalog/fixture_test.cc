#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "server/catalog/testdata/layout_1.h"
#include "server/catalog/testing.h"
#include "server/catalog/testing_samples.h"

namespace pontoon::catalog {
namespace {

std::vector<std::pair<uint64_t, std::string>> Entries(const std::string& bytes) {
  std::vector<std::pair<uint64_t, std::string>> log;
  for (size_t at = 0; at + 4 <= bytes.size();) {
    size_t size = 0;
    for (int i = 0; i < 4; ++i) size = size << 8 | static_cast<uint8_t>(bytes[at++]);
    log.emplace_back(log.size() + 1, bytes.substr(at, size));
    at += size;
  }
  return log;
}

TEST(FixtureTest, TheLogOfLayout1IsReadForEver) {
  const auto log = Entries(absl::HexStringToBytes(layout_1::kLog));
  ASSERT_EQ(log.size(), 20u);
  const std::unique_ptr<Machine> machine = NewMachine();
  const AppliedBatch batch = machine->Apply(log);
  ASSERT_TRUE(batch.status.ok()) << batch.status;
  EXPECT_EQ(batch.outcomes[3].queue.value, 4u);
  EXPECT_EQ(Describe(*batch.version), layout_1::kState);
  EXPECT_EQ(machine->digest(), layout_1::kDigest);
}

TEST(FixtureTest, TheCheckpointOfLayout1IsReadForEver) {
  const std::unique_ptr<Machine> machine = NewMachine();
  const absl::Status restored = machine->Restore(20, absl::HexStringToBytes(layout_1::kCheckpoint));
  ASSERT_TRUE(restored.ok()) << restored;
  EXPECT_EQ(Describe(*machine->version()), layout_1::kState);
  EXPECT_EQ(machine->digest(), layout_1::kDigest);
}

// Prints what a new layout's file holds; run by hand, once for each layout.
TEST(FixtureTest, DISABLED_Print) {
  TestCatalog catalog;
  uint64_t number = 0;
  for (const Command& command : OneOfEachCommand(catalog)) {
    catalog.RunFrom({TestCatalog::Session(), ++number}, command);
  }
  std::string log;
  for (const auto& [index, entry] : catalog.log()) {
    for (int shift = 24; shift >= 0; shift -= 8) log += static_cast<char>(entry.size() >> shift);
    log += entry;
  }
  FAIL() << "log " << absl::BytesToHexString(log) << "\ncheckpoint "
         << absl::BytesToHexString(catalog.machine().MakeCheckpoint()) << "\ndigest "
         << absl::StrCat(absl::Hex(catalog.machine().digest())) << "\n"
         << Describe(catalog.version());
}

}  // namespace
}  // namespace pontoon::catalog
