#include "server/amqp/reply_code.h"

#include <gtest/gtest.h>

#include "server/amqp/utf8.h"

namespace pontoon::amqp {
namespace {

TEST(ReplyCodeTest, ARefusalKeepsItsCodeAndWordsThroughAStatus) {
  for (int number = 0; number < 1000; ++number) {
    const auto code = ReplyCodeFromNumber(static_cast<uint16_t>(number));
    if (!code.has_value()) continue;
    const absl::Status status = MakeError(*code, "why");
    EXPECT_FALSE(status.ok());
    EXPECT_EQ(ReplyCodeOf(status), code);
    EXPECT_EQ(status.message(), "why");
  }
  EXPECT_EQ(ReplyCodeOf(absl::OkStatus()), std::nullopt);
  EXPECT_EQ(ReplyCodeOf(absl::NotFoundError("no meaning in AMQP")), std::nullopt);
}

TEST(ReplyCodeTest, SoftErrorsEndTheChannelAndHardOnesTheConnection) {
  for (const ReplyCode soft :
       {ReplyCode::kContentTooLarge, ReplyCode::kNoRoute, ReplyCode::kNoConsumers,
        ReplyCode::kAccessRefused, ReplyCode::kNotFound, ReplyCode::kResourceLocked,
        ReplyCode::kPreconditionFailed}) {
    EXPECT_EQ(ReplyScopeOf(soft), ReplyScope::kChannel);
  }
  for (const ReplyCode hard :
       {ReplyCode::kConnectionForced, ReplyCode::kInvalidPath, ReplyCode::kFrameError,
        ReplyCode::kSyntaxError, ReplyCode::kCommandInvalid, ReplyCode::kChannelError,
        ReplyCode::kUnexpectedFrame, ReplyCode::kResourceError, ReplyCode::kNotAllowed,
        ReplyCode::kNotImplemented, ReplyCode::kInternalError}) {
    EXPECT_EQ(ReplyScopeOf(hard), ReplyScope::kConnection);
  }
}

TEST(ReplyCodeTest, TheTextOfACloseFitsAShortString) {
  EXPECT_EQ(ReplyText(ReplyCode::kNotFound, "no queue 'x' in vhost '/'"),
            "NOT_FOUND - no queue 'x' in vhost '/'");
  EXPECT_EQ(ReplyText(ReplyCode::kInternalError, ""), "INTERNAL_ERROR");
  const std::string longest = ReplyText(ReplyCode::kNotFound, std::string(243, 'x'));
  EXPECT_EQ(longest.size(), 255u);
  EXPECT_EQ(longest.back(), 'x');
  const std::string cut = ReplyText(ReplyCode::kNotFound, std::string(244, 'x'));
  EXPECT_EQ(cut.size(), 255u);
  EXPECT_EQ(cut.substr(250), "xx...");
}

TEST(Utf8Test, WellFormedIsTakenAndEverythingElseRefused) {
  for (const absl::string_view good : {"", "plain", "queue-\xc3\xa4", "\xe2\x82\xac",
                                       "\xf0\x9f\x90\xb0", "\xf4\x8f\xbf\xbf", "\xed\x9f\xbf"}) {
    EXPECT_TRUE(IsValidUtf8(good)) << good;
  }
  for (const absl::string_view bad :
       {"\xff", "12345678\x80", "\xc0\x80", "\xc3", "\xe0\x80\x80", "\xed\xa0\x80",
        "\xf0\x80\x80\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xe2\x82", "\xe2\x28\xa1",
        "abcdefg\xc3"}) {
    EXPECT_FALSE(IsValidUtf8(bad));
  }
  EXPECT_TRUE(IsValidUtf8(absl::string_view("a\0b", 3)));
}

}  // namespace
}  // namespace pontoon::amqp
