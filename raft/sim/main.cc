#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "raft/sim/plan.h"
#include "raft/sim/shrink.h"
#include "raft/sim/simulation.h"

// pontoon-sim: runs simulated clusters through disasters, and says what broke.

namespace pontoon::raft::sim {
namespace {

constexpr char kUsage[] = R"(usage: pontoon-sim [OPTION...]
  --seed N [--trace]      run one seed; print what happened
  --seeds K [--from S]    run K seeds from S (default 1) on
  --for 90s|10m|1h        run seeds for so long
  --script FILE           run a plan that was written down
  --shrink                with --seed or --script: cut a failing plan down
  --out FILE              write the (shrunk) plan there
  --set NAME=VALUE        an option of the plan, instead of what was drawn
  --jobs J                processes at once (default 2)
  --table                 how often each thing happened, per 1,000 seeds
)";

struct Arguments {
  uint64_t seed = 0, seeds = 0, from = 1, seconds = 0, workers = 2;
  bool one = false, trace = false, shrink = false, table = false;
  std::string script, out;
  std::string options;  // Lines as in a script.
};

// The seed's plan, with the options that were set by hand.
Plan PlanOf(const Arguments& arguments, uint64_t seed) {
  Plan plan = DrawPlan(seed);
  if (arguments.options.empty()) return plan;
  absl::StatusOr<Plan> changed = ParsePlan(ToText(plan) + arguments.options);
  if (!changed.ok()) {
    std::cerr << changed.status().message() << "\n";
    exit(2);
  }
  return *std::move(changed);
}

// Runs the plan in a process of its own: a failed check ends only that. What it said to stderr last
// is then the failure.
Outcome RunApart(const Plan& plan) {
  int out[2];
  if (pipe(out) != 0) abort();
  const pid_t child = fork();
  if (child == 0) {
    close(out[0]);
    dup2(out[1], STDERR_FILENO);
    const Outcome outcome = RunPlan(plan);
    if (!outcome.failure.empty()) std::cerr << "FAILURE " << outcome.failure << "\n";
    std::cerr.flush();
    _exit(outcome.failure.empty() ? 0 : 3);
  }
  close(out[1]);
  std::string said;
  char buffer[4096];
  for (ssize_t got; (got = read(out[0], buffer, sizeof(buffer))) > 0;)
    said.append(buffer, static_cast<size_t>(got));
  close(out[0]);
  int status = 0;
  waitpid(child, &status, 0);
  Outcome outcome;
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return outcome;
  const size_t at = said.find("FAILURE ");
  if (at != std::string::npos) {
    outcome.failure = said.substr(at + 8, said.find('\n', at) - at - 8);
  } else {
    const std::string line = said.substr(0, said.find('\n'));
    const size_t slash = line.rfind("raft/");
    outcome.failure = slash == std::string::npos ? "crash: " + line : "check " + line.substr(slash);
  }
  return outcome;
}

struct Totals {
  uint64_t seeds = 0, failed = 0, steps = 0, faults = 0, committed = 0, elections = 0, reads = 0,
           installs = 0, changes = 0, replaced = 0, served_us = 0, slowest_us = 0;
  decltype(Outcome::happened) happened{};
  decltype(Outcome::coincided) coincided{};
  void Add(const Totals& more) {
    seeds += more.seeds, failed += more.failed, steps += more.steps, faults += more.faults;
    committed += more.committed, elections += more.elections, reads += more.reads;
    installs += more.installs, changes += more.changes, replaced += more.replaced;
    served_us += more.served_us, slowest_us = std::max(slowest_us, more.slowest_us);
    for (size_t i = 0; i < happened.size(); ++i) happened[i] += more.happened[i];
    for (size_t i = 0; i < coincided.size(); ++i) coincided[i] += more.coincided[i];
  }
};

// Every workers-th seed from `first` on, until there are enough or time is up. One line for each
// failure; the totals go into `out`.
void Work(const Arguments& arguments, uint64_t worker, int out) {
  Totals totals;
  const auto begin = std::chrono::steady_clock::now();
  for (uint64_t i = worker; arguments.seconds > 0 || i < arguments.seeds; i += arguments.workers) {
    if (arguments.seconds > 0 &&
        std::chrono::steady_clock::now() - begin > std::chrono::seconds(arguments.seconds))
      break;
    const uint64_t seed = arguments.from + i;
    // Said first, so that a check that ends the process has a seed.
    const std::string at = absl::StrCat("seed ", seed, "\n");
    (void)!write(out, at.data(), at.size());
    const Outcome outcome = RunPlan(PlanOf(arguments, seed));
    ++totals.seeds;
    totals.failed += !outcome.failure.empty();
    totals.steps += outcome.steps;
    totals.faults += outcome.faults;
    totals.committed += outcome.committed;
    totals.elections += outcome.elections;
    totals.reads += outcome.reads;
    totals.installs += outcome.installs;
    totals.changes += outcome.changes;
    totals.replaced += outcome.replaced;
    totals.served_us += static_cast<uint64_t>(outcome.served_us);
    totals.slowest_us = std::max(totals.slowest_us, static_cast<uint64_t>(outcome.served_us));
    for (size_t i = 0; i < totals.happened.size(); ++i) totals.happened[i] += outcome.happened[i];
    for (size_t i = 0; i < totals.coincided.size(); ++i)
      totals.coincided[i] += outcome.coincided[i];
    if (!outcome.failure.empty())
      std::cout << absl::StrCat("seed ", seed, ": ", outcome.failure, "\n") << std::flush;
  }
  const std::string done = absl::StrCat(
      "done ", totals.seeds, " ", totals.failed, " ", totals.steps, " ", totals.faults, " ",
      totals.committed, " ", totals.elections, " ", totals.reads, " ", totals.installs, " ",
      totals.changes, " ", totals.replaced, " ", totals.served_us, " ", totals.slowest_us, " ",
      absl::StrJoin(totals.happened, " "), " ", absl::StrJoin(totals.coincided, " "), "\n");
  (void)!write(out, done.data(), done.size());
}

// A worker whose seed ended it (a failed check) is counted, and another goes on behind that seed.
Totals RunWorker(Arguments arguments, uint64_t worker) {
  Totals totals;
  const auto begin = std::chrono::steady_clock::now();
  while (true) {
    int out[2];
    if (pipe(out) != 0) abort();
    const pid_t child = fork();
    if (child == 0) {
      close(out[0]);
      Work(arguments, worker, out[1]);
      std::cout.flush();
      _exit(0);
    }
    close(out[1]);
    std::string said, rest;
    char buffer[4096];
    uint64_t seed = 0, done = 0;
    bool finished = false;
    for (ssize_t got; (got = read(out[0], buffer, sizeof(buffer))) > 0;) {
      rest.append(buffer, static_cast<size_t>(got));
      for (size_t end; (end = rest.find('\n')) != std::string::npos; rest.erase(0, end + 1)) {
        std::istringstream line(rest.substr(0, end));
        std::string word;
        line >> word;
        if (word == "seed") {
          line >> seed;
          ++done;
        } else {
          Totals more;
          line >> more.seeds >> more.failed >> more.steps >> more.faults >> more.committed >>
              more.elections >> more.reads >> more.installs >> more.changes >> more.replaced >>
              more.served_us >> more.slowest_us;
          for (uint64_t& count : more.happened) line >> count;
          for (uint64_t& count : more.coincided) line >> count;
          totals.Add(more);
          finished = true;
        }
      }
    }
    close(out[0]);
    int status = 0;
    waitpid(child, &status, 0);
    if (finished) return totals;
    std::cout << absl::StrCat("seed ", seed, ": ended by a failed check\n") << std::flush;
    totals.seeds += done;
    totals.failed += 1;
    const uint64_t passed = seed - arguments.from + arguments.workers - worker;
    arguments.from += passed;
    if (arguments.seconds > 0) {
      const auto spent =
          std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - begin)
              .count();
      if (static_cast<uint64_t>(spent) >= arguments.seconds) return totals;
      arguments.seconds -= static_cast<uint64_t>(spent);
    } else {
      if (arguments.seeds <= passed) return totals;
      arguments.seeds -= passed;
    }
  }
}

