#include "tests/crash/checker.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gtest/gtest.h"

namespace pontoon::crash {
namespace {

// Lines without their times: they get 1 ms, 2 ms, ... in order; "+N " before one lets N ms pass.
std::vector<Event> Events(const std::vector<std::string>& lines) {
  std::vector<Event> events;
  int64_t millis = 0;
  for (absl::string_view line : lines) {
    ++millis;
    if (line[0] == '+') {
      millis += std::stoll(std::string(line.substr(1)));
      line.remove_prefix(line.find(' ') + 1);
    }
    const absl::StatusOr<Event> event = Event::Parse(absl::StrCat(millis * 1'000'000, " ", line));
    EXPECT_TRUE(event.ok()) << event.status();
    events.push_back(*event);
  }
  return events;
}

Report CheckLines(const std::vector<std::string>& lines, const CheckOptions& options = {}) {
  return Check(Events(lines), options);
}

// A run in which everything happens that may: a fanout, a return, a refused message, a crash with
// unsettled deliveries and with an acknowledgement under way, a message given back.
const std::vector<std::string> kGood = {
    "started",
    "declared a",
    "declared b",
    "invoke 1.1.1 a",
    "invoke 1.1.2 a,b",
    "ok 1.1.1",
    "deliver x.1 1 a 1.1.1 0 good",
    "deliver x.1 2 a 1.1.2 0 good",
    "ack x.1 1 0",
    "ok 1.1.2",
    "invoke 1.1.3 -",
    "unrouted 1.1.3",
    "ok 1.1.3",
    "requeue x.1 2",
    "deliver x.1 3 a 1.1.2 1 good",
    "deliver y.1 1 b 1.1.2 0 good",
    "invoke 1.1.4 a",
    "invoke 1.1.5 a",
    "fault kill-9",
    "closed x.1 lost",
    "info 1.1.4",
    "info 1.1.5",
    "closed y.1 lost",
    "started",
    "deliver x.2 1 a 1.1.1 1 good",  // its acknowledgement was under way
    "deliver x.2 2 a 1.1.2 1 good",
    "deliver x.2 3 a 1.1.4 0 good",  // 1.1.5 was lost with the connection
    "ack x.2 3 1",
    "invoke 1.2.1 a,b",
    "ok 1.2.1",
    "closed x.2 clean",
    "deliver d.1 1 a 1.2.1 1 good",
    "ack d.1 1 0",
    "deliver d.2 1 b 1.1.2 1 good",
    "deliver d.2 2 b 1.2.1 0 good",
    "ack d.2 2 1",
    "closed d.1 clean",
    "closed d.2 clean",
    "drained a",
    "drained b",
};

std::vector<std::string> Without(size_t index) {
  std::vector<std::string> lines = kGood;
  lines.erase(lines.begin() + static_cast<std::ptrdiff_t>(index));
  return lines;
}

size_t IndexOf(const std::string& line) {
  for (size_t i = 0; i < kGood.size(); ++i) {
    if (kGood[i] == line) return i;
  }
  ADD_FAILURE() << line;
  return 0;
}

TEST(CheckerTest, AGoodRunPassesAndIsCounted) {
  const Report report = CheckLines(kGood);
  EXPECT_EQ(report.verdict(), Verdict::kPass) << report.ToJson();
  EXPECT_EQ(report.attempted, 6u);
  EXPECT_EQ(report.confirmed, 3u);
  EXPECT_EQ(report.unrouted, 1u);
  EXPECT_EQ(report.outcome_unknown, 2u);
  EXPECT_EQ(report.recovered, 1u);
  EXPECT_EQ(report.delivered, 6u);
  EXPECT_EQ(report.redelivered, 5u);
  EXPECT_EQ(report.redelivered_after_ack, 1u);
  EXPECT_EQ(report.confirmed_between_faults, 0u);
  EXPECT_EQ(report.longest_start_to_confirm_nanos, 6'000'000);
}

TEST(CheckerTest, EveryDeliveryOfAConfirmedMessageThatIsMissingIsALoss) {
  // Those whose absence nothing else hides: the only delivery of a pair.
  for (const char* line : {"deliver d.1 1 a 1.2.1 1 good", "deliver d.2 2 b 1.2.1 0 good"}) {
    const Report report = CheckLines(Without(IndexOf(line)));
    EXPECT_EQ(report.verdict(), Verdict::kFail) << line;
    EXPECT_EQ(report.lost, 1u) << line;
  }
}

TEST(CheckerTest, AFanoutIsCountedPerQueue) {
  std::vector<std::string> lines;
  for (const std::string& line : kGood) {
    if (line.find(" b 1.1.2 ") == std::string::npos) lines.push_back(line);
  }
  EXPECT_EQ(CheckLines(lines).lost, 1u);
}

TEST(CheckerTest, AMessageWithoutAConfirmMayBeLost) {
  EXPECT_EQ(CheckLines(Without(IndexOf("deliver x.2 3 a 1.1.4 0 good"))).verdict(), Verdict::kPass);
}

TEST(CheckerTest, EveryDeliveryThatIsDoubledIsNoticed) {
  for (size_t i = 0; i < kGood.size(); ++i) {
    if (kGood[i].rfind("deliver", 0) != 0) continue;
    std::vector<std::string> lines = kGood;
    lines.insert(lines.begin() + static_cast<std::ptrdiff_t>(i), kGood[i]);
    EXPECT_EQ(CheckLines(lines).verdict(), Verdict::kFail) << kGood[i];
  }
}

TEST(CheckerTest, ASecondCopyWithoutTheFlagIsADuplicateEvenAfterACrash) {
  std::vector<std::string> lines = kGood;
  lines[IndexOf("deliver x.2 2 a 1.1.2 1 good")] = "deliver x.2 2 a 1.1.2 0 good";
  const Report report = CheckLines(lines);
  EXPECT_EQ(report.duplicated, 1u);
  EXPECT_EQ(report.verdict(), Verdict::kFail);
}

TEST(CheckerTest, EveryTwoFirstDeliveriesThatAreSwappedAreOutOfOrder) {
  std::vector<std::string> lines = kGood;
  std::swap(lines[IndexOf("deliver x.1 1 a 1.1.1 0 good")],
            lines[IndexOf("deliver x.1 2 a 1.1.2 0 good")]);
  EXPECT_GE(CheckLines(lines).out_of_order, 1u);
}

TEST(CheckerTest, RedeliveriesKeepTheirPlaceToo) {
  std::vector<std::string> lines = kGood;
  std::swap(lines[IndexOf("deliver x.2 1 a 1.1.1 1 good")],
            lines[IndexOf("deliver x.2 2 a 1.1.2 1 good")]);
  EXPECT_EQ(CheckLines(lines).out_of_order, 1u);
}

TEST(CheckerTest, ChannelsOfAPublisherAreNotOrderedAmongEachOther) {
  EXPECT_EQ(CheckLines({"invoke 1.1.5 a", "invoke 1.2.1 a", "ok 1.1.5", "ok 1.2.1",
                        "deliver x 1 a 1.2.1 0 good", "deliver x 2 a 1.1.5 0 good", "drained a"})
                .verdict(),
            Verdict::kPass);
}

TEST(CheckerTest, WhatWasNeverPublishedThereIsUnexpected) {
  for (const char* line : {"deliver z 1 a 9.9.9 0 good", "deliver z 1 b 1.1.1 0 good"}) {
    std::vector<std::string> lines = kGood;
    lines.insert(lines.begin() + 30, line);
    const Report report = CheckLines(lines);
    EXPECT_EQ(report.unexpected, 1u) << line;
    EXPECT_EQ(report.verdict(), Verdict::kFail);
  }
}

TEST(CheckerTest, AnInvokeThatIsMissingMakesItsDeliveriesUnexpected) {
  const Report report = CheckLines(Without(IndexOf("invoke 1.2.1 a,b")));
  EXPECT_EQ(report.unexpected, 2u);
}

TEST(CheckerTest, ContentThatIsNotWhatWasPublishedFails) {
  std::vector<std::string> lines = kGood;
  lines[IndexOf("deliver d.2 2 b 1.2.1 0 good")] = "deliver d.2 2 b 1.2.1 0 bad";
  const Report report = CheckLines(lines);
  EXPECT_EQ(report.damaged, 1u);
  EXPECT_EQ(report.lost, 1u) << "a damaged copy is not the message";
}

TEST(CheckerTest, RedeliveredWithoutACauseFails) {
  // While the consumer has it.
  EXPECT_EQ(
      CheckLines({"invoke 1.1.1 a", "deliver x 1 a 1.1.1 0 good", "deliver y 1 a 1.1.1 1 good"})
          .redelivered_unexplained,
      1u);
  // The first delivery of all.
  EXPECT_EQ(CheckLines({"invoke 1.1.1 a", "deliver x 1 a 1.1.1 1 good"}).redelivered_unexplained,
            1u);
  // A consumer was gone, but before the message came to be.
  EXPECT_EQ(CheckLines({"invoke 1.1.1 a", "deliver x 1 a 1.1.1 0 good", "ack x 1 0",
                        "closed x clean", "invoke 1.1.2 a", "deliver y 1 a 1.1.2 1 good"})
                .redelivered_unexplained,
            1u);
}

TEST(CheckerTest, RedeliveredAfterAnAcknowledgementNeedsACrashSoonAfterIt) {
  const std::vector<std::string> begin = {"invoke 1.1.1 a", "deliver x 1 a 1.1.1 0 good",
                                          "ack x 1 0"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), begin.begin(), begin.end());
    return CheckLines(more);
  };
  EXPECT_EQ(with({"closed x clean", "deliver y 1 a 1.1.1 1 good"}).redelivered_unexplained, 1u);
  EXPECT_EQ(with({"deliver y 1 a 1.1.1 1 good"}).redelivered_unexplained, 1u);
  EXPECT_EQ(with({"closed x lost", "deliver y 1 a 1.1.1 1 good"}).redelivered_after_ack, 1u);
  EXPECT_EQ(with({"+1500 fault kill-9", "deliver y 1 a 1.1.1 1 good"}).redelivered_after_ack, 1u);
  const Report late = with({"+2500 fault kill-9", "closed x lost", "deliver y 1 a 1.1.1 1 good"});
  EXPECT_EQ(late.redelivered_unexplained, 1u) << "it had all the time to be recorded";
}

