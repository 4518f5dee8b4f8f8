// The command line tool and the administration service, with everything between them but a broker.
#include <arpa/inet.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "client/ctl/tool.h"
#include "proto/admin.grpc.pb.h"
#include "server/admin/admin_server.h"
#include "server/admin/cookie_proof.h"
#include "server/admin/fake_node_control.h"

namespace pontoon::admin {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kCookie[] = "SECRETCOOKIE";

struct ToolRun {
  int code = 0;
  std::string output, errors;
};

class AdminOverLoopbackTest : public testing::Test {
 protected:
  AdminOverLoopbackTest() {
    AdminServer::Options options;
    options.node_name = "rabbit@here";
    options.cookie = kCookie;
    server_ = *AdminServer::Start(options, &node_, &random_, &logger_);
    stub_ = Administration::NewStub(grpc::CreateChannel(absl::StrCat("127.0.0.1:", server_->port()),
                                                        grpc::InsecureChannelCredentials()));
  }

  ToolRun Ctl(std::vector<std::string> words, const std::string& cookie = kCookie) {
    ToolRun run;
    ctl::ToolEdges edges;
    edges.connect = [](const ctl::NodeAddress& address) {
      return ctl::NewNodeLink(address.host, address.port, address.cookie);
    };
    edges.environment = {{"RABBITMQ_ERLANG_COOKIE", cookie}};
    edges.host_name = "here";
    edges.sleep_seconds = [](double seconds) {
      std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
    };
    edges.write_output = [&run](const std::string& text) { run.output += text; };
    edges.write_error = [&run](const std::string& text) { run.errors += text; };
    words.insert(words.begin(), {"--port", absl::StrCat(port_ == 0 ? server_->port() : port_)});
    run.code = ctl::RunTool("pontoonctl", words, edges);
    return run;
  }

  // A proven request, for tests that then spoil it.
  ExecuteRequest Proven(const std::string& client_nonce, const std::string& server_nonce,
                        const std::string& cookie = kCookie) {
    Command command;
    command.mutable_add_user()->set_name("intruder");
    ExecuteRequest request;
    request.set_client_nonce(client_nonce);
    request.set_server_nonce(server_nonce);
    request.set_command(command.SerializeAsString());
    request.set_client_proof(CookieProof(cookie, absl::StrCat("pontoon admin client", client_nonce,
                                                              server_nonce, request.command())));
    return request;
  }
  std::string ServerNonce(const std::string& client_nonce) {
    grpc::ClientContext context;
    HelloRequest hello;
    hello.set_client_nonce(client_nonce);
    HelloReply reply;
    EXPECT_TRUE(stub_->Hello(&context, hello, &reply).ok());
    return reply.server_nonce();
  }
  grpc::StatusCode Execute(const ExecuteRequest& request) {
    grpc::ClientContext context;
    ExecuteReply reply;
    return stub_->Execute(&context, request, &reply).error_code();
  }
  bool UserExists(const std::string& name) { return node_.catalog()->FindUser(name) != nullptr; }

