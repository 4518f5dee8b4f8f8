#include "server/admin/command_runner.h"

#include <gtest/gtest.h>

#include "server/admin/fake_node_control.h"

namespace pontoon::admin {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class CommandRunnerTest : public testing::Test {
 protected:
  Result Run(const Command& command) { return runner_.RunBlocking(command); }
  Result Set(const std::string& user, const std::string& vhost, const std::string& pattern) {
    Command command;
    SetPermissions* set = command.mutable_set_permissions();
    set->set_user(user);
    set->set_vhost(vhost);
    set->set_configure(pattern);
    set->set_write(pattern);
    set->set_read(pattern);
    return Run(command);
  }
  Result Add(const std::string& user, const std::string& password) {
    Command command;
    command.mutable_add_user()->set_name(user);
    command.mutable_add_user()->set_password(password);
    return Run(command);
  }
  Result Authenticate(const std::string& user, const std::string& password) {
    Command command;
    command.mutable_authenticate_user()->set_name(user);
    command.mutable_authenticate_user()->set_password(password);
    return Run(command);
  }
  // The named cell of the first row whose first cell is `row`.
  static Value Cell(const Table& table, const std::string& row, const std::string& column) {
    for (const Row& each : table.rows()) {
      if (each.values(0).text() != row) continue;
      for (int i = 0; i < table.columns_size(); ++i) {
        if (table.columns(i) == column) return each.values(i);
      }
    }
    ADD_FAILURE() << "no " << column << " of " << row;
    return {};
  }

