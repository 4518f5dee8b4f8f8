#include "storage/node_directory.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "absl/strings/match.h"
#include "storage/files.h"
#include "storage/test_support.h"

namespace pontoon::storage {
namespace {

class NodeDirectoryTest : public ::testing::Test {
 protected:
  absl::StatusOr<std::unique_ptr<NodeDirectory>> Open() {
    return NodeDirectory::OpenBlocking(path_, &random_);
  }
  std::string NodeText() { return *ReadFileBlocking(path_ + "/node"); }
  void Overwrite(const std::string& name, const std::string& text) {
    std::ofstream(path_ + "/" + name, std::ios::trunc) << text;
  }

  testing::TempDir dir_;
  const std::string path_ = dir_ / "node-a";
  base::SeededRandom random_{7};
};

TEST_F(NodeDirectoryTest, IdsAreMadeOnceAndBootsAreCounted) {
  base::NodeId node;
  uint64_t cluster = 0;
  std::string cookie;
  {
    auto directory = Open();
    ASSERT_TRUE(directory.ok()) << directory.status();
    node = (*directory)->node_id();
    cluster = (*directory)->cluster_id();
    cookie = (*directory)->cookie();
    EXPECT_NE(node.value, 0u);
    EXPECT_FALSE((*directory)->store_made());
    ASSERT_TRUE((*directory)->BeginBootBlocking().ok());
    EXPECT_EQ((*directory)->boot(), base::BootId{1});
  }
  for (uint32_t boot = 2; boot < 5; ++boot) {
    auto directory = Open();
    ASSERT_TRUE(directory.ok()) << directory.status();
    EXPECT_TRUE((*directory)->store_made());
    ASSERT_TRUE((*directory)->BeginBootBlocking().ok());
    EXPECT_EQ((*directory)->boot(), base::BootId{boot});
    EXPECT_EQ((*directory)->node_id(), node);
    EXPECT_EQ((*directory)->cluster_id(), cluster);
    EXPECT_EQ((*directory)->incarnation(), 1u);
    EXPECT_EQ((*directory)->cookie(), cookie);
  }
}

TEST_F(NodeDirectoryTest, CookieIsReadableByItsOwnerOnly) {
  auto directory = Open();
  ASSERT_TRUE(directory.ok());
  struct stat info;
  ASSERT_EQ(stat((path_ + "/.erlang.cookie").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  EXPECT_EQ((*directory)->cookie().size(), 20u);
  directory->reset();
  chmod((path_ + "/.erlang.cookie").c_str(), 0644);
  EXPECT_TRUE(absl::IsFailedPrecondition(Open().status()));
}

TEST_F(NodeDirectoryTest, CookieThatAnOperatorPutThereIsUsed) {
  ASSERT_EQ(mkdir(path_.c_str(), 0755), 0);
  ASSERT_TRUE(ReplaceFileBlocking(path_ + "/.erlang.cookie", "SECRET\n", 0400).ok());
  auto directory = Open();
  ASSERT_TRUE(directory.ok()) << directory.status();
  EXPECT_EQ((*directory)->cookie(), "SECRET");
}

TEST_F(NodeDirectoryTest, SecondServerIsToldWhoHoldsTheDirectory) {
  auto first = Open();
  ASSERT_TRUE(first.ok());
  const auto second = Open();
  ASSERT_TRUE(absl::IsFailedPrecondition(second.status()));
  EXPECT_TRUE(absl::StrContains(second.status().message(), absl::StrCat("process ", getpid())))
      << second.status().message();
  first->reset();
  EXPECT_TRUE(Open().ok());
}

TEST_F(NodeDirectoryTest, ForeignDirectoryIsRefusedAndNotTouched) {
  ASSERT_EQ(mkdir(path_.c_str(), 0755), 0);
  Overwrite("thesis.tex", "chapter one");
  const auto directory = Open();
  ASSERT_TRUE(absl::IsFailedPrecondition(directory.status()));
  EXPECT_TRUE(absl::StrContains(directory.status().message(), "thesis.tex"));
  EXPECT_TRUE(absl::IsFailedPrecondition(NodeDirectory::CheckBlocking(path_)));
  EXPECT_EQ(*ListBlocking(path_), std::vector<std::string>{"thesis.tex"});
}

TEST_F(NodeDirectoryTest, FreshFileSystemIsTaken) {
  ASSERT_EQ(mkdir(path_.c_str(), 0755), 0);
  EXPECT_TRUE(NodeDirectory::CheckBlocking(path_ + "/not-there").ok());
  ASSERT_EQ(mkdir((path_ + "/lost+found").c_str(), 0700), 0);
  ASSERT_EQ(mkdir((path_ + "/log").c_str(), 0700), 0);
  EXPECT_TRUE(Open().ok());
}

TEST_F(NodeDirectoryTest, MissingNodeFileBesideAStoreIsNeverANewNode) {
  ASSERT_TRUE(Open().ok());
  ASSERT_EQ(unlink((path_ + "/node").c_str()), 0);
  ASSERT_EQ(mkdir((path_ + "/store").c_str(), 0755), 0);
  const auto directory = Open();
  ASSERT_TRUE(absl::IsDataLoss(directory.status()));
  EXPECT_TRUE(absl::StrContains(directory.status().message(), path_ + "/node"));
}

TEST_F(NodeDirectoryTest, NewerFormatIsRefused) {
  ASSERT_TRUE(Open().ok());
  const std::string newer = "pontoon data directory, format 2\nanything else\n";
  Overwrite("node", newer);
  const auto directory = Open();
  ASSERT_TRUE(absl::IsFailedPrecondition(directory.status()));
  EXPECT_TRUE(absl::StrContains(directory.status().message(), "newer"));
  EXPECT_EQ(NodeText(), newer);
}

TEST_F(NodeDirectoryTest, EveryDamageOfTheNodeFileIsNoticedAndNothingIsChanged) {
  ASSERT_TRUE(Open().ok());
  const std::string whole = NodeText();
  for (size_t i = 0; i < whole.size(); ++i) {
    std::string damaged = whole;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x04);
    Overwrite("node", damaged);
    EXPECT_FALSE(Open().ok()) << i;
    EXPECT_EQ(NodeText(), damaged);
    Overwrite("node", whole.substr(0, i));
    EXPECT_FALSE(Open().ok()) << i;
  }
}

TEST_F(NodeDirectoryTest, UnwritableDirectoryIsOneClearError) {
  std::ofstream(dir_ / "file") << "x";
  const auto directory = NodeDirectory::OpenBlocking(dir_ / "file/sub", &random_);
  ASSERT_FALSE(directory.ok());
  EXPECT_TRUE(absl::StrContains(directory.status().message(), dir_ / "file/sub"));
  if (geteuid() == 0) return;  // Root may write everywhere.
  ASSERT_EQ(mkdir(path_.c_str(), 0555), 0);
  EXPECT_TRUE(absl::IsPermissionDenied(Open().status()));
}

}  // namespace
}  // namespace pontoon::storage
