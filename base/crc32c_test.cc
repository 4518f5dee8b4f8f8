#include "base/crc32c.h"

#include <gtest/gtest.h>

namespace pontoon::base {
namespace {

TEST(Crc32cTest, KnownValueOfTheStandard) { EXPECT_EQ(Crc32c("123456789"), 0xe3069283u); }

TEST(Crc32cTest, PiecesGiveTheSameAsTheWhole) {
  const std::string text(1000, 'x');
  SliceChain chain;
  chain.Append(Slice::Copy(text.substr(0, 13)));
  chain.Append(Slice::Copy(text.substr(13)));
  EXPECT_EQ(Crc32c(chain), Crc32c(text));
  EXPECT_EQ(Crc32cExtend(Crc32c(text.substr(0, 7)), text.substr(7)), Crc32c(text));
}

TEST(Crc32cTest, CombinedChecksumsAreThatOfTheWhole) {
  std::string text;
  for (int i = 0; i < 70000; ++i) text.push_back(static_cast<char>(i * 31 + i / 256));
  for (const size_t cut :
       {size_t{0}, size_t{1}, size_t{15}, size_t{16}, size_t{4097}, size_t{65536}, text.size()}) {
    const absl::string_view whole(text);
    EXPECT_EQ(
        Crc32cCombine(Crc32c(whole.substr(0, cut)), Crc32c(whole.substr(cut)), text.size() - cut),
        Crc32c(text));
  }
}

}  // namespace
}  // namespace pontoon::base