int RunMany(const Arguments& arguments) {
  const auto begin = std::chrono::steady_clock::now();
  std::vector<std::pair<pid_t, int>> workers;
  for (uint64_t worker = 0; worker < arguments.workers; ++worker) {
    int out[2];
    if (pipe(out) != 0) abort();
    const pid_t child = fork();
    if (child == 0) {
      close(out[0]);
      const Totals totals = RunWorker(arguments, worker);
      (void)!write(out[1], &totals, sizeof(totals));
      _exit(0);
    }
    close(out[1]);
    workers.emplace_back(child, out[0]);
  }
  Totals totals;
  for (const auto& [child, out] : workers) {
    Totals more;
    if (read(out, &more, sizeof(more)) == sizeof(more)) {
      totals.Add(more);
    } else {
      ++totals.failed;
    }
    close(out);
    waitpid(child, nullptr, 0);
  }
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  const double seeds = std::max<double>(1, static_cast<double>(totals.seeds));
  const auto line = [seeds](uint64_t count, absl::string_view name) {
    std::cout << absl::StrFormat("%9.1f  %s\n", static_cast<double>(count) * 1000 / seeds, name);
  };
  if (arguments.table) std::cout << "per 1,000 seeds:\n";
  for (size_t i = 0; i < totals.happened.size() && arguments.table; ++i)
    line(totals.happened[i], NameOf(static_cast<Happening>(i)));
  for (size_t i = 0; i < totals.coincided.size() && arguments.table; ++i)
    line(totals.coincided[i], NameOf(static_cast<Coincidence>(i)));
  std::cout << absl::StrFormat(
      "per seed: %.0f committed, %.1f elections, %.1f reads, %.1f snapshots, %.1f changes of "
      "members, %.1f replicas replaced; all served %.1f s after the last fault on average, %.1f s "
      "at most\n",
      static_cast<double>(totals.committed) / seeds, static_cast<double>(totals.elections) / seeds,
      static_cast<double>(totals.reads) / seeds, static_cast<double>(totals.installs) / seeds,
      static_cast<double>(totals.changes) / seeds, static_cast<double>(totals.replaced) / seeds,
      static_cast<double>(totals.served_us) / seeds / 1e6,
      static_cast<double>(totals.slowest_us) / 1e6);
  std::cout << absl::StrFormat(
      "%d seeds from %d, %d failed; %.0f steps and %.1f faults per seed, %.0f s (%.0f ms of one "
      "core each)\n",
      totals.seeds, arguments.from, totals.failed, static_cast<double>(totals.steps) / seeds,
      static_cast<double>(totals.faults) / seeds, seconds,
      seconds * 1000 * static_cast<double>(arguments.workers) / seeds);
  return totals.failed == 0 && totals.seeds > 0 ? 0 : 1;
}

