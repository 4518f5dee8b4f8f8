#include "raft/sim/plan.h"

#include <set>

#include "raft/sim/shrink.h"

namespace pontoon::raft::sim {
namespace {

TEST(PlanTest, APlanThatWasWrittenDownIsTheSamePlan) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    const Plan plan = DrawPlan(seed);
    const absl::StatusOr<Plan> parsed = ParsePlan(ToText(plan));
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    EXPECT_EQ(*parsed, plan);
  }
}

TEST(PlanTest, ALineThatMeansNothingIsNamed) {
  for (const char* bad :
       {"option nodes", "option no 3", "@1 explode 2", "@x crash 1", "crash 1", "@1 crash a",
        "@1 crash 1 2 3 4 5", "option nodes 0", "option founders 9"}) {
    EXPECT_EQ(ParsePlan(absl::StrCat("# a comment\n\n", bad)).status().code(),
              absl::StatusCode::kInvalidArgument)
        << bad;
  }
}

TEST(PlanTest, EverySeedHasASixtySecondsOfWorkAndTenFaultsOrMore) {
  std::set<Happening> kinds;
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    const Plan plan = DrawPlan(seed);
    EXPECT_GE(plan.options.seconds, 60u);
    EXPECT_GE(plan.options.nodes, 3u);
    EXPECT_LE(plan.options.nodes, 5u);
    EXPECT_GE(plan.options.groups, 2u);
    EXPECT_LE(plan.options.groups, 8u);
    size_t faults = 0;
    for (const Event& event : plan.events) {
      faults += IsFault(event.what);
      kinds.insert(event.what);
    }
    EXPECT_GE(faults, 10u);
  }
  EXPECT_EQ(kinds.size(), static_cast<size_t>(Happening::kCount)) << "some kind never happens";
}

TEST(ShrinkTest, OnlyWhatBreaksTheInvariantIsLeft) {
  const Plan plan = DrawPlan(3);
  // Breaks if a crash of node 2 comes before a split.
  const auto run = [](const Plan& tried) -> std::string {
    bool crashed = false;
    for (const Event& event : tried.events) {
      if (event.what == Happening::kCrash && event.args[0] == 2) crashed = true;
      if (event.what == Happening::kPropose && crashed) return "R8";
    }
    return "";
  };
  Plan failing = plan;
  failing.events.insert(failing.events.begin(), {1000000, Happening::kCrash, {2, 5, 0, 0}});
  ASSERT_EQ(run(failing), "R8");
  const Plan shrunk = Shrink(failing, "R8", run);
  ASSERT_EQ(shrunk.events.size(), 2u);
  EXPECT_EQ(shrunk.events[0].what, Happening::kCrash);
  EXPECT_EQ(shrunk.events[1].what, Happening::kPropose);
  EXPECT_EQ(shrunk.options.groups, 1u);
  EXPECT_LT(shrunk.options.seconds, 10u);
}

}  // namespace
}  // namespace pontoon::raft::sim
