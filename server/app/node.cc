#include "server/app/node.h"

#include <sys/statvfs.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <future>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/app/amqp_socket.h"
#include "server/app/aside_thread.h"
#include "server/net/descriptor_limit.h"
#include "server/net/endpoint.h"
#include "storage/disk_space.h"

namespace pontoon::app {
namespace {

constexpr base::Duration kReadyWithin = base::Seconds(60);
constexpr base::Duration kCloseWithin = base::Seconds(2);
constexpr base::Duration kAbortWithin = base::Seconds(1);
constexpr base::Duration kPoll = base::Millis(10);

// Runs `ask` on each loop and waits for all the answers.
template <typename T>
std::vector<T> AskLoops(Node* node, std::function<T(LoopRuntime*)> ask) {
  std::vector<std::future<T>> answers;
  for (size_t i = 0; i < node->loops().size(); ++i) {
    auto promise = std::make_shared<std::promise<T>>();
    answers.push_back(promise->get_future());
    node->Call(i, [promise, ask](LoopRuntime* runtime) { promise->set_value(ask(runtime)); });
  }
  std::vector<T> result;
  for (std::future<T>& answer : answers) result.push_back(answer.get());
  return result;
}

void Nap() { std::this_thread::sleep_for(std::chrono::nanoseconds(kPoll.nanos)); }

}  // namespace

class Node::LoopFabric final : public cluster::Fabric {
 public:
  // `end_at_once` does not return.
  LoopFabric(const std::vector<std::unique_ptr<LoopRuntime>>* loops, base::Logger* logger,
             std::function<void()> end_at_once)
      : loops_(loops), logger_(logger), end_at_once_(std::move(end_at_once)) {}
  void Send(base::LoopId to, cluster::LoopMessage message) override {
    (*loops_)[to.value]->Post(std::move(message));
  }
  void RunAside(std::function<void()> work) override { aside_.Run(std::move(work)); }
  void StopAside() { aside_.StopBlocking(); }
  void OnDiskDead(base::Duration waited) override {
    logger_->Log(base::LogLevel::kCritical, 0,
                 absl::StrCat("The disk has completed no write for ", waited.nanos / 1000000000,
                              " seconds, this node stops at once; look for errors of the device in "
                              "the system's log"));
    end_at_once_();
  }

