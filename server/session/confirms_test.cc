#include "server/session/confirms.h"

#include <gtest/gtest.h>

#include <set>

#include "base/random.h"

namespace pontoon::session {
namespace {

using Answer = Confirms::Answer;

std::vector<Answer> TakeAll(Confirms* confirms) {
  std::vector<Answer> answers;
  confirms->Take(&answers);
  return answers;
}

TEST(ConfirmsTest, MessagesThatFinishInOneTurnAreOneAckWithMultiple) {
  Confirms confirms;
  for (int i = 0; i < 5; ++i) confirms.Begin();
  for (uint64_t n = 1; n <= 3; ++n) confirms.Finish(n, false);
  EXPECT_EQ(TakeAll(&confirms), (std::vector<Answer>{{3, true, false}}));
  EXPECT_EQ(confirms.unconfirmed(), 2u);
  confirms.Finish(4, false);
  EXPECT_EQ(TakeAll(&confirms), (std::vector<Answer>{{4, false, false}}));
  EXPECT_TRUE(TakeAll(&confirms).empty());
}

TEST(ConfirmsTest, AMessageBehindAnUnfinishedOneIsConfirmedAlone) {
  Confirms confirms;
  for (int i = 0; i < 4; ++i) confirms.Begin();
  confirms.Finish(4, false);
  confirms.Finish(2, false);
  EXPECT_EQ(TakeAll(&confirms), (std::vector<Answer>{{2, false, false}, {4, false, false}}));
  confirms.Finish(3, false);
  confirms.Finish(1, false);
  EXPECT_EQ(TakeAll(&confirms), (std::vector<Answer>{{3, true, false}}));
  EXPECT_EQ(confirms.unconfirmed(), 0u);
}

TEST(ConfirmsTest, ARefusedMessageIsNackedBetweenItsNeighbours) {
  Confirms confirms;
  for (int i = 0; i < 6; ++i) confirms.Begin();
  for (uint64_t n = 1; n <= 6; ++n) confirms.Finish(n, n == 3 || n == 4);
  EXPECT_EQ(TakeAll(&confirms),
            (std::vector<Answer>{{2, true, false}, {4, true, true}, {6, true, false}}));
}

// What a client makes of the answers: every number exactly once, with its fate.
TEST(ConfirmsTest, EveryMessageIsAnsweredExactlyOnceWhateverTheOrder) {
  base::SeededRandom random(1);
  for (int round = 0; round < 200; ++round) {
    Confirms confirms;
    std::vector<uint64_t> open;
    std::set<uint64_t> waiting;
    std::set<uint64_t> refused;
    for (int step = 0; step < 300; ++step) {
      if (random.Below(2) == 0) {
        open.push_back(confirms.Begin());
        waiting.insert(open.back());
      } else if (!open.empty()) {
        const size_t at = random.Below(3) == 0 ? random.Below(open.size()) : 0;
        const bool refuse = random.Below(5) == 0;
        if (refuse) refused.insert(open[at]);
        confirms.Finish(open[at], refuse);
        open.erase(open.begin() + static_cast<long>(at));
      }
      if (random.Below(4) != 0 && step != 299) continue;
      for (const Answer& answer : TakeAll(&confirms)) {
        ASSERT_EQ(waiting.count(answer.sequence), 1u);
        auto it = answer.multiple ? waiting.begin() : waiting.find(answer.sequence);
        while (it != waiting.end() && *it <= answer.sequence) {
          ASSERT_EQ(refused.count(*it), answer.nack ? 1u : 0u);
          it = waiting.erase(it);
        }
      }
      ASSERT_EQ(waiting, std::set<uint64_t>(open.begin(), open.end()));
    }
  }
}

}  // namespace
}  // namespace pontoon::session
