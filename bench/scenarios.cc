#include "bench/scenarios.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <fstream>
#include <memory>
#include <sstream>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/mutex.h"
#include "base/time.h"
#include "client/amqp/connection.h"
#include "client/amqp/inbox.h"
#include "server/amqp/properties.h"

namespace pontoon::bench {
namespace {

using client::Channel;
using client::Connection;

base::MonotonicTime Now() { return base::SystemClock().Now(); }
void SleepFor(double seconds) {
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
}

absl::StatusOr<std::unique_ptr<Connection>> Connect(const Broker& broker) {
  absl::StatusOr<client::ConnectionOptions> options =
      client::ConnectionOptions::FromUri(broker.uri);
  if (!options.ok()) return options.status();
  options->connection_name = "pontoon-bench";
  return Connection::Open(*std::move(options));
}

// CPU seconds that the process has used; its threads' included.
double CpuSeconds(int pid) {
  if (pid == 0) return 0;
  std::ifstream file(absl::StrCat("/proc/", pid, "/stat"));
  std::string line;
  std::getline(file, line);
  const size_t after_name = line.rfind(')');
  if (after_name == std::string::npos) return 0;
  std::istringstream fields(line.substr(after_name + 2));
  std::string field;
  double ticks = 0;
  for (int i = 3; fields >> field; ++i) {
    if (i == 14 || i == 15) ticks += std::stod(field);  // utime, stime
  }
  return ticks / static_cast<double>(sysconf(_SC_CLK_TCK));
}

double ResidentMegabytes(int pid) {
  if (pid == 0) return 0;
  std::ifstream file(absl::StrCat("/proc/", pid, "/status"));
  std::string line;
  while (std::getline(file, line)) {
    if (line.rfind("VmRSS:", 0) == 0) return std::stod(line.substr(6)) / 1024;
  }
  return 0;
}

std::string Persistent() {
  amqp::PropertiesBuilder properties;
  properties.delivery_mode = 2;
  return properties.Encode();
}

// A durable queue of this run; deleted first, so that it begins empty.
absl::Status FreshQueue(Channel* channel, const std::string& queue) {
  if (auto deleted = channel->DeleteQueue({.queue = queue}); !deleted.ok()) return deleted.status();
  return channel->DeclareQueue({.queue = queue, .durable = true}).status();
}

double Percentile(std::vector<double>* sorted, double p) {
  if (sorted->empty()) return 0;
  return (*sorted)[std::min(sorted->size() - 1,
                            static_cast<size_t>(p * static_cast<double>(sorted->size())))];
}

}  // namespace

absl::StatusOr<Figures> Smoke(const Broker& broker) {
  const base::MonotonicTime begin = Now();
  auto connection = Connect(broker);
  if (!connection.ok()) return connection.status();
  auto channel = (*connection)->OpenChannel();
  if (!channel.ok()) return channel.status();
  auto queue = (*channel)->DeclareQueue({.exclusive = true});
  if (!queue.ok()) return queue.status();
  if (absl::Status confirms = (*channel)->SelectConfirms(); !confirms.ok()) return confirms;
  client::Inbox inbox;
  if (auto tag = (*channel)->Consume({.queue = queue->queue}, inbox.Handlers()); !tag.ok())
    return tag.status();
  const std::string properties = Persistent();
  if (auto sent = (*channel)->Publish(
          {.routing_key = queue->queue, .properties = properties, .body = "hello"});
      !sent.ok()) {
    return sent.status();
  }
  if (absl::Status confirmed = (*channel)->WaitForConfirms(base::Seconds(10)); !confirmed.ok())
    return confirmed;
  auto message = inbox.Next(base::Seconds(10));
  if (!message.ok()) return message.status();
  if (message->body != "hello")
    return absl::DataLossError(absl::StrCat("sent 'hello', received '", message->body, "'"));
  if (absl::Status acked = (*channel)->Ack(message->delivery_tag); !acked.ok()) return acked;
  if (absl::Status closed = (*connection)->Close(); !closed.ok()) return closed;
  return Figures{{"milliseconds", (Now() - begin).seconds() * 1000}};
}

absl::StatusOr<Figures> Throughput(const Broker& broker, const ThroughputOptions& options) {
  const std::string queue = "pontoon-bench-throughput";
  auto publisher = Connect(broker);
  if (!publisher.ok()) return publisher.status();
  auto consumer = Connect(broker);
  if (!consumer.ok()) return consumer.status();
  auto out = (*publisher)->OpenChannel();
  if (!out.ok()) return out.status();
  auto in = (*consumer)->OpenChannel();
  if (!in.ok()) return in.status();
  if (absl::Status fresh = FreshQueue(out->get(), queue); !fresh.ok()) return fresh;

  std::atomic<uint64_t> delivered{0};
  if (absl::Status qos = (*in)->Qos({.prefetch_count = static_cast<uint16_t>(options.prefetch)});
      !qos.ok())
    return qos;
  Channel* const in_channel = in->get();
  client::ConsumerHandlers handlers;
  handlers.on_delivery = [&, in_channel](const client::Delivery& delivery) {
    const uint64_t count = delivered.fetch_add(1, std::memory_order_relaxed) + 1;
    if (count % options.ack_every == 0) {
      (void)in_channel->Ack(delivery.delivery_tag, client::AckScope::kUpToAndIncluding);
    }
  };
  if (auto tag = (*in)->Consume({.queue = queue}, handlers); !tag.ok()) return tag.status();

  if (absl::Status confirms =
          (*out)->SelectConfirms({.outstanding_max = options.outstanding, .on_confirm = nullptr});
      !confirms.ok()) {
    return confirms;
  }
  const std::string properties = Persistent();
  const std::string body(options.body_bytes, 'x');
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> published{0};
  absl::Status failure;
  std::thread load([&] {
    while (!stop.load(std::memory_order_relaxed)) {
      const auto sent =
          (*out)->PublishLater({.routing_key = queue, .properties = properties, .body = body});
      if (!sent.ok()) {
        failure = sent.status();
        return;
      }
      published.fetch_add(1, std::memory_order_relaxed);
    }
    (*publisher)->Flush();
  });
  SleepFor(options.warm_up_seconds);
  const uint64_t delivered_before = delivered.load();
  const double cpu_before = CpuSeconds(broker.pid);
  const double own_before = CpuSeconds(getpid());
  const base::MonotonicTime begin = Now();
  SleepFor(options.seconds);
  const double seconds = (Now() - begin).seconds();
  const double messages = static_cast<double>(delivered.load() - delivered_before);
  const double cpu = CpuSeconds(broker.pid) - cpu_before;
  const double own = CpuSeconds(getpid()) - own_before;
  stop = true;
  load.join();
  if (!failure.ok()) return failure;
  if (absl::Status confirmed = (*out)->WaitForConfirms(base::Seconds(30)); !confirmed.ok())
    return confirmed;
  for (int i = 0; i < 3000 && delivered.load() < published.load(); ++i) SleepFor(0.01);
  const double lost = static_cast<double>(published.load()) - static_cast<double>(delivered.load());
  (void)(*in)->Close();
  (void)(*out)->DeleteQueue({.queue = queue});
  (void)(*publisher)->Close();
  (void)(*consumer)->Close();
  return Figures{{"messages_per_second", messages / seconds},
                 {"broker_cpu_microseconds_per_message", messages == 0 ? 0 : cpu / messages * 1e6},
                 {"broker_cores", cpu / seconds},
                 {"client_cores", own / seconds},
                 {"not_delivered", lost}};
}

absl::StatusOr<Figures> Latency(const Broker& broker, uint32_t body_bytes, uint32_t messages) {
  const std::string queue = "pontoon-bench-latency";
  auto connection = Connect(broker);
  if (!connection.ok()) return connection.status();
  auto channel = (*connection)->OpenChannel();
  if (!channel.ok()) return channel.status();
  if (absl::Status fresh = FreshQueue(channel->get(), queue); !fresh.ok()) return fresh;
  if (absl::Status confirms = (*channel)->SelectConfirms(); !confirms.ok()) return confirms;
  const std::string properties = Persistent();
  const std::string body(body_bytes, 'x');
  std::vector<double> micros;
  for (uint32_t i = 0; i < messages; ++i) {
    const base::MonotonicTime begin = Now();
    if (auto sent =
            (*channel)->Publish({.routing_key = queue, .properties = properties, .body = body});
        !sent.ok()) {
      return sent.status();
    }
    if (absl::Status confirmed = (*channel)->WaitForConfirms(base::Seconds(30)); !confirmed.ok())
      return confirmed;
    micros.push_back((Now() - begin).seconds() * 1e6);
  }
  (void)(*channel)->DeleteQueue({.queue = queue});
  (void)(*connection)->Close();
  std::sort(micros.begin(), micros.end());
  return Figures{{"p50_microseconds", Percentile(&micros, 0.5)},
                 {"p99_microseconds", Percentile(&micros, 0.99)}};
}

absl::StatusOr<Figures> Fill(const Broker& broker, const std::string& queue, uint64_t count,
                             uint32_t body_bytes) {
  auto connection = Connect(broker);
  if (!connection.ok()) return connection.status();
  auto channel = (*connection)->OpenChannel();
  if (!channel.ok()) return channel.status();
  if (auto declared = (*channel)->DeclareQueue({.queue = queue, .durable = true}); !declared.ok()) {
    return declared.status();
  }
  if (absl::Status confirms =
          (*channel)->SelectConfirms({.outstanding_max = 20000, .on_confirm = nullptr});
      !confirms.ok()) {
    return confirms;
  }
  const std::string properties = Persistent();
  const std::string body(body_bytes, 'x');
  const base::MonotonicTime begin = Now();
  for (uint64_t i = 0; i < count; ++i) {
    if (auto sent = (*channel)->PublishLater(
            {.routing_key = queue, .properties = properties, .body = body});
        !sent.ok()) {
      return sent.status();
    }
  }
  if (absl::Status confirmed = (*channel)->WaitForConfirms(base::Seconds(300)); !confirmed.ok())
    return confirmed;
  const double seconds = (Now() - begin).seconds();
  (void)(*connection)->Close();
  return Figures{{"messages_per_second", static_cast<double>(count) / seconds},
                 {"resident_megabytes", ResidentMegabytes(broker.pid)}};
}

absl::StatusOr<Figures> AwaitBacklog(const Broker& broker, const std::string& queue, uint64_t count,
                                     double seconds) {
  const base::MonotonicTime begin = Now();
  absl::Status last = absl::DeadlineExceededError("not tried");
  while ((Now() - begin).seconds() < seconds) {
    auto connection = Connect(broker);
    if (connection.ok()) {
      auto channel = (*connection)->OpenChannel();
      if (channel.ok()) {
        auto declared = (*channel)->DeclareQueue({.queue = queue, .passive = true});
        if (declared.ok() && declared->message_count == count) {
          auto got = (*channel)->Get(queue);
          if (got.ok() && got->has_value()) {
            const double took = (Now() - begin).seconds();
            (void)(*connection)->Close();
            return Figures{{"seconds", took},
                           {"resident_megabytes", ResidentMegabytes(broker.pid)}};
          }
        }
        last = declared.ok() ? absl::FailedPreconditionError(
                                   absl::StrCat("the queue has ", declared->message_count))
                             : declared.status();
      }
    } else {
      last = connection.status();
    }
    SleepFor(0.005);
  }
  return last;
}

absl::StatusOr<Figures> Declare(const Broker& broker, uint32_t count, uint32_t connections,
                                uint32_t in_flight) {
  struct Worker {
    std::unique_ptr<Connection> connection;
    std::unique_ptr<Channel> channel;
    base::Mutex mutex;
    base::CondVar changed;
    uint32_t under_way = 0;
    absl::Status failure;
  };
  std::vector<std::unique_ptr<Worker>> workers;
  for (uint32_t i = 0; i < connections; ++i) {
    auto worker = std::make_unique<Worker>();
    auto connection = Connect(broker);
    if (!connection.ok()) return connection.status();
    worker->connection = *std::move(connection);
    auto channel = worker->connection->OpenChannel();
    if (!channel.ok()) return channel.status();
    worker->channel = *std::move(channel);
    workers.push_back(std::move(worker));
  }
  const uint64_t run = static_cast<uint64_t>(Now().nanos);
  const base::MonotonicTime begin = Now();
  const double cpu_before = CpuSeconds(broker.pid);
  std::vector<std::thread> threads;
  for (uint32_t w = 0; w < connections; ++w) {
    threads.emplace_back([&, w] {
      Worker* const worker = workers[w].get();
      for (uint32_t i = w; i < count; i += connections) {
        {
          base::MutexLock lock(&worker->mutex);
          while (worker->under_way >= in_flight && worker->failure.ok())
            worker->changed.Wait(&worker->mutex);
          if (!worker->failure.ok()) return;
          ++worker->under_way;
        }
        worker->channel->DeclareQueueLater(
            {.queue = absl::StrCat("bench-", run, "-", i), .durable = true},
            [worker](absl::StatusOr<amqp::QueueDeclareOk> declared) {
              base::MutexLock lock(&worker->mutex);
              --worker->under_way;
              if (!declared.ok()) worker->failure = declared.status();
              worker->changed.NotifyAll();
            });
        worker->connection->Flush();
      }
      base::MutexLock lock(&worker->mutex);
      while (worker->under_way > 0 && worker->failure.ok()) worker->changed.Wait(&worker->mutex);
    });
  }
  for (std::thread& thread : threads) thread.join();
  const double seconds = (Now() - begin).seconds();
  const double cpu = CpuSeconds(broker.pid) - cpu_before;
  for (const auto& worker : workers) {
    if (!worker->failure.ok()) return worker->failure;
    (void)worker->connection->Close();
  }
  return Figures{{"declares_per_second", count / seconds},
                 {"broker_cpu_microseconds_per_declare", cpu / count * 1e6}};
}

absl::StatusOr<Figures> Idle(const Broker& broker, uint32_t connections, double seconds) {
  std::vector<std::unique_ptr<Connection>> open;
  const double resident_before = ResidentMegabytes(broker.pid);
  for (uint32_t i = 0; i < connections; ++i) {
    auto connection = Connect(broker);
    if (!connection.ok()) return connection.status();
    open.push_back(*std::move(connection));
  }
  SleepFor(1);
  const double before = CpuSeconds(broker.pid);
  SleepFor(seconds);
  const double cpu = CpuSeconds(broker.pid) - before;
  const double resident = ResidentMegabytes(broker.pid) - resident_before;
  for (const auto& connection : open) (void)connection->Close();
  return Figures{{"percent_of_a_core", cpu / seconds * 100},
                 {"kilobytes_per_connection", resident * 1024 / connections}};
}

}  // namespace pontoon::bench
