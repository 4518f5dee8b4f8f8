#include "server/net/stream_socket.h"

#include <algorithm>
#include <utility>

#include "server/net/net_test_support.h"

namespace pontoon::net {
namespace {

base::Slice Bytes(absl::string_view text) { return base::Slice::Copy(text); }

std::string Pattern(size_t bytes) {
  std::string text(bytes, '\0');
  for (size_t i = 0; i < bytes; ++i) text[i] = static_cast<char>((i * 2654435761u) >> 13);
  return text;
}

TEST(StreamSocketTest, BytesArriveInOrderAndUnchanged) {
  TestServer server;
  ASSERT_TRUE(server.Start().ok());
  TestClient client(server.port());
  auto session = server.AwaitSession();
  const std::string sent = Pattern(3'000'000);
  client.Send(absl::string_view(sent).substr(0, 10));
  ASSERT_TRUE(session->AwaitReceived(10));
  client.Send(absl::string_view(sent).substr(10));
  ASSERT_TRUE(session->AwaitReceived(sent.size()));
  base::MutexLock lock(&session->signal.mutex);
  EXPECT_TRUE(session->received == sent);
  // What was handed out early still holds the same bytes after all later reads.
  std::string kept;
  for (const base::Slice& slice : session->kept) kept.append(slice.data(), slice.size());
  EXPECT_TRUE(kept == sent);
}

TEST(StreamSocketTest, ASmallReadPinsNoBigBlock) {
  TestServer server;
  ASSERT_TRUE(server.Start().ok());
  TestClient client(server.port());
  auto session = server.AwaitSession();
  client.Send("eight by");
  ASSERT_TRUE(session->AwaitReceived(8));
  base::MutexLock lock(&session->signal.mutex);
  EXPECT_LE(session->kept[0].pinned_bytes(), 64u);
}

TEST(StreamSocketTest, ABigBodyIsReadIntoFewBlocks) {
  TestServer server;
  ASSERT_TRUE(server.Start().ok());
  TestClient client(server.port());
  auto session = server.AwaitSession();
  client.Send(std::string(8 << 20, 'x'));
  ASSERT_TRUE(session->AwaitReceived(8 << 20));
  base::MutexLock lock(&session->signal.mutex);
  base::SliceChain chain;
  for (const base::Slice& slice : session->kept) chain.Append(slice);
  size_t pinned = 0;
  for (const base::Slice& slice : chain.slices()) pinned += slice.pinned_bytes();
  EXPECT_LE(pinned, 2u * (8 << 20));
}

TEST(StreamSocketTest, WritesLeaveInTheOrderOfQueuing) {
  TestServer server;
  ASSERT_TRUE(server.Start().ok());
  TestClient client(server.port());
  auto session = server.AwaitSession();
  std::string expected;
  RunOn(server.loop(), [&] {
    // More pieces than one gathered write takes.
    for (int i = 0; i < 5000; ++i) {
      const std::string piece = absl::StrCat("piece ", i, ";");
      expected += piece;
      session->socket->Write(Bytes(piece));
    }
    EXPECT_EQ(session->socket->queued_bytes(), expected.size());
    EXPECT_EQ(session->socket->bytes_written(), 0u);
    session->socket->WantWritten(session->socket->write_position());
  });
  EXPECT_TRUE(client.Receive(expected.size()) == expected);
  EXPECT_TRUE(session->signal.Await([&] { return session->written == expected.size(); }));
  RunOn(server.loop(), [&] { EXPECT_EQ(session->socket->queued_bytes(), 0u); });
}

TEST(StreamSocketTest, AReaderThatReadsNothingHoldsOnlyWhatWasQueued) {
  TestServer server;
  ASSERT_TRUE(server.Start({.send_buffer_bytes = 16384}).ok());
  TestClient client(server.port(), 16384);
  auto session = server.AwaitSession();
  const std::string big = Pattern(4 << 20);
  RunOn(server.loop(), [&] {
    session->socket->SetLowWater(1 << 20);
    session->socket->WantWritten(UINT64_MAX);
    session->socket->Write(Bytes(big));
  });
  // What the kernel takes is all that leaves; nothing else happens until the client reads.
  ASSERT_TRUE(session->signal.Await([&] { return session->written > 0; }));
  RunOn(server.loop(), [&] {
    EXPECT_GT(session->socket->queued_bytes(), uint64_t{3} << 20);
    EXPECT_EQ(session->socket->queued_bytes() + session->socket->bytes_written(), big.size());
    EXPECT_EQ(session->lows, 0);
  });
  EXPECT_TRUE(client.Receive(big.size()) == big);
  EXPECT_TRUE(
      session->signal.Await([&] { return session->lows == 1 && session->written == big.size(); }));
}

TEST(StreamSocketTest, APausedSocketReadsNoMoreThanItWasAllowed) {
  TestServer server;
  server.prepare = [](TestSession* session) { session->socket->PauseReading(100); };
  ASSERT_TRUE(server.Start().ok());
  TestClient client(server.port());
  auto session = server.AwaitSession();
  const std::string sent = Pattern(200'000);
  client.Send(sent);
  ASSERT_TRUE(session->AwaitReceived(100));
  RunOn(server.loop(), [] {});
  RunOn(server.loop(), [&] {
    EXPECT_TRUE(session->socket->reading_stopped());
    EXPECT_EQ(session->socket->bytes_read(), 100u);
    session->socket->PauseReading(50);
  });
  ASSERT_TRUE(session->AwaitReceived(150));
  RunOn(server.loop(), [] {});
  RunOn(server.loop(), [&] {
    EXPECT_EQ(session->socket->bytes_read(), 150u);
    session->socket->ResumeReading();
  });
  ASSERT_TRUE(session->AwaitReceived(sent.size()));
  base::MutexLock lock(&session->signal.mutex);
  EXPECT_TRUE(session->received == sent);
}

TEST(StreamSocketTest, AResetIsNoticedWhileReadingIsPaused) {
  TestServer server;
  server.prepare = [](TestSession* session) { session->socket->PauseReading(); };
  ASSERT_TRUE(server.Start().ok());
  TestClient client(server.port());
  auto session = server.AwaitSession();
  client.Send("unread");
  client.Reset();
  EXPECT_TRUE(absl::IsUnavailable(session->AwaitClosed()));
  EXPECT_EQ(session->received, "");
}

TEST(StreamSocketTest, AnOrderlyCloseIsNoticedWhileReadingIsPaused) {
  TestServer server;
  server.prepare = [](TestSession* session) { session->socket->PauseReading(); };
  ASSERT_TRUE(server.Start().ok());
  TestClient client(server.port());
  auto session = server.AwaitSession();
  client.Send("unread");
  client.Close();
  EXPECT_TRUE(absl::IsCancelled(session->AwaitClosed()));
}

TEST(StreamSocketTest, AClientThatShutDownOnlyItsSideStillGetsTheAnswer) {
  TestServer server;
  server.prepare = [](TestSession* session) {
    session->on_bytes = [session](const base::Slice&) {
      session->socket->Write(Bytes("the answer"));
    };
  };
  ASSERT_TRUE(server.Start().ok());
  TestClient client(server.port());
  client.Send("question");
  client.ShutdownWrites();
  EXPECT_EQ(client.Receive(100), "the answer");
  EXPECT_TRUE(absl::IsCancelled(server.AwaitSession()->AwaitClosed()));
}

TEST(StreamSocketTest, CloseSendsAllThatIsQueuedFirst) {
  TestServer server;
  ASSERT_TRUE(server.Start().ok());
  TestClient client(server.port());
  auto session = server.AwaitSession();
  const std::string big = Pattern(2 << 20);
  RunOn(server.loop(), [&] {
    session->socket->Write(Bytes(big));
    session->socket->Close();
    session->socket->Write(Bytes("too late"));
  });
  EXPECT_TRUE(client.Receive(big.size() + 100) == big);
  client.Close();
  EXPECT_TRUE(session->AwaitClosed().ok());
}

TEST(StreamSocketTest, ASocketDestroyedAfterCloseStillSendsWhatIsQueued) {
  TestServer server;
  ASSERT_TRUE(server.Start().ok());
  TestClient client(server.port());
  auto session = server.AwaitSession();
  const std::string big = Pattern(2 << 20);
  RunOn(server.loop(), [&] {
    session->socket->Write(Bytes(big));
    session->socket->Close();
    session->socket.reset();
  });
  EXPECT_TRUE(client.Receive(big.size() + 100) == big);
}

TEST(StreamSocketTest, AClientThatIgnoresTheCloseIsDroppedAfterTheLinger) {
  TestServer server;
  ASSERT_TRUE(server.Start({}, {.linger = base::Millis(50)}).ok());
  TestClient client(server.port());
  auto session = server.AwaitSession();
  RunOn(server.loop(), [&] { session->socket->Close(); });
  EXPECT_TRUE(absl::IsDeadlineExceeded(session->AwaitClosed()));
}

TEST(StreamSocketTest, AbortEndsTheConnectionWithoutACall) {
  TestServer server;
  ASSERT_TRUE(server.Start().ok());
  TestClient client(server.port());
  auto session = server.AwaitSession();
  RunOn(server.loop(), [&] { session->socket->Abort(); });
  EXPECT_TRUE(client.AwaitEnd());
  RunOn(server.loop(), [&] { EXPECT_FALSE(session->closed.has_value()); });
}

TEST(StreamSocketTest, AHandlerMayDestroyItsSocketInACall) {
  TestServer server;
  server.prepare = [](TestSession* session) {
    session->on_bytes = [session](const base::Slice&) { session->socket.reset(); };
  };
  ASSERT_TRUE(server.Start().ok());
  TestClient client(server.port());
  client.Send("last words");
  EXPECT_TRUE(client.AwaitEnd());
}

TEST(StreamSocketTest, AFloodDoesNotKeepAQuietClientWaiting) {
  size_t in_turn = 0;
  size_t in_turn_max = 0;
  TestServer server;
  server.prepare = [&](TestSession* session) {
    session->on_bytes = [&in_turn, session](const base::Slice& bytes) {
      in_turn += bytes.size();
      if (bytes.view() == "ping") session->socket->Write(Bytes("pong"));
    };
  };
  server.loop()->OnTurnEnd([&] { in_turn_max = std::max(in_turn_max, std::exchange(in_turn, 0)); });
  ASSERT_TRUE(server.Start().ok());
  TestClient flooder(server.port());
  ASSERT_NE(server.AwaitSession(), nullptr);
  std::atomic<bool> stop{false};
  std::thread flood([&] {
    const std::string junk(1 << 20, 'j');
    while (!stop) flooder.Send(junk);
  });
  TestClient quiet(server.port());
  auto session = server.AwaitSession(1);
  for (int i = 0; i < 50; ++i) {
    quiet.Send("ping");
    ASSERT_EQ(quiet.Receive(4), "pong");
  }
  stop = true;
  flood.join();
  RunOn(server.loop(), [&] { EXPECT_LE(in_turn_max, 512u << 10) << "a turn is bounded"; });
}

TEST(StreamSocketTest, PeerAndLocalNameTheConnectionAsRabbitMqDoes) {
  TestServer server;
  ASSERT_TRUE(server.Start().ok());
  TestClient client(server.port());
  auto session = server.AwaitSession();
  sockaddr_in mine{};
  socklen_t size = sizeof mine;
  getsockname(client.fd(), reinterpret_cast<sockaddr*>(&mine), &size);
  EXPECT_EQ(ConnectionName(session->socket->peer(), session->socket->local()),
            absl::StrCat("127.0.0.1:", ntohs(mine.sin_port), " -> 127.0.0.1:", server.port()));
  EXPECT_TRUE(session->socket->peer().is_loopback());
}

}  // namespace
}  // namespace pontoon::net
