#include "server/admin/cookie_proof.h"

#include <gtest/gtest.h>

#include "absl/strings/escaping.h"

namespace pontoon::admin {
namespace {

constexpr base::MonotonicTime kNow{1'000'000'000'000};

TEST(CookieProofTest, IsHmacSha256) {  // RFC 4231, test case 2.
  EXPECT_EQ(absl::BytesToHexString(CookieProof("Jefe", "what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST(CookieProofTest, SameComparesAllOfIt) {
  EXPECT_TRUE(SameProof("abc", "abc"));
  EXPECT_FALSE(SameProof("abc", "abd"));
  EXPECT_FALSE(SameProof("abc", "ab"));
  EXPECT_FALSE(SameProof("abc", ""));
}

TEST(NonceBookTest, NonceIsGoodOnce) {
  base::SeededRandom random(1);
  NonceBook book(&random);
  const std::string nonce = book.Give("client", kNow);
  EXPECT_TRUE(book.Use(nonce, "client", kNow));
  EXPECT_FALSE(book.Use(nonce, "client", kNow));
}

TEST(NonceBookTest, NonceIsGoodForItsClientOnly) {
  base::SeededRandom random(1);
  NonceBook book(&random);
  const std::string nonce = book.Give("client", kNow);
  EXPECT_FALSE(book.Use(nonce, "other", kNow));
  EXPECT_TRUE(book.Use(nonce, "client", kNow));
}

TEST(NonceBookTest, NonceGrowsOld) {
  base::SeededRandom random(1);
  NonceBook book(&random);
  const std::string late = book.Give("client", kNow), in_time = book.Give("client", kNow);
  EXPECT_TRUE(book.Use(in_time, "client", kNow + NonceBook::kGoodFor));
  EXPECT_FALSE(book.Use(late, "client", kNow + NonceBook::kGoodFor + base::Millis(1)));
}

TEST(NonceBookTest, InventedNoncesAreWorthNothing) {
  base::SeededRandom random(1), other_random(2);
  NonceBook book(&random), other(&other_random);
  std::string changed = book.Give("client", kNow);
  changed[0] ^= 1;
  EXPECT_FALSE(book.Use(changed, "client", kNow));
  EXPECT_FALSE(book.Use(other.Give("client", kNow), "client", kNow));
  EXPECT_FALSE(book.Use("", "client", kNow));
  EXPECT_FALSE(book.Use(std::string(1000, 'x'), "client", kNow));
}

TEST(NonceBookTest, AskingForNoncesCostsNoMemory) {
  base::SeededRandom random(1);
  NonceBook book(&random);
  const std::string first = book.Give("client", kNow);
  for (int i = 0; i < 10000; ++i) book.Give("stranger", kNow);
  EXPECT_EQ(book.kept(), 0u);
  EXPECT_TRUE(book.Use(first, "client", kNow)) << "strangers must not push others' nonces out";
}

TEST(NonceBookTest, UsedNoncesAreForgottenOnceTheyAreTooOld) {
  base::SeededRandom random(1);
  NonceBook book(&random);
  for (int second = 0; second < 100; ++second) {
    const base::MonotonicTime now = kNow + base::Seconds(second);
    const std::string nonce = book.Give("client", now);
    ASSERT_TRUE(book.Use(nonce, "client", now));
    ASSERT_FALSE(book.Use(nonce, "client", now));
  }
  EXPECT_LE(book.kept(), 32u);
}

}  // namespace
}  // namespace pontoon::admin
