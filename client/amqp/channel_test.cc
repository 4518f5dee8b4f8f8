#include "client/amqp/channel.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <vector>

#include "client/amqp/connection.h"
#include "client/amqp/fake_broker.h"
#include "client/amqp/inbox.h"
#include "server/amqp/reply_code.h"

namespace pontoon::client {
namespace {

using amqp::ReplyCode;
using amqp::ReplyCodeOf;

// A connection with one channel to a broker whose script begins behind channel.open.
class ChannelTest : public testing::Test {
 protected:
  void Start(std::function<void(FakePeer&)> script,
             const std::function<void(ConnectionOptions*)>& change = nullptr) {
    broker_ = std::make_unique<FakeBroker>([script = std::move(script)](FakePeer& peer) {
      peer.Handshake();
      peer.AcceptChannel();
      script(peer);
      peer.AwaitEnd();
    });
    ConnectionOptions options = broker_->Options();
    if (change != nullptr) change(&options);
    auto connection = Connection::Open(options);
    ASSERT_TRUE(connection.ok()) << connection.status();
    connection_ = *std::move(connection);
    auto channel = connection_->OpenChannel();
    ASSERT_TRUE(channel.ok()) << channel.status();
    channel_ = *std::move(channel);
  }
  void TearDown() override {
    channel_.reset();
    connection_.reset();
    broker_.reset();
  }

