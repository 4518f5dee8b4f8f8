#include "server/app/config.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "server/app/command_line.h"
#include "server/app/setting_table.h"

namespace pontoon::app {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

absl::StatusOr<LoadedConfig> Load(absl::string_view text, const Environment& environment = {},
                                  const std::vector<Assignment>& flags = {}) {
  const auto lines = ParseConfText(text, "my.conf");
  if (!lines.ok()) return lines.status();
  return ResolveSettings(*lines, environment, flags, "box");
}

Settings Of(absl::string_view text, const Environment& environment = {},
            const std::vector<Assignment>& flags = {}) {
  const auto config = Load(text, environment, flags);
  EXPECT_TRUE(config.ok()) << config.status();
  return config.ok() ? config->settings : Settings();
}

std::string ErrorOf(absl::string_view text, const Environment& environment = {}) {
  const auto config = Load(text, environment);
  EXPECT_TRUE(absl::IsInvalidArgument(config.status())) << text;
  return std::string(config.status().message());
}

TEST(ConfigTest, WithoutAFileTheDefaultsAreRabbitMqs) {
  const Settings settings = Of("");
  EXPECT_THAT(settings.tcp_listeners, ElementsAre(ListenAddress{"", 5672}));
  EXPECT_THAT(settings.ssl_listeners, IsEmpty());
  EXPECT_EQ(settings.heartbeat_seconds, 60);
  EXPECT_EQ(settings.frame_max, 131072u);
  EXPECT_EQ(settings.channel_max, 2047);
  EXPECT_EQ(settings.max_message_size, 134217728u);
  EXPECT_EQ(settings.handshake_timeout_millis, 10000u);
  EXPECT_EQ(settings.default_user, "guest");
  EXPECT_EQ(settings.memory_watermark, 0.4);
  EXPECT_EQ(settings.disk_free_limit, 50'000'000u);
  EXPECT_THAT(settings.loopback_users, ElementsAre("guest"));
  EXPECT_THAT(settings.auth_mechanisms, ElementsAre("PLAIN", "AMQPLAIN"));
  EXPECT_EQ(settings.node_name, "rabbit@box");
  EXPECT_EQ(settings.cluster_name, "rabbit@box");
}

TEST(ConfigTest, AFileOfTheUsualKeysIsUnderstood) {
  const Settings settings = Of(R"(
# Comment
listeners.tcp.default = 5673
listeners.tcp.2 = 127.0.0.1:5674   # another one
listeners.ssl.default = [::1]:5671
ssl_options.cacertfile = /etc/ca.pem
ssl_options.verify = verify_peer
ssl_options.fail_if_no_peer_cert = true
ssl_options.versions.1 = tlsv1.3
  heartbeat=30
heartbeat = 20
max_message_size = 1000
connection_max = 77
loopback_users.guest = false
loopback_users.admin = true
default_user = alice
default_user_tags.monitoring = true
default_permissions.write = ^a
vm_memory_high_watermark.absolute = 2GB
disk_free_limit.absolute = 1GiB
log.console.level = debug
log.file = broker.log
log.connection.level = none
auth_mechanisms.1 = PLAIN
cluster_name = bridge
pontoon.shards = 4
)");
  EXPECT_THAT(settings.tcp_listeners,
              ElementsAre(ListenAddress{"", 5673}, ListenAddress{"127.0.0.1", 5674}));
  EXPECT_THAT(settings.ssl_listeners, ElementsAre(ListenAddress{"::1", 5671}));
  EXPECT_EQ(settings.tls.cacertfile, "/etc/ca.pem");
  EXPECT_TRUE(settings.tls.verify_peer);
  EXPECT_TRUE(settings.tls.fail_if_no_peer_cert);
  EXPECT_THAT(settings.tls.versions, ElementsAre("tlsv1.3"));
  EXPECT_EQ(settings.heartbeat_seconds, 20);
  EXPECT_EQ(settings.max_message_size, 1000u);
  EXPECT_EQ(settings.connection_max, 77u);
  EXPECT_THAT(settings.loopback_users, ElementsAre("admin"));
  EXPECT_EQ(settings.default_user, "alice");
  EXPECT_THAT(settings.default_user_tags, ElementsAre("monitoring"));
  EXPECT_EQ(settings.default_write, "^a");
  EXPECT_EQ(settings.memory_watermark_absolute, 2'000'000'000u);
  EXPECT_EQ(settings.disk_free_limit, uint64_t{1} << 30);
  EXPECT_EQ(settings.log.console_level, base::LogLevel::kDebug);
  EXPECT_EQ(settings.log.file, "broker.log");
  EXPECT_EQ(*settings.log.connection_level, std::nullopt);
  EXPECT_THAT(settings.auth_mechanisms, ElementsAre("PLAIN"));
  EXPECT_EQ(settings.cluster_name, "bridge");
  EXPECT_EQ(settings.shards, 4u);
}

TEST(ConfigTest, AnUnknownKeyIsRefusedInRabbitMqsWordsWithFileAndLine) {
  const std::string error = ErrorOf("heartbeat = 60\n\nheartbeatt = 60\n");
  EXPECT_THAT(error, testing::StartsWith(
                         "You've tried to set heartbeatt, but there is no setting with that name.\n"
                         "  Did you mean one of these?\n"
                         "    heartbeat\n"));
  EXPECT_THAT(error,
              testing::EndsWith(
                  "Error preparing configuration in phase transform_datatypes:\n"
                  "  - Conf file attempted to set unknown variable: heartbeatt (my.conf, line 3)"));
  EXPECT_EQ(std::count(error.begin(), error.end(), '\n'), 6) << "three suggestions:\n" << error;
}

TEST(ConfigTest, ABadValueIsRefusedWithKeyFileAndLine) {
  const std::pair<const char*, const char*> cases[] = {
      {"heartbeat = abc", "\"abc\" cannot be converted to a(n) integer"},
      {"heartbeat = 70000", "\"70000\" is not between 0 and 65535"},
      {"frame_max = -1", "\"-1\" is not between 0 and 4294967295"},
      {"vm_memory_high_watermark.relative = lots", "\"lots\" cannot be converted to a(n) float"},
      {"disk_free_limit.absolute = 12 parsecs", "\"12 parsecs\" is not a number of bytes"},
      {"disk_free_limit.absolute = 99999999999GB", "is too large"},
      {"listeners.tcp.default = 99999", "is not between 0 and 65535"},
      {"listeners.tcp.default = nowhere", "\"nowhere\" cannot be converted to a(n) IP"},
      {"listeners.tcp = all", "acceptable values are: none"},
      {"log.file.level = loud",
       "\"loud\" is not a valid enum value, acceptable values are: debug, info"},
      {"loopback_users.guest = maybe", "acceptable values are: true, false"},
      {"ssl_options.verify = perhaps", "acceptable values are: verify_peer, verify_none"},
      {"auth_mechanisms.1 = KERBEROS", "acceptable values are: PLAIN, AMQPLAIN"},
      {"log.console.formatter = xml", "acceptable values are: plaintext, json"},
      {"pontoon.shards = 0", "is not between 1 and 4096"},
  };
  for (const auto& [line, why] : cases) {
    const std::string key = std::string(line).substr(0, std::string(line).find(" ="));
    EXPECT_THAT(ErrorOf(absl::StrCat("\n", line)),
                AllOf(HasSubstr(absl::StrCat("Error transforming datatype for: ", key,
                                             " (my.conf, line 2)")),
                      HasSubstr(why)));
  }
}

TEST(ConfigTest, ALineThatIsNoSettingIsRefusedWithItsPlace) {
  EXPECT_THAT(ErrorOf("heartbeat = 1\njust garbage\n"),
              HasSubstr("Syntax error in my.conf, line 2"));
  EXPECT_THAT(ErrorOf("heartbeat ="), HasSubstr("Syntax error in my.conf, line 1"));
  EXPECT_THAT(ErrorOf("= 5"), HasSubstr("Syntax error in my.conf, line 1"));
}

TEST(ConfigTest, AKnownKeyWithoutEffectIsOneWarning) {
  const auto config =
      Load("num_acceptors.tcp = 20\ncluster_formation.classic_config.nodes.1 = rabbit@a\n");
  ASSERT_TRUE(config.ok());
  EXPECT_THAT(
      config->warnings,
      ElementsAre(
          "the setting num_acceptors.tcp (my.conf, line 1) is not supported and has no effect",
          HasSubstr("cluster_formation.classic_config.nodes.1 (my.conf, line 2)")));
  EXPECT_THAT(Load("num_acceptors.tcp = 10")->warnings, IsEmpty()) << "the default changes nothing";
}

TEST(ConfigTest, ListenersCanBeTurnedOff) {
  EXPECT_THAT(Of("listeners.tcp = none\nlisteners.ssl.1 = 5671").tcp_listeners, IsEmpty());
  EXPECT_THAT(Of("loopback_users = none").loopback_users, IsEmpty());
}

TEST(ConfigTest, TheEnvironmentSaysWhereToListenUnlessAFileDoes) {
  const Environment environment = {{"RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1"},
                                   {"RABBITMQ_NODE_PORT", "5690"}};
  EXPECT_THAT(Of("", environment).tcp_listeners, ElementsAre(ListenAddress{"127.0.0.1", 5690}));
  EXPECT_THAT(Of("listeners.tcp.1 = 5700", environment).tcp_listeners,
              ElementsAre(ListenAddress{"", 5700}));
  EXPECT_THAT(ErrorOf("", {{"RABBITMQ_NODE_PORT", "many"}}),
              HasSubstr("RABBITMQ_NODE_PORT in the environment"));
}

TEST(ConfigTest, TheEnvironmentsDefaultUserWinsOverTheFiles) {
  const Settings settings =
      Of("default_user = bob\ndefault_pass = b", {{"RABBITMQ_DEFAULT_USER", "carol"},
                                                  {"RABBITMQ_DEFAULT_PASS", "c"},
                                                  {"RABBITMQ_DEFAULT_VHOST", "prod"}});
  EXPECT_EQ(settings.default_user, "carol");
  EXPECT_EQ(settings.default_pass, "c");
  EXPECT_EQ(settings.default_vhost, "prod");
}

TEST(ConfigTest, TheEnvironmentNamesNodeFoldersCookieAndLog) {
  const Settings settings = Of("", {{"RABBITMQ_NODENAME", "hare"},
                                    {"RABBITMQ_MNESIA_BASE", "/data"},
                                    {"RABBITMQ_ERLANG_COOKIE", "secret"},
                                    {"RABBITMQ_LOGS", "-"}});
  EXPECT_EQ(settings.node_name, "hare@box");
  EXPECT_EQ(settings.data_dir, "/data/hare@box");
  EXPECT_EQ(settings.cookie, "secret");
  EXPECT_EQ(settings.log.console, true);
  EXPECT_EQ(Of("", {{"RABBITMQ_MNESIA_DIR", "/exact"}}).log.dir, "/exact/log");
}

TEST(ConfigTest, TheCommandLineWinsOverEverything) {
  const auto line =
      ParseCommandLine({"--listeners.tcp.default", "127.0.0.1:0", "--config", "x.conf",
                        "--heartbeat=5", "--data-dir", "/d", "--node-name", "rabbit@here"});
  ASSERT_TRUE(line.ok()) << line.status();
  EXPECT_EQ(line->config_file, "x.conf");
  const Settings settings = Of("heartbeat = 9\nlisteners.tcp.default = 1",
                               {{"RABBITMQ_NODENAME", "other"}}, line->settings);
  EXPECT_THAT(settings.tcp_listeners, ElementsAre(ListenAddress{"127.0.0.1", 0}));
  EXPECT_EQ(settings.heartbeat_seconds, 5);
  EXPECT_EQ(settings.data_dir, "/d");
  EXPECT_EQ(settings.node_name, "rabbit@here");
}

TEST(CommandLineTest, WhatIsNoOptionIsRefused) {
  EXPECT_TRUE(absl::IsInvalidArgument(ParseCommandLine({"start"}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(ParseCommandLine({"--heartbeat"}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(ParseCommandLine({"--config"}).status()));
}

TEST(CommandLineTest, HelpNamesEverySettingThatHasAnEffect) {
  const auto line = ParseCommandLine({"--help"});
  ASSERT_TRUE(line.ok());
  for (const SettingSpec& spec : SettingTable()) {
    if (spec.set == nullptr) continue;
    EXPECT_THAT(line->print, HasSubstr(absl::StrCat("--", spec.key)));
  }
  EXPECT_THAT(ParseCommandLine({"--version"})->print, HasSubstr("pontoon-server "));
}

TEST(SettingTableTest, NoKeyStandsTwiceAndEachIsFound) {
  std::set<std::string> seen;
  for (const SettingSpec& spec : SettingTable()) {
    EXPECT_TRUE(seen.emplace(spec.key).second) << spec.key;
    std::string name;
    EXPECT_EQ(FindSetting(spec.key, &name), &spec) << spec.key << " is hidden by an earlier key";
  }
}

TEST(ConfigFilesTest, AFileThatWasNamedMustExist) {
  EXPECT_TRUE(absl::IsNotFound(ConfigFiles("/nowhere/x.conf", {}).status()));
  EXPECT_TRUE(absl::IsNotFound(ConfigFiles("", {{"RABBITMQ_CONFIG_FILE", "/nowhere/x"}}).status()));
}

TEST(ConfigFilesTest, FilesOfAFolderAreReadInTheOrderOfTheirNames) {
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / absl::StrCat("pontoon-config-", getpid());
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "main.conf") << "heartbeat = 1\nframe_max = 5000\n";
  std::filesystem::create_directories(folder / "d");
  std::ofstream(folder / "d" / "20-b.conf") << "heartbeat = 3\n";
  std::ofstream(folder / "d" / "10-a.conf") << "heartbeat = 2\n";
  const auto config = LoadConfig(
      "", {{"RABBITMQ_CONFIG_FILE", folder / "main"}, {"RABBITMQ_CONFIG_FILES", folder / "d"}}, {});
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->settings.heartbeat_seconds, 3);
  EXPECT_EQ(config->settings.frame_max, 5000u);
  EXPECT_EQ(config->files.size(), 3u);
  std::filesystem::remove_all(folder);
}

TEST(ConfigFilesTest, TheExampleThatWeShipIsUnderstoodWithoutAWarning) {
  const auto config = LoadConfig(PONTOON_SOURCE_DIR "/deploy/rabbitmq.conf.example", {}, {});
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_THAT(config->warnings, IsEmpty());
}

}  // namespace
}  // namespace pontoon::app