TEST(CheckerTest, WhatTheBrokerStillDidWhileItWasKilledIsExplainedByThat) {
  const std::vector<std::string> lines = {
      "fault power-cut", "invoke 1.1.1 a", "deliver x 1 a 1.1.1 0 good",
      "ack x 1 0",       "dead",           "deliver y 1 a 1.1.1 1 good"};
  EXPECT_EQ(CheckLines(lines).redelivered_after_ack, 1u);
  EXPECT_EQ(CheckLines(lines).redelivered_unexplained, 0u);
  EXPECT_EQ(CheckLines({"fault power-cut", "dead", "invoke 1.1.1 a", "deliver y 1 a 1.1.1 1 good"})
                .redelivered_unexplained,
            1u);
}

TEST(CheckerTest, AConsumerThatSawNothingMayHaveBeenSentSomething) {
  EXPECT_EQ(
      CheckLines({"opened x a", "invoke 1.1.1 a", "closed x clean", "deliver y 1 a 1.1.1 1 good"})
          .redelivered_unexplained,
      0u);
  EXPECT_EQ(
      CheckLines({"opened x b", "invoke 1.1.1 a", "closed x clean", "deliver y 1 a 1.1.1 1 good"})
          .redelivered_unexplained,
      1u)
      << "of another queue";
}