  FakeNodeControl node_;
  base::SeededRandom random_{1};
  LineLogger logger_;
  CommandRunner runner_{"rabbit@here", &node_, &random_, &logger_};
};

TEST_F(CommandRunnerTest, UserLivesFromAddToDelete) {
  EXPECT_EQ(Add("lqz", "123").refusal(), NONE);
  EXPECT_EQ(Add("lqz", "123").refusal(), ALREADY_EXISTS);
  EXPECT_EQ(Authenticate("lqz", "123").refusal(), NONE);
  EXPECT_EQ(Authenticate("lqz", "wrong").refusal(), AUTHENTICATION_FAILED);
  Command change;
  change.mutable_change_password()->set_name("lqz");
  change.mutable_change_password()->set_password("456");
  EXPECT_EQ(Run(change).refusal(), NONE);
  EXPECT_EQ(Authenticate("lqz", "123").refusal(), AUTHENTICATION_FAILED);
  EXPECT_EQ(Authenticate("lqz", "456").refusal(), NONE);
  Command clear;
  clear.mutable_clear_password()->set_name("lqz");
  EXPECT_EQ(Run(clear).refusal(), NONE);
  EXPECT_EQ(Authenticate("lqz", "").refusal(), AUTHENTICATION_FAILED);
  Command remove;
  remove.mutable_delete_user()->set_name("lqz");
  EXPECT_EQ(Run(remove).refusal(), NONE);
  EXPECT_EQ(Run(remove).refusal(), NO_SUCH_USER);
  EXPECT_EQ(Run(change).refusal(), NO_SUCH_USER);
  EXPECT_EQ(Run(clear).refusal(), NO_SUCH_USER);
  EXPECT_THAT(
      logger_.lines(),
      ElementsAre("Created user 'lqz'", "Failed to add user 'lqz': the user already exists",
                  "Successfully changed password for user 'lqz'", "Clearing password for 'lqz'",
                  "Deleted user 'lqz'", "Failed to delete user 'lqz': the user does not exist"));
}

TEST_F(CommandRunnerTest, ChangedPasswordKeepsTags) {
  Command change;
  change.mutable_change_password()->set_name("guest");
  change.mutable_change_password()->set_password("new");
  ASSERT_EQ(Run(change).refusal(), NONE);
  Command list;
  list.mutable_list_users();
  const Result users = Run(list);
  EXPECT_THAT(Cell(users.table(), "guest", "tags").list().items(), ElementsAre("administrator"));
}

TEST_F(CommandRunnerTest, PermissionsNeedAUserAVhostAndExpressions) {
  EXPECT_EQ(Set("guest", "/", ".*").refusal(), NONE);
  EXPECT_EQ(Set("nosuch", "/", ".*").refusal(), NO_SUCH_USER);
  EXPECT_EQ(Set("guest", "nosuch", ".*").refusal(), NO_SUCH_VHOST);
  EXPECT_EQ(Set("nosuch", "nosuch", ".*").refusal(), NO_SUCH_USER);
  const Result open = Set("guest", "/", "(");
  EXPECT_EQ(open.refusal(), BAD_ARGUMENT);
  EXPECT_EQ(open.text(), "{:invalid_regexp, '(', {'missing )', 1}}");
  EXPECT_EQ(Set("guest", "/", "*").text(), "{:invalid_regexp, '*', {'nothing to repeat', 0}}");
  EXPECT_THAT(logger_.lines(),
              Contains("Successfully set permissions for 'guest' in virtual host '/' "
                       "to '.*', '.*', '.*'"));
  EXPECT_THAT(logger_.lines(),
              Contains("Failed to set permissions for 'guest' in virtual host '/': "
                       "regular expression '(' is invalid"));

  Command clear;
  clear.mutable_clear_permissions()->set_user("guest");
  clear.mutable_clear_permissions()->set_vhost("/");
  EXPECT_EQ(Run(clear).refusal(), NONE);
  EXPECT_EQ(Run(clear).refusal(), NONE);
  Command list;
  list.mutable_list_permissions()->set_name("/");
  EXPECT_EQ(Run(list).table().rows_size(), 0);
  list.mutable_list_permissions()->set_name("nosuch");
  EXPECT_EQ(Run(list).refusal(), NO_SUCH_VHOST);
  Command of_user;
  of_user.mutable_list_user_permissions()->set_name("nosuch");
  EXPECT_EQ(Run(of_user).refusal(), NO_SUCH_USER);
}

TEST_F(CommandRunnerTest, VhostsComeAndGo) {
  Command add;
  add.mutable_add_vhost()->set_name("/my_vhost");
  add.mutable_add_vhost()->set_description("mine");
  EXPECT_EQ(Run(add).refusal(), NONE);
  EXPECT_EQ(Run(add).refusal(), ALREADY_EXISTS);
  add.mutable_add_vhost()->set_name("v9");
  add.mutable_add_vhost()->set_default_queue_type("frob");
  EXPECT_EQ(Run(add).text(), "invalid_queue_type");
  Command list;
  list.mutable_list_vhosts();
  const Result vhosts = Run(list);
  EXPECT_EQ(Cell(vhosts.table(), "/my_vhost", "description").text(), "mine");
  EXPECT_EQ(Cell(vhosts.table(), "/", "default_queue_type").atom(), "undefined");
  Command remove;
  remove.mutable_delete_vhost()->set_name("/my_vhost");
  EXPECT_EQ(Run(remove).refusal(), NONE);
  EXPECT_EQ(Run(remove).refusal(), NO_SUCH_VHOST);
}

TEST_F(CommandRunnerTest, QueuesAreListedWithTheirFigures) {
  node_.declared().Run(
      node_.declared().Queue("orders", {{"x-queue-type", amqp::Value::String("quorum")}}));
  catalog::DeclareQueue exclusive = node_.declared().TransientQueue("mine");
  exclusive.exclusive = true;
  exclusive.owner = catalog::TestCatalog::Owner(1042);
  node_.declared().Run(exclusive);
  const catalog::VersionPtr version = node_.catalog();
  broker::QueueFigures figures;
  figures.queue = version->FindQueue(node_.declared().vhost(), "orders")->id;
  figures.ready = 5;
  figures.unacknowledged = 2;
  figures.consumers = 1;
  figures.exclusive_consumer_tag = "t";
  figures.exclusive_consumer_channel = "<rabbit@here.1795158220.1043.0>";
  node_.queues = {figures};
  ConnectionFigures connection;
  connection.pid = "<rabbit@here.1795158220.1042.0>";
  node_.connections = {connection};

  Command list;
  list.mutable_list_queues()->set_name("/");
  const Table table = Run(list).table();
  ASSERT_EQ(table.rows_size(), 2);
  EXPECT_EQ(Cell(table, "orders", "messages").integer(), 7);
  EXPECT_EQ(Cell(table, "orders", "messages_unacknowledged").integer(), 2);
  EXPECT_EQ(Cell(table, "orders", "type").atom(), "quorum");
  EXPECT_THAT(Cell(table, "orders", "members").list().items(), ElementsAre("rabbit@here"));
  EXPECT_EQ(Cell(table, "orders", "owner_pid").kind_case(), Value::KIND_NOT_SET);
  EXPECT_EQ(Cell(table, "orders", "exclusive_consumer_pid").atom(),
            "<rabbit@here.1795158220.1043.0>");
  EXPECT_EQ(Cell(table, "orders", "consumer_utilisation").kind_case(), Value::KIND_NOT_SET);
  EXPECT_EQ(Cell(table, "mine", "exclusive_consumer_pid").kind_case(), Value::KIND_NOT_SET);
  EXPECT_EQ(Cell(table, "mine", "consumer_utilisation").integer(), 0);
  EXPECT_EQ(Cell(table, "mine", "type").atom(), "classic");
  EXPECT_EQ(Cell(table, "mine", "owner_pid").atom(), "<rabbit@here.1795158220.1042.0>");
  EXPECT_EQ(Cell(table, "mine", "messages").integer(), 0);
  list.mutable_list_queues()->set_name("nosuch");
  EXPECT_EQ(Run(list).refusal(), NO_SUCH_VHOST);
}

TEST_F(CommandRunnerTest, QueuesAreFoundByNameInTheirVhost) {
  node_.declared().Run(node_.declared().Queue("orders"));
  const auto id = node_.catalog()->FindQueue(node_.declared().vhost(), "orders")->id.value;
  Command remove;
  remove.mutable_delete_queue()->set_vhost("/");
  remove.mutable_delete_queue()->set_name("orders");
  remove.mutable_delete_queue()->set_if_empty(true);
  EXPECT_EQ(Run(remove).count(), 3u);
  Command purge;
  purge.mutable_purge_queue()->set_vhost("/");
  purge.mutable_purge_queue()->set_name("orders");
  EXPECT_EQ(Run(purge).refusal(), NONE);
  EXPECT_THAT(node_.Asked(),
              ElementsAre(absl::StrCat("delete ", id, " empty"), absl::StrCat("purge ", id)));
  purge.mutable_purge_queue()->set_name("nosuch");
  EXPECT_EQ(Run(purge).refusal(), NO_SUCH_OBJECT);
  remove.mutable_delete_queue()->set_vhost("nosuch");
  EXPECT_EQ(Run(remove).refusal(), NO_SUCH_VHOST);
}

TEST_F(CommandRunnerTest, StoppedApplicationAnswersLifeCycleOnly) {
  for (const auto state : {NodeControl::State::kStarting, NodeControl::State::kAppStopped}) {
    node_.SetState(state);
    Command ping;
    ping.mutable_ping();
    const Result pong = Run(ping);
    EXPECT_EQ(pong.refusal(), NONE);
    EXPECT_EQ(pong.state(), state == NodeControl::State::kStarting ? STARTING : APP_STOPPED);
    EXPECT_EQ(pong.node(), "rabbit@here");
    EXPECT_GT(pong.status().os_pid(), 0u);
    EXPECT_EQ(Add("lqz", "1").refusal(), NOT_RUNNING);
    Command list;
    list.mutable_list_queues()->set_name("/");
    EXPECT_EQ(Run(list).refusal(), NOT_RUNNING);
    Command status;
    status.mutable_status();
    EXPECT_EQ(Run(status).refusal(), NOT_RUNNING);
  }
  Command start;
  start.mutable_start_app();
  EXPECT_EQ(Run(start).state(), RUNNING);
  EXPECT_EQ(Add("lqz", "1").refusal(), NONE);
}

TEST_F(CommandRunnerTest, CommandForAnotherNodeChangesNothing) {
  Command stop;
  stop.mutable_stop();
  stop.set_node("hare@here");
  const Result result = Run(stop);
  EXPECT_EQ(result.refusal(), WRONG_NODE);
  EXPECT_EQ(result.node(), "rabbit@here");
  EXPECT_TRUE(node_.Asked().empty());
}

TEST_F(CommandRunnerTest, CommandOfANewerToolIsRefused) {
  EXPECT_EQ(Run(Command()).refusal(), BAD_ARGUMENT);
}

TEST_F(CommandRunnerTest, LimitsAreFractionsOrBytes) {
  Command memory;
  memory.mutable_set_vm_memory_high_watermark()->set_relative(0.5);
  Run(memory);
  memory.mutable_set_vm_memory_high_watermark()->set_is_absolute(true);
  memory.mutable_set_vm_memory_high_watermark()->set_absolute(2000);
  Run(memory);
  Command disk;
  disk.mutable_set_disk_free_limit()->set_bytes(60);
  Run(disk);
  disk.mutable_set_disk_free_limit()->set_is_relative(true);
  disk.mutable_set_disk_free_limit()->set_mem_relative(1.5);
  Run(disk);
  EXPECT_THAT(node_.Asked(),
              ElementsAre("memory 0.5 0", "memory 0 2000", "disk 60 0", "disk 0 1.5"));
}

}  // namespace
}  // namespace pontoon::admin
