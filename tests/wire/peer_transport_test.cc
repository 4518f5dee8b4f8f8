// Bytes between nodes over gRPC, on loopback.
#include "server/net/peer_transport.h"

#include <absl/synchronization/mutex.h>
#include <grpcpp/generic/generic_stub.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "server/net/peer_inside.h"
#include "server/net/test_identity.h"
#include "tests/wire/relay.h"
#include "tests/wire/test_peer.h"

namespace pontoon::net {
namespace {

using ::testing::ElementsAre;
using tests::Relay;

// Debian's gRPC takes locks in an order that its own checker finds wrong.
[[maybe_unused]] const bool kDetectorIsOff = [] {
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  return true;
}();

constexpr PeerLane kAllLanes[] = {PeerLane::kControl, PeerLane::kAppend, PeerLane::kSnapshot,
                                  PeerLane::kFrontEnd};

TEST(PeerTransportTest, BatchesOfEachLaneArriveInOrderAtEveryPeer) {
  TestPeer a(1), b(2), c(3);
  TestPeer* const peers[] = {&a, &b, &c};
  for (TestPeer* from : peers) {
    for (TestPeer* to : peers) {
      if (from != to) from->ConnectAndAwait(*to);
    }
  }
  constexpr int kBatches = 500;
  for (int i = 0; i < kBatches; ++i) {
    for (TestPeer* from : peers) {
      for (TestPeer* to : peers) {
        for (const PeerLane lane : kAllLanes) from->Send(*to, lane, absl::StrCat(i));
      }
    }
  }
  std::vector<std::string> wanted;
  for (int i = 0; i < kBatches; ++i) wanted.push_back(absl::StrCat(i));
  for (TestPeer* to : peers) {
    for (TestPeer* from : peers) {
      if (from == to) continue;
      for (const PeerLane lane : kAllLanes) {
        EXPECT_TRUE(to->AwaitTexts(*from, lane, kBatches));
        EXPECT_EQ(to->Texts(*from, lane), wanted);
      }
    }
  }
  const PeerMetrics::Lane control = a.transport->metrics().lanes[0];
  EXPECT_EQ(control.sent_batches, 2u * kBatches);
  EXPECT_LT(control.sent_messages, control.sent_batches) << "batches wait together";
}

TEST(PeerTransportTest, LargeBatchesArriveAsTheyWere) {
  TestPeer a(1), b(2);
  std::string received;
  b.on_batch = [&](base::NodeId, PeerLane, const base::Slice& batch) {
    received = std::string(batch.view());
  };
  a.ConnectAndAwait(b);
  std::string sent(kPeerBatchBytesMax, 'x');
  for (size_t i = 0; i < sent.size(); i += 997) sent[i] = static_cast<char>(i);
  a.Send(b, PeerLane::kSnapshot, sent);
  ASSERT_TRUE(b.AwaitBytes(a, PeerLane::kSnapshot, sent.size()));
  EXPECT_TRUE(received == sent);
  a.Send(b, PeerLane::kSnapshot, sent + "y");
  EXPECT_EQ(a.transport->metrics().lanes[2].dropped_full, 1u);
}

TEST(PeerTransportTest, HundredMegabytesOfSnapshotsDoNotDelayHeartbeats) {
  constexpr uint64_t kBytes = uint64_t{100} << 20;
  constexpr uint64_t kQueueBytes = 8 << 20;
  TestPeer a(1), b(2);
  a.ConnectAndAwait(b);
  b.ConnectAndAwait(a);
  // A heartbeat is sent as soon as the one before was answered.
  std::atomic<int> beats{0};
  b.on_batch = [&](base::NodeId from, PeerLane lane, const base::Slice& batch) {
    if (lane == PeerLane::kControl) {
      b.transport->Send(from, lane, base::SliceChain(batch));
    }
  };
  a.on_batch = [&](base::NodeId from, PeerLane lane, const base::Slice& batch) {
    ++beats;
    a.transport->Send(from, lane, base::SliceChain(batch));
  };
  a.Send(b, PeerLane::kControl, "beat");
  ASSERT_TRUE(a.Await([&] { return beats > 0; }));
  const int before = beats;
  const base::SliceChain piece(base::Slice::Copy(std::string(256 << 10, 's')));
  for (uint64_t sent = 0; sent < kBytes; sent += piece.size()) {
    if (a.transport->queued_bytes(b.id(), PeerLane::kSnapshot) > kQueueBytes) {
      ASSERT_TRUE(b.AwaitBytes(a, PeerLane::kSnapshot, sent - kQueueBytes / 2));
    }
    a.transport->Send(b.id(), PeerLane::kSnapshot, piece);
  }
  const int meanwhile = beats - before;
  EXPECT_TRUE(b.AwaitBytes(a, PeerLane::kSnapshot, kBytes));
  EXPECT_EQ(a.transport->metrics().lanes[2].dropped_full, 0u);
  // Each one queued behind the snapshot would have to wait for all that is queued.
  EXPECT_GT(meanwhile, static_cast<int>(2 * kBytes / kQueueBytes));
  a.Stop();
}

TEST(PeerTransportTest, ReaderThatPausesOneLaneBoundsTheSendersMemoryAndHoldsUpNoOther) {
  PeerTransportOptions options;
  options.queue_bytes_max = 4 << 20;
  TestPeer a(1, options), b(2);
  b.Pause(PeerLane::kAppend);
  a.ConnectAndAwait(b);
  const std::string piece(64 << 10, 'a');
  while (a.transport->metrics().lanes[1].dropped_full < 100) {
    a.Send(b, PeerLane::kAppend, piece);
    ASSERT_LE(a.transport->queued_bytes(b.id(), PeerLane::kAppend), options.queue_bytes_max);
  }
  a.Send(b, PeerLane::kControl, "beat");
  EXPECT_TRUE(b.AwaitTexts(a, PeerLane::kControl, 1));
  // What was taken before the pause is one message; what arrives later had to wait.
  EXPECT_LE(b.Bytes(a, PeerLane::kAppend), uint64_t{1} << 20);
  b.Resume(a, PeerLane::kAppend);
  EXPECT_TRUE(b.AwaitBytes(a, PeerLane::kAppend, options.queue_bytes_max));
}

TEST(PeerTransportTest, PeerThatIsKilledIsToldAtOnceAndFlowsAgainOnceItIsBack) {
  TestPeer a(1), b(2);
  Relay wire(b.transport->port());
  a.Connect(b, wire.port());
  ASSERT_TRUE(a.AwaitEvent("+2"));
  a.Send(b, PeerLane::kControl, "one");
  ASSERT_TRUE(b.AwaitTexts(a, PeerLane::kControl, 1));
  const auto killed = std::chrono::steady_clock::now();
  wire.Kill();
  ASSERT_TRUE(a.AwaitEvent("-2"));
  EXPECT_LT(std::chrono::steady_clock::now() - killed, std::chrono::seconds(3))
      << "not by a timeout";
  a.Send(b, PeerLane::kControl, "lost");
  // At once, or with the next attempt to connect.
  ASSERT_TRUE(a.Await([&] { return a.transport->metrics().lanes[0].dropped_unconnected == 1; }));
  wire.Revive();
  ASSERT_TRUE(a.AwaitEvent("+2"));
  a.Send(b, PeerLane::kControl, "two");
  ASSERT_TRUE(b.AwaitTexts(a, PeerLane::kControl, 2));
  EXPECT_THAT(b.Texts(a, PeerLane::kControl), ElementsAre("one", "two"));
  EXPECT_THAT(a.Events(), ElementsAre("+2", "-2", "+2"));
  EXPECT_GE(a.transport->metrics().lost, 1u);
}

TEST(PeerTransportTest, PeerThatStopsAndStartsAgainIsNoticedByAnIdleNode) {
  TestPeer a(1), b(2);
  a.Connect(b);
  ASSERT_TRUE(a.AwaitEvent("+2"));
  b.Stop();
  ASSERT_TRUE(a.AwaitEvent("-2"));
  b.Start();
  ASSERT_TRUE(a.AwaitEvent("+2"));
}

TEST(PeerTransportTest, PeerThatWasNeverThereIsRefusedAndFoundLater) {
  TestPeer a(1), b(2);
  b.Stop();
  b.Start();  // On a port that it has for good.
  const uint16_t port = b.transport->port();
  b.Stop();
  a.transport->SetPeer(b.id(), "127.0.0.1", port);
  ASSERT_TRUE(a.AwaitEvent("-2"));
  b.Start();
  ASSERT_TRUE(a.AwaitEvent("+2"));
}

TEST(PeerTransportTest, NameThatDoesNotResolveIsToldAndAnAddressThatChangesIsFollowed) {
  TestPeer a(1), b(2);
  a.transport->SetPeer(b.id(), std::string(70, 'x') + ".invalid", 5672);
  ASSERT_TRUE(a.AwaitEvent("-2"));
  a.Connect(b);
  ASSERT_TRUE(a.AwaitEvent("+2"));
  a.transport->RemovePeer(b.id());
  a.Send(b, PeerLane::kControl, "lost");
  EXPECT_EQ(a.transport->metrics().lanes[0].dropped_unconnected, 1u);
}

TEST(PeerTransportTest, SilenceAloneIsNotTold) {
  // The kernel takes the connection, and nobody ever answers.
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  ASSERT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(listen(listener, 64), 0);
  ASSERT_EQ(getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size), 0);
  TestPeer a(1);
  a.transport->SetPeer({2}, "127.0.0.1", ntohs(address.sin_port));
  ASSERT_TRUE(a.AwaitLog("no connection to node"));
  EXPECT_THAT(a.Events(), ElementsAre());
  close(listener);  // Now it is refused.
  EXPECT_TRUE(a.AwaitEvent("-2"));
}

TEST(PeerTransportTest, StrangersAreRefusedAndCountedAndDisturbNobody) {
  TestPeer a(1), b(2);
  a.ConnectAndAwait(b);
  PeerTransportOptions other_cookie, other_cluster;
  other_cookie.cookie = "ANOTHER";
  other_cluster.cluster_id = 99;
  TestPeer c(3, other_cookie), d(4, other_cluster), e(5);
  c.Connect(b);
  d.Connect(b);
  e.transport->SetPeer({77}, "127.0.0.1", b.transport->port());  // Not who it looks for.
  EXPECT_TRUE(d.AwaitLog("another cluster"));
  EXPECT_TRUE(b.AwaitLog("refused a node's connection"));
  EXPECT_TRUE(e.AwaitLog("looks for another node"));
  EXPECT_TRUE(c.AwaitLog("does not know the cookie"));
  for (TestPeer* stranger : {&c, &d, &e}) {
    stranger->Send(b, PeerLane::kControl, "intruder");
    EXPECT_GE(stranger->transport->metrics().refused_by_peer, 1u);
    EXPECT_EQ(stranger->transport->metrics().connected, 0u);
    EXPECT_THAT(stranger->Events(), ElementsAre()) << "it is there, so nobody may take it for dead";
    EXPECT_EQ(b.Bytes(*stranger, PeerLane::kControl), 0u);
  }
  EXPECT_GE(b.transport->metrics().refused_streams, 2u);
  a.Send(b, PeerLane::kControl, "friend");
  EXPECT_TRUE(b.AwaitTexts(a, PeerLane::kControl, 1));
  EXPECT_EQ(a.transport->metrics().lost, 0u);
}

// A peer that knows the cookie and then says whatever the test wants.
class RawPeer {
 public:
  RawPeer(const TestPeer& to, uint64_t id, const std::string& cookie)
      : stub_(grpc::CreateChannel(absl::StrCat("127.0.0.1:", to.transport->port()),
                                  grpc::InsecureChannelCredentials())) {
    PeerIntroduction about{.cluster_id = kTestCluster,
                           .from = {id},
                           .to = to.id(),
                           .boot = {1},
                           .lane = PeerLane::kAppend,
                           .caller_nonce = "nonce"};
    context_.AddMetadata(kPeerVersionKey, kPeerVersion);
    context_.AddMetadata(kPeerClusterKey, absl::StrCat(about.cluster_id));
    context_.AddMetadata(kPeerFromKey, absl::StrCat(about.from.value));
    context_.AddMetadata(kPeerToKey, absl::StrCat(about.to.value));
    context_.AddMetadata(kPeerBootKey, absl::StrCat(about.boot.value));
    context_.AddMetadata(kPeerNonceKey, about.caller_nonce);
    stream_ = stub_.PrepareCall(&context_, PeerMethod(about.lane), &queue_);
    stream_->StartCall(this);
    Next();
    stream_->ReadInitialMetadata(this);
    Next();
    for (const auto& [key, value] : context_.GetServerInitialMetadata()) {
      if (key == kPeerNonceKey) about.server_nonce = std::string(value.data(), value.size());
    }
    Write(PackText(PeerProof(cookie, PeerRole::kCaller, about)));
  }
  ~RawPeer() {
    context_.TryCancel();
    queue_.Shutdown();
    while (Next()) continue;
  }
  bool Write(const grpc::ByteBuffer& message) {
    stream_->Write(message, this);
    return Next();
  }
  bool ReadsAccepted() {
    grpc::ByteBuffer message;
    stream_->Read(&message, this);
    return Next() && UnpackText(message, 100) == kPeerAccepted;
  }
  grpc::StatusCode AwaitEnd() {
    grpc::Status status;
    stream_->Finish(&status, this);
    Next();
    return status.error_code();
  }

