#include "client/ctl/invocation.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "client/ctl/information_unit.h"
#include "client/ctl/likeness.h"
#include "client/ctl/node_address.h"

namespace pontoon::ctl {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

TEST(InvocationTest, OptionsMayStandAnywhere) {
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
           {"list_queues", "-p", "v", "-q", "name", "--formatter", "json"},
           {"-p", "v", "-q", "list_queues", "name", "--formatter=json"},
           {"--quiet", "list_queues", "--vhost=v", "--formatter", "json", "name"}}) {
    const Invocation line = ParseCommandLine(words);
    EXPECT_EQ(line.command, "list_queues");
    EXPECT_THAT(line.arguments, ElementsAre("name"));
    EXPECT_EQ(line.vhost(), "v");
    EXPECT_TRUE(line.Has("quiet"));
    EXPECT_EQ(line.Option("formatter"), "json");
    EXPECT_THAT(line.invalid, IsEmpty());
  }
}

TEST(InvocationTest, NegativeNumbersAreArguments) {
  const Invocation line = ParseCommandLine({"set_disk_free_limit", "-5"});
  EXPECT_THAT(line.arguments, ElementsAre("-5"));
  EXPECT_THAT(line.invalid, IsEmpty());
}

TEST(InvocationTest, WhatFollowsTwoDashesIsNoOption) {
  EXPECT_THAT(ParseCommandLine({"add_user", "--", "-u", "--p"}).arguments,
              ElementsAre("-u", "--p"));
}

TEST(InvocationTest, OptionOfAnotherCommandIsInvalid) {
  EXPECT_THAT(ParseCommandLine({"purge_queue", "q", "--if-empty"}).invalid,
              ElementsAre(Pair("--if-empty", "")));
  EXPECT_TRUE(ParseCommandLine({"delete_queue", "q", "-e", "-u"}).Has("if-unused"));
}

TEST(InvocationTest, ValueThatCannotBeIsInvalid) {
  EXPECT_THAT(ParseCommandLine({"list_queues", "-t", "abc"}).invalid,
              ElementsAre(Pair("-t", "abc")));
  EXPECT_THAT(ParseCommandLine({"list_queues", "--nosuchoption"}).invalid,
              ElementsAre(Pair("--nosuchoption", "")));
  EXPECT_THAT(ParseCommandLine({"list_queues", "-p"}).invalid, ElementsAre(Pair("-p", "")));
}

TEST(InvocationTest, FlagsCanBeTurnedOff) {
  EXPECT_EQ(ParseCommandLine({"list_queues", "--no-table-headers"}).Option("table-headers"),
            "false");
  EXPECT_EQ(ParseCommandLine({"shutdown", "--no-wait"}).Option("wait"), "false");
}

TEST(SuggestionTest, NearMissesAreRecognised) {
  for (const auto& [typed, meant] : {std::pair{"list_queue", "list_queues"},
                                     {"list_quues", "list_queues"},
                                     {"lst_users", "list_users"},
                                     {"add_usr", "add_user"},
                                     {"stat", "status"}}) {
    const CommandSpec* like = SuggestCommand(typed);
    ASSERT_NE(like, nullptr) << typed;
    EXPECT_STREQ(like->name, meant);
  }
  EXPECT_EQ(SuggestCommand("frobnicate"), nullptr);
  EXPECT_NEAR(JaroLikeness("MARTHA", "MARHTA"), 0.944, 0.001);
}

TEST(InformationUnitTest, UnitsAreThoseOfRabbitMq) {
  EXPECT_EQ(BytesOf("50000000"), 50000000);
  EXPECT_EQ(BytesOf("60MB"), 60000000);
  EXPECT_EQ(BytesOf("2GB"), 2000000000);
  EXPECT_EQ(BytesOf("1GiB"), 1073741824);
  EXPECT_EQ(BytesOf("1k"), 1024);
  EXPECT_EQ(BytesOf("-5"), -5);
  for (const char* bad : {"60frob", "abc", "", "MB", "1.5GB", "99999999999PB"}) {
    EXPECT_EQ(BytesOf(bad), std::nullopt) << bad;
  }
}

