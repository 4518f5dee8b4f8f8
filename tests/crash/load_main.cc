// pontoon-crash-load: publishers with confirms and consumers that go on through crashes of the
// broker and write down what they do (history.h).
//
//   pontoon-crash-load --port N --run NAME --history FILE [--seed N] [--publishers N] [--rate N]
//                      [--outstanding N] [--bytes-max N] [--no-consumers]
//                      [--patience SECONDS]
//       runs until standard input ends; prints `blocked REASON` and `unblocked`
//   pontoon-crash-load --port N --run NAME --history FILE --drain SECONDS
//       takes everything out of all queues instead
//
// Exit: 0; 1 when the drain failed; 2 for wrong arguments; 3 when the history cannot be written.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "tests/crash/consumer.h"
#include "tests/crash/content.h"
#include "tests/crash/history.h"
#include "tests/crash/publisher.h"

namespace pontoon::crash {
namespace {

int Main(int argc, char** argv) {
  LoadOptions options;
  uint32_t port = 0, publishers = 2, drain_seconds = 0, patience_seconds = 20;
  bool consumers = true;
  std::string path;
  const std::map<std::string, uint32_t*> numbers = {{"--port", &port},
                                                    {"--publishers", &publishers},
                                                    {"--rate", &options.rate},
                                                    {"--outstanding", &options.outstanding_max},
                                                    {"--bytes-max", &options.bytes_max},
                                                    {"--patience", &patience_seconds},
                                                    {"--drain", &drain_seconds}};
  const std::map<std::string, std::string*> texts = {{"--run", &options.run}, {"--history", &path}};
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--no-consumers") {
      consumers = false;
      continue;
    }
    const std::string value = ++i < argc ? argv[i] : "";
    if (const auto text = texts.find(argument); text != texts.end() && !value.empty()) {
      *text->second = value;
    } else if (const auto number = numbers.find(argument);
               number != numbers.end() && absl::SimpleAtoi(value, number->second)) {
    } else if (argument != "--seed" || !absl::SimpleAtoi(value, &options.seed)) {
      std::fprintf(stderr, "pontoon-crash-load: bad argument %s %s\n", argument.c_str(),
                   value.c_str());
      return 2;
    }
  }
  if (port == 0 || port > 65535 || options.run.empty() || path.empty()) {
    std::fprintf(stderr, "pontoon-crash-load: --port, --run and --history are needed\n");
    return 2;
  }
  options.bytes_max = std::min(options.bytes_max, kBodyBytesMax);
  options.port = static_cast<uint16_t>(port);
  absl::StatusOr<HistoryWriter> history = HistoryWriter::Create(path);
  if (!history.ok()) {
    std::fprintf(stderr, "pontoon-crash-load: %s\n", history.status().ToString().c_str());
    return 3;
  }

  int result = 0;
  if (drain_seconds != 0) {
    const absl::Status status = DrainAll(options, &*history, base::Seconds(drain_seconds));
    if (!status.ok()) {
      std::fprintf(stderr, "pontoon-crash-load: drain: %s\n", status.ToString().c_str());
      result = 1;
    }
  } else {
    std::vector<std::unique_ptr<Publisher>> publishing;
    std::vector<std::unique_ptr<Consumer>> consuming;
    for (uint32_t n = 1; n <= publishers; ++n) {
      publishing.push_back(std::make_unique<Publisher>(options, n, &*history));
    }
    for (const absl::string_view queue : kConsumedQueues) {
      if (!consumers) break;
      consuming.push_back(std::make_unique<Consumer>(options, std::string(queue), &*history));
    }
    char ignored[256];
    while (read(STDIN_FILENO, ignored, sizeof(ignored)) > 0) {
    }
    for (const auto& publisher : publishing) publisher->Stop(base::Seconds(patience_seconds));
    for (const auto& consumer : consuming) consumer->Stop();
  }
  history->Write({.kind = Event::Kind::kEnd});
  return result;
}

}  // namespace
}  // namespace pontoon::crash

int main(int argc, char** argv) { return pontoon::crash::Main(argc, argv); }