 private:
  const std::vector<std::unique_ptr<LoopRuntime>>* const loops_;
  base::Logger* const logger_;
  const std::function<void()> end_at_once_;
  AsideThread aside_;
};

Node::Node(NodeOptions options, base::Logger* logger)
    : options_(std::move(options)), logger_(logger) {}

Node::~Node() { StopBlocking(); }

absl::StatusOr<std::unique_ptr<Node>> Node::StartBlocking(NodeOptions options,
                                                          storage::NodeDirectory* directory,
                                                          base::Logger* logger) {
  std::unique_ptr<Node> node(new Node(std::move(options), logger));
  if (absl::Status opened = node->Open(directory); !opened.ok()) return opened;
  if (absl::Status ready = node->AwaitReady(); !ready.ok()) return ready;
  if (absl::Status listening = node->Listen(); !listening.ok()) return listening;
  return node;
}

absl::Status Node::Open(storage::NodeDirectory* directory) {
  // The log is written by a thread of its own, which an immediate end would not wait for.
  const std::function<void()> end_at_once = [flush_logs = options_.flush_logs] {
    if (flush_logs != nullptr) flush_logs();
    std::_Exit(1);
  };
  fabric_ = std::make_unique<LoopFabric>(&loops_, logger_, end_at_once);
  storage_router_ = std::make_unique<cluster::StorageRouter>(&facts_, fabric_.get());
  storage::RocksLogStoreOptions store_options;
  store_options.data_dir = directory->path();
  store_options.identity = directory->identity();
  store_options.on_free_disk = options_.on_free_disk;
  store_options.on_fatal = [end_at_once](const absl::Status&) { end_at_once(); };
  store_options.may_create = !directory->store_made();
  struct statvfs disk {};
  if (statvfs(directory->path().c_str(), &disk) == 0) {
    store_options.sizes = storage::StoreSizes::ForDisk(uint64_t{disk.f_blocks} * disk.f_frsize);
  }
  storage::MakeRoomForStartBlocking(directory->path());
  absl::StatusOr<std::unique_ptr<storage::RocksLogStore>> store =
      storage::RocksLogStore::OpenBlocking(store_options, logger_, storage_router_.get());
  if (!store.ok()) return store.status();
  store_ = *std::move(store);
  if (absl::Status boot = directory->BeginBootBlocking(); !boot.ok()) return boot;

  facts_.node = directory->node_id();
  facts_.incarnation = directory->incarnation();
  facts_.boot = directory->boot();
  facts_.name = options_.name;
  facts_.loops = options_.loops;
  facts_.shards = options_.shards;
  for (const base::GroupId group : store_->groups())
    facts_.shards = std::max(facts_.shards, group.value);

  base::Logger* const sessions =
      options_.connection_logger != nullptr ? options_.connection_logger : logger_;
  const auto session_options = std::make_shared<const session::SessionOptions>(options_.session);
  for (uint16_t loop = 0; loop < options_.loops; ++loop) {
    loops_.push_back(std::make_unique<LoopRuntime>(facts_, base::LoopId{loop}, store_.get(),
                                                   fabric_.get(), sessions, session_options));
  }
  catalog::FoundCluster found = options_.found;
  found.cluster_id = absl::StrCat(absl::Hex(directory->cluster_id(), absl::kZeroPad16));
  found.shards = facts_.shards;
  for (const auto& runtime : loops_) {
    if (absl::Status opened = runtime->host()->OpenBlocking(found); !opened.ok()) return opened;
  }
  for (const auto& runtime : loops_) runtime->Start();
  started_ = true;
  return absl::OkStatus();
}

absl::Status Node::AwaitReady() {
  const base::SystemClock clock;
  const base::MonotonicTime deadline = clock.Now() + kReadyWithin;
  while (true) {
    const std::vector<char> ready =
        AskLoops<char>(this, [](LoopRuntime* runtime) -> char { return runtime->host()->ready(); });
    if (std::all_of(ready.begin(), ready.end(), [](char each) { return each != 0; }))
      return absl::OkStatus();
    if (clock.Now() > deadline) {
      return absl::DeadlineExceededError(absl::StrCat(
          "the shards of this node did not become ready within ", kReadyWithin.nanos / 1000000000,
          " s; the log above says what the disk or the log recovery is waiting for"));
    }
    Nap();
  }
}

absl::Status Node::Listen() {
  const uint64_t descriptors = net::RaiseDescriptorLimit();
  uint64_t most = net::ConnectionsFor(descriptors);
  if (options_.connections_max != 0) most = std::min(most, options_.connections_max);
  connection_limit_ = std::make_shared<net::ConnectionLimit>(most);

  std::shared_ptr<const net::TlsContext> tls;
  std::vector<net::EventLoop*> loops;
  for (const auto& runtime : loops_) loops.push_back(runtime->loop());
  for (const AmqpAddress& address : options_.listen) {
    if (address.tls && tls == nullptr) {
      absl::StatusOr<std::shared_ptr<const net::TlsContext>> context =
          net::TlsContext::ForServer(options_.tls);
      if (!context.ok()) return context.status();
      tls = *std::move(context);
    }
    net::Listener::Options options = options_.listener;
    options.host = address.host;
    options.port = address.port;
    options.limit = connection_limit_;
    options.tls = address.tls ? tls : nullptr;
    absl::StatusOr<std::unique_ptr<net::Listener>> listener = net::Listener::Open(
        loops, options,
        [this](net::EventLoop* loop, net::AcceptedSocket socket) {
          ServeAmqp(loops_[loop->id().value].get(), std::move(socket),
                    options_.tls_handshake_timeout,
                    options_.connection_logger != nullptr ? options_.connection_logger : logger_);
        },
        [this](const absl::Status& why, uint64_t count) {
          logger_->Log(
              base::LogLevel::kWarning, 0,
              absl::StrCat("Refused ", count,
                           count == 1 ? " connection: " : " connections: ", why.message()));
        });
    if (!listener.ok()) return listener.status();
    logger_->Log(base::LogLevel::kInfo, 0,
                 absl::StrCat("started ", address.tls ? "TLS (SSL)" : "TCP", " listener on ",
                              (*listener)->local().ToString()));
    listeners_.push_back(*std::move(listener));
  }
  return absl::OkStatus();
}

void Node::Call(size_t loop, std::function<void(LoopRuntime*)> call) {
  LoopRuntime* const runtime = loops_[loop].get();
  runtime->Post(
      cluster::Call{[runtime, call = std::move(call)](cluster::LoopHost*) { call(runtime); }});
}

void Node::SetAlarms(bool memory, bool disk) {
  for (size_t i = 0; i < loops_.size(); ++i) {
    Call(i, [memory, disk](LoopRuntime* runtime) { runtime->registry()->SetAlarms(memory, disk); });
  }
}

bool Node::AwaitNoConnections(base::Duration limit) {
  const base::SystemClock clock;
  const base::MonotonicTime deadline = clock.Now() + limit;
  while (true) {
    const std::vector<size_t> counts = AskLoops<size_t>(
        this, [](LoopRuntime* runtime) { return runtime->registry()->connection_count(); });
    if (std::all_of(counts.begin(), counts.end(), [](size_t count) { return count == 0; }))
      return true;
    if (clock.Now() > deadline) return false;
    Nap();
  }
}

void Node::StopBlocking() {
  if (std::exchange(stopped_, true)) return;
  for (const auto& listener : listeners_) {
    logger_->Log(base::LogLevel::kInfo, 0,
                 absl::StrCat("stopped ", listener->is_tls() ? "TLS (SSL)" : "TCP", " listener on ",
                              listener->local().ToString()));
  }
  listeners_.clear();
  if (started_) {
    for (size_t i = 0; i < loops_.size(); ++i) {
      Call(i, [](LoopRuntime* runtime) { runtime->registry()->BeginShutdown(); });
    }
    if (!AwaitNoConnections(kCloseWithin)) {
      for (size_t i = 0; i < loops_.size(); ++i) {
        Call(i, [](LoopRuntime* runtime) { runtime->registry()->AbortAll(); });
      }
      AwaitNoConnections(kAbortWithin);
    }
    AskLoops<char>(this, [](LoopRuntime* runtime) -> char {
      runtime->host()->CheckpointAll();
      return 0;
    });
    // One more round trip: the turn that made the checkpoints has ended, so they are with the
    // store.
    AskLoops<char>(this, [](LoopRuntime*) -> char { return 0; });
  }
  for (const auto& runtime : loops_) runtime->Stop();
  if (fabric_ != nullptr) fabric_->StopAside();  // It reports to the loops.
  if (store_ != nullptr) store_->StopBlocking();
  loops_.clear();
  store_.reset();
}

}  // namespace pontoon::app