int RunOne(const Arguments& arguments) {
  Plan plan;
  if (arguments.script.empty()) {
    plan = PlanOf(arguments, arguments.seed);
  } else {
    std::ifstream file(arguments.script);
    std::stringstream text;
    text << file.rdbuf();
    absl::StatusOr<Plan> parsed = ParsePlan(text.str());
    if (!file || !parsed.ok()) {
      std::cerr << arguments.script << ": " << parsed.status().message() << "\n";
      return 2;
    }
    plan = *std::move(parsed);
  }
  if (arguments.shrink) {
    const Outcome first = RunApart(plan);
    if (first.failure.empty()) {
      std::cout << "nothing to shrink: it does not fail\n";
      return 2;
    }
    plan = Shrink(plan, first.invariant(),
                  [](const Plan& tried) { return RunApart(tried).invariant(); });
  }
  if (!arguments.out.empty()) {
    std::ofstream(arguments.out) << ToText(plan);
  }
  const Outcome apart = RunApart(plan);
  if (absl::StartsWith(apart.failure, "check") || absl::StartsWith(apart.failure, "crash")) {
    std::cout << ToText(plan) << apart.failure << "\n";
    if (arguments.trace) RunPlan(plan, true);
    return 1;
  }
  const Outcome outcome = RunPlan(plan, arguments.trace);
  if (arguments.trace) std::cout << outcome.text;
  if (!outcome.failure.empty()) {
    if (!arguments.trace) std::cout << ToText(plan);
    std::cout << outcome.failure << "\n";
  }
  std::cout << absl::StrFormat(
      "seed %d: %s; %d steps, %d faults, %d committed, %d elections, %d snapshots, trace %016x\n",
      plan.options.seed,
      outcome.failure.empty() ? "nothing found" : outcome.invariant() + " broken", outcome.steps,
      outcome.faults, outcome.committed, outcome.elections, outcome.installs, outcome.trace);
  return outcome.failure.empty() ? 0 : 1;
}

bool ParseDuration(std::string text, uint64_t* seconds) {
  uint64_t unit = 1;
  if (!text.empty() && (text.back() == 'h' || text.back() == 'm' || text.back() == 's')) {
    unit = text.back() == 'h' ? 3600 : text.back() == 'm' ? 60 : 1;
    text.pop_back();
  }
  if (!absl::SimpleAtoi(text, seconds)) return false;
  *seconds *= unit;
  return *seconds > 0;
}

int Main(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    const std::string value = i + 1 < argc ? argv[i + 1] : "";
    bool fine = true;
    if (name == "--trace") {
      arguments.trace = true;
      continue;
    }
    if (name == "--table") {
      arguments.table = true;
      continue;
    }
    if (name == "--shrink") {
      arguments.shrink = true;
      continue;
    }
    if (name == "--seed") {
      fine = absl::SimpleAtoi(value, &arguments.seed);
      arguments.one = true;
    } else if (name == "--seeds") {
      fine = absl::SimpleAtoi(value, &arguments.seeds);
    } else if (name == "--from") {
      fine = absl::SimpleAtoi(value, &arguments.from);
    } else if (name == "--jobs") {
      fine = absl::SimpleAtoi(value, &arguments.workers) && arguments.workers > 0;
    } else if (name == "--for") {
      fine = ParseDuration(value, &arguments.seconds);
    } else if (name == "--script") {
      arguments.script = value;
      arguments.one = true;
    } else if (name == "--set") {
      const size_t equals = value.find('=');
      fine = equals != std::string::npos;
      if (fine)
        absl::StrAppend(&arguments.options, "option ", value.substr(0, equals), " ",
                        value.substr(equals + 1), "\n");
    } else if (name == "--out") {
      arguments.out = value;
    } else {
      fine = false;
    }
    ++i;
    if (!fine) {
      std::cerr << kUsage;
      return 2;
    }
  }
  if (arguments.one) return RunOne(arguments);
  if (arguments.seeds == 0 && arguments.seconds == 0) arguments.seeds = 100;
  return RunMany(arguments);
}

}  // namespace
}  // namespace pontoon::raft::sim

int main(int argc, char** argv) { return pontoon::raft::sim::Main(argc, argv); }
