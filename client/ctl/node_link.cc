#include "client/ctl/node_link.h"

#include <grpcpp/grpcpp.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <chrono>
#include <cstring>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/random.h"
#include "proto/admin.grpc.pb.h"

namespace pontoon::ctl {
namespace {

// A listing of a hundred thousand queues with all columns is some tens of megabytes.
constexpr int kReplyBytesMax = 1 << 30;
// Below what the node takes, which is 1 MiB.
constexpr size_t kCommandBytesMax = 1000000;
constexpr std::chrono::milliseconds kBusyPause{50};

std::string Proof(const std::string& cookie, const std::string& text) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  HMAC(EVP_sha256(), cookie.data(), static_cast<int>(cookie.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest, &size);
  return std::string(reinterpret_cast<const char*>(digest), size);
}

bool Same(const std::string& a, const std::string& b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

absl::Status StatusOf(const grpc::Status& status) {
  const std::string text = status.error_message();
  switch (status.error_code()) {
    case grpc::StatusCode::UNAVAILABLE:
      return absl::UnavailableError(text);
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return absl::DeadlineExceededError(text);
    case grpc::StatusCode::UNAUTHENTICATED:
      return absl::UnauthenticatedError(text);
    default:
      return absl::FailedPreconditionError(text);
  }
}

class GrpcNodeLink final : public NodeLink {
 public:
  GrpcNodeLink(const std::string& target, std::string cookie) : cookie_(std::move(cookie)) {
    grpc::ChannelArguments arguments;
    arguments.SetMaxReceiveMessageSize(kReplyBytesMax);
    arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);  // The node is on this machine.
    stub_ = admin::Administration::NewStub(
        grpc::CreateCustomChannel(target, grpc::InsecureChannelCredentials(), arguments));
  }

  absl::StatusOr<admin::Result> Execute(const admin::Command& command,
                                        double timeout_seconds) override {
    const auto deadline =
        timeout_seconds > 0
            ? std::chrono::system_clock::now() +
                  std::chrono::milliseconds(static_cast<int64_t>(timeout_seconds * 1000))
            : std::chrono::system_clock::time_point::max();
    if (command.ByteSizeLong() > kCommandBytesMax) {
      return absl::FailedPreconditionError("the command is too long");
    }
    const std::string client = MakeNonce();
    admin::HelloRequest hello;
    hello.set_client_nonce(client);
    admin::HelloReply greeting;
    grpc::Status said = Patiently(deadline, [&](grpc::ClientContext* context) {
      return stub_->Hello(context, hello, &greeting);
    });
    if (!said.ok()) return StatusOf(said);
    const std::string nonces = absl::StrCat(client, greeting.server_nonce());
    if (!Same(Proof(cookie_, "pontoon admin server" + nonces), greeting.server_proof())) {
      return absl::UnauthenticatedError("the node has another cookie");
    }

    admin::ExecuteRequest request;
    request.set_client_nonce(client);
    request.set_server_nonce(greeting.server_nonce());
    request.set_command(command.SerializeAsString());
    request.set_client_proof(Proof(cookie_, "pontoon admin client" + nonces + request.command()));
    admin::ExecuteReply reply;
    grpc::Status done = Patiently(deadline, [&](grpc::ClientContext* context) {
      return stub_->Execute(context, request, &reply);
    });
    if (!done.ok()) return StatusOf(done);
    admin::Result result;
    if (!Same(Proof(cookie_, "pontoon admin result" + nonces + reply.result()),
              reply.server_proof()) ||
        !result.ParseFromString(reply.result())) {
      return absl::FailedPreconditionError("the node's answer is not its own");
    }
    return result;
  }

 private:
  using Deadline = std::chrono::system_clock::time_point;

  // Calls again while the node has no thread free, which it says before it looks at the call.
  template <typename F>
  static grpc::Status Patiently(Deadline deadline, F call) {
    while (true) {
      grpc::ClientContext context;
      context.set_deadline(deadline);
      grpc::Status status = call(&context);
      if (status.error_code() != grpc::StatusCode::RESOURCE_EXHAUSTED ||
          std::chrono::system_clock::now() + kBusyPause > deadline) {
        return status;
      }
      std::this_thread::sleep_for(kBusyPause);
    }
  }

  std::string MakeNonce() {
    std::string nonce(32, '\0');
    for (size_t at = 0; at < nonce.size(); at += sizeof(uint64_t)) {
      const uint64_t word = random_.Next();
      std::memcpy(&nonce[at], &word, sizeof(word));
    }
    return nonce;
  }

  const std::string cookie_;
  base::SystemRandom random_;
  std::unique_ptr<admin::Administration::Stub> stub_;
};

}  // namespace

std::unique_ptr<NodeLink> NewNodeLink(const std::string& host, uint16_t port, std::string cookie) {
  return std::make_unique<GrpcNodeLink>(absl::StrCat(host, ":", port), std::move(cookie));
}

}  // namespace pontoon::ctl
