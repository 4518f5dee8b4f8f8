#include "server/net/listener.h"

#include <sys/resource.h>

#include "server/net/bind.h"
#include "server/net/descriptor_limit.h"
#include "server/net/net_test_support.h"

namespace pontoon::net {
namespace {

// Lowers the limit of descriptors so that `free` more can be opened, and puts it back.
class FewDescriptors {
 public:
  explicit FewDescriptors(int free) {
    getrlimit(RLIMIT_NOFILE, &before_);
    const int next = dup(0);
    close(next);
    rlimit lowered = before_;
    lowered.rlim_cur = static_cast<rlim_t>(next + free);
    setrlimit(RLIMIT_NOFILE, &lowered);
  }
  ~FewDescriptors() { setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_;
};

TEST(ListenerTest, ConnectionsGoToTheLoopsInTurn) {
  TestServer server(3);
  ASSERT_TRUE(server.Start().ok());
  std::vector<std::unique_ptr<TestClient>> clients;
  std::map<EventLoop*, int> per_loop;
  for (int i = 0; i < 6; ++i) {
    clients.push_back(std::make_unique<TestClient>(server.port()));
    ++per_loop[server.AwaitSession(i)->loop];
  }
  ASSERT_EQ(per_loop.size(), 3u);
  for (const auto& [loop, count] : per_loop) EXPECT_EQ(count, 2);
}

TEST(ListenerTest, APortInUseIsAnErrorThatNamesPortAddressAndHolder) {
  TestServer first;
  ASSERT_TRUE(first.Start().ok());
  TestServer second;
  const absl::Status status = second.Start({.port = first.port()});
  EXPECT_TRUE(absl::IsAlreadyExists(status));
  EXPECT_THAT(std::string(status.message()),
              testing::AllOf(testing::HasSubstr(absl::StrCat("port ", first.port(),
                                                             " on 127.0.0.1 is already in use")),
                             testing::HasSubstr(absl::StrCat("(pid ", getpid(), ")"))));
}

TEST(ListenerTest, AnAddressOfAnotherMachineIsAnErrorThatNamesIt) {
  EventLoop loop({});
  const auto opened =
      Listener::Open({&loop}, {.host = "192.0.2.1", .port = 5672}, nullptr, nullptr);
  EXPECT_TRUE(absl::IsInvalidArgument(opened.status()));
  EXPECT_THAT(std::string(opened.status().message()), testing::HasSubstr("port 5672 on 192.0.2.1"));
}

TEST(ListenerTest, WithoutAnAddressIPv4ClientsAreServedAndShownAsSuch) {
  const absl::StatusOr<int> fd = BindAndListen("", 0, 16, true);
  ASSERT_TRUE(fd.ok()) << fd.status();
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  getsockname(*fd, reinterpret_cast<sockaddr*>(&storage), &size);
  const TestClient client(EndpointOf(*reinterpret_cast<sockaddr*>(&storage)).port);
  ASSERT_TRUE(client.connected());
  pollfd ask{.fd = *fd, .events = POLLIN, .revents = 0};
  ASSERT_EQ(poll(&ask, 1, 10000), 1);
  const AcceptedSocket accepted(accept(*fd, nullptr, nullptr), ConnectionSlot(), nullptr);
  EXPECT_EQ(accepted.peer().address, "127.0.0.1");
  close(*fd);
}

TEST(ListenerTest, AboveTheConnectionLimitClientsAreClosedAndTheRefusalsAreCounted) {
  TestServer server;
  auto limit = std::make_shared<ConnectionLimit>(2);
  ASSERT_TRUE(server.Start({.limit = limit}).ok());
  TestClient one(server.port()), two(server.port());
  ASSERT_NE(server.AwaitSession(1), nullptr);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(TestClient(server.port()).AwaitEnd());
  EXPECT_TRUE(server.signal.Await([&] { return server.refused == 5; }));
  EXPECT_LE(server.refusals_told, 4);
  EXPECT_THAT(std::string(server.refused_why.message()),
              testing::HasSubstr("limit of 2 connections"));
  // A place that becomes free is given to the next one.
  one.Close();
  ASSERT_TRUE(absl::IsCancelled(server.AwaitSession(0)->AwaitClosed()));
  ASSERT_TRUE(server.AwaitSession(0)->signal.Await([&] { return limit->open() == 1; }));
  TestClient three(server.port());
  EXPECT_NE(server.AwaitSession(2), nullptr);
}

TEST(ListenerTest, WithoutDescriptorsClientsAreRefusedAndOthersServedOn) {
  TestServer server;
  server.prepare = [](TestSession* session) {
    session->on_bytes = [session](const base::Slice& bytes) { session->socket->Write(bytes); };
  };
  ASSERT_TRUE(server.Start().ok());
  TestClient before(server.port());
  ASSERT_NE(server.AwaitSession(), nullptr);
  // The clients of this test are of the same process: one of them can be opened, and nothing
  // accepted after that.
  {
    FewDescriptors few(1);
    TestClient refused(server.port());
    ASSERT_TRUE(refused.connected());
    EXPECT_TRUE(refused.AwaitEnd());
    ASSERT_TRUE(server.signal.Await([&] { return server.refused == 1; }));
    EXPECT_TRUE(absl::IsResourceExhausted(server.refused_why));
    before.Send("still there?");
    EXPECT_EQ(before.Receive(12), "still there?");
  }
  TestClient after(server.port());
  after.Send("again");
  EXPECT_EQ(after.Receive(5), "again");
}

TEST(ListenerTest, AClosedListenerFreesItsPort) {
  TestServer first;
  ASSERT_TRUE(first.Start().ok());
  const uint16_t port = first.port();
  first.listener.reset();
  TestServer second;
  const absl::Status status = second.Start({.port = port});
  EXPECT_TRUE(status.ok()) << status;
}

TEST(DescriptorLimitTest, PartOfTheDescriptorsIsKeptForTheDatabase) {
  EXPECT_EQ(ConnectionsFor(1024), 512u);
  EXPECT_EQ(ConnectionsFor(65536), 64436u);
  EXPECT_GE(RaiseDescriptorLimit(), 256u);
}

}  // namespace
}  // namespace pontoon::net
