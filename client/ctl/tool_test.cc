// Texts and exit codes: what RabbitMQ 3.10.8's rabbitmqctl printed in the same situations.
#include "client/ctl/tool.h"

#include <gtest/gtest.h>

#include "client/ctl/command_spec.h"
#include "client/ctl/fake_node_link.h"

namespace pontoon::ctl {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

admin::Result Answer(admin::Refusal refusal = admin::NONE, const std::string& text = "") {
  admin::Result result;
  result.set_state(admin::RUNNING);
  result.set_node("rabbit@here");
  result.set_refusal(refusal);
  result.set_text(text);
  return result;
}

ToolRun RunWith(absl::StatusOr<admin::Result> answer, const std::vector<std::string>& words,
                const std::string& program = "rabbitmqctl") {
  Conversation conversation;
  conversation.answers.push_back(std::move(answer));
  return RunAgainst(&conversation, words, program);
}

constexpr char kUsage[] =
    "\033[1mUsage\033[0m\n\nrabbitmqctl [--node <node>] [--longnames] [--quiet] ";

TEST(ToolTest, AddUserSaysWhatIsStillMissing) {
  Conversation conversation;
  const ToolRun run = RunAgainst(&conversation, {"add_user", "lqz", "123"});
  EXPECT_EQ(run.code, 0);
  EXPECT_EQ(run.output,
            "Adding user \"lqz\" ...\nDone. Don't forget to grant the user permissions to some "
            "virtual hosts! See "
            "'rabbitmqctl help set_permissions' to learn more.\n");
  ASSERT_EQ(conversation.asked.size(), 1u);
  EXPECT_EQ(conversation.asked[0].node(), "rabbit@here");
  EXPECT_EQ(conversation.asked[0].add_user().password(), "123");
}

TEST(ToolTest, PasswordMayComeFromStandardInput) {
  Conversation conversation;
  EXPECT_EQ(RunAgainst(&conversation, {"add_user", "lqz"}, "rabbitmqctl", "secret word\n").code, 0);
  EXPECT_EQ(conversation.asked[0].add_user().password(), "secret word");
  const ToolRun none = RunAgainst(&conversation, {"add_user", "lqz"});
  EXPECT_EQ(none.code, 65);
  EXPECT_EQ(none.errors, "Error:\nPassword is not provided via argument or stdin\n");
}

TEST(ToolTest, RefusalsHaveTheirOwnExitCodes) {
  ToolRun run = RunWith(Answer(admin::ALREADY_EXISTS), {"add_user", "lqz", "123"});
  EXPECT_EQ(run.code, 70);
  EXPECT_EQ(run.output, "Adding user \"lqz\" ...\n");
  EXPECT_EQ(run.errors, "Error:\nUser \"lqz\" already exists\n");
  run = RunWith(Answer(admin::NO_SUCH_USER), {"delete_user", "nosuch"});
  EXPECT_EQ(run.code, 67);
  EXPECT_EQ(run.errors, "Error:\nUser \"nosuch\" does not exist\n");
  run = RunWith(Answer(admin::NO_SUCH_USER), {"clear_password", "nosuch"});
  EXPECT_EQ(run.code, 69);
  EXPECT_EQ(run.errors, "Error:\n{:no_such_user, \"nosuch\"}\n");
  run = RunWith(Answer(admin::NO_SUCH_USER), {"set_permissions", "nosuch", ".*", ".*", ".*"});
  EXPECT_EQ(run.code, 67);
  EXPECT_EQ(run.errors, "Error:\nUser nosuch does not exist\n");
  run = RunWith(Answer(admin::NO_SUCH_VHOST),
                {"set_permissions", "-p", "nosuch", "lqz", ".*", ".*", ".*"});
  EXPECT_EQ(run.code, 69);
  EXPECT_EQ(run.errors, "Error:\nVirtual host nosuch does not exist\n");
  run = RunWith(Answer(admin::NO_SUCH_VHOST), {"delete_vhost", "nosuch"});
  EXPECT_EQ(run.code, 65);
  EXPECT_EQ(run.output, "Deleting vhost \"nosuch\" ...\n");
  EXPECT_EQ(run.errors, "Virtual host 'nosuch' does not exist\n");
  run = RunWith(Answer(admin::AUTHENTICATION_FAILED, "user 'guest' - invalid credentials"),
                {"authenticate_user", "guest", "wrong"});
  EXPECT_EQ(run.code, 65);
  EXPECT_EQ(
      run.errors,
      "Error:\nError: failed to authenticate user \"guest\"\nuser 'guest' - invalid credentials\n");
  run = RunWith(Answer(admin::NO_SUCH_OBJECT), {"delete_queue", "nosuch"});
  EXPECT_EQ(run.code, 64);
  EXPECT_EQ(run.errors, "Error:\nQueue not found\n");
  run = RunWith(Answer(admin::PRECONDITION, "queue 'q' in vhost '/' in use"),
                {"delete_queue", "q", "--if-unused"});
  EXPECT_EQ(run.code, 64);
  EXPECT_EQ(run.errors, "Error:\nQueue is in use\n");
  run = RunWith(Answer(admin::PRECONDITION, "queue 'q' in vhost '/' not empty"),
                {"delete_queue", "q", "--if-empty"});
  EXPECT_EQ(run.code, 64);
  EXPECT_EQ(run.errors, "Error:\nQueue is not empty\n");
  run = RunWith(Answer(admin::NO_SUCH_OBJECT), {"purge_queue", "nosuch"});
  EXPECT_EQ(run.code, 69);
  EXPECT_EQ(run.errors, "Error:\nnot_found\n");
}

TEST(ToolTest, VhostThatExistsIsNoErrorAndOneWithoutQueuesListsNothing) {
  EXPECT_EQ(RunWith(Answer(admin::ALREADY_EXISTS), {"add_vhost", "/my_vhost"}).code, 0);
  const ToolRun run = RunWith(Answer(admin::NO_SUCH_VHOST), {"list_queues", "-p", "nosuch"});
  EXPECT_EQ(run.code, 0);
  EXPECT_EQ(run.output, "Timeout: 60.0 seconds ...\nListing queues for vhost nosuch ...\n");
}

TEST(ToolTest, QuietLeavesOutTheBannerAndSilentTheHeaderToo) {
  admin::Result result = Answer();
  for (const char* column : {"name", "messages"}) result.mutable_table()->add_columns(column);
  admin::Row* row = result.mutable_table()->add_rows();
  row->add_values()->set_text("leak");
  row->add_values()->set_integer(5);
  EXPECT_EQ(RunWith(result, {"list_queues", "-t", "5"}).output,
            "Timeout: 5.0 seconds ...\nListing queues for vhost / ...\nname\tmessages\nleak\t5\n");
  EXPECT_EQ(RunWith(result, {"list_queues", "-q"}).output, "name\tmessages\nleak\t5\n");
  EXPECT_EQ(RunWith(result, {"list_queues", "-s"}).output, "leak\t5\n");
  EXPECT_EQ(RunWith(result, {"list_queues", "--no-table-headers"}).output,
            "Timeout: 60.0 seconds ...\nListing queues for vhost / ...\nleak\t5\n");
  EXPECT_EQ(RunWith(result, {"list_queues", "--formatter", "json"}).output,
            "[\n{\"name\":\"leak\",\"messages\":5}\n]\n");
}

TEST(ToolTest, MistakesShowTheCommandLineAndItsUsage) {
  ToolRun run = RunWith(Answer(), {"list_queues", "name", "frob", "frob2"});
  EXPECT_EQ(run.code, 64);
  EXPECT_EQ(run.output, "");
  EXPECT_EQ(run.errors, std::string("Error (argument validation): Info key(s) frob,frob2 are not "
                                    "supported\nArguments given:\n\t"
                                    "list_queues name frob frob2\n\n") +
                            kUsage +
                            "list_queues [--vhost <vhost>] [--online] [--offline] [--local] "
                            "[--no-table-headers] [<column>, ...] "
                            "[--timeout <timeout>]\n");
  run = RunWith(Answer(), {"add_user"});
  EXPECT_EQ(run.code, 64);
  EXPECT_EQ(
      run.errors,
      std::string(
          "Error (argument validation): not enough arguments.\nArguments given:\n\tadd_user\n\n") +
          kUsage + "add_user <username> <password>\n");
  run = RunWith(Answer(), {"add_user", "a", "b", "c"});
  EXPECT_THAT(run.errors, HasSubstr("Error (argument validation): too many arguments.\nArguments "
                                    "given:\n\tadd_user a b c\n"));
  run = RunWith(Answer(), {"add_user", "", "b"});
  EXPECT_EQ(run.code, 65);
  EXPECT_THAT(run.errors, HasSubstr("Bad argument: user cannot be an empty string\n"));
  run = RunWith(Answer(), {"list_queues", "--nosuchoption"});
  EXPECT_EQ(run.code, 64);
  EXPECT_THAT(run.errors,
              HasSubstr("Invalid options for this command:\n--nosuchoption : \nArguments given:"));
  run = RunWith(Answer(), {"set_vm_memory_high_watermark", "2"});
  EXPECT_EQ(run.code, 65);
  EXPECT_THAT(run.errors,
              HasSubstr("Bad argument: The threshold should be a fraction between 0.0 and 1.0\n"));
  EXPECT_EQ(RunWith(Answer(), {"set_disk_free_limit", "60frob"}).code, 65);
  EXPECT_EQ(RunWith(Answer(), {"set_disk_free_limit", "mem_relative"}).code, 64);
}

TEST(ToolTest, UnknownCommandIsAnsweredWithANearOneOrAll) {
  ToolRun run = RunWith(Answer(), {"list_queue"});
  EXPECT_EQ(run.code, 64);
  EXPECT_EQ(run.errors, "\nCommand 'list_queue' not found. \nDid you mean 'list_queues'? \n\n");
  run = RunWith(Answer(), {"frobnicate"});
  EXPECT_EQ(run.code, 64);
  EXPECT_THAT(run.errors, HasSubstr("\nCommand 'frobnicate' not found. \n\n\033[1mUsage\033[0m\n"));
  EXPECT_EQ(RunWith(Answer(), {}).code, 64);
}

TEST(ToolTest, EveryCommandHasAUsageAndIsKnownToHelp) {
  for (const CommandSpec& command : AllCommands()) {
    Conversation conversation;
    const ToolRun run = RunAgainst(&conversation, {"help", command.name});
    EXPECT_EQ(run.code, 0) << command.name;
    EXPECT_THAT(run.output, HasSubstr(std::string(kUsage) + command.name)) << command.name;
    EXPECT_NE(RunAgainst(&conversation, {command.name, "--nosuch"}).errors.find("nosuch"),
              std::string::npos);
  }
}

TEST(ToolTest, DownStartingStoppedAndWrongCookieAreFourTexts) {
  const ToolRun down = RunWith(absl::UnavailableError("refused"), {"list_queues"});
  EXPECT_EQ(down.code, 69);
  EXPECT_EQ(down.output, "");
  EXPECT_THAT(
      down.errors,
      HasSubstr(
          "Error: unable to perform an operation on node 'rabbit@here'. Please see diagnostics "
          "information and suggestions below.\n"));
  EXPECT_THAT(down.errors, HasSubstr("unable to connect to 127.0.0.1:25672"));

  EXPECT_EQ(RunWith(absl::UnavailableError("refused"), {"stop"}).output,
            "Stopping and halting node rabbit@here ...\n");

  const ToolRun cookie = RunWith(absl::UnauthenticatedError("no"), {"list_queues"});
  EXPECT_EQ(cookie.code, 69);
  EXPECT_THAT(cookie.errors, HasSubstr("do not have the same cookie"));
  EXPECT_THAT(cookie.errors, Not(HasSubstr("unable to connect")));

  admin::Result answer = Answer(admin::NOT_RUNNING);
  answer.set_state(admin::APP_STOPPED);
  const ToolRun stopped = RunWith(answer, {"list_queues"});
  EXPECT_EQ(stopped.code, 64);
  EXPECT_EQ(stopped.output, "");
  EXPECT_THAT(
      stopped.errors,
      HasSubstr("Error: this command requires the 'rabbit' app to be running on the target node. "
                "Start it with "
                "'rabbitmqctl start_app'.\nArguments given:\n\tlist_queues\n\n\033[1mUsage"));

  answer.set_state(admin::STARTING);
  const ToolRun starting = RunWith(answer, {"list_queues"});
  EXPECT_EQ(starting.code, 64);
  EXPECT_THAT(starting.errors, HasSubstr("still starting"));
}

TEST(ToolTest, AnotherNodeThanTheOneMeantIsNotAsked) {
  admin::Result other = Answer(admin::WRONG_NODE);
  other.set_node("hare@here");
  const ToolRun run = RunWith(other, {"list_users"});
  EXPECT_EQ(run.code, 69);
  EXPECT_THAT(run.errors, HasSubstr("node 'rabbit' not running there"));
  EXPECT_THAT(run.errors, HasSubstr("[hare]"));
  Conversation conversation;
  EXPECT_EQ(RunAgainst(&conversation, {"-n", "rabbit@elsewhere", "list_users"}).code, 69);
  EXPECT_THAT(conversation.asked, IsEmpty());
}

TEST(ToolTest, NodeThatNobodyNamedTellsItsName) {
  Conversation conversation;
  for (int i = 0; i < 2; ++i) {
    admin::Result answer = Answer();
    answer.set_node("hare@burrow");
    conversation.answers.push_back(answer);
  }
  EXPECT_EQ(RunAgainst(&conversation, {"stop_app"}, "rabbitmqctl", "", {}).output,
            "Stopping rabbit application on node hare@burrow ...\n");
}

TEST(ToolTest, SlowNodeIsATimeout) {
  const ToolRun run = RunWith(absl::DeadlineExceededError(""), {"list_queues", "-t", "3"});
  EXPECT_EQ(run.code, 75);
  EXPECT_THAT(
      run.errors,
      HasSubstr("operation list_queues on node rabbit@here timed out. Timeout value used: 3000"));
}

TEST(ToolTest, PingNeedsNoRunningApplication) {
  admin::Result stopped = Answer();
  stopped.set_state(admin::APP_STOPPED);
  ToolRun run = RunWith(stopped, {"ping"});
  EXPECT_EQ(run.code, 0);
  EXPECT_EQ(run.output,
            "Will ping rabbit@here. This only checks if the OS process is running and registered "
            "with epmd. Timeout: 60000 "
            "ms.\nPing succeeded\n");
  EXPECT_EQ(RunWith(stopped, {"-q", "ping"}).output, "Ping succeeded\n");
  EXPECT_EQ(RunWith(stopped, {"ping", "--formatter", "json"}).output,
            "{\"message\":\"Ping succeeded\"}\n");
  run = RunWith(absl::UnavailableError(""), {"-q", "ping"});
  EXPECT_EQ(run.code, 69);
  EXPECT_EQ(run.errors, "Error:\nFailed to connect and authenticate to rabbit@here in 60000 ms\n");
}

TEST(ToolTest, AwaitStartupWaitsForAStartingNodeOnly) {
  Conversation conversation;
  admin::Result answer = Answer();
  answer.set_state(admin::STARTING);
  conversation.answers.assign(5, answer);
  EXPECT_EQ(RunAgainst(&conversation, {"await_startup"}).code, 0);
  EXPECT_EQ(conversation.asked.size(), 6u);
  answer.set_state(admin::APP_STOPPED);
  conversation.answers.assign(1, answer);
  const ToolRun stopped = RunAgainst(&conversation, {"await_startup"});
  EXPECT_EQ(stopped.code, 69);
  EXPECT_EQ(stopped.errors, "Error:\nrabbit_is_not_running\n");
  EXPECT_EQ(RunWith(absl::UnavailableError(""), {"await_startup"}).code, 69);
}

TEST(ToolTest, DiagnosticsAnswersWithItsExitCode) {
  ToolRun run = RunWith(Answer(), {"check_running"}, "rabbitmq-diagnostics");
  EXPECT_EQ(run.code, 0);
  EXPECT_EQ(run.output,
            "Checking if RabbitMQ is running on node rabbit@here ...\nRabbitMQ on node rabbit@here "
            "is fully booted and "
            "running\n");
  admin::Result answer = Answer();
  answer.set_state(admin::STARTING);
  run = RunWith(answer, {"check_running"}, "rabbitmq-diagnostics");
  EXPECT_EQ(run.code, 69);
  EXPECT_EQ(run.errors,
            "Error:\nRabbitMQ on node rabbit@here is not running or has not fully booted yet "
            "(check with is_booting)\n");

  answer = Answer();
  admin::Alarm* alarm = answer.mutable_status()->add_alarms();
  alarm->set_node("rabbit@here");
  alarm->set_resource("memory");
  run = RunWith(answer, {"check_local_alarms"}, "rabbitmq-diagnostics");
  EXPECT_EQ(run.code, 69);
  EXPECT_EQ(run.errors, "Error:\nMemory alarm on node rabbit@here\n");
  run = RunWith(answer, {"check_alarms"}, "rabbitmq-diagnostics");
  EXPECT_EQ(run.code, 69);
  EXPECT_THAT(run.output, HasSubstr("...\nMemory alarm on node rabbit@here\n"));

  answer = Answer();
  admin::Listener* listener = answer.mutable_status()->add_listeners();
  listener->set_port(5673);
  listener->set_protocol("amqp");
  run = RunWith(answer, {"check_port_listener", "9999"}, "rabbitmq-diagnostics");
  EXPECT_EQ(run.code, 69);
  EXPECT_THAT(
      run.output,
      HasSubstr(
          "No listener for port 9999 is active on node rabbit@here. Found listeners that use the "
          "following ports: 5673\n"));
  run = RunWith(answer, {"check_protocol_listener", "mqtt"}, "rabbitmq-diagnostics");
  EXPECT_EQ(run.code, 69);
  EXPECT_THAT(
      run.errors,
      HasSubstr(
          "No listener for protocol mqtt is active on node rabbit@here. Found listeners for the "
          "following protocols: amqp\n"));
}

TEST(ToolTest, OperationsSayWhatTheyDo) {
  admin::Result answer = Answer();
  answer.set_count(7);
  EXPECT_EQ(RunWith(answer, {"delete_queue", "q", "-e", "-u"}).output,
            "Deleting queue 'q' on vhost '/' if queue is empty and if queue is unused ...\nQueue "
            "was successfully deleted "
            "with 7 ready messages\n");
  EXPECT_EQ(RunWith(answer, {"purge_queue", "q"}).output, "Purging queue 'q' in vhost '/' ...\n");
  EXPECT_EQ(RunWith(answer, {"close_connection", "<rabbit@here.1.2.3>", "bye"}).output,
            "Closing connection <rabbit@here.1.2.3>, reason: bye...\n");
  EXPECT_EQ(RunWith(answer, {"close_all_connections", "bye"}).output,
            "Closing all connections in vhost /, reason: bye...\nClosed 7 connections\n");
  EXPECT_EQ(RunWith(answer, {"set_vm_memory_high_watermark", "absolute", "2GB"}).output,
            "Setting memory threshold on rabbit@here to 2GB bytes ...\n");
  EXPECT_EQ(RunWith(answer, {"set_disk_free_limit", "mem_relative", "0.001"}).output,
            "Setting disk free limit on rabbit@here to 0.001 times the total RAM ...\n");
  EXPECT_EQ(RunWith(answer, {"set_user_tags", "lqz", "administrator", "monitoring"}).output,
            "Setting tags for user \"lqz\" to [administrator, monitoring] ...\n");
  EXPECT_EQ(RunWith(answer, {"list_permissions"}).output,
            "Listing permissions for vhost \"/\" ...\n\n");
  EXPECT_EQ(RunWith(answer, {"delete_user", "j", "--formatter", "json"}).output,
            "{\"node\":\"rabbit@here\",\"result\":\"ok\"}\n");
  EXPECT_EQ(RunWith(answer, {"close_connection", "frob", "bye"}).errors,
            "Error:\nError:\n{:invalid_pid_syntax, \"frob\"}\n");
}

}  // namespace
}  // namespace pontoon::ctl
