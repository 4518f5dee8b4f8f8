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

using ReplyTextBasicTest = AskingTest;

TEST_F(ReplyTextBasicTest, ContentThatIsNotWhatWasAnnounced) {
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
             "unknown_frame' 0.0"});
}

TEST_F(ReplyTextBasicTest, FramesWithoutSenseCloseTheConnection) {
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

TEST_F(ReplyTextBasicTest, MethodsInTheWrongPlace) {
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

TEST_F(ReplyTextBasicTest, BasicPublish) {
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

TEST_F(ReplyTextBasicTest, Expiration) {
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

TEST_F(ReplyTextBasicTest, RoutingHeadersOfTheWrongType) {
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

TEST_F(ReplyTextBasicTest, BasicConsumeGetAckQosRecoverFlow) {
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
  EXPECT_EQ(Say(Qos(1, false, 5)),
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

TEST_F(ReplyTextBasicTest, ConfirmAndTxExcludeEachOther) {
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

TEST_F(ReplyTextBasicTest, RightsAreCheckedOnEveryMethod) {
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
