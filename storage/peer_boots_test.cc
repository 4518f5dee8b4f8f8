#include "storage/peer_boots.h"

#include <gtest/gtest.h>

#include <fstream>

#include "absl/strings/str_cat.h"
#include "storage/files.h"
#include "storage/test_support.h"

namespace pontoon::storage {
namespace {

constexpr base::NodeId kA{0xabc};
constexpr base::NodeId kB{3};

class PeerBootsTest : public ::testing::Test {
 protected:
  absl::StatusOr<std::unique_ptr<PeerBoots>> Open() { return PeerBoots::OpenBlocking(dir_.path()); }
  std::string path() { return dir_ / "peers"; }

  testing::TempDir dir_;
};

TEST_F(PeerBootsTest, WhatWasHeardIsKnownAfterARestart) {
  {
    auto boots = Open();
    ASSERT_TRUE(boots.ok()) << boots.status();
    EXPECT_TRUE((*boots)->boots().empty());
    ASSERT_TRUE((*boots)->RememberBlocking(kA, 4).ok());
    ASSERT_TRUE((*boots)->RememberBlocking(kB, 1).ok());
    ASSERT_TRUE((*boots)->RememberBlocking(kA, 7).ok());
    ASSERT_TRUE((*boots)->RememberBlocking(kA, 5).ok());
  }
  auto boots = Open();
  ASSERT_TRUE(boots.ok()) << boots.status();
  EXPECT_EQ((*boots)->boots(), (std::map<base::NodeId, uint64_t>{{kA, 7}, {kB, 1}}));
}

// Version 1 is read for ever.
TEST_F(PeerBootsTest, TheFileIsAsFormatMdSays) {
  auto boots = Open();
  ASSERT_TRUE((*boots)->RememberBlocking(kA, 4).ok());
  EXPECT_EQ(*ReadFileBlocking(path()),
            "pontoon peers, format 1\n"
            "peer 0000000000000abc 4\n"
            "crc32c a62497b6\n");
}

TEST_F(PeerBootsTest, EveryFlippedBitIsNoticedAndANewerVersionRefused) {
  ASSERT_TRUE((*Open())->RememberBlocking(kA, 4).ok());
  const std::string text = *ReadFileBlocking(path());
  for (size_t i = 0; i < text.size(); ++i) {
    std::string bad = text;
    bad[i] ^= 1;
    std::ofstream(path(), std::ios::trunc) << bad;
    EXPECT_FALSE(Open().ok()) << "byte " << i;
  }
  std::ofstream(path(), std::ios::trunc) << "pontoon peers, format 2\n";
  EXPECT_EQ(Open().status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(PeerBootsTest, WhatCouldNotBeWrittenIsNotKnown) {
  auto boots = PeerBoots::OpenBlocking(dir_ / "not there");
  ASSERT_TRUE(boots.ok());
  EXPECT_FALSE((*boots)->RememberBlocking(kA, 4).ok());
  EXPECT_TRUE((*boots)->boots().empty());
}

}  // namespace
}  // namespace pontoon::storage
