#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "raft/script/commands.h"

// Scenarios as text, in the manner of etcd's datadriven tests: commands, a line of dashes, and the
// trace that they give. PONTOON_REWRITE=1 in the environment writes the traces anew; a trace with a
// broken promise ("!!") is never written.

namespace pontoon::raft::script {
namespace {

struct Block {
  std::string before;  // Comments and commands, as they stand.
  std::string expected;
};

constexpr absl::string_view kDashes = "----";

std::vector<Block> Split(const std::string& text) {
  std::vector<Block> blocks;
  bool output = false;
  for (const absl::string_view line : absl::StrSplit(absl::StripSuffix(text, "\n"), '\n')) {
    if (blocks.empty() || (output && line.empty())) {
      blocks.emplace_back();
      output = false;
      if (line.empty()) continue;
    }
    if (!output && line == kDashes) {
      output = true;
    } else {
      absl::StrAppend(output ? &blocks.back().expected : &blocks.back().before, line, "\n");
    }
  }
  return blocks;
}

std::string RunBlock(Commands* commands, const Block& block) {
  std::string trace;
  for (absl::string_view line : absl::StrSplit(block.before, '\n')) {
    if (line.empty() || line[0] == '#') continue;
    absl::StrAppend(&trace, commands->Run(line));
  }
  return trace;
}

struct Outcome {
  std::string text;      // The script with the traces that it gives.
  std::string mismatch;  // Where they differ from what was expected.
  bool broken = false;   // A promise is.
};

Outcome RunScript(const std::string& text) {
  Outcome outcome;
  Commands commands;
  for (const Block& block : Split(text)) {
    const std::string trace = RunBlock(&commands, block);
    outcome.broken = outcome.broken || absl::StrContains(trace, "!!");
    if (trace != block.expected) {
      absl::StrAppend(&outcome.mismatch, block.before, "  expected:\n", block.expected,
                      "  and got:\n", trace, "\n");
    }
    absl::StrAppend(&outcome.text, outcome.text.empty() ? "" : "\n", block.before, kDashes, "\n",
                    trace);
  }
  return outcome;
}

std::string ReadFile(const std::filesystem::path& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

std::vector<std::filesystem::path> Scripts() {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(PONTOON_RAFT_SCRIPTS)) {
    if (entry.path().extension() == ".txt") paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

class RaftScript : public ::testing::TestWithParam<std::filesystem::path> {};

TEST_P(RaftScript, GivesTheExpectedTrace) {
  const Outcome outcome = RunScript(ReadFile(GetParam()));
  const char* rewrite = std::getenv("PONTOON_REWRITE");
  if (rewrite != nullptr && std::string(rewrite) == "1" && !outcome.broken) {
    std::ofstream(GetParam()) << outcome.text;
    return;
  }
  EXPECT_TRUE(outcome.mismatch.empty()) << outcome.mismatch;
  EXPECT_FALSE(outcome.broken) << "a promise is broken";
}

INSTANTIATE_TEST_SUITE_P(Core, RaftScript, ::testing::ValuesIn(Scripts()),
                         [](const ::testing::TestParamInfo<std::filesystem::path>& info) {
                           std::string name = info.param.stem().string();
                           std::replace_if(
                               name.begin(), name.end(), [](char c) { return !std::isalnum(c); },
                               '_');
                           return name;
                         });

TEST(RaftScriptTest, TheTableNamesEveryScriptAndNoOther) {
  const std::filesystem::path folder = PONTOON_RAFT_SCRIPTS;
  const std::filesystem::path root = folder / "../../..";
  const std::string readme = ReadFile(folder / "README.md");
  for (const std::filesystem::path& path : Scripts()) {
    EXPECT_TRUE(absl::StrContains(readme, path.filename().string())) << path;
  }
  for (absl::string_view word : absl::StrSplit(readme, absl::ByAnyChar(" ,;`()|\n"))) {
    absl::ConsumeSuffix(&word, ".");
    const std::string name(word);
    if (absl::EndsWith(word, ".txt") && !absl::StrContains(word, '*')) {
      EXPECT_TRUE(std::filesystem::exists(folder / name)) << name;
    } else if (absl::EndsWith(word, ".cc") && absl::StrContains(word, '/')) {
      EXPECT_TRUE(std::filesystem::exists(root / name)) << name;
    }
  }
}

constexpr char kSmall[] =
    "nodes 1\n"
    "tick 1s\n"
    "----\n"
    "1 writes #2 term=2 vote=1\n"
    "1 is candidate term=2\n";

TEST(RaftScriptTest, AnotherTraceThanExpectedFails) {
  EXPECT_EQ(RunScript(kSmall).mismatch, "");
  std::string wrong = kSmall;
  wrong.replace(wrong.find("term=2"), 6, "term=3");
  EXPECT_NE(RunScript(wrong).mismatch, "");
  EXPECT_EQ(RunScript(wrong).text, kSmall) << "written anew it is right again";
}

TEST(RaftScriptTest, WhatMustHoldAndDoesNotFailsWhateverIsExpected) {
  const Outcome outcome = RunScript(
      absl::StrCat(kSmall, "\nmust 1 role=leader\n----\n!! 1 has role=candidate, not leader\n"));
  EXPECT_EQ(outcome.mismatch, "");
  EXPECT_TRUE(outcome.broken);
}

TEST(RaftScriptTest, AMisspeltCommandFails) {
  EXPECT_TRUE(RunScript("nodes 1\nstabilise\n----\n").broken);
  for (const char* of_nobody :
       {"must 9 role=leader", "timeout 9 400ms", "disk 9 terms=1", "install 1 from=9", "crash 9",
        "campaign 9", "crash 1 kep=1", "propose 1 a bodies=9", "propose 1 a body=nine",
        "must all comit=1"}) {
    EXPECT_TRUE(RunScript(absl::StrCat("nodes 1\n", of_nobody, "\n----\n")).broken) << of_nobody;
  }
}

TEST(RaftScriptTest, ADiskThatLosesWhatItVouchedForBreaksAPromise) {
  const Outcome outcome = RunScript(
      "nodes 3\ncampaign 1\nstabilize quiet\ncrash 2\nlose 2 from=2\nrestart 2\ncrash 3\nlose 3 "
      "from=2\nrestart 3\ncut 1\ncampaign 2\nstabilize quiet\n----\n");
  EXPECT_TRUE(absl::StrContains(outcome.text, "!! R6")) << outcome.text;
}

}  // namespace
}  // namespace pontoon::raft::script