TEST(CheckerTest, AnAcknowledgementOfSeveralCountsForEach) {
  const Report report = CheckLines(
      {"invoke 1.1.1 a", "invoke 1.1.2 a", "invoke 1.1.3 a", "deliver x 1 a 1.1.1 0 good",
       "deliver x 2 a 1.1.2 0 good", "deliver x 3 a 1.1.3 0 good", "ack x 2 1", "closed x clean",
       "deliver y 1 a 1.1.1 1 good", "deliver y 2 a 1.1.2 1 good", "deliver y 3 a 1.1.3 1 good"});
  EXPECT_EQ(report.redelivered_unexplained, 2u);
}

TEST(CheckerTest, AMandatoryMessageToNowhereMustComeBack) {
  EXPECT_EQ(CheckLines(Without(IndexOf("unrouted 1.1.3"))).returns_missing, 1u);
}

TEST(CheckerTest, AMessageThatCameBackThoughItsQueueExistsIsLost) {
  EXPECT_EQ(CheckLines({"invoke 1.1.1 a", "unrouted 1.1.1", "ok 1.1.1", "drained a"}).lost, 1u);
}

TEST(CheckerTest, AQueueThatWasDeclaredAndIsGoneFails) {
  std::vector<std::string> lines = kGood;
  lines[IndexOf("drained b")] = "missing b";
  EXPECT_EQ(CheckLines(lines).queues_lost, 1u);
  EXPECT_EQ(CheckLines(lines).verdict(), Verdict::kFail);
}

