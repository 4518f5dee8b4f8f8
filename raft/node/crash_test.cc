#include <set>

#include "raft/node/test_world.h"

// The promises of a log of one voter across crashes: what was applied once is there in every later
// life, at the same index and in the same order; nothing is applied twice in one life; no body that
// was not dropped is missing.

namespace pontoon::raft {
namespace {

const GroupId kA{1};
const GroupId kB{2};

bool StartsWith(const std::string& whole, const std::string& part) {
  return whole.compare(0, part.size(), part) == 0;
}

// One run by chance: proposals, checkpoints, partial syncs and crashes in any order.
class ChanceRun {
 public:
  explicit ChanceRun(uint64_t seed)
      : node_(seed, {kA, kB}, {.core = {.committed_entries_max = 3}}) {
    Watch();
  }

  void Step() {
    base::Random& random = node_.random;
    const GroupId group = random.Below(2) == 0 ? kA : kB;
    switch (random.Below(12)) {
      case 0:
      case 1:
        node_.Tick();
        break;
      case 2:
      case 3:
      case 4:
        Propose(group);
        break;
      case 5:
      case 6:
        node_.store.Sync(random.Below(3));
        break;
      case 7:
        node_.store.Report();
        break;
      case 8:
        (void)node_.raft->Flush();
        node_.Check();
        break;
      case 9:
        if (node_.raft->applied(group).index > Index{0}) node_.SubmitCheckpoint(group);
        break;
      case 10:
        DropOneBody(group);
        break;
      case 11:
        if (random.Below(16) == 0) Crash();
        break;
    }
    Observe();
  }

  void Crash() {
    Observe();
    node_.CrashAndOpen();
    Watch();
    ++crashes_;
  }

  // After the dust has settled everything that was ever seen applied is there again.
  void Finish() {
    Crash();
    node_.Settle();
    for (const GroupId group : {kA, kB}) {
      ASSERT_TRUE(node_.raft->leads(group));
      ASSERT_TRUE(StartsWith(node_.machines[group]->state, seen_[group]))
          << "what was applied in an earlier life is gone";
      for (const auto& [index, body] : bodies_[group]) CheckBody(group, index, body);
    }
  }
  int crashes() const { return crashes_; }
  int owed_bodies() const { return owed_bodies_; }

 private:
  void Propose(GroupId group) {
    if (!node_.raft->leads(group)) return;
    const std::string header = absl::StrCat("m", ++proposed_);
    const std::string body = node_.random.Below(2) == 0 ? "" : absl::StrCat("body of ", header);
    ASSERT_TRUE(node_.Propose(group, header, body).ok());
  }
  // Bodies are owed from the moment when their entry is applied until the drop is submitted.
  void Watch() {
    for (const GroupId group : {kA, kB}) {
      node_.machines[group]->on_apply = [this, group](const Entry& entry) {
        if (entry.body.empty()) return;
        ++owed_bodies_;
        bodies_[group][entry.id.index] = std::string(entry.body.Flatten().view());
      };
    }
  }
  void DropOneBody(GroupId group) {
    if (bodies_[group].empty()) return;
    StateTask task;
    task.group = group;
    task.drop_bodies.push_back(bodies_[group].begin()->first);
    bodies_[group].erase(bodies_[group].begin());
    node_.raft->SubmitState(std::move(task));
  }
  void CheckBody(GroupId group, Index index, const std::string& body) {
    std::string found;
    node_.store.ReadBodies(group, {{index, 0, static_cast<uint32_t>(body.size())}},
                           [&](auto slices) {
                             if (slices[0].ok()) found = std::string(slices[0]->view());
                           });
    node_.store.AnswerReads();
    ASSERT_EQ(found, body) << "group " << group.value << " index " << index.value;
  }
  // What is applied now and what was applied in any life before agree as far as both go.
  void Observe() {
    for (const GroupId group : {kA, kB}) {
      const std::string& state = node_.machines[group]->state;
      ASSERT_TRUE(StartsWith(state, seen_[group]) || StartsWith(seen_[group], state))
          << state << " / " << seen_[group];
      if (state.size() > seen_[group].size()) seen_[group] = state;
    }
  }

