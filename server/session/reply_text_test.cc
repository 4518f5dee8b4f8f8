#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "server/session/test_client.h"

// What RabbitMQ 3.10 answers, method by method: reply code, text, class and method, and what comes
// before it. Each line was taken from a RabbitMQ 3.10.8 that was asked the same, unless its name
// says otherwise.
namespace pontoon::session {
namespace {

using Frames = std::vector<std::string>;
using amqp::FrameType;
using amqp::Table;
using amqp::Value;

amqp::QueueDeclare Queue(const std::string& name, bool passive = false, bool durable = false,
                         Table arguments = {}) {
  amqp::QueueDeclare declare;
  declare.queue = name;
  declare.passive = passive;
  declare.durable = durable;
  declare.arguments = std::move(arguments);
  return declare;
}
amqp::ExchangeDeclare Exchange(const std::string& name, const std::string& type,
                               bool durable = false, Table arguments = {}) {
  amqp::ExchangeDeclare declare;
  declare.exchange = name;
  declare.type = type;
  declare.durable = durable;
  declare.arguments = std::move(arguments);
  return declare;
}
amqp::ExchangeDeclare PassiveExchange(const std::string& name, const std::string& type = "") {
  amqp::ExchangeDeclare declare = Exchange(name, type);
  declare.passive = true;
  return declare;
}
amqp::QueueBind Bind(const std::string& queue, const std::string& exchange,
                     const std::string& key = "", Table arguments = {}) {
  amqp::QueueBind bind;
  bind.queue = queue;
  bind.exchange = exchange;
  bind.routing_key = key;
  bind.arguments = std::move(arguments);
  return bind;
}
amqp::QueueUnbind Unbind(const std::string& queue, const std::string& exchange) {
  amqp::QueueUnbind unbind;
  unbind.queue = queue;
  unbind.exchange = exchange;
  unbind.routing_key = "k";
  return unbind;
}
amqp::ExchangeBind BindExchange(const std::string& destination, const std::string& source) {
  amqp::ExchangeBind bind;
  bind.destination = destination;
  bind.source = source;
  return bind;
}
amqp::ExchangeDelete DeleteExchange(const std::string& name, bool if_unused = false) {
  amqp::ExchangeDelete method;
  method.exchange = name;
  method.if_unused = if_unused;
  return method;
}
amqp::QueueDelete DeleteQueue(const std::string& name, bool if_unused = false,
                              bool if_empty = false) {
  amqp::QueueDelete method;
  method.queue = name;
  method.if_unused = if_unused;
  method.if_empty = if_empty;
  return method;
}
amqp::QueuePurge Purge(const std::string& name) {
  amqp::QueuePurge method;
  method.queue = name;
  return method;
}
amqp::BasicGet Get(const std::string& name) {
  amqp::BasicGet method;
  method.queue = name;
  return method;
}
amqp::BasicConsume Consume(const std::string& queue, const std::string& tag = "",
                           bool no_ack = false) {
  amqp::BasicConsume method;
  method.queue = queue;
  method.consumer_tag = tag;
  method.no_ack = no_ack;
  return method;
}
amqp::BasicAck Ack(uint64_t tag, bool multiple = false) {
  amqp::BasicAck method;
  method.delivery_tag = tag;
  method.multiple = multiple;
  return method;
}
amqp::BasicQos Qos(uint16_t count, uint32_t size = 0) {
  amqp::BasicQos method;
  method.prefetch_count = count;
  method.prefetch_size = size;
  return method;
}

std::string Locked(const std::string& queue) {
  return "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '" + queue +
         "' in vhost '/'. It could be originally declared on another connection or the exclusive "
         "property value does "
         "not match that of the original declaration.";
}

class ReplyTextTest : public testing::Test {
 protected:
  // A new client with channel 1 open says this; what it is answered.
  Frames Ask(const std::function<void(TestClient&)>& says) {
    TestClient client(&loop_);
    client.Open().OpenChannel();
    says(client);
    return client.Read();
  }
  template <typename... M>
  Frames Say(const M&... methods) {
    return Ask([&](TestClient& client) { (client.Send(1, methods), ...); });
  }
  Frames SayFrame(FrameType type, uint16_t channel, absl::string_view payload) {
    return Ask([&](TestClient& client) { client.SendFrame(type, channel, payload); });
  }
  Frames PublishWith(const amqp::PropertiesBuilder& properties) {
    return Ask([&](TestClient& client) { client.Publish("", "k", "x", properties); });
  }

