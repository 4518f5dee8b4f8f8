#include "server/app/logging.h"

#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "server/app/flood_guard.h"

namespace pontoon::app {
namespace {

using base::LogLevel;
using testing::ElementsAre;
using testing::HasSubstr;

class FixedClock final : public base::Clock {
 public:
  base::MonotonicTime Now() const override { return now; }
  base::WallTime WallNow() const override { return {1795158631019014000}; }
  base::MonotonicTime now{0};
};

class LoggingTest : public testing::Test {
 protected:
  LoggingTest() {
    setenv("TZ", "UTC", 1);
    tzset();
    folder_ = std::filesystem::temp_directory_path() / absl::StrCat("pontoon-log-", getpid());
    settings_.dir = folder_;
    settings_.file = "node.log";
  }
  ~LoggingTest() override { std::filesystem::remove_all(folder_); }

  std::unique_ptr<Logging> Open() {
    auto log = Logging::Open(settings_, &clock_);
    EXPECT_TRUE(log.ok()) << log.status();
    return log.ok() ? *std::move(log) : nullptr;
  }
  std::string Written(const std::string& name = "node.log") {
    std::stringstream text;
    text << std::ifstream(folder_ / name).rdbuf();
    return text.str();
  }

  FixedClock clock_;
  std::filesystem::path folder_;
  LogSettings settings_;
};

TEST_F(LoggingTest, LinesLookLikeRabbitMqs) {
  auto log = Open();
  log->logger()->Log(LogLevel::kError, 4233,
                     "Channel error on connection <0.4224.0>, channel 1:\nnot_found");
  log->FlushBlocking();
  EXPECT_EQ(Written(),
            "2026-11-20 07:10:31.019014+00:00 [error] <0.4233.0> Channel error on connection "
            "<0.4224.0>, channel 1:\n"
            "2026-11-20 07:10:31.019014+00:00 [error] <0.4233.0> not_found\n");
}

TEST_F(LoggingTest, AClientCannotForgeALineNorSteerTheTerminal) {
  auto log = Open();
  log->logger()->Log(LogLevel::kInfo, 1, "name: a\rb\x1b[31m");
  log->FlushBlocking();
  EXPECT_THAT(Written(), HasSubstr("name: a\\x0db\\x1b[31m\n"));
}

TEST_F(LoggingTest, JsonLinesAreOneObjectEach) {
  settings_.file_json = true;
  auto log = Open();
  log->logger(LogCategory::kConnection)
      ->Log(LogLevel::kWarning, 7, "a \"quoted\"\nsecond \xff line");
  log->FlushBlocking();
  EXPECT_EQ(Written(),
            "{\"time\":\"2026-11-20 07:10:31.019014+00:00\",\"level\":\"warning\",\"msg\":\"a "
            "\\\"quoted\\\"\\nsecond "
            "\xEF\xBF\xBD line\",\"domain\":\"rabbitmq.connection\",\"pid\":\"<0.7.0>\"}\n");
}

TEST_F(LoggingTest, EachCategoryHasItsLevel) {
  settings_.default_level = LogLevel::kWarning;
  settings_.connection_level = LogLevel::kDebug;
  settings_.channel_level = LogThreshold();
  settings_.file_level = LogLevel::kDebug;
  auto log = Open();
  log->logger()->Log(LogLevel::kInfo, 1, "dropped");
  log->logger(LogCategory::kConnection)->Log(LogLevel::kDebug, 1, "one");
  log->logger(LogCategory::kChannel)->Log(LogLevel::kCritical, 1, "dropped");
  log->logger(LogCategory::kQueue)->Log(LogLevel::kWarning, 1, "two");
  log->FlushBlocking();
  EXPECT_EQ(Written(),
            "2026-11-20 07:10:31.019014+00:00 [debug] <0.1.0> one\n"
            "2026-11-20 07:10:31.019014+00:00 [warning] <0.1.0> two\n");
}

TEST_F(LoggingTest, AFloodOfOneLineIsCountedAndOtherLinesAreNotHidden) {
  auto log = Open();
  for (int i = 0; i < 10'000; ++i) {
    log->logger()->Log(LogLevel::kError, i,
                       absl::StrCat("login refused: user 'u", i, "' from 10.0.0.1:", i));
  }
  log->logger()->Log(LogLevel::kInfo, 1, "something else");
  clock_.now = {base::Seconds(2).nanos};
  log->Tick();
  log->FlushBlocking();
  const std::string text = Written();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), FloodGuard::kLinesPerWindow + 2);
  EXPECT_THAT(text, HasSubstr("something else"));
  EXPECT_THAT(text, HasSubstr(absl::StrCat("repeated ", 10'000 - FloodGuard::kLinesPerWindow,
                                           " times more")));
}

