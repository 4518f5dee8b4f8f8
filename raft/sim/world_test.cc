#include "raft/sim/world.h"

#include <cstdlib>
#include <iostream>

namespace pontoon::raft::sim {
namespace {

struct Totals {
  size_t committed = 0, elections = 0, reads = 0, changes = 0, crashes = 0;
};

// A run: disasters first, then peace, in which everybody must agree again and serve.
void RunSeed(uint64_t seed, bool checkpoints, Totals* totals) {
  SCOPED_TRACE(absl::StrCat("seed ", seed));
  base::SeededRandom random(seed * 7919);
  const size_t nodes = 3 + random.Below(3);
  const size_t founders = 1 + random.Below(nodes);
  Faults faults = Faults::Draw(&random);
  if (checkpoints) faults.checkpoints_percent = 10;
  World world(seed, nodes, founders, faults);
  for (int i = 0; i < 10000; ++i)
    ASSERT_EQ(world.Step(), absl::OkStatus()) << "at " << i << " ms\n" << world.trace();
  world.Heal();
  for (int i = 0; i < 4000; ++i)
    ASSERT_EQ(world.Step(), absl::OkStatus()) << "healed, at " << i << " ms\n" << world.trace();
  const size_t before = world.committed();
  for (int i = 0; i < 1000; ++i)
    ASSERT_EQ(world.Step(), absl::OkStatus()) << "healed, at " << i << " ms\n" << world.trace();
  // Whoever needs a snapshot stays behind: there is none yet.
  if (!checkpoints) {
    EXPECT_GT(world.committed(), before) << "R19: nothing is committed any more\n" << world.trace();
    world.StopProposing();
    bool converged = false;
    for (int i = 0; i < 1500 && !converged; ++i) {
      ASSERT_EQ(world.Step(), absl::OkStatus());
      converged = world.Converged();
    }
    EXPECT_TRUE(converged) << "R19: no agreement after everything has healed\n"
                           << world.trace() << world.Describe();
    EXPECT_EQ(world.needs_snapshot(), 0u);
  }
  totals->committed += world.committed();
  totals->elections += world.elections();
  totals->reads += world.reads();
  totals->changes += world.changes();
  totals->crashes += world.crashes();
}

// A seed takes two seconds with the address sanitizer, a tenth of that without.
#if defined(__SANITIZE_ADDRESS__)
constexpr uint64_t kSeeds = 9;
#else
constexpr uint64_t kSeeds = 60;
#endif

// PONTOON_SIM_FROM and PONTOON_SIM_SEEDS choose other seeds, and how many.
TEST(WorldTest, WhateverFailsWhatWasCommittedStaysAndPeaceBringsAgreement) {
  Totals totals;
  const char* from = getenv("PONTOON_SIM_FROM");
  const char* count = getenv("PONTOON_SIM_SEEDS");
  const uint64_t first = from != nullptr ? strtoull(from, nullptr, 10) : 1;
  const uint64_t seeds = count != nullptr ? strtoull(count, nullptr, 10) : kSeeds;
  for (uint64_t seed = first; seed < first + seeds && !::testing::Test::HasFailure(); ++seed) {
    RunSeed(seed, false, &totals);
  }
  std::cout << "committed " << totals.committed << " elections " << totals.elections << " reads "
            << totals.reads << " changes " << totals.changes << " crashes " << totals.crashes
            << "\n";
}

TEST(WorldTest, CheckpointsNeverEndangerWhatWasCommitted) {
  Totals totals;
  for (uint64_t seed = 1001; seed < 1001 + kSeeds / 3 && !::testing::Test::HasFailure(); ++seed)
    RunSeed(seed, true, &totals);
}

TEST(WorldTest, TheSameSeedGivesTheSameRun) {
  base::SeededRandom random(5);
  const Faults faults = Faults::Draw(&random);
  World a(5, 5, 3, faults);
  World b(5, 5, 3, faults);
  for (int i = 0; i < 10000; ++i) {
    ASSERT_EQ(a.Step(), absl::OkStatus());
    ASSERT_EQ(b.Step(), absl::OkStatus());
  }
  EXPECT_EQ(a.trace(), b.trace());
  EXPECT_EQ(a.committed(), b.committed());
}

}  // namespace
}  // namespace pontoon::raft::sim
