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

}  // namespace
}  // namespace pontoon::base