TEST_F(LoggingTest, AfterReopeningLinesGoToANewFile) {
  auto log = Open();
  log->logger()->Log(LogLevel::kInfo, 1, "before");
  log->FlushBlocking();
  std::filesystem::rename(folder_ / "node.log", folder_ / "node.log.1");
  EXPECT_TRUE(log->Reopen().ok());
  log->logger()->Log(LogLevel::kInfo, 1, "after");
  log->FlushBlocking();
  EXPECT_THAT(Written("node.log.1"), HasSubstr("before"));
  EXPECT_THAT(Written(), testing::AllOf(HasSubstr("after"), testing::Not(HasSubstr("before"))));
}

TEST_F(LoggingTest, ALogFileThatCannotBeWrittenIsAnErrorThatNamesIt) {
  settings_.dir = "/proc/nowhere";
  const auto log = Logging::Open(settings_, &clock_);
  ASSERT_FALSE(log.ok());
  EXPECT_THAT(std::string(log.status().message()), HasSubstr("/proc/nowhere/node.log"));
}

TEST_F(LoggingTest, NothingIsLostWhenTheLogIsClosed) {
  {
    auto log = Open();
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&log, t] {
        // Different kinds of lines, so that none counts as a flood.
        for (int i = 0; i < 500; ++i) {
          log->logger()->Log(
              LogLevel::kInfo, t,
              std::string(static_cast<size_t>(i % 150 + 1), static_cast<char>('a' + t)));
        }
      });
    }
    for (auto& thread : threads) thread.join();
  }
  const std::string text = Written();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2000);
}

TEST(FloodGuardTest, AfterAQuietWindowLinesPassAgain) {
  FloodGuard guard;
  for (uint32_t i = 0; i < FloodGuard::kLinesPerWindow; ++i)
    EXPECT_TRUE(guard.Admit({0}, LogLevel::kInfo, "x 1"));
  EXPECT_FALSE(guard.Admit({0}, LogLevel::kInfo, "x 2"));
  const auto held = guard.TakeHeld({base::Seconds(1).nanos});
  ASSERT_EQ(held.size(), 1u);
  EXPECT_EQ(held[0].count, 1u);
  EXPECT_EQ(held[0].sample, "x 2");
  EXPECT_TRUE(guard.Admit({base::Seconds(1).nanos}, LogLevel::kInfo, "x 3"));
}

TEST(FloodGuardTest, LinesDifferInKindByMoreThanNumbersAndNames) {
  EXPECT_EQ(FloodGuard::ShapeOf("user 'a' from 10.0.0.1:5"),
            FloodGuard::ShapeOf("user 'bc' from 10.22.0.3:77"));
  EXPECT_NE(FloodGuard::ShapeOf("user refused"), FloodGuard::ShapeOf("user accepted"));
}

TEST(FloodGuardTest, TheReasonAtTheEndOfALongErrorTellsKindsApart) {
  const std::string where =
      "Channel error on connection <0.1.0> (127.0.0.1:1 -> 127.0.0.1:2 - a rather long client "
      "name, "
      "vhost: '/', user: 'guest'), channel 1:\noperation basic.publish caused a channel exception ";
  EXPECT_NE(FloodGuard::ShapeOf(where + "not_found: no exchange 'x'"),
            FloodGuard::ShapeOf(where + "access_refused: read access refused"));
}

TEST(FloodGuardTest, EndlesslyDifferentLinesCostBoundedMemoryAndPass) {
  FloodGuard guard;
  for (int i = 0; i < 10'000; ++i) {
    std::string text;
    for (int bits = i; bits > 0; bits /= 26) text.push_back(static_cast<char>('a' + bits % 26));
    EXPECT_TRUE(guard.Admit({0}, LogLevel::kInfo, text));
  }
}

}  // namespace
}  // namespace pontoon::app
