#include <string>
#include <variant>
#include <vector>

#include "server/catalog/testing.h"

namespace pontoon::catalog {
namespace {

using amqp::Table;
using amqp::Value;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class CommandsTest : public ::testing::Test {
 protected:
  std::vector<std::string> Bindings(const std::string& of_source) const {
    std::vector<std::string> bindings;
    for (const BindingRecord& binding : catalog_.version().ListBindings(catalog_.vhost())) {
      if (binding.source != of_source) continue;
      bindings.push_back(absl::StrCat(binding.destination, ":", binding.routing_key));
    }
    return bindings;
  }
  bool HasExchange(const std::string& name) const {
    return catalog_.version().FindExchange(catalog_.vhost(), name) != nullptr;
  }
  bool HasQueue(const std::string& name) const {
    return catalog_.version().FindQueue(catalog_.vhost(), name) != nullptr;
  }
  QueueId IdOf(const std::string& name) const {
    return catalog_.version().FindQueue(catalog_.vhost(), name)->id;
  }
  Unbind UnbindQueue(const std::string& source, const std::string& queue, const std::string& key,
                     const Table& arguments = {}) const {
    return {catalog_.vhost(), catalog_.Binding(source, queue, key, arguments)};
  }
  std::string Delete(const std::string& exchange, bool if_unused = false) {
    return catalog_.Try(DeleteExchange{catalog_.vhost(), exchange, if_unused});
  }

  TestCatalog catalog_;
};

TEST_F(CommandsTest, EveryNewVirtualHostHasThePredeclaredExchanges) {
  catalog_.Run(AddVhost{"/my_vhost", "", {}, ""});
  const VhostId id = catalog_.version().FindVhost("/my_vhost")->id;
  std::vector<std::string> names;
  for (const ExchangeRecord* exchange : catalog_.version().ListExchanges(id)) {
    names.push_back(
        absl::StrCat(exchange->name, "=", absl::string_view(ExchangeKindName(exchange->kind)),
                     exchange->internal ? " internal" : "", exchange->durable ? " durable" : ""));
  }
  EXPECT_THAT(
      names,
      ElementsAre("=direct durable", "amq.direct=direct durable", "amq.fanout=fanout durable",
                  "amq.headers=headers durable", "amq.match=headers durable",
                  "amq.rabbitmq.trace=topic internal durable", "amq.topic=topic durable"));
  EXPECT_FALSE(catalog_.Run(AddVhost{"/my_vhost", "", {}, ""}).created)
      << "adding it again changes nothing";
  EXPECT_EQ(catalog_.version().FindVhost("/my_vhost")->id, id);
}

TEST_F(CommandsTest, ExchangeRedeclaredWithOtherPropertiesIsRefusedWithTheDifference) {
  catalog_.Run(catalog_.Exchange("x"));
  EXPECT_EQ(catalog_.Try(catalog_.Exchange("x")), "");
  EXPECT_EQ(catalog_.Try(catalog_.Exchange("x", ExchangeKind::kFanout)),
            "406 inequivalent arg 'type' for exchange 'x' in vhost '/': received 'fanout' but "
            "current is 'direct'");
  DeclareExchange other = catalog_.Exchange("x");
  other.durable = false;
  EXPECT_EQ(catalog_.Try(other),
            "406 inequivalent arg 'durable' for exchange 'x' in vhost '/': received 'false' but "
            "current is 'true'");
  other = catalog_.Exchange("x");
  other.auto_delete = true;
  EXPECT_EQ(catalog_.Try(other),
            "406 inequivalent arg 'auto_delete' for exchange 'x' in vhost '/': received 'true' but "
            "current is 'false'");
  other = catalog_.Exchange("x");
  other.internal = true;
  EXPECT_EQ(catalog_.Try(other),
            "406 inequivalent arg 'internal' for exchange 'x' in vhost '/': received 'true' but "
            "current is 'false'");
  EXPECT_EQ(catalog_.Try(catalog_.Exchange("x", ExchangeKind::kDirect,
                                           {{"alternate-exchange", Value::String("foo")}})),
            "406 inequivalent arg 'alternate-exchange' for exchange 'x' in vhost '/': received the "
            "value 'foo' of type "
            "'longstr' but current is none");
  EXPECT_EQ(
      catalog_.Try(catalog_.Exchange("x", ExchangeKind::kDirect, {{"foo", Value::String("foo")}})),
      "");
}

TEST_F(CommandsTest, AlternateExchangeOfAnotherTypeThanTextIsRefused) {
  EXPECT_EQ(
      catalog_.Try(
          catalog_.Exchange("x", ExchangeKind::kDirect, {{"alternate-exchange", Value::Int(5)}})),
      "406 invalid type 'signedint' for arg 'alternate-exchange' in exchange 'x' in vhost '/'");
  EXPECT_FALSE(HasExchange("x"));
}

TEST_F(CommandsTest, ReservedAndDefaultExchangesAreProtected) {
  EXPECT_EQ(catalog_.Try(catalog_.Exchange("amq.x")),
            "403 exchange name 'amq.x' contains reserved prefix 'amq.*'");
  EXPECT_EQ(catalog_.Try(catalog_.Exchange("amq.direct")), "");
  EXPECT_EQ(catalog_.Try(catalog_.Exchange("amq")), "");
  const std::string refused = "403 operation not permitted on the default exchange";
  catalog_.Run(catalog_.Queue("q"));
  EXPECT_EQ(catalog_.Try(catalog_.Exchange("")), refused);
  EXPECT_EQ(Delete(""), refused);
  EXPECT_EQ(catalog_.Try(catalog_.BindQueue("", "q", "q")), refused);
  EXPECT_EQ(catalog_.Try(UnbindQueue("", "q", "q")), refused);
  EXPECT_EQ(catalog_.Try(catalog_.BindExchange("amq.direct", "")), refused);
  EXPECT_EQ(Delete("amq.direct"),
            "403 deletion of system exchange 'amq.direct' in vhost '/' not allowed");
  EXPECT_EQ(Delete("amq.missing", true),
            "403 deletion of system exchange 'amq.missing' in vhost '/' not allowed");
}

TEST_F(CommandsTest, DeletingAnExchangeIfUnusedLooksAtItsOutgoingBindings) {
  catalog_.Run(catalog_.Exchange("x"));
  catalog_.Run(catalog_.Exchange("y"));
  catalog_.Run(catalog_.BindExchange("x", "y"));
  EXPECT_EQ(Delete("x", true), "406 exchange 'x' in vhost '/' in use");
  EXPECT_EQ(Delete("y", true), "") << "bindings to it do not use it";
  EXPECT_THAT(Bindings("x"), IsEmpty());
  EXPECT_EQ(Delete("x", true), "");
  EXPECT_EQ(Delete("x", true), "") << "deleting what is not there is fine";
}

TEST_F(CommandsTest, BindingToWhatIsMissingNamesIt) {
  catalog_.Run(catalog_.Queue("q"));
  catalog_.Run(catalog_.Exchange("x"));
  EXPECT_EQ(catalog_.Try(catalog_.BindQueue("m1", "q")), "404 no exchange 'm1' in vhost '/'");
  EXPECT_EQ(catalog_.Try(catalog_.BindQueue("x", "nq")), "404 no queue 'nq' in vhost '/'");
  EXPECT_EQ(catalog_.Try(catalog_.BindQueue("m1", "nq")), "404 no exchange 'm1' in vhost '/'");
  EXPECT_EQ(catalog_.Try(catalog_.BindExchange("x", "nd")), "404 no exchange 'nd' in vhost '/'");
  EXPECT_EQ(catalog_.Try(catalog_.BindExchange("ns", "nd")), "404 no exchange 'ns' in vhost '/'");
  EXPECT_EQ(catalog_.Try(UnbindQueue("m1", "nq", "k")), "");
  EXPECT_EQ(catalog_.Try(UnbindQueue("x", "q", "k")), "");
}

TEST_F(CommandsTest, BindingsAreOnePerKeyAndArguments) {
  catalog_.Run(catalog_.Queue("q"));
  EXPECT_TRUE(catalog_.Run(catalog_.BindQueue("amq.direct", "q", "k")).created);
  EXPECT_FALSE(catalog_.Run(catalog_.BindQueue("amq.direct", "q", "k")).created);
  const Table ab = {{"a", Value::Int(1)}, {"b", Value::Int(2)}},
              ba = {{"b", Value::Int(2)}, {"a", Value::Int(1)}};
  EXPECT_TRUE(catalog_.Run(catalog_.BindQueue("amq.direct", "q", "k", ab)).created);
  EXPECT_FALSE(catalog_.Run(catalog_.BindQueue("amq.direct", "q", "k", ba)).created)
      << "a table has no order";
  EXPECT_THAT(Bindings("amq.direct"), ElementsAre("q:k", "q:k"));
  catalog_.Run(UnbindQueue("amq.direct", "q", "k"));
  EXPECT_THAT(catalog_.Route("amq.direct", {"k"}), ElementsAre("q"))
      << "the one with arguments is still there";
  catalog_.Run(UnbindQueue("amq.direct", "q", "k", ba));
  EXPECT_THAT(catalog_.Route("amq.direct", {"k"}), IsEmpty());
}

TEST_F(CommandsTest, HeadersBindingWithAnUnknownMatchIsRefused) {
  catalog_.Run(catalog_.Queue("q"));
  EXPECT_EQ(
      catalog_.Try(catalog_.BindQueue("amq.headers", "q", "", {{"x-match", Value::String("foo")}})),
      "406 Invalid x-match field value <<\"foo\">>; expected all, any, all-with-x, or any-with-x");
  EXPECT_EQ(catalog_.Try(catalog_.BindQueue("amq.headers", "q", "", {{"x-match", Value::Int(5)}})),
            "406 Invalid x-match field type signedint (value 5); expected longstr");
}

TEST_F(CommandsTest, DefaultBindingsAreListedFirst) {
  catalog_.Run(catalog_.Queue("b"));
  catalog_.Run(catalog_.Queue("a"));
  catalog_.Run(catalog_.BindQueue("amq.direct", "b", "k"));
  EXPECT_THAT(Bindings(""), ElementsAre("a:a", "b:b"));
  EXPECT_EQ(catalog_.version().ListBindings(catalog_.vhost()).back().source, "amq.direct");
}

TEST_F(CommandsTest, AForgottenQueueTakesItsBindingsAndAnAutomaticExchangeAlong) {
  DeclareExchange automatic = catalog_.Exchange("auto", ExchangeKind::kFanout);
  automatic.auto_delete = true;
  catalog_.Run(automatic);
  catalog_.Run(catalog_.Exchange("upstream"));
  catalog_.Run(catalog_.BindExchange("upstream", "auto", "k"));
  EXPECT_TRUE(HasExchange("auto")) << "it never had an outgoing binding";
  catalog_.Run(catalog_.Queue("q"));
  catalog_.Run(catalog_.Queue("other"));
  catalog_.Run(catalog_.BindQueue("auto", "q"));
  catalog_.Run(catalog_.BindQueue("amq.topic", "q", "a.#"));
  catalog_.Run(catalog_.BindQueue("amq.topic", "other", "a.#"));
  const QueueId q = IdOf("q");
  catalog_.Run(ForgetQueue{q});
  ASSERT_EQ(catalog_.changes().size(), 1u);
  const auto& forgotten = std::get<QueueForgotten>(catalog_.changes()[0]);
  EXPECT_EQ(forgotten.queue, q);
  EXPECT_EQ(forgotten.shard, GroupId{1});
  EXPECT_TRUE(forgotten.closed_by_shard);
  EXPECT_FALSE(HasQueue("q"));
  EXPECT_FALSE(HasExchange("auto"));
  EXPECT_THAT(Bindings("upstream"), IsEmpty());
  EXPECT_THAT(catalog_.Route("amq.topic", {"a.b"}), ElementsAre("other"));
  EXPECT_EQ(catalog_.Try(ForgetQueue{q}), "") << "carried to the catalog twice";
  EXPECT_THAT(catalog_.changes(), IsEmpty());
  catalog_.Run(catalog_.Queue("q"));
  EXPECT_NE(IdOf("q"), q) << "declared again it is another queue";
}

TEST_F(CommandsTest, AutomaticExchangesInACycleGoTogether) {
  for (const char* name : {"a", "b"}) {
    DeclareExchange exchange = catalog_.Exchange(name, ExchangeKind::kFanout);
    exchange.auto_delete = true;
    catalog_.Run(exchange);
  }
  catalog_.Run(catalog_.Queue("q"));
  catalog_.Run(catalog_.BindExchange("a", "b"));
  catalog_.Run(catalog_.BindQueue("b", "q"));
  catalog_.Run(UnbindQueue("b", "q", ""));
  EXPECT_FALSE(HasExchange("b"));
  EXPECT_FALSE(HasExchange("a"));
}

TEST_F(CommandsTest, OldVersionsKeepWhatTheyHad) {
  catalog_.Run(catalog_.Queue("q"));
  catalog_.Run(catalog_.BindQueue("amq.direct", "q", "k"));
  const VersionPtr before = catalog_.held_version();
  const QueueRecord* queue = before->FindQueue(catalog_.vhost(), "q");
  catalog_.Run(ForgetQueue{queue->id});
  EXPECT_FALSE(HasQueue("q"));
  EXPECT_EQ(queue->name, "q");
  const absl::string_view key = "k";
  std::vector<Target> targets;
  before->Route(*before->FindExchange(catalog_.vhost(), "amq.direct"), {&key, 1}, nullptr,
                &targets);
  ASSERT_EQ(targets.size(), 1u);
  EXPECT_EQ(targets[0].queue, queue->id);
  EXPECT_LT(before->index(), catalog_.version().index());
}

TEST_F(CommandsTest, DeletingAVirtualHostTakesEverythingInIt) {
  catalog_.Run(AddVhost{"v", "", {}, ""});
  const VhostId v = catalog_.version().FindVhost("v")->id;
  for (const char* name : {"b", "a"}) {
    DeclareQueue queue = catalog_.Queue(name);
    queue.vhost = v;
    catalog_.Run(queue);
    catalog_.Run(Bind{v, catalog_.Binding("amq.topic", name, "#")});
  }
  catalog_.Run(catalog_.Queue("a"));
  catalog_.Run(PutUser{{"u", "", HashAlgorithm::kSha256, {}}, false});
  catalog_.Run(SetPermission{{"u", "v", ".*", ".*", ".*"}});
  catalog_.Run(SetPermission{{"u", "/", ".*", ".*", ".*"}});
  const QueueId first = catalog_.version().FindQueue(v, "a")->id;
  EXPECT_EQ(catalog_.Try(DeleteVhost{"v"}), "");
  ASSERT_EQ(catalog_.changes().size(), 3u);
  EXPECT_EQ(std::get<QueueForgotten>(catalog_.changes()[0]).queue, first);
  EXPECT_FALSE(std::get<QueueForgotten>(catalog_.changes()[0]).closed_by_shard);
  EXPECT_EQ(std::get<VhostDeleted>(catalog_.changes()[2]).vhost, v);
  EXPECT_EQ(catalog_.version().FindVhost("v"), nullptr);
  EXPECT_EQ(catalog_.version().FindQueue(first), nullptr);
  EXPECT_EQ(catalog_.version().queue_count(), 1u);
  EXPECT_EQ(catalog_.version().FindPermission("u", "v"), nullptr);
  EXPECT_NE(catalog_.version().FindPermission("u", "/"), nullptr);
  EXPECT_EQ(catalog_.Try(DeleteVhost{"v"}), "NOT_FOUND Virtual host 'v' does not exist");
  EXPECT_EQ(catalog_.Run(AddVhost{"v", "", {}, ""}).created, true);
  EXPECT_THAT(catalog_.version().ListQueues(catalog_.version().FindVhost("v")->id), IsEmpty());
}

TEST_F(CommandsTest, UsersTagsAndPermissions) {
  EXPECT_EQ(catalog_.Try(PutUser{{"lqz", "h1", HashAlgorithm::kSha256, {}}, false}), "");
  EXPECT_EQ(catalog_.Try(PutUser{{"lqz", "h2", HashAlgorithm::kSha256, {}}, false}),
            "ALREADY_EXISTS User \"lqz\" already exists");
  EXPECT_EQ(catalog_.Try(SetUserTags{"lqz", {"administrator"}}), "");
  EXPECT_EQ(catalog_.Try(PutUser{{"lqz", "h2", HashAlgorithm::kSha512, {}}, true}), "");
  const UserRecord* user = catalog_.version().FindUser("lqz");
  EXPECT_EQ(user->password_hash, "h2");
  EXPECT_EQ(user->algorithm, HashAlgorithm::kSha512);
  EXPECT_THAT(user->tags, ElementsAre("administrator")) << "a new password leaves the tags";
  EXPECT_EQ(catalog_.Try(SetPermission{{"lqz", "/", "a", "b", "c"}}), "");
  EXPECT_EQ(catalog_.version().FindPermission("lqz", "/")->write, "b");
  EXPECT_EQ(catalog_.Try(SetPermission{{"nobody", "/", "", "", ""}}),
            "NOT_FOUND User nobody does not exist");
  EXPECT_EQ(catalog_.Try(SetPermission{{"lqz", "nov", "", "", ""}}),
            "NOT_FOUND Virtual host nov does not exist");
  EXPECT_EQ(catalog_.Try(ClearPermission{"lqz", "/"}), "");
  EXPECT_EQ(catalog_.version().FindPermission("lqz", "/"), nullptr);
  catalog_.Run(SetPermission{{"lqz", "/", "a", "b", "c"}});
  EXPECT_EQ(catalog_.Try(DeleteUser{"lqz"}), "");
  EXPECT_EQ(std::get<UserDeleted>(catalog_.changes()[0]).name, "lqz");
  EXPECT_EQ(catalog_.version().FindPermission("lqz", "/"), nullptr);
  EXPECT_EQ(catalog_.Try(DeleteUser{"lqz"}), "NOT_FOUND User \"lqz\" does not exist");
}

TEST_F(CommandsTest, ANewBootTakesAwayWhatEarlierBootsOfThatNodeHeld) {
  const base::SessionId old_loop = TestCatalog::Session(1, 1),
                        other_node = TestCatalog::Session(2, 1);
  catalog_.Run(RegisterBoot{{1}, {1}, "rabbit@a"});
  catalog_.Run(RegisterBoot{{2}, {1}, "rabbit@b"});
  catalog_.Run(catalog_.TransientQueue("gone", old_loop));
  catalog_.Run(catalog_.TransientQueue("elsewhere", other_node));
  catalog_.Run(catalog_.Queue("durable"));
  DeclareExchange transient = catalog_.Exchange("tx");
  transient.durable = false;
  catalog_.Run(transient);
  catalog_.Run(catalog_.BindQueue("tx", "durable", "k"));
  catalog_.Run(catalog_.BindQueue("amq.fanout", "gone"));
  catalog_.Run(catalog_.BindQueue("amq.fanout", "durable"));
  const QueueId gone = IdOf("gone");
  catalog_.Run(RegisterBoot{{1}, {2}, "rabbit@a"});
  ASSERT_EQ(catalog_.changes().size(), 2u);
  EXPECT_EQ(std::get<QueueForgotten>(catalog_.changes()[0]).queue, gone);
  EXPECT_EQ(std::get<QueueForgotten>(catalog_.changes()[0]).home, old_loop);
  EXPECT_FALSE(std::get<QueueForgotten>(catalog_.changes()[0]).closed_by_shard);
  EXPECT_EQ(std::get<BootRegistered>(catalog_.changes()[1]).boot, base::BootId{2});
  EXPECT_FALSE(HasQueue("gone"));
  EXPECT_FALSE(HasExchange("tx"));
  EXPECT_TRUE(HasQueue("elsewhere"));
  EXPECT_THAT(catalog_.Route("amq.fanout", {""}), ElementsAre("durable"));
  EXPECT_EQ(catalog_.Try(RegisterBoot{{1}, {1}, "rabbit@a"}),
            "FAILED_PRECONDITION boot 1 of this node is over: boot 2 has started");
}

TEST_F(CommandsTest, ListsByShardHomeAndOwner) {
  DeclareQueue second = catalog_.Queue("second");
  second.shard = GroupId{2};
  catalog_.Run(second);
  catalog_.Run(catalog_.Queue("first"));
  DeclareQueue exclusive = catalog_.TransientQueue("mine");
  exclusive.exclusive = true;
  catalog_.Run(exclusive);
  const auto names = [](const std::vector<const QueueRecord*>& queues) {
    std::vector<std::string> names;
    for (const QueueRecord* queue : queues) names.push_back(queue->name);
    return names;
  };
  const Version& version = catalog_.version();
  EXPECT_THAT(names(version.ListQueuesOfShard(GroupId{1})), ElementsAre("first"));
  EXPECT_THAT(names(version.ListQueuesOfShard(GroupId{2})), ElementsAre("second"));
  EXPECT_THAT(names(version.ListTransientQueues(TestCatalog::Session())), ElementsAre("mine"));
  EXPECT_THAT(names(version.ListExclusiveQueues(TestCatalog::Owner(1))), ElementsAre("mine"));
  EXPECT_THAT(names(version.ListExclusiveQueues(TestCatalog::Owner(2))), IsEmpty());
  EXPECT_THAT(names(version.ListQueues(catalog_.vhost())), ElementsAre("first", "mine", "second"));
  catalog_.Run(ForgetQueue{IdOf("mine")});
  EXPECT_THAT(names(catalog_.version().ListExclusiveQueues(TestCatalog::Owner(1))), IsEmpty());
}

}  // namespace
}  // namespace pontoon::catalog