  TestLoop loop_;
};

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

TEST_F(ReplyTextTest, ContentThatIsNotWhatWasAnnounced) {
  const std::string publish = amqp::EncodeMethod(amqp::BasicPublish());
  const std::string declare = amqp::EncodeMethod(Queue("x"));
  const auto header = [](uint16_t class_id, uint16_t weight, uint8_t size) {
    std::string octets(14, '\0');
    octets[1] = static_cast<char>(class_id);
    octets[3] = static_cast<char>(weight);
    octets[11] = static_cast<char>(size);
    return octets;
  };
  const auto ask = [&](const std::vector<std::pair<FrameType, std::string>>& frames) {
    return Ask([&](TestClient& client) {
      for (const auto& [type, payload] : frames) client.SendFrame(type, 1, payload);
    });
  };
  const std::string unexpected = "0 connection.close 505 'UNEXPECTED_FRAME - ";
  const Frames no_method{unexpected + "expected method frame, got non method frame instead' 0.0"};
  EXPECT_EQ(ask({{FrameType::kHeader, header(60, 0, 3)}}), no_method);
  EXPECT_EQ(ask({{FrameType::kBody, "x"}}), no_method);
  const Frames no_header{
      unexpected +
      "expected content header for class 60, got non content header frame instead' 60.40"};
  EXPECT_EQ(ask({{FrameType::kMethod, publish}, {FrameType::kMethod, declare}}), no_header);
  EXPECT_EQ(ask({{FrameType::kMethod, publish}, {FrameType::kBody, "x"}}), no_header);
  EXPECT_EQ(ask({{FrameType::kMethod, publish}, {FrameType::kHeader, header(60, 1, 3)}}),
            no_header);
  EXPECT_EQ(ask({{FrameType::kMethod, publish}, {FrameType::kHeader, header(50, 0, 3)}}),
            Frames{unexpected +
                   "expected content header for class 60, got one for class 50 instead' 60.40"});
  const Frames no_body{unexpected +
                       "expected content body, got non content body frame instead' 60.40"};
  EXPECT_EQ(ask({{FrameType::kMethod, publish},
                 {FrameType::kHeader, header(60, 0, 3)},
                 {FrameType::kMethod, declare}}),
            no_body);
  // RabbitMQ takes a body that is too long for unfinished and refuses what follows with the same
  // code.
  EXPECT_EQ(ask({{FrameType::kMethod, publish},
                 {FrameType::kHeader, header(60, 0, 3)},
                 {FrameType::kBody, "abcd"}}),
            Frames{unexpected + "content body of 4 octets is longer than the announced 3' 60.40"});
  EXPECT_EQ(
      ask({{FrameType::kMethod, publish}, {FrameType::kHeader, std::string("\0\x3c\0\0", 4)}}),
      Frames{"0 connection.close 501 'FRAME_ERROR - type 2, all octets = <<0,60,0,0>>: "
             "unknown_frame' 60.40"});
}

TEST_F(ReplyTextTest, FramesWithoutSenseCloseTheConnection) {
  EXPECT_EQ(SayFrame(FrameType::kHeartbeat, 1, ""),
            Frames{"0 connection.close 505 'UNEXPECTED_FRAME - type 8, all octets = <<>>' 0.0"});
  EXPECT_EQ(SayFrame(FrameType::kHeartbeat, 0, "abc"),
            Frames{"0 connection.close 501 'FRAME_ERROR - type 8, all octets = <<\"abc\">>: "
                   "unknown_frame' 0.0"});
  EXPECT_EQ(SayFrame(static_cast<FrameType>(9), 1, "abc"),
            Frames{"0 connection.close 501 'FRAME_ERROR - type 9, all octets = <<\"abc\">>: "
                   "unknown_frame' 0.0"});
  EXPECT_EQ(SayFrame(static_cast<FrameType>(9), 0, "abc"),
            Frames{"0 connection.close 501 'FRAME_ERROR - type 9, all octets = <<\"abc\">>: "
                   "unknown_frame' 0.0"});
  EXPECT_EQ(
      SayFrame(FrameType::kBody, 0, "xx"),
      Frames{"0 connection.close 505 'UNEXPECTED_FRAME - type 3, all octets = <<\"xx\">>' 0.0"});
  EXPECT_EQ(SayFrame(FrameType::kMethod, 1, absl::string_view("\0\x3c", 2)),
            Frames{"0 connection.close 501 'FRAME_ERROR - type 1, all octets = <<0,60>>: "
                   "unknown_frame' 0.0"});
  EXPECT_EQ(SayFrame(FrameType::kMethod, 1,
                     absl::string_view("\0\x32\0\x0a\0\0\x05"
                                       "ab",
                                       9)),
            Frames{"0 connection.close 501 'FRAME_ERROR - cannot decode <<0,0,5,97,98>>' 50.10"});
  EXPECT_EQ(Ask([](TestClient& client) {
              client.Send(absl::string_view("\1\0\1\0\0\0\4\0\x55\0\x0a\x99", 12));
            }),
            Frames{"0 connection.close 501 'FRAME_ERROR - type 1, all octets = <<0,85,0,10>>: "
                   "{invalid_frame_end_marker,153}' 0.0"});
  EXPECT_EQ(
      Ask([](TestClient& client) { client.Send(absl::string_view("\1\0\1\0\x03\x0d\x40xx", 9)); }),
      Frames{"0 connection.close 501 'FRAME_ERROR - type 1, all octets = <<>>: "
             "{frame_too_large,200000,131064}' "
             "0.0"});
  // RabbitMQ only resets the socket; AMQP asks for 503.
  const Frames unknown = SayFrame(FrameType::kMethod, 1, absl::string_view("\0\x4d\0\x0a", 4));
  ASSERT_EQ(unknown.size(), 1u);
  EXPECT_EQ(unknown[0].substr(0, 22), "0 connection.close 503");
}

TEST_F(ReplyTextTest, MethodsInTheWrongPlace) {
  EXPECT_EQ(Ask([](TestClient& client) { client.Send(2, Queue("q")); }),
            Frames{"0 connection.close 504 'CHANNEL_ERROR - expected 'channel.open'' 50.10"});
  EXPECT_EQ(Ask([](TestClient& client) { client.Send(2, amqp::ChannelClose()); }),
            Frames{"0 connection.close 504 'CHANNEL_ERROR - expected 'channel.open'' 20.40"});
  EXPECT_EQ(Say(amqp::ChannelOpen()),
            Frames{"0 connection.close 504 'CHANNEL_ERROR - second 'channel.open' seen' 20.10"});
  EXPECT_EQ(Ask([](TestClient& client) { client.Send(0, Queue("q")); }),
            Frames{"0 connection.close 504 'CHANNEL_ERROR - unexpected method in connection state "
                   "running' 50.10"});
  EXPECT_EQ(Ask([](TestClient& client) { client.Send(0, amqp::ConnectionOpen()); }),
            Frames{"0 connection.close 504 'CHANNEL_ERROR - unexpected method in connection state "
                   "running' 10.40"});
  EXPECT_EQ(Say(amqp::ConnectionOpen()),
            Frames{"0 connection.close 503 'COMMAND_INVALID - unimplemented method' 10.40"});
  EXPECT_EQ(Say(amqp::QueueDeclareOk()),
            Frames{"0 connection.close 503 'COMMAND_INVALID - unimplemented method' 50.11"});
}

TEST_F(ReplyTextTest, BasicPublish) {
  EXPECT_EQ(Ask([](TestClient& client) { client.Publish("nope", "k", "x"); }),
            Frames{"1 channel.close 404 'NOT_FOUND - no exchange 'nope' in vhost '/'' 60.40"});
  EXPECT_EQ(Ask([](TestClient& client) { client.Publish("amq.rabbitmq.trace", "k", "x"); }),
            Frames{"1 channel.close 403 'ACCESS_REFUSED - cannot publish to internal exchange "
                   "'amq.rabbitmq.trace' in "
                   "vhost '/'' 60.40"});
  amqp::PropertiesBuilder properties;
  properties.user_id = "bob";
  EXPECT_EQ(PublishWith(properties), Frames{"1 channel.close 406 'PRECONDITION_FAILED - user_id "
                                            "property set to 'bob' but authenticated user was "
                                            "'guest'' 60.40"});
  properties.user_id = "guest";
  EXPECT_EQ(PublishWith(properties), Frames{});
  properties = {};
  properties.reply_to = "amq.rabbitmq.reply-to";
  EXPECT_EQ(
      PublishWith(properties),
      Frames{
          "1 channel.close 406 'PRECONDITION_FAILED - fast reply consumer does not exist' 60.40"});
}

TEST_F(ReplyTextTest, Expiration) {
  const auto with = [&](const std::string& expiration) {
    amqp::PropertiesBuilder properties;
    properties.expiration = expiration;
    return PublishWith(properties);
  };
  const auto refusal = [](const std::string& why) {
    return Frames{"1 channel.close 406 'PRECONDITION_FAILED - invalid expiration " + why +
                  "' 60.40"};
  };
  EXPECT_EQ(with("abc"), refusal("'abc': no_integer"));
  EXPECT_EQ(with(""), refusal("'': no_integer"));
  EXPECT_EQ(with(" 5"), refusal("' 5': no_integer"));
  EXPECT_EQ(with("-1"), refusal("'-1': {value_negative,-1}"));
  EXPECT_EQ(with("12x"), refusal("'12x': {leftover_string,\"x\"}"));
  EXPECT_EQ(with("1.5"), refusal("'1.5': {leftover_string,\".5\"}"));
  EXPECT_EQ(with("99999999999999999"),
            refusal("'99999999999999999': {value_too_large,99999999999999999}"));
  EXPECT_EQ(with("4294967296"), Frames{});
  EXPECT_EQ(with("+5"), Frames{});
  EXPECT_EQ(with("0"), Frames{});
}

TEST_F(ReplyTextTest, RoutingHeadersOfTheWrongType) {
  const auto with = [&](const char* name, Value value) {
    amqp::PropertiesBuilder properties;
    properties.headers = Table{{name, std::move(value)}};
    return PublishWith(properties);
  };
  const auto refusal = [](const std::string& what) {
    return Frames{
        "1 channel.close 406 'PRECONDITION_FAILED - invalid message: "
        "{unacceptable_type_in_header," +
        what + "}' 60.40"};
  };
  EXPECT_EQ(with("CC", Value::String("a")), refusal("\"CC\",longstr"));
  EXPECT_EQ(with("CC", Value::Int(5)), refusal("\"CC\",signedint"));
  EXPECT_EQ(with("CC", Value::Bool(true)), refusal("\"CC\",bool"));
  EXPECT_EQ(with("BCC", Value::String("x")), refusal("\"BCC\",longstr"));
  EXPECT_EQ(with("CC", Value::Of(amqp::Array{Value::Int(1)})), Frames{});
}

TEST_F(ReplyTextTest, BasicConsumeGetAckQosRecoverFlow) {
  Say(Queue("cq"));
  EXPECT_EQ(Say(Consume("First")),
            Frames{"1 channel.close 404 'NOT_FOUND - no queue 'First' in vhost '/'' 60.20"});
  EXPECT_EQ(
      Say(Consume("cq", "t"), Consume("cq", "t")),
      (Frames{"1 basic.consume_ok t",
              "0 connection.close 530 'NOT_ALLOWED - attempt to reuse consumer tag 't'' 60.20"}));
  EXPECT_EQ(
      Say(Consume("amq.rabbitmq.reply-to")),
      Frames{
          "1 channel.close 406 'PRECONDITION_FAILED - reply consumer cannot acknowledge' 60.20"});
  EXPECT_EQ(
      Say(Consume("amq.rabbitmq.reply-to", "a", true), Consume("amq.rabbitmq.reply-to", "b", true)),
      (Frames{"1 basic.consume_ok a",
              "1 channel.close 406 'PRECONDITION_FAILED - reply consumer already set' 60.20"}));
  EXPECT_EQ(Say(Get("nope")),
            Frames{"1 channel.close 404 'NOT_FOUND - no queue 'nope' in vhost '/'' 60.70"});
  EXPECT_EQ(Say(Get("cq")), Frames{"1 basic.get_empty"});
  EXPECT_EQ(Say(Ack(99)),
            Frames{"1 channel.close 406 'PRECONDITION_FAILED - unknown delivery tag 99' 60.80"});
  EXPECT_EQ(Say(Ack(0)),
            Frames{"1 channel.close 406 'PRECONDITION_FAILED - unknown delivery tag 0' 60.80"});
  EXPECT_EQ(Say(Ack(0, true)), Frames{});
  EXPECT_EQ(Say(Qos(1, 5)),
            Frames{"0 connection.close 540 'NOT_IMPLEMENTED - prefetch_size!=0 (5)' 60.10"});
  EXPECT_EQ(Say(Qos(1)), Frames{"1 basic.qos_ok"});
  amqp::BasicRecover recover;
  EXPECT_EQ(Say(recover),
            Frames{"0 connection.close 540 'NOT_IMPLEMENTED - requeue=false' 60.110"});
  recover.requeue = true;
  EXPECT_EQ(Say(recover), Frames{"1 basic.recover_ok"});
  amqp::ChannelFlow flow;
  flow.active = false;
  EXPECT_EQ(Say(flow), Frames{"0 connection.close 540 'NOT_IMPLEMENTED - active=false' 20.20"});
  amqp::BasicCancel cancel;
  cancel.consumer_tag = "unknown";
  EXPECT_EQ(Say(cancel), Frames{"1 basic.cancel_ok unknown"});
  amqp::BasicPublish immediate;
  immediate.immediate = true;
  EXPECT_EQ(Ask([&](TestClient& client) {
              client.Send(1, immediate);
              client.SendFrame(FrameType::kHeader, 1,
                               absl::string_view("\0\x3c\0\0\0\0\0\0\0\0\0\0\0\0", 14));
            }),
            Frames{"0 connection.close 540 'NOT_IMPLEMENTED - immediate=true' 60.40"});
}

TEST_F(ReplyTextTest, ConfirmAndTxExcludeEachOther) {
  EXPECT_EQ(Say(amqp::ConfirmSelect(), amqp::ConfirmSelect(), amqp::TxSelect()),
            (Frames{"1 confirm.select_ok", "1 confirm.select_ok",
                    "1 channel.close 406 'PRECONDITION_FAILED - cannot switch from confirm to tx "
                    "mode' 90.10"}));
  EXPECT_EQ(Say(amqp::TxSelect(), amqp::ConfirmSelect()),
            (Frames{"1 tx.select_ok",
                    "1 channel.close 406 'PRECONDITION_FAILED - cannot switch from tx to confirm "
                    "mode' 85.10"}));
  EXPECT_EQ(
      Say(amqp::TxCommit()),
      Frames{"1 channel.close 406 'PRECONDITION_FAILED - channel is not transactional' 90.20"});
  EXPECT_EQ(
      Say(amqp::TxRollback()),
      Frames{"1 channel.close 406 'PRECONDITION_FAILED - channel is not transactional' 90.30"});
}

TEST_F(ReplyTextTest, RightsAreCheckedOnEveryMethod) {
  catalog::PutUser put;
  put.user.name = "app";
  put.user.password_hash = catalog::HashPassword("app", catalog::HashAlgorithm::kSha256, 1);
  ASSERT_TRUE(loop_.front_end.Admin(put).ok());
  ASSERT_TRUE(
      loop_.front_end.Admin(catalog::SetPermission{{"app", "/", "^none$", "^none$", "^none$"}})
          .ok());
  Say(Queue("rq"), Exchange("rx", "direct"));
  const auto as_app = [&](const std::function<void(TestClient&)>& says) {
    TestClient client(&loop_);
    client.Open({.user = "app", .password = "app"}).OpenChannel();
    says(client);
    return client.Read();
  };
  const auto refusal = [](const std::string& what, const std::string& method) {
    return Frames{"1 channel.close 403 'ACCESS_REFUSED - " + what +
                  " in vhost '/' refused for user 'app'' " + method};
  };
  EXPECT_EQ(as_app([](TestClient& c) { c.Send(1, Queue("rq")); }),
            refusal("access to queue 'rq'", "50.10"));
  EXPECT_EQ(as_app([](TestClient& c) { c.Send(1, Exchange("rx", "direct")); }),
            refusal("access to exchange 'rx'", "40.10"));
  EXPECT_EQ(as_app([](TestClient& c) { c.Send(1, Bind("rq", "rx")); }),
            refusal("access to queue 'rq'", "50.20"));
  EXPECT_EQ(as_app([](TestClient& c) { c.Publish("rx", "k", "x"); }),
            refusal("access to exchange 'rx'", "60.40"));
  EXPECT_EQ(as_app([](TestClient& c) { c.Publish("", "rq", "x"); }),
            refusal("access to exchange 'amq.default'", "60.40"));
  EXPECT_EQ(as_app([](TestClient& c) { c.Send(1, Consume("rq")); }),
            refusal("access to queue 'rq'", "60.20"));
  EXPECT_EQ(as_app([](TestClient& c) { c.Send(1, Get("rq")); }),
            refusal("access to queue 'rq'", "60.70"));
  EXPECT_EQ(as_app([](TestClient& c) { c.Send(1, Purge("rq")); }),
            refusal("access to queue 'rq'", "50.30"));
  EXPECT_EQ(as_app([](TestClient& c) { c.Send(1, DeleteQueue("rq")); }),
            refusal("access to queue 'rq'", "50.40"));
  EXPECT_EQ(as_app([](TestClient& c) { c.Send(1, DeleteExchange("rx")); }),
            refusal("access to exchange 'rx'", "40.20"));
  EXPECT_EQ(as_app([](TestClient& c) { c.Send(1, Queue("rq", true)); }),
            Frames{"1 queue.declare_ok rq 0 0"});
  EXPECT_TRUE(
      loop_.logger.Contains("operation basic.get caused a channel exception access_refused: access "
                            "to queue 'rq' in vhost '/' refused "
                            "for user 'app'"));
}

}  // namespace
}  // namespace pontoon::session
