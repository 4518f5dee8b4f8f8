#include "server/app/control.h"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/admin/await.h"
#include "server/amqp/table.h"

namespace pontoon::app {
namespace {

constexpr char kNotRunning[] = "the application is not running on this node";

admin::ConnectionFigures FiguresOf(const session::ConnectionInfo& info) {
  admin::ConnectionFigures figures;
  figures.pid = info.pid;
  figures.name = info.name;
  figures.user_provided_name = info.user_provided_name;
  figures.user = info.user;
  figures.vhost = info.vhost;
  figures.state = info.state;
  figures.protocol = info.protocol;
  figures.auth_mechanism = info.auth_mechanism;
  figures.host = info.peer.host;
  figures.peer_host = info.peer.peer_host;
  figures.port = info.peer.port;
  figures.peer_port = info.peer.peer_port;
  figures.ssl = info.peer.tls;
  figures.ssl_protocol = info.peer.tls_protocol;
  figures.ssl_cipher = info.peer.tls_cipher;
  figures.peer_cert_subject = info.peer.tls_peer_subject;
  figures.timeout = info.timeout;
  figures.frame_max = info.frame_max;
  figures.channel_max = info.channel_max;
  figures.client_properties = info.client_properties.EncodeContents();
  figures.connected_at_millis = info.connected_at_millis;
  figures.recv_oct = info.recv_oct;
  figures.recv_cnt = info.recv_cnt;
  figures.send_oct = info.send_oct;
  figures.send_cnt = info.send_cnt;
  figures.send_pend = info.send_pend;
  figures.channels = info.channels;
  return figures;
}

admin::ChannelFigures FiguresOf(const session::ChannelInfo& info) {
  admin::ChannelFigures figures;
  figures.pid = info.pid;
  figures.connection_pid = info.connection_pid;
  figures.name = info.name;
  figures.user = info.user;
  figures.vhost = info.vhost;
  figures.number = info.number;
  figures.transactional = info.transactional;
  figures.confirm = info.confirm;
  figures.consumer_count = info.consumer_count;
  figures.messages_unacknowledged = info.messages_unacknowledged;
  figures.messages_unconfirmed = info.messages_unconfirmed;
  figures.messages_uncommitted = info.messages_uncommitted;
  figures.acks_uncommitted = info.acks_uncommitted;
  figures.prefetch_count = info.prefetch_count;
  figures.global_prefetch_count = info.global_prefetch_count;
  return figures;
}

template <typename Figures, typename Info>
std::vector<Figures> AllFigures(const std::vector<std::vector<Info>>& lists) {
  std::vector<Figures> all;
  for (const std::vector<Info>& list : lists) {
    for (const Info& info : list) all.push_back(FiguresOf(info));
  }
  return all;
}

void DescribeDescriptors(admin::NodeFigures* figures) {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  figures->descriptors_limit = limit.rlim_cur;
  figures->sockets_limit = limit.rlim_cur;
  if (DIR* directory = opendir("/proc/self/fd")) {
    while (readdir(directory) != nullptr) ++figures->descriptors_used;
    closedir(directory);
    figures->descriptors_used -= 3;  // ".", ".." and this one.
  }
}

std::function<void(absl::StatusOr<broker::QueueCounts>)> AsCount(
    std::function<void(absl::StatusOr<uint64_t>)> done) {
  return [done = std::move(done)](absl::StatusOr<broker::QueueCounts> counts) {
    if (!counts.ok()) return done(counts.status());
    done(counts->ready);
  };
}

}  // namespace

Control::Control(Options options, storage::NodeDirectory* directory, Alarms* alarms,
                 base::Logger* logger)
    : options_(std::move(options)),
      directory_(directory),
      alarms_(alarms),
      logger_(logger),
      started_at_(base::SystemClock().Now()) {}

Control::~Control() { StopAppBlocking(); }

absl::Status Control::StartAppBlocking() {
  base::MutexLock life_cycle(&life_cycle_);
  {
    base::MutexLock lock(&mutex_);
    if (node_ != nullptr) return absl::OkStatus();
    state_ = State::kStarting;
  }
  absl::StatusOr<std::unique_ptr<Node>> node =
      Node::StartBlocking(options_.node, directory_, logger_);
  if (!node.ok()) {
    base::MutexLock lock(&mutex_);
    state_ = State::kAppStopped;
    return node.status();
  }
  const std::shared_ptr<Node> shared = *std::move(node);
  {
    base::MutexLock lock(&mutex_);
    node_ = shared;
    state_ = State::kRunning;
  }
  alarms_->Watch(shared);
  return absl::OkStatus();
}

void Control::StopAppBlocking() {
  base::MutexLock life_cycle(&life_cycle_);
  std::shared_ptr<Node> node;
  {
    base::MutexLock lock(&mutex_);
    state_ = State::kAppStopped;
    node = std::exchange(node_, nullptr);
  }
  if (node == nullptr) return;
  alarms_->Watch(nullptr);
  node->StopBlocking();
}

std::vector<net::Endpoint> Control::Endpoints() const {
  base::MutexLock lock(&mutex_);
  std::vector<net::Endpoint> endpoints;
  if (node_ == nullptr) return endpoints;
  for (const auto& listener : node_->listeners()) endpoints.push_back(listener->local());
  return endpoints;
}

admin::NodeControl::State Control::state() const {
  base::MutexLock lock(&mutex_);
  return state_;
}

template <typename T>
void Control::AskAll(std::function<T(LoopRuntime*)> ask,
                     std::function<void(absl::StatusOr<std::vector<T>>)> done) {
  struct Gathering {
    base::Mutex mutex;
    std::vector<T> answers ABSL_GUARDED_BY(mutex);
    size_t missing ABSL_GUARDED_BY(mutex) = 0;
  };
  // Called under the lock, so that the node does not begin to stop between the loops: what was
  // called before a stop is answered.
  base::MutexLock lock(&mutex_);
  if (node_ == nullptr) return done(absl::UnavailableError(kNotRunning));
  const size_t loops = node_->loops().size();
  auto gathering = std::make_shared<Gathering>();
  {
    base::MutexLock guard(&gathering->mutex);
    gathering->answers.resize(loops);
    gathering->missing = loops;
  }
  for (size_t i = 0; i < loops; ++i) {
    node_->Call(i, [i, gathering, ask, done](LoopRuntime* runtime) {
      T answer = ask(runtime);
      std::vector<T> all;
      {
        base::MutexLock guard(&gathering->mutex);
        gathering->answers[i] = std::move(answer);
        if (--gathering->missing != 0) return;
        all = std::move(gathering->answers);
      }
      done(std::move(all));
    });
  }
}

template <typename Done>
void Control::OnFirstLoop(Done done, std::function<void(LoopRuntime*, Done)> call) {
  base::MutexLock lock(&mutex_);
  if (node_ == nullptr) return done(absl::UnavailableError(kNotRunning));
  node_->Call(0, [call = std::move(call), done = std::move(done)](LoopRuntime* runtime) {
    call(runtime, done);
    runtime->WantTurn();
  });
}

void Control::Describe(std::function<void(admin::NodeFigures)> done) {
  admin::NodeFigures figures;
  figures.node_name = options_.node.name;
  figures.product = options_.product;
  figures.version = options_.version;
  figures.rabbitmq_version = options_.rabbitmq_version;
  figures.cluster_name = options_.cluster_name;
  figures.data_directory = options_.data_directory;
  figures.config_files = options_.config_files;
  figures.log_files = options_.log_files;
  figures.os_pid = static_cast<uint64_t>(getpid());
  figures.uptime_seconds =
      static_cast<uint64_t>((base::SystemClock().Now() - started_at_).nanos / 1000000000);
  figures.listeners.push_back(options_.admin_listener);
  alarms_->Describe(&figures);
  DescribeDescriptors(&figures);
  {
    base::MutexLock lock(&mutex_);
    if (node_ != nullptr) {
      for (const auto& listener : node_->listeners()) {
        figures.listeners.push_back({listener->local().address, listener->local().port,
                                     listener->is_tls() ? "amqp/ssl" : "amqp"});
      }
    }
  }
  AskAll<uint64_t>(
      [](LoopRuntime* runtime) { return uint64_t{runtime->registry()->connection_count()}; },
      [figures = std::move(figures),
       done = std::move(done)](absl::StatusOr<std::vector<uint64_t>> counts) mutable {
        if (counts.ok()) {
          for (const uint64_t count : *counts) figures.connections += count;
        }
        figures.sockets_used = figures.connections;
        done(std::move(figures));
      });
}

catalog::VersionPtr Control::catalog() const {
  // Read on loop 0, which the caller waits for: the version is the loop's own.
  return admin::Await<catalog::VersionPtr>([this](std::function<void(catalog::VersionPtr)> done) {
    base::MutexLock lock(&mutex_);
    if (node_ == nullptr) return done(nullptr);
    node_->Call(0, [done](LoopRuntime* runtime) { done(runtime->host()->front_end()->catalog()); });
  });
}

void Control::Change(catalog::Command command,
                     std::function<void(absl::StatusOr<catalog::Outcome>)> done) {
  using Done = std::function<void(absl::StatusOr<catalog::Outcome>)>;
  OnFirstLoop<Done>(std::move(done), [command = std::move(command)](LoopRuntime* runtime,
                                                                    Done done) {
    runtime->host()->front_end()->Change(
        cluster::ChannelKey{}, command, [done](const catalog::Outcome& outcome) { done(outcome); });
  });
}

void Control::ListConnections(
    std::function<void(absl::StatusOr<std::vector<admin::ConnectionFigures>>)> done) {
  AskAll<std::vector<session::ConnectionInfo>>(
      [](LoopRuntime* runtime) { return runtime->registry()->ListConnections(); },
      [done = std::move(done)](
          absl::StatusOr<std::vector<std::vector<session::ConnectionInfo>>> lists) {
        if (!lists.ok()) return done(lists.status());
        done(AllFigures<admin::ConnectionFigures>(*lists));
      });
}

void Control::ListChannels(
    std::function<void(absl::StatusOr<std::vector<admin::ChannelFigures>>)> done) {
  AskAll<std::vector<session::ChannelInfo>>(
      [](LoopRuntime* runtime) { return runtime->registry()->ListChannels(); },
      [done =
           std::move(done)](absl::StatusOr<std::vector<std::vector<session::ChannelInfo>>> lists) {
        if (!lists.ok()) return done(lists.status());
        done(AllFigures<admin::ChannelFigures>(*lists));
      });
}

void Control::ListQueueFigures(
    std::function<void(absl::StatusOr<std::vector<broker::QueueFigures>>)> done) {
  using Done = std::function<void(absl::StatusOr<std::vector<broker::QueueFigures>>)>;
  OnFirstLoop<Done>(std::move(done), [](LoopRuntime* runtime, Done done) {
    runtime->host()->front_end()->InspectQueues(
        [done](std::vector<broker::QueueFigures> figures) { done(std::move(figures)); });
  });
}

void Control::ListConsumers(
    std::function<void(absl::StatusOr<std::vector<broker::ConsumerFigures>>)> done) {
  using Done = std::function<void(absl::StatusOr<std::vector<broker::ConsumerFigures>>)>;
  OnFirstLoop<Done>(std::move(done), [](LoopRuntime* runtime, Done done) {
    runtime->host()->front_end()->InspectConsumers(
        [done](std::vector<broker::ConsumerFigures> figures) { done(std::move(figures)); });
  });
}

void Control::DeleteQueue(base::QueueId queue, bool if_unused, bool if_empty,
                          std::function<void(absl::StatusOr<uint64_t>)> done) {
  using Done = std::function<void(absl::StatusOr<uint64_t>)>;
  OnFirstLoop<Done>(std::move(done), [queue, if_unused, if_empty](LoopRuntime* runtime, Done done) {
    cluster::LoopFrontEnd* const front_end = runtime->host()->front_end();
    const catalog::QueueRecord* record = front_end->catalog()->FindQueue(queue);
    if (record == nullptr) return done(absl::NotFoundError("no such queue"));
    front_end->DeleteQueue(cluster::ChannelKey{}, *record, if_unused, if_empty, AsCount(done));
  });
}

void Control::PurgeQueue(base::QueueId queue, std::function<void(absl::StatusOr<uint64_t>)> done) {
  using Done = std::function<void(absl::StatusOr<uint64_t>)>;
  OnFirstLoop<Done>(std::move(done), [queue](LoopRuntime* runtime, Done done) {
    cluster::LoopFrontEnd* const front_end = runtime->host()->front_end();
    const catalog::QueueRecord* record = front_end->catalog()->FindQueue(queue);
    if (record == nullptr) return done(absl::NotFoundError("no such queue"));
    front_end->Purge(cluster::ChannelKey{}, *record, AsCount(done));
  });
}

void Control::CloseConnections(admin::ConnectionFilter filter, std::string reason,
                               std::function<void(absl::StatusOr<uint64_t>)> done) {
  // The limit counts over all loops.
  auto left =
      std::make_shared<std::atomic<int64_t>>(filter.limit == 0 ? INT64_MAX : int64_t{filter.limit});
  AskAll<uint64_t>(
      [filter = std::move(filter), reason = std::move(reason), left](LoopRuntime* runtime) {
        uint64_t closed = 0;
        for (const session::ConnectionInfo& info : runtime->registry()->ListConnections()) {
          if (!filter.pid.empty() && info.pid != filter.pid) continue;
          if (!filter.user.empty() && info.user != filter.user) continue;
          if (!filter.vhost.empty() && info.vhost != filter.vhost) continue;
          if (left->fetch_sub(1) <= 0) break;
          closed += runtime->registry()->CloseByPid(info.pid, reason);
        }
        runtime->WantTurn();
        return closed;
      },
      [done = std::move(done)](absl::StatusOr<std::vector<uint64_t>> counts) {
        if (!counts.ok()) return done(counts.status());
        uint64_t sum = 0;
        for (const uint64_t count : *counts) sum += count;
        done(sum);
      });
}

absl::Status Control::SetMemoryWatermark(double fraction, uint64_t absolute) {
  return alarms_->SetMemoryWatermark(fraction, absolute);
}

absl::Status Control::SetDiskFreeLimit(uint64_t bytes, double memory_fraction) {
  return alarms_->SetDiskFreeLimit(bytes, memory_fraction);
}

void Control::StopApp(std::function<void(absl::Status)> done) {
  StopAppBlocking();
  done(absl::OkStatus());
}

void Control::StartApp(std::function<void(absl::Status)> done) { done(StartAppBlocking()); }

void Control::Stop(std::function<void(absl::Status)> done) {
  done(absl::OkStatus());
  options_.stop_process();
}

}  // namespace pontoon::app