TEST(InformationUnitTest, StatusRoundsToFourDigits) {
  EXPECT_EQ(InUnit(139400000, "gb"), "0.1394");
  EXPECT_EQ(InUnit(50000000, "gb"), "0.05");
  EXPECT_EQ(InUnit(127344600, "MB"), "127.3446");
  EXPECT_EQ(InUnit(0, "gb"), "0.0");
  EXPECT_EQ(InUnit(5, "bytes"), "5");
  EXPECT_EQ(InUnit(5, "parsec"), std::nullopt);
}

TEST(FindNodeTest, DefaultsToTheRabbitOfThisHost) {
  const auto address = FindNode({}, {}, "here.example.net");
  ASSERT_TRUE(address.ok());
  EXPECT_EQ(address->node, "rabbit@here");
  EXPECT_FALSE(address->node_is_named);
  EXPECT_EQ(address->host, "127.0.0.1");
  EXPECT_EQ(address->port, 25672);
}

TEST(FindNodeTest, AdministrationIsTwentyThousandAboveAmqp) {
  EXPECT_EQ(FindNode({}, {{"RABBITMQ_NODE_PORT", "2222"}}, "here")->port, 22222);
  EXPECT_EQ(
      FindNode({}, {{"RABBITMQ_NODE_PORT", "2222"}, {"RABBITMQ_DIST_PORT", "7"}}, "here")->port, 7);
  EXPECT_EQ(FindNode({{"port", "30001"}}, {{"RABBITMQ_DIST_PORT", "7"}}, "here")->port, 30001);
  EXPECT_FALSE(FindNode({}, {{"RABBITMQ_NODE_PORT", "50000"}}, "here").ok());
  EXPECT_FALSE(FindNode({{"port", "0"}}, {}, "here").ok());
}

TEST(FindNodeTest, NameWithoutHostIsOnThisHost) {
  EXPECT_EQ(FindNode({{"node", "hare"}}, {}, "here.example.net")->node, "hare@here");
  EXPECT_EQ(FindNode({{"node", "hare"}, {"longnames", "true"}}, {}, "here.example.net")->node,
            "hare@here.example.net");
  EXPECT_EQ(FindNode({{"node", "hare@localhost"}}, {{"RABBITMQ_NODENAME", "other"}}, "here")->node,
            "hare@localhost");
}

TEST(FindNodeTest, DataDirectoryNamesNodePortAndCookie) {
  const std::string folder = absl::StrCat(testing::TempDir(), "/find_node_", getpid());
  ASSERT_EQ(system(("mkdir -p " + folder).c_str()), 0);
  const auto write = [&](const std::string& name, const std::string& text) {
    FILE* file = fopen((folder + "/" + name).c_str(), "w");
    fputs(text.c_str(), file);
    fclose(file);
  };
  write("admin.endpoint", "127.0.0.1 41234 mine@here 77\n");
  write(".erlang.cookie", "SECRET\n");
  const auto address = FindNode({{"data-dir", folder}}, {}, "here");
  ASSERT_TRUE(address.ok());
  EXPECT_EQ(address->port, 41234);
  EXPECT_EQ(address->node, "mine@here");
  EXPECT_TRUE(address->node_is_named);
  EXPECT_EQ(address->cookie, "SECRET");
  EXPECT_EQ(FindNode({{"data-dir", folder}}, {{"RABBITMQ_ERLANG_COOKIE", "E"}}, "here")->cookie,
            "E");
  EXPECT_EQ(FindNode({{"cookie-file", folder + "/.erlang.cookie"}},
                     {{"RABBITMQ_ERLANG_COOKIE", "E"}}, "here")
                ->cookie,
            "SECRET");
  EXPECT_EQ(FindNode({{"cookie-file", folder + "/nosuch"}}, {{"HOME", folder}}, "here")->cookie,
            "");
  EXPECT_EQ(FindNode({}, {{"HOME", folder}}, "here")->cookie, "SECRET");
}

}  // namespace
}  // namespace pontoon::ctl
