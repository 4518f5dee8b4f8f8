#include "raft/sim/simulation.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>

namespace pontoon::raft::sim {
namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr uint64_t kSeeds = 10;
#else
constexpr uint64_t kSeeds = 40;
#endif

TEST(SimulationTest, WhateverFailsWhatWasCommittedStaysAndPeaceBringsAgreement) {
  Outcome total;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const Outcome outcome = RunPlan(DrawPlan(seed));
    ASSERT_EQ(outcome.failure, "") << "seed " << seed << "\n" << ToText(DrawPlan(seed));
    total.steps += outcome.steps;
    total.faults += outcome.faults;
    total.committed += outcome.committed;
    total.reads += outcome.reads;
    total.elections += outcome.elections;
    for (size_t i = 0; i < total.coincided.size(); ++i) total.coincided[i] += outcome.coincided[i];
  }
  // A run in which nothing happens shows nothing.
  EXPECT_GE(total.steps, 8000 * kSeeds);
  EXPECT_GE(total.faults, 10 * kSeeds);
  EXPECT_GE(total.committed, 300 * kSeeds);
  EXPECT_GE(total.reads, 10 * kSeeds);
  EXPECT_GE(total.elections, 5 * kSeeds);
  if (kSeeds < 40) return;
  for (const Coincidence rare :
       {Coincidence::kSilentLoss, Coincidence::kChangeInSnapshot, Coincidence::kMajorityLost,
        Coincidence::kReopenedIncomplete, Coincidence::kEntryLost, Coincidence::kDamagedPart,
        Coincidence::kDamagedSender})
    EXPECT_GE(total.coincided[static_cast<size_t>(rare)], 1u) << NameOf(rare);
}

TEST(SimulationTest, TheSameSeedGivesTheSameTraceToTheLastByte) {
  for (uint64_t seed = 1; seed <= kSeeds / 5; ++seed) {
    const Plan plan = DrawPlan(seed);
    const Outcome once = RunPlan(plan, /*keep_text=*/true);
    // Memory lies elsewhere now.
    const std::string in_between(100000 + seed, 'x');
    const Outcome again = RunPlan(plan, /*keep_text=*/true);
    EXPECT_EQ(once.trace, again.trace);
    EXPECT_EQ(once.steps, again.steps);
    EXPECT_TRUE(once.text == again.text) << "seed " << seed;
    EXPECT_GT(once.text.size(), 10000u);
  }
}

// What was found once: every script runs without a finding.
TEST(SimulationTest, EveryScriptOfAnOldFindingPasses) {
  std::vector<std::filesystem::path> scripts;
  for (const auto& file : std::filesystem::directory_iterator(PONTOON_SIM_SCRIPTS)) {
    if (file.path().extension() == ".sim") scripts.push_back(file.path());
  }
  // An empty folder shows nothing.
  ASSERT_GE(scripts.size(), 14u);
  std::sort(scripts.begin(), scripts.end());
  for (const std::filesystem::path& path : scripts) {
    std::stringstream text;
    text << std::ifstream(path).rdbuf();
    const absl::StatusOr<Plan> plan = ParsePlan(text.str());
    ASSERT_TRUE(plan.ok()) << path << ": " << plan.status();
    EXPECT_EQ(RunPlan(*plan).failure, "") << path;
  }
}

}  // namespace
}  // namespace pontoon::raft::sim
