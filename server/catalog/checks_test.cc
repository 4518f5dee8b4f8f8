#include <string>
#include <vector>

#include "server/catalog/testing.h"

namespace pontoon::catalog {
namespace {

using amqp::Table;
using amqp::Value;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(QueueEquivalenceTest, FlagsThatDifferAreNamed) {
  TestCatalog catalog;
  const Outcome first = catalog.Run(catalog.Queue("anheng"));
  EXPECT_TRUE(first.created);
  const Outcome again = catalog.Run(catalog.Queue("anheng"));
  EXPECT_FALSE(again.created);
  EXPECT_EQ(again.queue, first.queue);
  DeclareQueue other = catalog.TransientQueue("anheng");
  EXPECT_EQ(catalog.Try(other),
            "406 inequivalent arg 'durable' for queue 'anheng' in vhost '/': received 'false' but "
            "current is 'true'");
  other = catalog.Queue("anheng");
  other.auto_delete = true;
  EXPECT_EQ(catalog.Try(other),
            "406 inequivalent arg 'auto_delete' for queue 'anheng' in vhost '/': received 'true' "
            "but current is 'false'");
}

TEST(QueueEquivalenceTest, AnExclusiveQueueIsLockedForAllOthers) {
  TestCatalog catalog;
  DeclareQueue mine = catalog.TransientQueue("ex");
  mine.exclusive = true;
  catalog.Run(mine);
  const std::string locked =
      "405 cannot obtain exclusive access to locked queue 'ex' in vhost '/'. It could be "
      "originally declared on another "
      "connection or the exclusive property value does not match that of the original declaration.";
  EXPECT_EQ(catalog.Try(mine), "");
  DeclareQueue theirs = mine;
  theirs.owner = TestCatalog::Owner(2);
  EXPECT_EQ(catalog.Try(theirs), locked);
  DeclareQueue shared = mine;
  shared.exclusive = false;
  EXPECT_EQ(catalog.Try(shared), locked) << "the flag differs, though the connection is the owner";
  DeclareQueue durable = mine;
  durable.durable = true;
  EXPECT_EQ(catalog.Try(durable), "") << "an exclusive queue ends with its connection anyway";
  catalog.Run(catalog.Queue("plain"));
  DeclareQueue taken = catalog.Queue("plain");
  taken.exclusive = true;
  EXPECT_EQ(catalog.Try(taken).substr(0, 4), "405 ");
}

struct ArgumentCase {
  Table current, received;
  std::string refusal;  // Behind "inequivalent arg "; empty: equivalent.
};

TEST(QueueEquivalenceTest, ArgumentsCompareAsInRabbitMq) {
  const std::string of = " for queue 'q' in vhost '/': received ";
  const std::vector<ArgumentCase> cases = {
      {{},
       {{"x-max-length", Value::Int(5)}},
       "'x-max-length'" + of + "the value '5' of type 'signedint' but current is none"},
      {{{"x-max-length", Value::Int(5)}},
       {},
       "'x-max-length'" + of + "none but current is the value '5' of type 'signedint'"},
      {{{"x-max-length", Value::Int(5)}},
       {{"x-max-length", Value::Int(6)}},
       "'x-max-length'" + of + "'6' but current is '5'"},
      {{{"x-max-length", Value::Int(5)}}, {{"x-max-length", Value::Long(5)}}, ""},
      {{{"x-max-length", Value::Byte(5)}},
       {{"x-max-length", Value::Long(int64_t{1} << 33)}},
       "'x-max-length'" + of + "'8589934592' but current is '5'"},
      {{{"foo", Value::Int(1)}}, {{"foo", Value::Int(2)}}, ""},
      {{}, {{"x-consumer-timeout", Value::Int(2)}}, ""},
      {{}, {{"x-queue-type", Value::String("classic")}}, ""},
      {{{"x-queue-type", Value::String("classic")}}, {}, ""},
      {{},
       {{"x-queue-type", Value::String("quorum")}},
       "'x-queue-type'" + of + "the value 'quorum' of type 'longstr' but current is none"},
      {{{"x-queue-type", Value::String("quorum")}},
       {},
       "'x-queue-type'" + of + "none but current is the value 'quorum' of type 'longstr'"},
      {{{"x-queue-type", Value::String("quorum")}},
       {{"x-queue-type", Value::String("classic")}},
       "'x-queue-type'" + of + "'classic' but current is 'quorum'"},
      {{{"x-single-active-consumer", Value::Bool(true)}},
       {{"x-single-active-consumer", Value::Bool(false)}},
       "'x-single-active-consumer'" + of + "'false' but current is 'true'"},
      {{{"x-expires", Value::Int(9)}, {"x-max-length", Value::Int(5)}},
       {},
       "'x-expires'" + of + "none but current is the value '9' of type 'signedint'"},
      {{{"x-max-length", Value::Int(5)}},
       {{"x-max-length", Value::Int(5)}, {"x-overflow", Value::String("drop-head")}},
       "'x-overflow'" + of + "the value 'drop-head' of type 'longstr' but current is none"},
      {{},
       {{"x-queue-master-locator", Value::String("random")}},
       "'x-queue-master-locator'" + of +
           "the value 'random' of type 'longstr' but current is none"},
  };
  for (const ArgumentCase& one : cases) {
    TestCatalog catalog;
    ASSERT_EQ(catalog.Try(catalog.Queue("q", one.current)), "");
    EXPECT_EQ(catalog.Try(catalog.Queue("q", one.received)),
              one.refusal.empty() ? "" : "406 inequivalent arg " + one.refusal);
  }
}

TEST(QueueArgumentsTest, BadValuesAreRefusedInRabbitMqsWords) {
  const auto check = [](const Table& arguments) {
    return TestCatalog::Text(CheckQueueArguments("q", "/", arguments));
  };
  const auto reason = [&](const std::string& name, Value value) {
    const std::string text = check({{name, std::move(value)}});
    const std::string start = "406 invalid arg '" + name + "' for queue 'q' in vhost '/': ";
    return text.substr(0, start.size()) == start ? text.substr(start.size()) : text;
  };
  EXPECT_EQ(reason("x-expires", Value::Int(0)), "{value_zero,0}");
  EXPECT_EQ(reason("x-expires", Value::Int(-1)), "{value_negative,-1}");
  EXPECT_EQ(reason("x-expires", Value::String("5")), "\"expected integer, got longstr\"");
  EXPECT_EQ(reason("x-expires", Value::Bool(true)), "\"expected integer, got bool\"");
  EXPECT_EQ(reason("x-expires", Value::Long(int64_t{1} << 40)), "{value_too_large,1099511627776}");
  EXPECT_EQ(reason("x-expires", Value::Long(4294967296)), "");
  EXPECT_EQ(reason("x-message-ttl", Value::Int(0)), "");
  EXPECT_EQ(reason("x-message-ttl", Value::Void()), "\"expected integer, got void\"");
  EXPECT_EQ(reason("x-max-length", Value::Int(-1)), "{value_negative,-1}");
  EXPECT_EQ(reason("x-max-length", Value::Long(int64_t{1} << 40)), "");
  EXPECT_EQ(reason("x-max-priority", Value::Int(256)), "{max_value_exceeded,256}");
  EXPECT_EQ(reason("x-max-priority", Value::Int(255)), "");
  EXPECT_EQ(reason("x-overflow", Value::String("foo")), "invalid_overflow");
  EXPECT_EQ(reason("x-overflow", Value::Int(5)), "{unacceptable_type,signedint}");
  EXPECT_EQ(reason("x-queue-mode", Value::String("foo")), "\"unsupported queue mode 'foo'\"");
  EXPECT_EQ(reason("x-queue-version", Value::Int(3)), "\"unsupported queue version '3'\"");
  EXPECT_EQ(reason("x-queue-type", Value::String("foo")), "\"unsupported queue type 'foo'\"");
  EXPECT_EQ(reason("x-queue-type", Value::Int(5)), "{unacceptable_type,signedint}");
  EXPECT_EQ(reason("x-single-active-consumer", Value::String("true")),
            "{unacceptable_type,longstr}");
  EXPECT_EQ(reason("x-dead-letter-routing-key", Value::String("k")),
            "routing_key_but_no_dlx_defined");
  EXPECT_EQ(reason("x-dead-letter-routing-key", Value::Int(5)), "{unacceptable_type,signedint}");
  EXPECT_EQ(reason("x-dead-letter-strategy", Value::String("foo")), "invalid_dlx_strategy");
  EXPECT_EQ(reason("x-quorum-initial-group-size", Value::Int(0)), "{value_zero,0}");
  EXPECT_EQ(
      check({{"x-dead-letter-exchange", Value::Int(5)}, {"x-expires", Value::Int(0)}}),
      "406 invalid type 'signedint' for arg 'x-dead-letter-exchange' in queue 'q' in vhost '/'");
}

TEST(QueueArgumentsTest, EveryTypeOfQueueTakesEveryArgumentAndUnknownOnesAreKept) {
  TestCatalog catalog;
  DeclareQueue queue = catalog.TransientQueue("q");
  queue.exclusive = true;
  queue.arguments = TestCatalog::Arguments({{"x-queue-type", Value::String("quorum")},
                                            {"x-max-priority", Value::Int(5)},
                                            {"x-delivery-limit", Value::Int(3)},
                                            {"x-foo", Value::Int(1)}});
  EXPECT_EQ(catalog.Try(queue), "");
  EXPECT_EQ(catalog.version().FindQueue(catalog.vhost(), "q")->arguments, queue.arguments);
}

TEST(QueueArgumentsTest, OfTwoMistakesRabbitMqsFirstIsNamed) {
  const auto first = [](const Table& arguments) {
    return TestCatalog::Text(CheckQueueArguments("q", "/", arguments)).substr(17, 7);
  };
  EXPECT_EQ(first({{"x-max-priority", Value::Int(-1)}, {"x-max-length", Value::Int(-1)}}),
            "x-max-l");
  EXPECT_EQ(first({{"x-max-length", Value::Int(-1)},
                   {"x-message-ttl", Value::Int(-1)},
                   {"x-expires", Value::Int(0)}}),
            "x-expir");
  EXPECT_EQ(first({{"x-expires", Value::Int(0)}, {"x-queue-type", Value::String("zz")}}),
            "x-queue");
}

TEST(QueueArgumentsTest, ArgumentsThatAreOnlyStoredAreNamedForTheLog) {
  EXPECT_THAT(UnsupportedQueueArguments(
                  {{"x-message-ttl", Value::Int(1)}, {"x-queue-mode", Value::String("lazy")}}),
              ElementsAre("x-message-ttl"));
  EXPECT_THAT(UnsupportedQueueArguments({{"x-queue-type", Value::String("quorum")}}), IsEmpty());
  EXPECT_THAT(UnsupportedQueueArguments({{"x-queue-type", Value::String("stream")}}),
              ElementsAre("x-queue-type"));
}

TEST(ExchangeTypeTest, UnknownTypesCloseTheConnection) {
  EXPECT_EQ(*ParseExchangeKind("headers"), ExchangeKind::kHeaders);
  EXPECT_EQ(TestCatalog::Text(ParseExchangeKind("nope").status()),
            "503 unknown exchange type 'nope'");
  EXPECT_EQ(TestCatalog::Text(ParseExchangeKind("").status()), "503 invalid exchange type ''");
}

TEST(ReservedNameTest, ClientsMayNotTakeNamesOfTheServer) {
  EXPECT_EQ(TestCatalog::Text(CheckReservedName("queue", "amq.q")),
            "403 queue name 'amq.q' contains reserved prefix 'amq.*'");
  EXPECT_EQ(TestCatalog::Text(CheckReservedName("queue", "amq")), "");
}

}  // namespace
}  // namespace pontoon::catalog
