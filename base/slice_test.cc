#include "base/slice.h"

#include <gtest/gtest.h>

namespace pontoon::base {
namespace {

TEST(SliceTest, PartKeepsTheBytesAliveAfterTheWholeIsGone) {
  Slice part;
  {
    const Slice whole = Slice::Copy("hello world");
    part = whole.Sub(6, 5);
  }
  EXPECT_EQ(part.view(), "world");
}

TEST(SliceChainTest, NeighboursInOneBlockBecomeOneSlice) {
  const Slice whole = Slice::Copy("hello world");
  SliceChain chain;
  chain.Append(whole.Sub(0, 5));
  chain.Append(whole.Sub(5, 6));
  ASSERT_EQ(chain.slices().size(), 1u);
  EXPECT_EQ(chain.slices()[0].view(), "hello world");
  chain.Append(Slice::Static("!"));
  EXPECT_EQ(chain.slices().size(), 2u);
  EXPECT_EQ(chain.Flatten().view(), "hello world!");
  EXPECT_EQ(chain.Sub(4, 8).Flatten().view(), "o world!");
}

TEST(SliceWriterTest, PiecesComeOutInOrderAcrossBlocks) {
  SliceWriter writer(16);
  std::string expected;
  SliceChain all;
  for (int i = 0; i < 100; ++i) {
    const std::string piece(static_cast<size_t>(i % 23), static_cast<char>('a' + i % 26));
    writer.Append(piece);
    expected += piece;
    if (i % 7 == 0) all.Append(writer.Take());
  }
  all.Append(writer.Take());
  EXPECT_EQ(all.Flatten().view(), expected);
}

}  // namespace
}  // namespace pontoon::base