  std::unique_ptr<FakeBroker> broker_;
  std::unique_ptr<Connection> connection_;
  std::unique_ptr<Channel> channel_;
};

TEST_F(ChannelTest, AnErrorEndsThisChannelOnlyWithTheBrokersCodeAndText) {
  Start([](FakePeer& peer) {
    peer.Expect<amqp::QueueDeclare>();
    peer.Send(1, amqp::ChannelClose{404, "NOT_FOUND - no queue 'q' in vhost '/'", 50, 10});
    peer.Expect<amqp::ChannelCloseOk>();
    peer.AcceptChannel();
    EXPECT_EQ(peer.channel(), 1);  // The number is free again.
  });
  std::promise<absl::Status> told;
  channel_->OnClosed([&](const absl::Status& why) { told.set_value(why); });
  const absl::Status why = channel_->DeclareQueue({.queue = "q", .passive = true}).status();
  EXPECT_EQ(ReplyCodeOf(why), ReplyCode::kNotFound);
  EXPECT_EQ(why.message(), "NOT_FOUND - no queue 'q' in vhost '/'");
  EXPECT_EQ(told.get_future().get(), why);
  EXPECT_EQ(channel_->status(), why);
  EXPECT_EQ(channel_->Ack(1), why);
  EXPECT_TRUE(connection_->status().ok());
  EXPECT_TRUE(connection_->OpenChannel().ok());
}

TEST_F(ChannelTest, AnswersGoToTheirCallsInOrder) {
  Start([](FakePeer& peer) {
    for (int i = 0; i < 8; ++i) peer.Expect<amqp::QueueDeclare>();
    for (uint32_t i = 0; i < 8; ++i)
      peer.Send(1, amqp::QueueDeclareOk{.queue = absl::StrCat("q", i)});
  });
  std::vector<std::string> names;
  std::promise<void> all;
  for (int i = 0; i < 8; ++i) {
    channel_->DeclareQueueLater({}, [&](absl::StatusOr<amqp::QueueDeclareOk> ok) {
      names.push_back(ok.ok() ? ok->queue : ok.status().ToString());
      if (names.size() == 8) all.set_value();
    });
  }
  all.get_future().wait();
  EXPECT_EQ(names, (std::vector<std::string>{"q0", "q1", "q2", "q3", "q4", "q5", "q6", "q7"}));
}

TEST_F(ChannelTest, ADeliveryRightBehindConsumeOkReachesItsConsumer) {
  Start([](FakePeer& peer) {
    peer.Expect<amqp::BasicConsume>();
    // In one write, and the body in many frames.
    amqp::FrameWriter writer(4096);
    writer.AddMethod(1, amqp::BasicConsumeOk{.consumer_tag = "tag"});
    amqp::BasicDeliver deliver;
    deliver.consumer_tag = "tag";
    deliver.delivery_tag = 7;
    deliver.redelivered = true;
    deliver.exchange = "e";
    deliver.routing_key = "\xff";
    writer.AddContent(1, deliver, amqp::PropertiesBuilder{.message_id = "m"}.Encode(),
                      base::SliceChain(base::Slice::Copy(std::string(20000, 'x'))));
    const base::Slice octets = writer.Take().Flatten();
    peer.SendOctets(octets.view());
    EXPECT_EQ(peer.Expect<amqp::BasicAck>().delivery_tag, 7u);
  });
  Inbox inbox;
  EXPECT_EQ(*channel_->Consume({.queue = "q"}, inbox.Handlers()), "tag");
  const auto message = inbox.Next();
  ASSERT_TRUE(message.ok()) << message.status();
  EXPECT_EQ(message->body, std::string(20000, 'x'));
  EXPECT_EQ(message->exchange, "e");
  EXPECT_EQ(message->routing_key, "\xff");
  EXPECT_TRUE(message->redelivered);
  EXPECT_EQ(message->ParsedProperties().message_id(), "m");
  EXPECT_TRUE(channel_->Ack(message->delivery_tag).ok());
}

TEST_F(ChannelTest, TheBrokersCancelReachesTheConsumerAndNothingComesAfterOurs) {
  Start([](FakePeer& peer) {
    peer.Expect<amqp::BasicConsume>();
    peer.Send(1, amqp::BasicConsumeOk{.consumer_tag = "one"});
    peer.Send(1, amqp::BasicCancel{.consumer_tag = "one", .no_wait = true});
    peer.Expect<amqp::BasicConsume>();
    peer.Send(1, amqp::BasicConsumeOk{.consumer_tag = "two"});
    peer.Expect<amqp::BasicCancel>();
    peer.Send(1, amqp::BasicCancelOk{.consumer_tag = "two"});
    amqp::BasicDeliver late;
    late.consumer_tag = "two";
    peer.SendContent(1, late, "late");
    peer.Expect<amqp::BasicGet>();
    peer.Send(1, amqp::BasicGetEmpty{});
  });
  Inbox one;
  ASSERT_TRUE(channel_->Consume({.queue = "q"}, one.Handlers()).ok());
  EXPECT_TRUE(absl::IsCancelled(one.Next().status()));
  Inbox two;
  ASSERT_TRUE(channel_->Consume({.queue = "q"}, two.Handlers()).ok());
  ASSERT_TRUE(channel_->Cancel("two").ok());
  EXPECT_FALSE(channel_->Get("q")->has_value());  // Behind the late delivery.
  EXPECT_EQ(two.size(), 0u);
}

TEST_F(ChannelTest, GetGivesTheMessageAndHowManyAreLeft) {
  Start([](FakePeer& peer) {
    EXPECT_TRUE(peer.Expect<amqp::BasicGet>().no_ack);
    amqp::BasicGetOk ok;
    ok.delivery_tag = 3;
    ok.routing_key = "q";
    ok.message_count = 41;
    peer.SendContent(1, ok, "body");
  });
  const auto message = channel_->Get("q", true);
  ASSERT_TRUE(message.ok() && message->has_value());
  EXPECT_EQ((*message)->body, "body");
  EXPECT_EQ((*message)->routing_key, "q");
  EXPECT_EQ((*message)->message_count, 41u);
}

TEST_F(ChannelTest, PublishingWaitsWhileTheWindowOfConfirmsIsFull) {
  std::promise<void> release;
  Start([&](FakePeer& peer) {
    peer.Expect<amqp::ConfirmSelect>();
    peer.Send(1, amqp::ConfirmSelectOk{});
    for (int i = 0; i < 3; ++i) EXPECT_EQ(peer.ExpectPublish(), absl::StrCat(i + 1));
    release.get_future().wait();
    peer.Send(1, amqp::BasicAck{.delivery_tag = 2, .multiple = true});
    EXPECT_EQ(peer.ExpectPublish(), "4");
    peer.Send(1, amqp::BasicAck{.delivery_tag = 4, .multiple = true});
  });
  std::vector<uint64_t> confirmed;
  ASSERT_TRUE(channel_
                  ->SelectConfirms(
                      {.outstanding_max = 3,
                       .on_confirm = [&](uint64_t n, bool ok) { confirmed.push_back(ok ? n : 0); }})
                  .ok());
  for (uint64_t i = 1; i <= 3; ++i) {
    EXPECT_EQ(*channel_->PublishLater({.routing_key = "q", .body = absl::StrCat(i)}), i);
  }
  EXPECT_EQ(channel_->unconfirmed(), 3u);
  std::atomic<bool> published{false};
  auto fourth = std::async(std::launch::async, [&] {
    const auto sequence = channel_->Publish({.routing_key = "q", .body = "4"});
    published = true;
    return *sequence;
  });
  EXPECT_EQ(fourth.wait_for(std::chrono::milliseconds(50)), std::future_status::timeout);
  EXPECT_FALSE(published);
  release.set_value();
  EXPECT_EQ(fourth.get(), 4u);
  EXPECT_TRUE(channel_->WaitForConfirms().ok());
  EXPECT_EQ(confirmed, (std::vector<uint64_t>{1, 2, 3, 4}));
}

TEST_F(ChannelTest, ARefusedMessageIsToldAndAWaitThatTakesTooLongIsADeadline) {
  Start([](FakePeer& peer) {
    peer.Expect<amqp::ConfirmSelect>();
    peer.Send(1, amqp::ConfirmSelectOk{});
    peer.ExpectPublish();
    peer.Send(1, amqp::BasicNack{.delivery_tag = 1});
    peer.ExpectPublish();
  });
  ASSERT_TRUE(channel_->SelectConfirms().ok());
  ASSERT_TRUE(channel_->Publish({.routing_key = "q"}).ok());
  EXPECT_TRUE(absl::IsAborted(channel_->WaitForConfirms()));
  EXPECT_TRUE(channel_->WaitForConfirms().ok());  // Told once.
  ASSERT_TRUE(channel_->Publish({.routing_key = "q"}).ok());
  EXPECT_TRUE(absl::IsDeadlineExceeded(channel_->WaitForConfirms(base::Millis(20))));
}

TEST_F(ChannelTest, AnUnroutableMessageComesBackBeforeItsConfirm) {
  Start([](FakePeer& peer) {
    peer.Expect<amqp::ConfirmSelect>();
    peer.Send(1, amqp::ConfirmSelectOk{});
    const std::string body = peer.ExpectPublish();
    amqp::BasicReturn returned;
    returned.reply_code = 312;
    returned.reply_text = "NO_ROUTE";
    returned.routing_key = "nobody";
    peer.SendContent(1, returned, body);
    peer.Send(1, amqp::BasicAck{.delivery_tag = 1});
  });
  std::string seen;
  channel_->OnReturn([&](const ReturnedMessage& message) {
    seen = absl::StrCat(message.reply_code, " ", message.reply_text, " ", message.routing_key, " ",
                        message.BodyText());
  });
  ASSERT_TRUE(channel_->SelectConfirms().ok());
  ASSERT_TRUE(channel_->Publish({.routing_key = "nobody", .mandatory = true, .body = "back"}).ok());
  ASSERT_TRUE(channel_->WaitForConfirms().ok());
  EXPECT_EQ(seen, "312 NO_ROUTE nobody back");
}

TEST_F(ChannelTest, ABodyIsSplitIntoFramesOfTheNegotiatedSize) {
  const std::string body(50000, 'b');
  Start(
      [&](FakePeer& peer) {
        EXPECT_EQ(peer.ExpectPublish(), body);
      },  // Its reader refuses longer frames.
      [](ConnectionOptions* options) { options->frame_max = 4096; });
  EXPECT_TRUE(channel_->Publish({.routing_key = "q", .body = body}).ok());
  EXPECT_TRUE(channel_->Close().ok());
}

TEST_F(ChannelTest, ACallThatWouldWaitInsideAHandlerIsRefusedInsteadOfHanging) {
  Start([](FakePeer& peer) {
    peer.Expect<amqp::BasicConsume>();
    peer.Send(1, amqp::BasicConsumeOk{.consumer_tag = "tag"});
    amqp::BasicDeliver deliver;
    deliver.consumer_tag = "tag";
    peer.SendContent(1, deliver, "x");
    EXPECT_EQ(peer.ExpectPublish(), "from the handler");
  });
  std::promise<absl::Status> declared;
  ASSERT_TRUE(
      channel_
          ->Consume({.queue = "q"},
                    {.on_delivery =
                         [&](const Delivery&) {
                           EXPECT_TRUE(channel_->Publish({.body = "from the handler"}).ok());
                           declared.set_value(channel_->DeclareQueue({.queue = "q"}).status());
                         }})
          .ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(declared.get_future().get()));
}

TEST_F(ChannelTest, NoHandlerRunsOnceTheChannelIsGone) {
  std::atomic<bool> gone{false};
  std::atomic<bool> late{false};
  std::promise<void> first;
  Start([&](FakePeer& peer) {
    peer.Expect<amqp::BasicConsume>();
    peer.Send(1, amqp::BasicConsumeOk{.consumer_tag = "tag"});
    amqp::BasicDeliver deliver;
    deliver.consumer_tag = "tag";
    for (int i = 0; i < 1000; ++i) peer.SendContent(1, deliver, "x");
  });
  std::atomic<bool> told{false};
  ASSERT_TRUE(
      channel_
          ->Consume({.queue = "q"}, {.on_delivery =
                                         [&](const Delivery&) {
                                           if (gone) late = true;
                                           if (!told.exchange(true)) first.set_value();
                                         },
                                     .on_cancel = [&](const absl::Status&) { late = true; }})
          .ok());
  first.get_future().wait();
  channel_.reset();
  gone = true;
  EXPECT_TRUE(connection_->Close().ok());
  EXPECT_FALSE(late);
}

TEST_F(ChannelTest, AnErrorThatCrossesOurCloseIsNotLost) {
  Start([](FakePeer& peer) {
    peer.ExpectPublish();
    peer.Expect<amqp::ChannelClose>();
    peer.Send(1, amqp::ChannelClose{404, "NOT_FOUND - no exchange 'e' in vhost '/'"});
    peer.Expect<amqp::ChannelCloseOk>();
    peer.Send(1, amqp::ChannelCloseOk{});
  });
  ASSERT_TRUE(channel_->Publish({.exchange = "e"}).ok());
  EXPECT_EQ(ReplyCodeOf(channel_->Close()), ReplyCode::kNotFound);
}

}  // namespace
}  // namespace pontoon::client
