// pontoon-check: reads the histories of a run and says whether the broker kept its promises.
//
//   pontoon-check [--min-confirmed N] [--min-share PERCENT] [--min-unknown N] [--min-faults N]
//                 [--ack-grace-ms N] [--json FILE] HISTORY...
//
// Prints the report as one line, and what was wrong. Exit: 0 pass, 1 fail, 2 unknown (also for
// wrong arguments): only 0 is green.
#include <cstdio>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "tests/crash/checker.h"

namespace pontoon::crash {
namespace {

int Main(int argc, char** argv) {
  CheckOptions options;
  uint64_t ack_grace_ms = options.ack_grace_nanos / 1'000'000;
  const std::map<std::string, uint64_t*> numbers = {
      {"--min-confirmed", &options.floors.confirmed},
      {"--min-share", &options.floors.share_percent},
      {"--min-unknown", &options.floors.outcomes_unknown},
      {"--min-faults", &options.floors.faults},
      {"--ack-grace-ms", &ack_grace_ms}};
  std::string json_path;
  std::vector<std::string> paths;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const auto number = numbers.find(argument);
    if (number == numbers.end() && argument != "--json") {
      paths.push_back(argument);
      continue;
    }
    const std::string value = ++i < argc ? argv[i] : "";
    if (number == numbers.end()) {
      json_path = value;
    } else if (!absl::SimpleAtoi(value, number->second)) {
      std::fprintf(stderr, "pontoon-check: %s wants a number\n", argument.c_str());
      return 2;
    }
  }
  options.ack_grace_nanos = static_cast<int64_t>(ack_grace_ms) * 1'000'000;

  std::vector<Event> events;
  std::vector<std::string> unreadable;
  if (paths.empty()) unreadable.push_back("no history was given");
  for (const std::string& path : paths) {
    absl::StatusOr<std::vector<Event>> history = ReadHistory(path);
    if (!history.ok()) {
      unreadable.emplace_back(history.status().message());
      continue;
    }
    events.insert(events.end(), std::make_move_iterator(history->begin()),
                  std::make_move_iterator(history->end()));
  }
  Report report = Check(std::move(events), options);
  // With a history missing, what was seen too much may be its events, and proves nothing either.
  if (!unreadable.empty()) {
    const std::vector<std::string> incomplete = std::move(unreadable);
    report = Report();
    report.incomplete = incomplete;
  }
  if (!json_path.empty()) std::ofstream(json_path) << report.ToJson();
  std::printf("%s\n", report.ToLine().c_str());
  for (const std::string& text : report.broken) std::printf("  broken: %s\n", text.c_str());
  for (const std::string& text : report.incomplete) std::printf("  incomplete: %s\n", text.c_str());
  switch (report.verdict()) {
    case Verdict::kPass:
      return 0;
    case Verdict::kFail:
      return 1;
    case Verdict::kUnknown:
      break;
  }
  return 2;
}

}  // namespace
}  // namespace pontoon::crash

int main(int argc, char** argv) { return pontoon::crash::Main(argc, argv); }