TEST(CheckerTest, WithoutADrainNothingIsKnown) {
  const std::vector<std::string> lines = Without(IndexOf("drained b"));
  EXPECT_EQ(CheckLines(lines).verdict(), Verdict::kUnknown);
}

TEST(CheckerTest, ARunBelowItsFloorsProvesNothing) {
  const auto verdict = [](Floors floors) {
    return CheckLines(kGood, {.floors = floors}).verdict();
  };
  EXPECT_EQ(verdict({.confirmed = 3, .outcomes_unknown = 2, .faults = 1}), Verdict::kPass);
  EXPECT_EQ(verdict({.confirmed = 4}), Verdict::kUnknown);
  EXPECT_EQ(verdict({.outcomes_unknown = 3}), Verdict::kUnknown);
  EXPECT_EQ(verdict({.faults = 2}), Verdict::kUnknown);
  EXPECT_EQ(verdict({.share_percent = 10}), Verdict::kUnknown);
}

TEST(CheckerTest, AFailureIsNotHiddenByAnIncompleteRun) {
  std::vector<std::string> lines = Without(IndexOf("drained b"));
  lines.push_back("deliver z 1 a 9.9.9 0 good");
  EXPECT_EQ(CheckLines(lines).verdict(), Verdict::kFail);
}

TEST(CheckerTest, AnOutcomeOutOfNowhereOrTwiceMakesTheRunUnknown) {
  EXPECT_EQ(CheckLines({"ok 1.1.1"}).verdict(), Verdict::kUnknown);
  EXPECT_EQ(CheckLines({"invoke 1.1.1 -", "info 1.1.1", "ok 1.1.1"}).verdict(), Verdict::kUnknown);
  EXPECT_EQ(CheckLines({"invoke 1.1.1 -", "invoke 1.1.1 -"}).verdict(), Verdict::kUnknown);
}

TEST(CheckerTest, TheReportNamesTheVerdictInJsonAndInOneLine) {
  const Report report = CheckLines(Without(IndexOf("deliver d.2 2 b 1.2.1 0 good")));
  EXPECT_NE(report.ToJson().find("\"verdict\": \"fail\""), std::string::npos);
  EXPECT_NE(report.ToJson().find("1.2.1 for b: confirmed, never delivered"), std::string::npos);
  EXPECT_EQ(report.ToLine().rfind("fail: attempted 6, confirmed 3", 0), 0u);
  EXPECT_NE(report.ToLine().find("lost 1"), std::string::npos);
}

}  // namespace
}  // namespace pontoon::crash
