#include "storage/keys.h"

#include <gtest/gtest.h>

namespace pontoon::storage {
namespace {

TEST(KeysTest, KeysSortByGroupThenIndex) {
  const auto key = [](uint32_t group, uint64_t index) { return MakeItemKey({group}, index); };
  EXPECT_LT(key(1, 255), key(1, 256));
  EXPECT_LT(key(1, ~uint64_t{0}), key(2, 0));
  EXPECT_LT(key(255, 7), key(256, 0));
}

TEST(KeysTest, ParsedItemKeyIsWhatWasMade) {
  const auto parsed = ParseItemKey(AsView(MakeItemKey({7}, 1234567890123u)));
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(parsed->group.value, 7u);
  EXPECT_EQ(parsed->number, 1234567890123u);
  EXPECT_FALSE(ParseItemKey("short").has_value());
}

TEST(KeysTest, OnlyGroupKeysNameAGroup) {
  EXPECT_EQ(ParseGroupKey(AsView(MakeMetaKey({3}, MetaKind::kGroup))), base::GroupId{3});
  EXPECT_FALSE(ParseGroupKey(AsView(MakeMetaKey({3}, MetaKind::kHardState))).has_value());
  EXPECT_FALSE(ParseGroupKey(AsView(MakeNodeMetaKey(NodeMetaKind::kBatchNumber))).has_value());
}

}  // namespace
}  // namespace pontoon::storage
