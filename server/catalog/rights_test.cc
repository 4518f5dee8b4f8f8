#include <string>

#include "server/catalog/testing.h"

namespace pontoon::catalog {
namespace {

class RightsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    catalog_.Run(PutUser{{"u", "", HashAlgorithm::kSha256, {}}, false});
    rights_ = NewRights("u", "/");
  }
  void Permit(const std::string& configure, const std::string& write, const std::string& read) {
    ASSERT_EQ(catalog_.Try(SetPermission{{"u", "/", configure, write, read}}), "");
  }
  std::string Check(Right right, const std::string& kind, const std::string& name) {
    return TestCatalog::Text(rights_->Check(catalog_.version(), right, kind, name));
  }
  TestCatalog catalog_;
  std::unique_ptr<Rights> rights_;
};

TEST_F(RightsTest, RefusalsReadAsRabbitMqs) {
  Permit("^a", "^b", "");
  EXPECT_EQ(Check(Right::kConfigure, "queue", "a1"), "");
  EXPECT_EQ(Check(Right::kConfigure, "queue", "q"),
            "403 access to queue 'q' in vhost '/' refused for user 'u'");
  EXPECT_EQ(Check(Right::kRead, "queue", "a1"),
            "403 access to queue 'a1' in vhost '/' refused for user 'u'")
      << "the empty pattern matches nothing that has a name";
  EXPECT_EQ(Check(Right::kWrite, "exchange", ""),
            "403 access to exchange 'amq.default' in vhost '/' refused for user 'u'");
}

TEST_F(RightsTest, PatternsAreSearchedAnywhereInTheName) {
  Permit("b", "^(?!secret).*$", "^amq\\.default$");
  EXPECT_EQ(Check(Right::kConfigure, "queue", "abc"), "");
  EXPECT_EQ(Check(Right::kWrite, "queue", "open"), "");
  EXPECT_NE(Check(Right::kWrite, "queue", "secret-1"), "");
  EXPECT_EQ(Check(Right::kRead, "exchange", ""), "");
}

TEST_F(RightsTest, WithoutAPermissionEverythingIsRefused) {
  EXPECT_NE(Check(Right::kRead, "queue", "q"), "");
}

TEST_F(RightsTest, ChangesHoldFromTheNextVersionOn) {
  Permit(".*", ".*", ".*");
  EXPECT_EQ(Check(Right::kWrite, "exchange", "x"), "");
  Permit(".*", "^y$", ".*");
  EXPECT_NE(Check(Right::kWrite, "exchange", "x"), "");
  EXPECT_EQ(Check(Right::kWrite, "exchange", "y"), "");
  catalog_.Run(ClearPermission{"u", "/"});
  EXPECT_NE(Check(Right::kWrite, "exchange", "y"), "");
  Permit(".*", "^y$", ".*");
  EXPECT_EQ(Check(Right::kWrite, "exchange", "y"), "");
}

TEST_F(RightsTest, RemembersMoreNamesThanItHasRoomFor) {
  Permit("[02468]$", "", "");
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 200; ++i) {
      ASSERT_EQ(Check(Right::kConfigure, "queue", std::to_string(i)).empty(), i % 2 == 0) << i;
    }
  }
}

TEST_F(RightsTest, APatternThatBacktracksForEverRefuses) {
  Permit("^(a+)+$", "^(a|aa)+$", "(.*)*(.*)*(.*)*x");
  const std::string name = absl::StrCat(std::string(200, 'a'), "!");
  for (Right right : {Right::kConfigure, Right::kWrite, Right::kRead})
    EXPECT_NE(Check(right, "queue", name), "");
  EXPECT_EQ(Check(Right::kConfigure, "queue", std::string(200, 'a')), "");
}

TEST_F(RightsTest, APatternThatDoesNotCompileRefusesAndIsExplained) {
  Permit("(", ".*", ".*");
  EXPECT_NE(Check(Right::kConfigure, "queue", "("), "");
  EXPECT_EQ(Check(Right::kWrite, "queue", "("), "");
  EXPECT_TRUE(CheckPattern("^(?!a).*$").ok());
  EXPECT_EQ(
      TestCatalog::Text(CheckPattern("(")),
      "INVALID_ARGUMENT invalid regular expression '(': missing closing parenthesis at offset 1");
  EXPECT_FALSE(CheckPattern("((((a{1000}){1000}){1000}){1000})").ok());
}

TEST(PasswordTest, HashesInRabbitMqsFormat) {
  // From RabbitMQ's documentation of its hash: salt 908DC60A, password test12.
  const std::string hash = HashPassword("test12", HashAlgorithm::kSha256, 0x908DC60A);
  EXPECT_EQ(hash.size(), 36u);
  std::string hex;
  for (const char c : hash)
    absl::StrAppend(&hex, absl::Hex(static_cast<uint8_t>(c), absl::kZeroPad2));
  EXPECT_EQ(hex, "908dc60aa5b924b3096b8897d65a3b5f80fa5db62a94b83122cdf4f8fead10d515d8f391");
}

TEST(PasswordTest, OnlyTheRightPasswordPasses) {
  for (HashAlgorithm algorithm :
       {HashAlgorithm::kSha256, HashAlgorithm::kSha512, HashAlgorithm::kMd5}) {
    const UserRecord user{"u", HashPassword("secret", algorithm, 7), algorithm, {}};
    EXPECT_TRUE(CheckPassword(user, "secret"));
    EXPECT_FALSE(CheckPassword(user, "Secret"));
    EXPECT_FALSE(CheckPassword(user, ""));
  }
  EXPECT_FALSE(CheckPassword({"u", "", HashAlgorithm::kSha256, {}}, ""))
      << "no password: no login with one";
  EXPECT_FALSE(CheckPassword({"u", "abc", HashAlgorithm::kSha256, {}}, "")) << "a damaged hash";
}

}  // namespace
}  // namespace pontoon::catalog