 private:
  bool Next() {
    void* event;
    bool ok = false;
    return queue_.Next(&event, &ok) && ok;
  }

  grpc::GenericStub stub_;
  grpc::ClientContext context_;
  grpc::CompletionQueue queue_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> stream_;
};

TEST(PeerTransportTest, SenselessAndOversizedMessagesEndTheirStreamAloneAndAreCounted) {
  TestPeer a(1), b(2);
  a.ConnectAndAwait(b);
  {
    RawPeer raw(b, 9, kTestCookie);
    ASSERT_TRUE(raw.ReadsAccepted());
    raw.Write(PackText("\x10"));
    EXPECT_EQ(raw.AwaitEnd(), grpc::StatusCode::INVALID_ARGUMENT);
  }
  {
    RawPeer raw(b, 9, kTestCookie);
    ASSERT_TRUE(raw.ReadsAccepted());
    raw.Write(PackText(std::string("\xff\xff\xff\xff", 4) + "not so many bytes"));
    EXPECT_EQ(raw.AwaitEnd(), grpc::StatusCode::INVALID_ARGUMENT);
  }
  {
    RawPeer raw(b, 9, kTestCookie);
    ASSERT_TRUE(raw.ReadsAccepted());
    const base::SliceChain large(base::Slice::Copy(std::string(kPeerBatchBytesMax + 1, 'x')));
    raw.Write(PackBatches({large}));
    EXPECT_EQ(raw.AwaitEnd(), grpc::StatusCode::INVALID_ARGUMENT);
  }
  EXPECT_EQ(b.transport->metrics().garbled_streams, 3u);
  {
    RawPeer raw(b, 9, kTestCookie);
    ASSERT_TRUE(raw.ReadsAccepted());
    raw.Write(PackText(std::string(3 * kPeerBatchBytesMax, 'x')));
    EXPECT_EQ(raw.AwaitEnd(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  }
  {
    RawPeer raw(b, 9, "ANOTHER");
    EXPECT_EQ(raw.AwaitEnd(), grpc::StatusCode::UNAUTHENTICATED);
  }
  EXPECT_EQ(b.transport->metrics().lanes[1].received_batches, 0u);
  EXPECT_EQ(a.transport->metrics().lost, 0u);
  a.Send(b, PeerLane::kAppend, "fine");
  EXPECT_TRUE(b.AwaitTexts(a, PeerLane::kAppend, 1));
}

TEST(PeerTransportTest, BytesThatAreNotEvenGrpcDisturbNobody) {
  TestPeer a(1), b(2);
  a.ConnectAndAwait(b);
  const int garbage = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(b.transport->port());
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(connect(garbage, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  const std::string bytes = "AMQP" + std::string(100000, '\xff');
  (void)!send(garbage, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  a.Send(b, PeerLane::kControl, "fine");
  EXPECT_TRUE(b.AwaitTexts(a, PeerLane::kControl, 1));
  close(garbage);
}

TEST(PeerTransportTest, NewerStreamOfAPeerTakesTheOldOnesPlace) {
  TestPeer b(2);
  RawPeer first(b, 9, kTestCookie);
  ASSERT_TRUE(first.ReadsAccepted());
  RawPeer second(b, 9, kTestCookie);
  ASSERT_TRUE(second.ReadsAccepted());
  EXPECT_EQ(first.AwaitEnd(), grpc::StatusCode::CANCELLED);
}

TEST(PeerTransportTest, WithCertificatesOnlyPeersWhoseAuthorityIsTheSameTalk) {
  const Identity authority("authority"), other_authority("other");
  const Identity ours("node", &authority, "IP:127.0.0.1");
  const Identity theirs("node", &other_authority, "IP:127.0.0.1");
  PeerTransportOptions with_ours, with_theirs;
  with_ours.tls = {.authority = authority.CertificatePem(),
                   .certificate = ours.CertificatePem(),
                   .key = ours.KeyPem()};
  with_theirs.tls = {.authority = authority.CertificatePem(),  // It trusts us.
                     .certificate = theirs.CertificatePem(),
                     .key = theirs.KeyPem()};
  TestPeer a(1, with_ours), b(2, with_ours), c(3, with_theirs), d(4);
  a.ConnectAndAwait(b);
  c.Connect(b);
  d.Connect(b);
  a.Send(b, PeerLane::kControl, "friend");
  EXPECT_TRUE(b.AwaitTexts(a, PeerLane::kControl, 1));
  for (TestPeer* stranger : {&c, &d}) {
    EXPECT_TRUE(stranger->AwaitLog("no connection to node"));
    stranger->Send(b, PeerLane::kControl, "intruder");
    EXPECT_EQ(stranger->transport->metrics().connected, 0u);
    EXPECT_EQ(b.Bytes(*stranger, PeerLane::kControl), 0u);
  }
}

TEST(PeerTransportTest, PortThatIsTakenIsNamed) {
  TestPeer a(1);
  base::SystemRandom random;
  PeerTransportOptions options{.port = a.transport->port(), .self = {2}};
  PeerTransport second(options, &random, &a);
  const absl::Status status = second.StartBlocking();
  EXPECT_EQ(status.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_NE(status.message().find(absl::StrCat(options.port)), absl::string_view::npos);
}

TEST(PeerTransportTest, StopsInTheMidstOfTraffic) {
  for (int round = 0; round < 5; ++round) {
    TestPeer a(1), b(2);
    if (round % 2 == 0) b.Pause(PeerLane::kAppend);
    a.ConnectAndAwait(b);
    b.Connect(a);
    const std::string piece(64 << 10, 'a');
    for (int i = 0; i < 200; ++i) {
      a.Send(b, PeerLane::kAppend, piece);
      b.Send(a, PeerLane::kSnapshot, piece);
    }
    ASSERT_TRUE(b.AwaitBytes(a, PeerLane::kAppend, 1));
    b.Stop();
  }
}

}  // namespace
}  // namespace pontoon::net
