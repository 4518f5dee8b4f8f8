#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "server/session/test_fixture.h"
#include "server/session/test_methods.h"

// What RabbitMQ 3.10 answers, method by method: reply code, text, class and method, and what comes
// before it. Each line was taken from a RabbitMQ 3.10.8 that was asked the same, unless its name
// says otherwise.
namespace pontoon::session {
namespace {

using amqp::FrameType;
using amqp::Table;
using amqp::Value;

std::string Locked(const std::string& queue) {
  return "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '" + queue +
         "' in vhost '/'. It could be originally declared on another connection or the exclusive "
         "property value does "
         "not match that of the original declaration.";
}

using ReplyTextTest = AskingTest;

TEST_F(ReplyTextTest, ExchangeDeclare) {
  EXPECT_EQ(Say(Exchange("xu", "foo")),
            Frames{"0 connection.close 503 'COMMAND_INVALID - invalid exchange type 'foo'' 40.10"});
  EXPECT_EQ(Say(Exchange("amq.foo", "direct")),
            Frames{"1 channel.close 403 'ACCESS_REFUSED - exchange name 'amq.foo' contains "
                   "reserved prefix 'amq.*'' "
                   "40.10"});
  const Frames on_default{
      "1 channel.close 403 'ACCESS_REFUSED - operation not permitted on the default exchange' "
      "40.10"};
  EXPECT_EQ(Say(Exchange("", "direct")), on_default);
  EXPECT_EQ(Say(PassiveExchange("")), on_default);
  EXPECT_EQ(Say(Exchange("amq.direct", "direct", true)), Frames{"1 exchange.declare_ok"});
  EXPECT_EQ(Say(Exchange("amq.direct", "direct")),
            Frames{"1 channel.close 406 'PRECONDITION_FAILED - inequivalent arg 'durable' for "
                   "exchange 'amq.direct' in "
                   "vhost '/': received 'false' but current is 'true'' 40.10"});
  EXPECT_EQ(Say(PassiveExchange("nope")),
            Frames{"1 channel.close 404 'NOT_FOUND - no exchange 'nope' in vhost '/'' 40.10"});
  EXPECT_EQ(Say(PassiveExchange("amq.direct", "foo")), Frames{"1 exchange.declare_ok"});
  EXPECT_EQ(Say(Exchange("xae", "direct", false, {{"alternate-exchange", Value::Int(5)}})),
            Frames{"1 channel.close 406 'PRECONDITION_FAILED - invalid type 'signedint' for arg "
                   "'alternate-exchange' in "
                   "exchange 'xae' in vhost '/'' 40.10"});
  EXPECT_EQ(Say(Exchange("xd", "direct"), Exchange("xd", "fanout")),
            (Frames{"1 exchange.declare_ok",
                    "1 channel.close 406 'PRECONDITION_FAILED - inequivalent arg 'type' for "
                    "exchange 'xd' in vhost "
                    "'/': received 'fanout' but current is 'direct'' 40.10"}));
  EXPECT_EQ(Say(Exchange("x\r\nd", "direct")), Frames{"1 exchange.declare_ok"});
  amqp::ExchangeDeclare silent = Exchange("xd", "direct");
  silent.no_wait = true;
  EXPECT_EQ(Say(silent, amqp::ChannelFlow()), Frames{"1 channel.flow_ok"});
}

TEST_F(ReplyTextTest, ExchangeDelete) {
  EXPECT_EQ(Say(DeleteExchange("")), Frames{"1 channel.close 403 'ACCESS_REFUSED - operation not "
                                            "permitted on the default exchange' 40.20"});
  EXPECT_EQ(Say(DeleteExchange("amq.direct")),
            Frames{"1 channel.close 403 'ACCESS_REFUSED - deletion of system exchange 'amq.direct' "
                   "in vhost '/' not "
                   "allowed' 40.20"});
  EXPECT_EQ(Say(DeleteExchange("nope")), Frames{"1 exchange.delete_ok"});
  EXPECT_EQ(
      Say(Queue("bq"), Exchange("xiu", "direct"), Bind("bq", "xiu", "k"),
          DeleteExchange("xiu", true)),
      (Frames{
          "1 queue.declare_ok bq 0 0", "1 exchange.declare_ok", "1 queue.bind_ok",
          "1 channel.close 406 'PRECONDITION_FAILED - exchange 'xiu' in vhost '/' in use' 40.20"}));
  EXPECT_EQ(Say(DeleteExchange("xiu")), Frames{"1 exchange.delete_ok"});
}

TEST_F(ReplyTextTest, Bindings) {
  Say(Queue("bq"), Exchange("xs", "direct"), Exchange("xd", "direct"), Exchange("xh", "headers"));
  EXPECT_EQ(Say(Bind("nope", "amq.direct")),
            Frames{"1 channel.close 404 'NOT_FOUND - no queue 'nope' in vhost '/'' 50.20"});
  EXPECT_EQ(Say(Bind("bq", "nope")),
            Frames{"1 channel.close 404 'NOT_FOUND - no exchange 'nope' in vhost '/'' 50.20"});
  EXPECT_EQ(Say(Bind("n1", "n2")),
            Frames{"1 channel.close 404 'NOT_FOUND - no exchange 'n2' in vhost '/'' 50.20"});
  EXPECT_EQ(Say(Bind("bq", "")), Frames{"1 channel.close 403 'ACCESS_REFUSED - operation not "
                                        "permitted on the default exchange' 50.20"});
  EXPECT_EQ(Say(Bind("", "amq.direct")),
            Frames{"1 channel.close 404 'NOT_FOUND - no previously declared queue' 50.20"});
  EXPECT_EQ(Say(Queue("bq"), Bind("", "amq.direct")),
            (Frames{"1 queue.declare_ok bq 0 0", "1 queue.bind_ok"}));
  EXPECT_EQ(Say(Unbind("bq", "amq.direct")), Frames{"1 queue.unbind_ok"});
  EXPECT_EQ(Say(Unbind("nope", "amq.direct")), Frames{"1 queue.unbind_ok"});
  EXPECT_EQ(Say(Unbind("bq", "nope")), Frames{"1 queue.unbind_ok"});
  EXPECT_EQ(Say(Unbind("bq", "")), Frames{"1 channel.close 403 'ACCESS_REFUSED - operation not "
                                          "permitted on the default exchange' 50.50"});
  EXPECT_EQ(Say(BindExchange("xd", "xs")), Frames{"1 exchange.bind_ok"});
  EXPECT_EQ(Say(BindExchange("xd", "nope")),
            Frames{"1 channel.close 404 'NOT_FOUND - no exchange 'nope' in vhost '/'' 40.30"});
  EXPECT_EQ(Say(BindExchange("nope", "xs")),
            Frames{"1 channel.close 404 'NOT_FOUND - no exchange 'nope' in vhost '/'' 40.30"});
  EXPECT_EQ(Say(BindExchange("", "xs")), Frames{"1 channel.close 403 'ACCESS_REFUSED - operation "
                                                "not permitted on the default exchange' 40.30"});
  EXPECT_EQ(Say(Bind("bq", "xh", "", {{"x-match", Value::String("foo")}})),
            Frames{"1 channel.close 406 'PRECONDITION_FAILED - Invalid x-match field value "
                   "<<\"foo\">>; expected all, "
                   "any, all-with-x, or any-with-x' 50.20"});
  EXPECT_EQ(Say(Bind("bq", "xh", "", {{"x-match", Value::Int(5)}})),
            Frames{"1 channel.close 406 'PRECONDITION_FAILED - Invalid x-match field type "
                   "signedint (value 5); expected "
                   "longstr' 50.20"});
}

TEST_F(ReplyTextTest, QueueDeclare) {
  EXPECT_EQ(Say(Queue("amq.foo")), Frames{"1 channel.close 403 'ACCESS_REFUSED - queue name "
                                          "'amq.foo' contains reserved prefix 'amq.*'' 50.10"});
  EXPECT_EQ(Say(Queue("amq.foo", true)),
            Frames{"1 channel.close 404 'NOT_FOUND - no queue 'amq.foo' in vhost '/'' 50.10"});
  EXPECT_EQ(Say(Queue("", true)),
            Frames{"1 channel.close 404 'NOT_FOUND - no queue '' in vhost '/'' 50.10"});
  EXPECT_EQ(Say(Queue("bq"), Queue("", true)),
            (Frames{"1 queue.declare_ok bq 0 0",
                    "1 channel.close 404 'NOT_FOUND - no queue '' in vhost '/'' 50.10"}));
  EXPECT_EQ(Say(Queue("q\r\ncr")), Frames{"1 queue.declare_ok qcr 0 0"});
  EXPECT_EQ(Say(Queue("bq", false, true)),
            Frames{"1 channel.close 406 'PRECONDITION_FAILED - inequivalent arg 'durable' for "
                   "queue 'bq' in vhost '/': "
                   "received 'true' but current is 'false'' 50.10"});
  EXPECT_EQ(Say(Queue("bq", false, false, {{"x-max-length", Value::Int(5)}})),
            Frames{"1 channel.close 406 'PRECONDITION_FAILED - inequivalent arg 'x-max-length' for "
                   "queue 'bq' in vhost "
                   "'/': received the value '5' of type 'signedint' but current is none' 50.10"});
  EXPECT_EQ(Say(Queue("bq", false, false, {{"x-foo", Value::Int(5)}})),
            Frames{"1 queue.declare_ok bq 0 0"});
  amqp::QueueDeclare exclusive = Queue("bq");
  exclusive.exclusive = true;
  EXPECT_EQ(Say(exclusive), Frames{"1 channel.close 405 '" + Locked("bq") + "' 50.10"});
  EXPECT_EQ(Say(Queue("amq.rabbitmq.reply-to", true)),
            Frames{"1 queue.declare_ok amq.rabbitmq.reply-to 0 1"});
  EXPECT_EQ(Say(Queue("amq.rabbitmq.reply-to")),
            Frames{"1 queue.declare_ok amq.rabbitmq.reply-to 0 1"});
  EXPECT_EQ(Say(Queue("amq.rabbitmq.reply-to.x", true)),
            Frames{"1 channel.close 404 'NOT_FOUND - no queue 'amq.rabbitmq.reply-to.x' in vhost "
                   "'/'' 50.10"});
}

TEST_F(ReplyTextTest, QueueArguments) {
  const auto refused = [&](const char* name, Value value, const std::string& why) {
    EXPECT_EQ(Say(Queue("aq", false, false, {{name, value}})),
              Frames{"1 channel.close 406 'PRECONDITION_FAILED - " + why + "' 50.10"});
  };
  refused(
      "x-message-ttl", Value::String("a"),
      "invalid arg 'x-message-ttl' for queue 'aq' in vhost '/': \"expected integer, got longstr\"");
  refused("x-expires", Value::Int(0),
          "invalid arg 'x-expires' for queue 'aq' in vhost '/': {value_zero,0}");
  refused("x-overflow", Value::String("foo"),
          "invalid arg 'x-overflow' for queue 'aq' in vhost '/': invalid_overflow");
  refused("x-dead-letter-exchange", Value::Int(5),
          "invalid type 'signedint' for arg 'x-dead-letter-exchange' in queue 'aq' in vhost '/'");
  refused(
      "x-queue-type", Value::String("foo"),
      "invalid arg 'x-queue-type' for queue 'aq' in vhost '/': \"unsupported queue type 'foo'\"");
}

TEST_F(ReplyTextTest, ExclusiveQueuesBelongToTheirConnection) {
  TestClient owner(&loop_);
  owner.Open().OpenChannel();
  amqp::QueueDeclare exclusive = Queue("exq");
  exclusive.exclusive = true;
  owner.Send(1, exclusive);
  EXPECT_EQ(owner.Read(), Frames{"1 queue.declare_ok exq 0 0"});
  owner.Send(1, exclusive);
  EXPECT_EQ(owner.Read(), Frames{"1 queue.declare_ok exq 0 0"});
  const std::string locked = "1 channel.close 405 '" + Locked("exq") + "' ";
  EXPECT_EQ(Say(exclusive), Frames{locked + "50.10"});
  EXPECT_EQ(Say(Queue("exq")), Frames{locked + "50.10"});
  EXPECT_EQ(Say(Queue("exq", true)), Frames{locked + "50.10"});
  EXPECT_EQ(Say(Bind("exq", "amq.direct")), Frames{locked + "50.20"});
  EXPECT_EQ(Say(Consume("exq")), Frames{locked + "60.20"});
  EXPECT_EQ(Say(Get("exq")), Frames{locked + "60.70"});
  EXPECT_EQ(Say(Purge("exq")), Frames{locked + "50.30"});
  EXPECT_EQ(Say(DeleteQueue("exq")), Frames{locked + "50.40"});
  owner.Hangup();
  EXPECT_EQ(Say(Queue("exq", true)),
            Frames{"1 channel.close 404 'NOT_FOUND - no queue 'exq' in vhost '/'' 50.10"});
}

TEST_F(ReplyTextTest, QueuePurgeAndDelete) {
  EXPECT_EQ(Say(Purge("nope")),
            Frames{"1 channel.close 404 'NOT_FOUND - no queue 'nope' in vhost '/'' 50.30"});
  EXPECT_EQ(Say(Purge("")),
            Frames{"1 channel.close 404 'NOT_FOUND - no previously declared queue' 50.30"});
  EXPECT_EQ(Say(DeleteQueue("nope")), Frames{"1 queue.delete_ok 0"});
  EXPECT_EQ(Say(DeleteQueue("")),
            Frames{"1 channel.close 404 'NOT_FOUND - no previously declared queue' 50.40"});
  EXPECT_EQ(
      Ask([](TestClient& client) {
        client.Send(1, Queue("pq"))
            .Publish("", "pq", "1")
            .Publish("", "pq", "2")
            .Send(1, Purge(""));
        client.Publish("", "pq", "3").Send(1, DeleteQueue("pq", false, true));
      }),
      (Frames{
          "1 queue.declare_ok pq 0 0", "1 queue.purge_ok 2",
          "1 channel.close 406 'PRECONDITION_FAILED - queue 'pq' in vhost '/' not empty' 50.40"}));
  EXPECT_EQ(Say(DeleteQueue("pq")), Frames{"1 queue.delete_ok 1"});
}

}  // namespace
}  // namespace pontoon::session
