#include "server/amqp/argument_text.h"

#include <gtest/gtest.h>

#include "server/amqp/reply_code.h"

namespace pontoon::amqp {
namespace {

constexpr absl::string_view kQueue = "queue 'q' in vhost '/'";

std::string Text(const Table& current, const Table& received) {
  const absl::Status status = CheckArgumentEquivalence("k", kQueue, current, received);
  if (status.ok()) return "ok";
  EXPECT_EQ(ReplyCodeOf(status), ReplyCode::kPreconditionFailed);
  return std::string(status.message());
}
Table K(Value value) { return Table{{"k", std::move(value)}}; }

// The expected texts are what RabbitMQ 3.10.8 answered.
TEST(ArgumentTextTest, InequivalentArgumentsAreWordedAsByRabbitMq) {
  EXPECT_EQ(Text({}, K(Value::Int(5))),
            "inequivalent arg 'k' for queue 'q' in vhost '/': received the value '5' of type "
            "'signedint' but current is none");
  EXPECT_EQ(
      Text(K(Value::Double(1.5e20)), {}),
      "inequivalent arg 'k' for queue 'q' in vhost '/': received none but current is the value "
      "'1.5e20' of type 'double'");
  EXPECT_EQ(Text(K(Value::String("a")), K(Value::String("b"))),
            "inequivalent arg 'k' for queue 'q' in vhost '/': received 'b' but current is 'a'");
  EXPECT_EQ(Text(K(Value::Double(5)), K(Value::Long(5))),
            "inequivalent arg 'k' for queue 'q' in vhost '/': received '5' but current is '5.0'");
  EXPECT_EQ(Text(K(Value::Of(Array{Value::String("a"), Value::Long(5)})),
                 K(Value::Of(Table{{"a", Value::String("\xff")}}))),
            "inequivalent arg 'k' for queue 'q' in vhost '/': received "
            "'[{<<\"a\">>,longstr,<<\"\xff\">>}]' but current is '[{longstr,<<\"a\">>},{long,5}]'");
  EXPECT_EQ(
      Text(K(Value::Void()), {}),
      "inequivalent arg 'k' for queue 'q' in vhost '/': received none but current is the value "
      "'undefined' of type 'void'");
}

TEST(ArgumentTextTest, TheSameNumberInAnotherWidthIsEquivalent) {
  EXPECT_EQ(Text(K(Value::Byte(5)), K(Value::Long(5))), "ok");
  EXPECT_EQ(Text(K(Value::UnsignedInt(5)), K(Value::Short(5))), "ok");
  EXPECT_EQ(Text(K(Value::Timestamp(5)), K(Value::Long(5))), "ok");
  EXPECT_EQ(Text(K(Value::Double(5)), K(Value::Float(5))), "ok");
  EXPECT_EQ(Text(K(Value::String("a")), K(Value::Binary("a"))), "ok");
  EXPECT_EQ(Text({}, {}), "ok");
  EXPECT_NE(Text(K(Value::String("true")), K(Value::Bool(true))), "ok");
  EXPECT_NE(Text(K(Value::String("5")), K(Value::Int(5))), "ok");
}

TEST(ArgumentTextTest, BinariesAndFloatsLookAsInErlang) {
  EXPECT_EQ(ErlangBinary(""), "<<>>");
  EXPECT_EQ(ErlangBinary("a\n\"b\\"), "<<\"a\\n\\\"b\\\\\">>");
  EXPECT_EQ(ErlangBinary(absl::string_view("\0\x01\x7f", 3)), "<<0,1,127>>");
  EXPECT_EQ(ErlangBinaryNumbers("abc"), "<<97,98,99>>");
  for (const auto& [number, text] :
       std::vector<std::pair<double, std::string>>{{1.0, "1.0"},
                                                   {0.1, "0.1"},
                                                   {1.0e22, "1.0e22"},
                                                   {1.0e-5, "1.0e-5"},
                                                   {123456789.0, "123456789.0"}}) {
    EXPECT_EQ(ErlangText(Value::Double(number)), text);
  }
}

}  // namespace
}  // namespace pontoon::amqp
