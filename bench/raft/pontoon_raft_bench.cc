// pontoon-raft-bench: what raft/ over storage/ costs, without anything of AMQP, and the bare costs
// beside it. Each command is one measurement and prints its figures as one line of JSON (or text).

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <string>

#include "absl/strings/str_format.h"
#include "bench/raft/bare_costs.h"
#include "bench/raft/idle.h"
#include "bench/raft/load.h"
#include "bench/raft/snapshot.h"

namespace pontoon::bench {
namespace {

int Main(int argc, char** argv) {
  CLI::App app("Raft, its log on RocksDB, and what the same bytes cost without them");
  app.require_subcommand(1);
  app.fallthrough();
  bool json = false;
  const char* const temporary = std::getenv("TMPDIR");
  std::string folder = temporary != nullptr ? temporary : "/tmp";
  ClusterOptions cluster;
  LoadOptions load;
  LoadTimes times;
  int settle_millis = 500, copies = 1;
  app.add_flag("--json", json, "print JSON");
  app.add_option("--folder", folder, "where scratch folders are made: on the disk to be measured");
  app.add_option("--payload", load.payload_bytes, "bytes of a body")
      ->check(CLI::Range(1, static_cast<int>(raft::kEntryBodyBytesMax)));
  app.add_option("--voters", cluster.voters, "nodes, each with a RocksDB, in this process")
      ->check(CLI::Range(1, 5));
  const std::map<std::string, Wire> wires{{"in-process", Wire::kInProcess}, {"grpc", Wire::kGrpc}};
  app.add_option("--wire", cluster.wire, "between them")->transform(CLI::CheckedTransformer(wires));
  app.add_option("--groups", cluster.groups, "Raft groups")->check(CLI::PositiveNumber);
  app.add_option("--in-flight", load.in_flight, "proposals on their way, in all groups together")
      ->check(CLI::PositiveNumber);
  app.add_option("--settle-ms", settle_millis, "how long a body is live");
  app.add_option("--seconds", times.seconds, "measured time");
  app.add_option("--warm-up", times.warm_up_seconds, "time before it");

  std::function<absl::StatusOr<Figures>()> run;
  CLI::App* command = app.add_subcommand("load", "proposals, each with a body, on a cluster");
  command->callback([&] {
    run = [&] {
      cluster.folder = folder;
      load.settle_after = base::Millis(settle_millis);
      return MeasureLoad(cluster, load, times);
    };
  });

  command = app.add_subcommand("idle", "groups that have nothing to do");
  command->callback([&] {
    run = [&] {
      cluster.folder = folder;
      return MeasureIdle(cluster, times.seconds);
    };
  });

  SnapshotOptions snapshot;
  command = app.add_subcommand("snapshot", "a group's live bodies to a node with an empty disk");
  command->add_option("--bytes", snapshot.bytes, "of live bodies");
  command->add_option("--body", snapshot.body_bytes, "bytes of each of them")
      ->check(CLI::Range(1, static_cast<int>(raft::kEntryBodyBytesMax)));
  command->callback([&] {
    run = [&] {
      cluster.folder = folder;
      snapshot.payload_bytes = load.payload_bytes;
      snapshot.seconds = times.seconds;
      return MeasureSnapshot(cluster, snapshot);
    };
  });

  const auto bare = [&] {
    return BareOptions{.payload_bytes = load.payload_bytes,
                       .batch = load.in_flight,
                       .groups = cluster.groups,
                       .copies = copies,
                       .settle_after = base::Millis(settle_millis),
                       .warm_up_seconds = times.warm_up_seconds,
                       .seconds = times.seconds,
                       .folder = folder};
  };
  command = app.add_subcommand("file", "the same batches appended to a file, with fdatasync");
  command->add_option("--copies", copies, "files side by side")->check(CLI::PositiveNumber);
  command->callback([&] { run = [&] { return MeasureBareFile(bare()); }; });
  command = app.add_subcommand("rocksdb", "the same batches written to RocksDB by one loop");
  command->add_option("--copies", copies, "databases side by side")->check(CLI::PositiveNumber);
  command->callback([&] { run = [&] { return MeasureBareRocksDb(bare()); }; });

  CLI11_PARSE(app, argc, argv);
  const absl::StatusOr<Figures> figures = run();
  if (!figures.ok()) {
    std::fprintf(stderr, "pontoon-raft-bench: %s\n",
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
