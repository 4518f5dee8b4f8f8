#include "server/admin/admin_server.h"

#include <grpc/support/log.h>
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/mutex.h"
#include "base/time.h"
#include "proto/admin.grpc.pb.h"
#include "server/admin/command_runner.h"
#include "server/admin/cookie_proof.h"

namespace pontoon::admin {
namespace {

// A command is a few names and patterns; more is not one.
constexpr int kRequestBytesMax = 1 << 20;
constexpr size_t kClientNonceBytesMin = 16, kClientNonceBytesMax = 64;
// For connections of tools that come and go; the commands themselves are short.
constexpr int kThreadsMax = 16;

// One source of chance for all threads of the service.
class SharedRandom final : public base::Random {
 public:
  explicit SharedRandom(base::Random* random) : random_(random) {}
  uint64_t Next() override {
    base::MutexLock lock(&mutex_);
    return random_->Next();
  }

 private:
  base::Mutex mutex_;
  base::Random* const random_ ABSL_PT_GUARDED_BY(mutex_);
};

}  // namespace

class AdminServer::Impl final : public Administration::Service {
 public:
  Impl(const Options& options, NodeControl* control, base::Random* random, base::Logger* logger)
      : options_(options),
        logger_(logger),
        random_(random),
        nonces_(&random_),
        runner_(options.node_name, control, &random_, logger) {}

  absl::Status Start() {
    // gRPC writes to standard error on its own, in a form that is not the log's; what matters is
    // said by the status.
    gpr_set_log_function([](gpr_log_func_args*) {});
    grpc::ServerBuilder builder;
    grpc::ResourceQuota quota("admin");
    quota.SetMaxThreads(kThreadsMax);
    quota.Resize(size_t{32} << 20);
    builder.SetResourceQuota(quota);
    builder.SetMaxReceiveMessageSize(kRequestBytesMax);
    // Two servers on one port would each get half of the calls.
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
    builder.AddListeningPort(absl::StrCat(options_.host, ":", options_.port),
                             grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
    if (server_ == nullptr || port_ == 0) {
      return absl::AlreadyExistsError(
          absl::StrCat("the administration port ", options_.port, " on ", options_.host,
                       " cannot be listened on; it is probably in use by another node"));
    }
    return absl::OkStatus();
  }

  ~Impl() override {
    if (server_ != nullptr)
      server_->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(1));
  }

  uint16_t port() const { return static_cast<uint16_t>(port_); }

  grpc::Status Hello(grpc::ServerContext*, const HelloRequest* request,
                     HelloReply* reply) override {
    const std::string& client = request->client_nonce();
    if (client.size() < kClientNonceBytesMin || client.size() > kClientNonceBytesMax) {
      return grpc::Status(grpc::StatusCode::INVALID_ARGUMENT,
                          "client_nonce must have 16 to 64 bytes");
    }
    const std::string server = nonces_.Give(client, clock_.Now());
    reply->set_server_nonce(server);
    reply->set_server_proof(
        CookieProof(options_.cookie, absl::StrCat("pontoon admin server", client, server)));
    return grpc::Status::OK;
  }

  grpc::Status Execute(grpc::ServerContext* context, const ExecuteRequest* request,
                       ExecuteReply* reply) override {
    const std::string nonces = absl::StrCat(request->client_nonce(), request->server_nonce());
    const std::string wanted = CookieProof(
        options_.cookie, absl::StrCat("pontoon admin client", nonces, request->command()));
    if (!SameProof(wanted, request->client_proof()) ||
        !nonces_.Use(request->server_nonce(), request->client_nonce(), clock_.Now())) {
      logger_->Log(base::LogLevel::kWarning, 0,
                   absl::StrCat("administration refused for ", context->peer(),
                                ": the cookie's proof is wrong"));
      return grpc::Status(grpc::StatusCode::UNAUTHENTICATED, "the cookie's proof is wrong");
    }
    Command command;
    if (!command.ParseFromString(request->command())) {
      return grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "the command cannot be read");
    }
    const std::string result = runner_.RunBlocking(command).SerializeAsString();
    reply->set_result(result);
    reply->set_server_proof(
        CookieProof(options_.cookie, absl::StrCat("pontoon admin result", nonces, result)));
    return grpc::Status::OK;
  }

 private:
  const Options options_;
  base::Logger* const logger_;
  const base::SystemClock clock_;
  SharedRandom random_;
  NonceBook nonces_;
  CommandRunner runner_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

absl::StatusOr<std::unique_ptr<AdminServer>> AdminServer::Start(const Options& options,
                                                                NodeControl* control,
                                                                base::Random* random,
                                                                base::Logger* logger) {
  auto impl = std::make_unique<Impl>(options, control, random, logger);
  if (absl::Status started = impl->Start(); !started.ok()) return started;
  return std::unique_ptr<AdminServer>(new AdminServer(std::move(impl)));
}

AdminServer::AdminServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
AdminServer::~AdminServer() = default;
uint16_t AdminServer::port() const { return impl_->port(); }

}  // namespace pontoon::admin
