// pontoon-bench: load for a broker, ours or another. Each command prints its figures as one line of
// JSON (or text).

#include <CLI/CLI.hpp>
#include <cstdio>
#include <functional>
#include <string>

#include "absl/strings/str_format.h"
#include "bench/scenarios.h"

namespace pontoon::bench {
namespace {

int Main(int argc, char** argv) {
  CLI::App app("Load for an AMQP 0-9-1 broker, and what it costs");
  app.require_subcommand(1);
  app.fallthrough();
  Broker broker;
  broker.uri = "amqp://guest:guest@127.0.0.1:5672";
  bool json = false;
  app.add_option("--uri", broker.uri, "amqp://user:password@host:port/vhost");
  app.add_option("--broker-pid", broker.pid, "process whose CPU and memory are counted");
  app.add_flag("--json", json, "print JSON");

  std::function<absl::StatusOr<Figures>()> run;
  app.add_subcommand("smoke", "publish one message and consume it")->callback([&] {
    run = [&] { return Smoke(broker); };
  });

  ThroughputOptions throughput;
  CLI::App* command =
      app.add_subcommand("throughput", "one publisher with confirms and one consumer at once");
  command->add_option("--size", throughput.body_bytes, "bytes of a body");
  command->add_option("--seconds", throughput.seconds, "measured time");
  command->add_option("--warm-up", throughput.warm_up_seconds, "time before it");
  command->add_option("--outstanding", throughput.outstanding, "unconfirmed messages at most");
  command->add_option("--prefetch", throughput.prefetch, "of the consumer");
  command->add_option("--ack-every", throughput.ack_every, "messages per basic.ack");
  command->callback([&] { run = [&] { return Throughput(broker, throughput); }; });

  uint32_t size = 100, count = 1000, connections = 4, in_flight = 8;
  uint64_t messages = 1000000;
  double seconds = 10;
  std::string queue = "backlog";
  command = app.add_subcommand("latency", "one message after the other, each confirmed");
  command->add_option("--size", size, "bytes of a body");
  command->add_option("--count", count, "messages");
  command->callback([&] { run = [&] { return Latency(broker, size, count); }; });

  command = app.add_subcommand("fill", "leaves persistent messages in a durable queue");
  command->add_option("--size", size, "bytes of a body");
  command->add_option("--messages", messages, "how many");
  command->add_option("--queue", queue, "its name");
  command->callback([&] { run = [&] { return Fill(broker, queue, messages, size); }; });

  command =
      app.add_subcommand("await", "until the queue reports so many messages and a get answers");
  command->add_option("--messages", messages, "how many");
  command->add_option("--queue", queue, "its name");
  command->add_option("--seconds", seconds, "at most");
  command->callback([&] { run = [&] { return AwaitBacklog(broker, queue, messages, seconds); }; });

  command = app.add_subcommand("declare", "durable queues");
  command->add_option("--count", count, "queues");
  command->add_option("--connections", connections, "that declare them");
  command->add_option("--in-flight", in_flight, "declares of a connection on their way");
  command->callback([&] { run = [&] { return Declare(broker, count, connections, in_flight); }; });

  command = app.add_subcommand("idle", "connections that say nothing");
  command->add_option("--connections", connections, "how many");
  command->add_option("--seconds", seconds, "measured time");
  command->callback([&] { run = [&] { return Idle(broker, connections, seconds); }; });

  CLI11_PARSE(app, argc, argv);
  const absl::StatusOr<Figures> figures = run();
  if (!figures.ok()) {
    std::fprintf(stderr, "pontoon-bench: %s: %s\n", broker.uri.c_str(),
                 std::string(figures.status().message()).c_str());
    return 1;
  }
  std::string line;
  for (const auto& [name, value] : *figures) {
    absl::StrAppendFormat(&line, json ? "%s\"%s\": %.3f" : "%s%s=%.3f",
                          line.empty() ? "" : (json ? ", " : " "), name, value);
  }
  std::printf(json ? "{%s}\n" : "%s\n", line.c_str());
  return 0;
}

}  // namespace
}  // namespace pontoon::bench

int main(int argc, char** argv) { return pontoon::bench::Main(argc, argv); }