  FakeNodeControl node_;
  base::SeededRandom random_{1};
  LineLogger logger_;
  std::unique_ptr<AdminServer> server_;
  std::unique_ptr<Administration::Stub> stub_;
  uint16_t port_ = 0;  // Instead of the server's.
};

TEST_F(AdminOverLoopbackTest, UserCanBeAddedAndListed) {
  EXPECT_EQ(Ctl({"add_user", "lqz", "123"}).code, 0);
  EXPECT_TRUE(UserExists("lqz"));
  EXPECT_EQ(Ctl({"set_user_tags", "lqz", "administrator"}).code, 0);
  EXPECT_EQ(Ctl({"list_users"}).output,
            "Listing users ...\nuser\ttags\nguest\t[administrator]\nlqz\t[administrator]\n");
  EXPECT_EQ(Ctl({"add_user", "lqz", "123"}).code, 70);
  EXPECT_EQ(Ctl({"authenticate_user", "lqz", "123"}).code, 0);
  EXPECT_EQ(Ctl({"authenticate_user", "lqz", "x"}).code, 65);
  EXPECT_EQ(Ctl({"delete_user", "lqz"}).code, 0);
  EXPECT_EQ(Ctl({"delete_user", "lqz"}).code, 67);
}

TEST_F(AdminOverLoopbackTest, QueuesExchangesAndBindingsAreListedAsRabbitMqListsThem) {
  node_.declared().Run(node_.declared().Queue("orders", {{"x-max-priority", amqp::Value::Int(5)}}));
  node_.declared().Run(node_.declared().BindQueue("amq.topic", "orders", "order.#"));
  EXPECT_EQ(
      Ctl({"list_queues", "name", "messages", "arguments", "durable", "type", "policy"}).output,
      "Timeout: 60.0 seconds ...\nListing queues for vhost / ...\n"
      "name\tmessages\targuments\tdurable\ttype\tpolicy\n"
      "orders\t0\t[{\"x-max-priority\",5}]\ttrue\tclassic\t\n");
  EXPECT_EQ(Ctl({"list_bindings"}).output,
            "Listing bindings for vhost /...\n"
            "source_name\tsource_kind\tdestination_name\tdestination_kind\trouting_key\targuments\n"
            "\texchange\torders\tqueue\torders\t[]\n"
            "amq.topic\texchange\torders\tqueue\torder.#\t[]\n");
  EXPECT_THAT(Ctl({"-q", "list_exchanges", "name", "type", "internal"}).output,
              HasSubstr("amq.topic\ttopic\tfalse\n"));
  EXPECT_EQ(Ctl({"delete_queue", "orders"}).output,
            "Deleting queue 'orders' on vhost '/' ...\nQueue was successfully deleted with 3 ready "
            "messages\n");
}

TEST_F(AdminOverLoopbackTest, ConnectionsAreListedAndClosedByTheirPid) {
  ConnectionFigures connection;
  connection.pid = "<rabbit@here.1795158220.1042.0>";
  connection.user = "guest";
  connection.peer_host = "127.0.0.1";
  connection.peer_port = 43966;
  connection.state = "running";
  connection.protocol = "AMQP 0-9-1";
  node_.connections = {connection};
  EXPECT_EQ(Ctl({"list_connections"}).output,
            "Listing connections "
            "...\nuser\tpeer_host\tpeer_port\tstate\nguest\t127.0.0.1\t43966\trunning\n");
  EXPECT_EQ(Ctl({"list_connections", "--formatter", "json", "pid", "peer_host", "protocol", "ssl"})
                .output,
            "[\n{\"pid\":\"<rabbit@here.1795158220.1042.0>\",\"peer_host\":[127,0,0,1],"
            "\"protocol\":[0,9,1],"
            "\"ssl\":false}\n]\n");
  EXPECT_EQ(Ctl({"close_connection", connection.pid, "go away"}).code, 0);
  EXPECT_THAT(
      node_.Asked(),
      Contains("close pid=<rabbit@here.1795158220.1042.0> user= vhost= limit=0 reason=go away"));
}

TEST_F(AdminOverLoopbackTest, StoppedApplicationCanBeStartedAgain) {
  EXPECT_EQ(Ctl({"stop_app"}).code, 0);
  EXPECT_EQ(Ctl({"list_users"}).code, 64);
  EXPECT_EQ(Ctl({"ping"}).code, 0);
  EXPECT_EQ(Ctl({"check_running"}).code, 69);
  EXPECT_EQ(Ctl({"start_app"}).code, 0);
  EXPECT_EQ(Ctl({"list_users"}).code, 0);
  EXPECT_EQ(Ctl({"await_startup"}).code, 0);
}

TEST_F(AdminOverLoopbackTest, NodeIsStartingSaysSoAndIsAwaited) {
  node_.SetState(NodeControl::State::kStarting);
  const ToolRun starting = Ctl({"list_users"});
  EXPECT_EQ(starting.code, 64);
  EXPECT_THAT(starting.errors, HasSubstr("still starting"));
  std::thread boot([this] {
    std::this_thread::sleep_for(std::chrono::milliseconds(150));
    node_.SetState(NodeControl::State::kRunning);
  });
  EXPECT_EQ(Ctl({"await_startup"}).code, 0);
  boot.join();
}

TEST_F(AdminOverLoopbackTest, WrongCookieLearnsAndChangesNothing) {
  const ToolRun run = Ctl({"delete_user", "guest"}, "ANOTHER");
  EXPECT_EQ(run.code, 69);
  EXPECT_THAT(run.errors, HasSubstr("do not have the same cookie"));
  EXPECT_TRUE(UserExists("guest"));
  // A peer that does not mind that the server's proof does not fit its cookie gets no further.
  const std::string client(32, 'c');
  EXPECT_EQ(Execute(Proven(client, ServerNonce(client), "ANOTHER")),
            grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_FALSE(UserExists("intruder"));
}

TEST_F(AdminOverLoopbackTest, ProofIsGoodOnceForOneCommandAndOneConversation) {
  const std::string client(32, 'c');
  const ExecuteRequest request = Proven(client, ServerNonce(client));
  ExecuteRequest changed = request;
  Command other;
  other.mutable_delete_user()->set_name("guest");
  changed.set_command(other.SerializeAsString());
  EXPECT_EQ(Execute(changed), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_TRUE(UserExists("guest"));
  EXPECT_EQ(Execute(request), grpc::StatusCode::OK);
  EXPECT_TRUE(UserExists("intruder"));
  EXPECT_EQ(Execute(request), grpc::StatusCode::UNAUTHENTICATED) << "the same bytes again";
  EXPECT_EQ(Execute(Proven(client, std::string(56, 'x'))), grpc::StatusCode::UNAUTHENTICATED)
      << "a nonce that was never given";
}

TEST_F(AdminOverLoopbackTest, GarbageAndGiantsAreRefusedAndTheServiceLives) {
  const int garbage = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(server_->port());
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(connect(garbage, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  const std::string bytes = "AMQP" + std::string(100000, '\xff');
  (void)!send(garbage, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  const std::string client(32, 'c');
  ExecuteRequest giant = Proven(client, ServerNonce(client));
  giant.set_command(std::string(2 << 20, 'x'));
  EXPECT_EQ(Execute(giant), grpc::StatusCode::RESOURCE_EXHAUSTED);
  ExecuteRequest no_command = Proven(client, ServerNonce(client));
  no_command.set_command("\xff\xff\xff");
  no_command.set_client_proof(
      CookieProof(kCookie, absl::StrCat("pontoon admin client", client, no_command.server_nonce(),
                                        no_command.command())));
  EXPECT_EQ(Execute(no_command), grpc::StatusCode::INVALID_ARGUMENT);
  for (const size_t size : {size_t{0}, size_t{15}, size_t{65}}) {
    grpc::ClientContext context;
    HelloRequest hello;
    hello.set_client_nonce(std::string(size, 'n'));
    HelloReply reply;
    EXPECT_EQ(stub_->Hello(&context, hello, &reply).error_code(),
              grpc::StatusCode::INVALID_ARGUMENT);
  }
  EXPECT_EQ(Ctl({"ping"}).code, 0);
  close(garbage);
}

TEST_F(AdminOverLoopbackTest, NothingThereIsSaidSo) {
  port_ = server_->port();
  server_.reset();
  const ToolRun run = Ctl({"status"});
  EXPECT_EQ(run.code, 69);
  EXPECT_THAT(run.output, IsEmpty());
  EXPECT_THAT(run.errors, HasSubstr("unable to connect"));
}

TEST_F(AdminOverLoopbackTest, PortThatIsTakenIsNamed) {
  AdminServer::Options options;
  options.port = server_->port();
  const auto second = AdminServer::Start(options, &node_, &random_, &logger_);
  ASSERT_FALSE(second.ok());
  EXPECT_THAT(std::string(second.status().message()), HasSubstr(absl::StrCat(server_->port())));
}

TEST_F(AdminOverLoopbackTest, ManyToolsAtOnceAreAllServed) {
  std::vector<std::thread> tools;
  std::vector<int> codes(40, -1);
  for (size_t i = 0; i < codes.size(); ++i) {
    tools.emplace_back([this, &codes, i] {
      codes[i] = Ctl({"add_user", absl::StrCat("u", i), "p"}).code;
    });
  }
  for (std::thread& tool : tools) tool.join();
  for (size_t i = 0; i < codes.size(); ++i) {
    EXPECT_EQ(codes[i], 0) << i;
    EXPECT_TRUE(UserExists(absl::StrCat("u", i)));
  }
}

}  // namespace
}  // namespace pontoon::admin