  TestNode node_;
  std::map<GroupId, std::string> seen_;
  std::map<GroupId, std::map<Index, std::string>> bodies_;
  int proposed_ = 0;
  int crashes_ = 0;
  int owed_bodies_ = 0;
};

TEST(SoleVoterCrashTest, NothingAppliedIsEverLostWhateverTheCrashes) {
  int crashes = 0;
  int bodies = 0;
  for (uint64_t seed = 1; seed <= 300 && !::testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    ChanceRun run(seed);
    for (int i = 0; i < 1000 && !::testing::Test::HasFailure(); ++i) run.Step();
    run.Finish();
    crashes += run.crashes();
    bodies += run.owed_bodies();
  }
  EXPECT_GT(crashes, 1000);
  EXPECT_GT(bodies, 5000);
}

TEST(SoleVoterCrashTest, TheSameSeedGivesTheSameRun) {
  std::vector<std::string> states;
  for (int i = 0; i < 2; ++i) {
    TestNode node(5, {kA});
    std::string trace;
    for (int round = 0; round < 50; ++round) {
      node.Settle();
      for (int n = 0; n < 3; ++n) ASSERT_TRUE(node.Propose(kA, "x", "y").ok());
      (void)node.raft->Flush();
      if (round % 7 == 0) node.SubmitCheckpoint(kA);
      if (round % 5 == 0) node.CrashAndOpen();
      absl::StrAppend(&trace, node.machines[kA]->state, "|");
    }
    states.push_back(trace);
  }
  EXPECT_EQ(states[0], states[1]);
}

// The steps of one life, one after the other; the crash comes after each of them in turn, with
// every part of what was not synced that could have survived.
class ScriptedLife {
 public:
  static constexpr int kSteps = 80;

  static void Step(TestNode& node, int step) {
    switch (step % 8) {
      case 0:
      case 1:
        return (void)node.Propose(kA, absl::StrCat("p", step), "body");
      case 4:
        return step % 16 == 4 ? node.SubmitCheckpoint(kA) : node.Tick();
      case 2:
      case 7:
        return (void)node.raft->Flush();
      case 3:
      case 5:
        return node.store.Sync(1);
      default:
        return node.store.Report();
    }
  }
};

TEST(SoleVoterCrashTest, ACrashAfterEveryStepOfALifeKeepsWhatWasApplied) {
  std::set<std::string> outcomes;
  for (int steps = 0; steps <= ScriptedLife::kSteps; ++steps) {
    for (uint64_t seed = 1; seed <= 8; ++seed) {
      SCOPED_TRACE(absl::StrCat("crash after step ", steps, ", seed ", seed));
      TestNode node(seed, {kA});
      node.Settle();
      for (int step = 0; step < steps; ++step) {
        ScriptedLife::Step(node, step);
        node.Check();
      }
      const std::string before = node.machines[kA]->state;
      const Term term = node.raft->term(kA);
      node.CrashAndOpen();
      node.Settle();
      ASSERT_TRUE(node.raft->leads(kA));
      ASSERT_GT(node.raft->term(kA), term) << "a term that was led may not be led again";
      ASSERT_TRUE(StartsWith(node.machines[kA]->state, before));
      ASSERT_TRUE(node.Propose(kA, "after").ok());
      node.Settle();
      outcomes.insert(node.machines[kA]->state);
    }
  }
  EXPECT_GT(outcomes.size(), 8u) << "the crashes all came at the same point";
}

TEST(SoleVoterCrashTest, ACrashBeforeTheFoundingIsDurableFoundsItAgain) {
  TestNode node(3, {kA});
  for (int i = 0; i < 5; ++i) {
    (void)node.raft->Flush();
    node.CrashAndOpen();
  }
  node.Settle();
  EXPECT_TRUE(node.raft->leads(kA));
  EXPECT_EQ(node.raft->core(kA).membership(), kTestAlone);
}

}  // namespace
}  // namespace pontoon::raft
