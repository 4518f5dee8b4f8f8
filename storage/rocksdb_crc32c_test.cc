#include "storage/rocksdb_crc32c.h"

#include <gtest/gtest.h>

#include <cstdio>

#include "base/crc32c.h"
#include "storage/test_support.h"

namespace rocksdb::crc32c {
uint32_t Extend(uint32_t crc, const char* data, size_t size);
std::string IsFastCrc32Supported();
uint32_t Crc32cCombine(uint32_t first, uint32_t second, size_t second_size);
}  // namespace rocksdb::crc32c

namespace pontoon::storage {
namespace {

TEST(RocksDbCrc32cTest, OursIsLinkedInsteadOfTheLibrarys) {
  UseOwnCrc32cForRocksDb();
  EXPECT_EQ(rocksdb::crc32c::IsFastCrc32Supported(), "Supported by Pontoon");
  // The check value of CRC-32C (RFC 3720 B.4 uses the same polynomial).
  EXPECT_EQ(rocksdb::crc32c::Extend(0, "123456789", 9), 0xe3069283u);
}

TEST(RocksDbCrc32cTest, CombinedChecksumIsThatOfBothParts) {
  const std::string text = "All that was vouched for is on the disk.";
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    const uint32_t first = base::Crc32c(text.substr(0, cut));
    const uint32_t second = base::Crc32c(text.substr(cut));
    EXPECT_EQ(rocksdb::crc32c::Crc32cCombine(first, second, text.size() - cut), base::Crc32c(text));
  }
}

// Another program, which has the library as Debian made it, reads what we wrote.
TEST(PlainReaderTest, UnmodifiedLibraryReadsOurLogAndFiles) {
  testing::TempDir dir;
  testing::RecordingEvents events;
  {
    auto store = RocksLogStore::OpenBlocking(testing::TestOptions(dir.path()), nullptr, &events);
    ASSERT_TRUE(store.ok()) << store.status();
    // More than the write buffers hold, so that both files and a log are read.
    for (uint64_t i = 1; i <= 300; ++i) {
      (*store)->Submit(
          testing::Append(1, i, {testing::MakeEntry(1, i, "header", std::string(100000, 'x'))}));
    }
    ASSERT_TRUE(events.AwaitDone(1, 300));
  }
  const std::string command = absl::StrCat(PONTOON_PLAIN_READER, " ", dir / "store");
  FILE* const pipe = popen(command.c_str(), "r");
  ASSERT_NE(pipe, nullptr);
  char line[256] = "";
  const char* const got = fgets(line, sizeof(line), pipe);
  EXPECT_EQ(pclose(pipe), 0);
  ASSERT_NE(got, nullptr);
  EXPECT_STREQ(line, "log 300 body 300\n");
}

}  // namespace
}  // namespace pontoon::storage
