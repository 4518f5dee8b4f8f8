#include "tests/crash/history.h"

#include <unistd.h>

#include <fstream>

#include "gtest/gtest.h"

namespace pontoon::crash {
namespace {

TEST(HistoryTest, EveryKindOfLineIsReadBackAsItWasWritten) {
  for (const char* line : {"1 invoke 2.1.17 q1,q2 300000",
                           "12 invoke 2.1.17 q1,q2",
                           "3 ok 2.1.17",
                           "4 unrouted 2.1.17",
                           "5 info 2.1.17",
                           "6 deliver c1.3 9 q1 2.1.17 1 good",
                           "6 deliver c1.3 9 q1 2.1.17 0 bad",
                           "7 ack c1.3 9 1",
                           "7 ack c1.3 9 0",
                           "8 requeue c1.3 9",
                           "9 closed c1.3 clean",
                           "9 closed c1.3 lost",
                           "10 declared q1",
                           "11 missing q1",
                           "12 drained q1",
                           "13 fault kill-9",
                           "5 opened c1.3 q1",
                           "13 dead",
                           "14 started",
                           "15 end"}) {
    const absl::StatusOr<Event> event = Event::Parse(line);
    if (std::string(line).find("300000") != std::string::npos) {
      EXPECT_FALSE(event.ok()) << "a field too many: " << line;
      continue;
    }
    ASSERT_TRUE(event.ok()) << event.status();
    EXPECT_EQ(event->ToLine(), line);
  }
}

TEST(HistoryTest, WhatIsNoLineIsRefused) {
  for (const char* line : {"", "1", "x ok 1.1.1", "1 nod 1.1.1", "1 ok", "1 ok 1.1", "1 ok 1.1.x",
                           "1 ok 1.1.1 ", "1 deliver c 1 q 1.1.1 2 good",
                           "1 deliver c 1 q 1.1.1 0 fine", "1 ack c x 0", "1 closed c perhaps"}) {
    EXPECT_FALSE(Event::Parse(line).ok()) << line;
  }
}

class HistoryFileTest : public testing::Test {
 protected:
  HistoryFileTest() : path_(testing::TempDir() + "/history-" + std::to_string(getpid())) {
    unlink(path_.c_str());
  }
  ~HistoryFileTest() override { unlink(path_.c_str()); }
  const std::string path_;
};

TEST_F(HistoryFileTest, AnEventIsInTheFileBeforeTheClientGoesOn) {
  absl::StatusOr<HistoryWriter> writer = HistoryWriter::Create(path_);
  ASSERT_TRUE(writer.ok());
  writer->Write({.kind = Event::Kind::kOk, .id = {1, 2, 3}});
  std::ifstream file(path_);
  std::string line;
  ASSERT_TRUE(std::getline(file, line));
  EXPECT_NE(line.find(" ok 1.2.3"), std::string::npos);
}

TEST_F(HistoryFileTest, AFileWhoseProcessDidNotEndInOrderIsNotAHistory) {
  absl::StatusOr<HistoryWriter> writer = HistoryWriter::Create(path_);
  ASSERT_TRUE(writer.ok());
  writer->Write({.kind = Event::Kind::kDrained, .queue = "q"});
  EXPECT_FALSE(ReadHistory(path_).ok());
  writer->Write({.kind = Event::Kind::kEnd});
  ASSERT_TRUE(ReadHistory(path_).ok());
  EXPECT_EQ(ReadHistory(path_)->size(), 2u);
}

TEST_F(HistoryFileTest, ATornLineMakesTheFileUnreadable) {
  std::ofstream(path_) << "1 ok 1.1.1\n2 o\n3 end\n";
  EXPECT_FALSE(ReadHistory(path_).ok());
}

TEST_F(HistoryFileTest, ARunNeverWritesIntoTheHistoryOfAnother) {
  ASSERT_TRUE(HistoryWriter::Create(path_).ok());
  EXPECT_FALSE(HistoryWriter::Create(path_).ok());
}

}  // namespace
}  // namespace pontoon::crash
