#include "server/amqp/properties.h"

#include <gtest/gtest.h>

#include "server/amqp/reply_code.h"

namespace pontoon::amqp {
namespace {

PropertiesBuilder All() {
  PropertiesBuilder all;
  all.content_type = "text/plain";
  all.content_encoding = "utf-8";
  all.headers = Table{{"CC", Value::Of(Array{Value::String("a")})},
                      {"BCC", Value::Of(Array{Value::String("b")})},
                      {"z", Value::Void()}};
  all.delivery_mode = 2;
  all.priority = 9;
  all.correlation_id = "corr";
  all.reply_to = "amq.rabbitmq.reply-to";
  all.expiration = "60000";
  all.message_id = "m1";
  all.timestamp = 1700000000;
  all.type = "t";
  all.user_id = "guest";
  all.app_id = "app";
  all.cluster_id = "c";
  return all;
}

TEST(PropertiesTest, AllFourteenReadBack) {
  const std::string octets = All().Encode();
  const auto view = BasicProperties::Parse(octets);
  ASSERT_TRUE(view.ok()) << view.status();
  EXPECT_EQ(view->content_type(), "text/plain");
  EXPECT_EQ(view->content_encoding(), "utf-8");
  EXPECT_EQ(view->HeadersTable(), *All().headers);
  EXPECT_TRUE(view->persistent());
  EXPECT_EQ(view->priority(), 9);
  EXPECT_EQ(view->correlation_id(), "corr");
  EXPECT_EQ(view->reply_to(), "amq.rabbitmq.reply-to");
  EXPECT_EQ(view->expiration(), "60000");
  EXPECT_EQ(view->message_id(), "m1");
  EXPECT_EQ(view->timestamp(), 1700000000u);
  EXPECT_EQ(view->type(), "t");
  EXPECT_EQ(view->user_id(), "guest");
  EXPECT_EQ(view->app_id(), "app");
  EXPECT_EQ(view->cluster_id(), "c");
  EXPECT_EQ(view->octets(), octets);
  EXPECT_EQ(PropertiesBuilder::From(*view).Encode(), octets);
}

TEST(PropertiesTest, NoneAtAllIsTwoZeroOctets) {
  const auto view = BasicProperties::Parse(absl::string_view("\0\0", 2));
  ASSERT_TRUE(view.ok());
  EXPECT_EQ(view->delivery_mode(), std::nullopt);
  EXPECT_FALSE(view->persistent());
  EXPECT_FALSE(view->headers().Find("x").has_value());
  EXPECT_EQ(PropertiesBuilder().Encode(), absl::string_view("\0\0", 2));
  EXPECT_EQ(BasicProperties().octets(), absl::string_view("\0\0", 2));
}

TEST(PropertiesTest, CutAnywhereOrWithOctetsLeftOverTheyAreASyntaxError) {
  const std::string octets = All().Encode();
  for (size_t size = 0; size < octets.size(); ++size) {
    const std::vector<char> cut(octets.begin(), octets.begin() + static_cast<long>(size));
    const auto view = BasicProperties::Parse(absl::string_view(cut.data(), cut.size()));
    ASSERT_FALSE(view.ok()) << size;
    EXPECT_EQ(ReplyCodeOf(view.status()), ReplyCode::kSyntaxError);
  }
  EXPECT_FALSE(BasicProperties::Parse(octets + "x").ok());
}

TEST(PropertiesTest, ContinuationFlagIsASyntaxErrorAndTheUnusedFlagIsIgnored) {
  EXPECT_EQ(ReplyCodeOf(BasicProperties::Parse(absl::string_view("\0\1\0\0", 4)).status()),
            ReplyCode::kSyntaxError);
  EXPECT_FALSE(BasicProperties::Parse(absl::string_view("\0\1", 2)).ok());
  EXPECT_TRUE(BasicProperties::Parse(absl::string_view("\0\2", 2)).ok());
}

TEST(PropertiesTest, HeadersThatAreNoTableAreRefusedAtTheDoor) {
  EXPECT_EQ(ReplyCodeOf(BasicProperties::Parse(absl::string_view("\x20\0\0\0\0\2\1k", 8)).status()),
            ReplyCode::kSyntaxError);
}

TEST(PropertiesTest, BccIsTakenOutAndEveryOtherOctetStays) {
  PropertiesBuilder without = All();
  without.headers->Remove("BCC");
  const std::string octets = All().Encode();
  EXPECT_EQ(WithoutHeader(*BasicProperties::Parse(octets), "BCC"), without.Encode());
  EXPECT_EQ(WithoutHeader(*BasicProperties::Parse(octets), "nobody"), std::nullopt);
  const std::string none = PropertiesBuilder().Encode();
  EXPECT_EQ(WithoutHeader(*BasicProperties::Parse(none), "BCC"), std::nullopt);
}

TEST(ContentHeaderTest, FixedPartIsReadAndAShortOneRefused) {
  const std::string payload = std::string("\0\x3c\0\0\0\0\0\0\0\0\1\0", 12) + All().Encode();
  const auto header = ContentHeader::Parse(payload);
  ASSERT_TRUE(header.ok());
  EXPECT_EQ(header->class_id, 60);
  EXPECT_EQ(header->body_size, 256u);
  EXPECT_EQ(header->properties, All().Encode());
  EXPECT_EQ(ReplyCodeOf(ContentHeader::Parse(payload.substr(0, 11)).status()),
            ReplyCode::kFrameError);
}

}  // namespace
}  // namespace pontoon::amqp
