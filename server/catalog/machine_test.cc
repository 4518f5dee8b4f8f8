#include <string>
#include <variant>
#include <vector>

#include "base/random.h"
#include "proto/catalog.pb.h"
#include "server/catalog/codec.h"
#include "server/catalog/testing.h"
#include "server/catalog/testing_samples.h"

namespace pontoon::catalog {
namespace {

using amqp::Table;
using amqp::Value;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(CodecTest, EveryCommandComesBackAsItWas) {
  TestCatalog catalog;
  const Origin origin{{{0xfedcba9876543210}, {7}, {3}}, 42};
  std::vector<bool> seen(std::variant_size_v<Command>);
  for (const Command& command : OneOfEachCommand(catalog)) {
    const std::string bytes = EncodeCommand(origin, command);
    const auto decoded = DecodeCommand(bytes);
    ASSERT_TRUE(decoded.ok()) << decoded.status();
    EXPECT_EQ(decoded->first.session, origin.session);
    EXPECT_EQ(decoded->first.number, 42u);
    EXPECT_EQ(decoded->second.index(), command.index());
    EXPECT_EQ(EncodeCommand(decoded->first, decoded->second), bytes);
    seen[command.index()] = true;
  }
  EXPECT_THAT(seen, ::testing::Each(true)) << "a command is missing here";
}

TEST(MachineTest, WhatANewerVersionWroteStopsItAndIsNeverMisread) {
  const auto with = [](auto change) {
    proto::CatalogEntry entry;
    TestCatalog catalog;
    entry.ParseFromString(EncodeCommand({}, catalog.Queue("q")));
    change(&entry);
    return entry.SerializeAsString();
  };
  const std::vector<std::string> newer = {
      with([](auto* entry) { entry->set_layout(2); }),
      with([](auto* entry) {
        entry->clear_command();
      }),  // As an unknown command looks to an old reader.
      with([](auto* entry) {
        entry->GetReflection()->MutableUnknownFields(entry)->AddVarint(99, 1);
      }),
      with([](auto* entry) {
        auto* queue = entry->mutable_declare_queue();
        queue->GetReflection()->MutableUnknownFields(queue)->AddVarint(99, 1);
      }),
      with([](auto* entry) { entry->mutable_declare_exchange()->set_kind(4); }),
  };
  for (const std::string& bytes : newer) {
    TestCatalog catalog;
    const uint64_t next = catalog.index() + 1, digest = catalog.machine().digest();
    const std::vector<std::pair<uint64_t, std::string>> entries = {
        {next, bytes}, {next + 1, EncodeCommand({}, catalog.Queue("r"))}};
    const AppliedBatch batch = catalog.machine().Apply(entries);
    EXPECT_TRUE(absl::IsFailedPrecondition(batch.status)) << batch.status;
    EXPECT_THAT(std::string(batch.status.message()), HasSubstr("newer version"));
    EXPECT_TRUE(batch.outcomes.empty());
    EXPECT_EQ(batch.version->queue_count(), 0u);
    EXPECT_EQ(catalog.machine().digest(), digest);
    EXPECT_FALSE(catalog.machine().Apply({}).status.ok()) << "it stays stopped";
  }
  TestCatalog catalog;
  EXPECT_TRUE(absl::IsDataLoss(catalog.Feed({{99, "\xff\xff garbage"}}).status));
}

TEST(MachineTest, ACommandSentAgainGetsItsFirstAnswer) {
  TestCatalog catalog;
  const Origin first{TestCatalog::Session(), 1}, second{TestCatalog::Session(), 2};
  const Outcome declared = catalog.RunFrom(first, catalog.Queue("q"));
  EXPECT_TRUE(declared.created);
  catalog.RunFrom(second, ForgetQueue{declared.queue});
  const Outcome again = catalog.RunFrom(first, catalog.Queue("q"));
  EXPECT_EQ(again.queue, declared.queue);
  EXPECT_TRUE(again.created);
  EXPECT_TRUE(catalog.changes().empty());
  EXPECT_EQ(catalog.version().queue_count(), 0u) << "it was forgotten since";
  const Origin third{TestCatalog::Session(), 3};
  const std::string refusal =
      TestCatalog::Text(catalog.RunFrom(third, catalog.BindQueue("no", "q")).status);
  catalog.Run(catalog.Exchange("no"));
  EXPECT_EQ(TestCatalog::Text(catalog.RunFrom(third, catalog.BindQueue("no", "q")).status),
            refusal);
  EXPECT_TRUE(catalog.RunFrom({{{1}, {1}, {5}}, 1}, catalog.Queue("q")).created)
      << "another loop's number 1";
}

TEST(MachineTest, AnswersOfABootAreKeptWithinBoundsAndUntilItIsOver) {
  TestCatalog catalog;
  const base::SessionId session = TestCatalog::Session(1, 1);
  catalog.RunFrom({session, 1}, RegisterBoot{{1}, {1}, "n"});
  for (uint64_t number = 2; number <= kUnansweredChangesMax + 1; ++number) {
    catalog.RunFrom({session, number}, catalog.Exchange("x"));
  }
  EXPECT_TRUE(
      absl::IsFailedPrecondition(catalog.RunFrom({session, 1}, catalog.Exchange("x")).status))
      << "too old to be known: it must not be done twice";
  EXPECT_TRUE(catalog.RunFrom({session, 2}, catalog.Queue("never")).status.ok());
  EXPECT_EQ(catalog.version().FindQueue(catalog.vhost(), "never"), nullptr);
  catalog.RunFrom({TestCatalog::Session(1, 2), 1}, RegisterBoot{{1}, {2}, "n"});
  EXPECT_THAT(TestCatalog::Text(catalog.RunFrom({session, 3}, catalog.Exchange("x")).status),
              HasSubstr("boot 1 of this node is over"));
}

TEST(MachineTest, AClusterIsFoundedOnce) {
  TestCatalog catalog;
  const FoundCluster found{"c1",
                           32,
                           "/",
                           {"guest", "h", HashAlgorithm::kSha256, {"administrator"}},
                           {"guest", "/", ".*", ".*", ".*"}};
  EXPECT_TRUE(catalog.Run(found).created);
  EXPECT_NE(catalog.version().FindUser("guest"), nullptr);
  EXPECT_NE(catalog.version().FindPermission("guest", "/"), nullptr);
  catalog.Run(DeleteUser{"guest"});
  EXPECT_EQ(TestCatalog::Text(catalog.Run(found).status),
            "ALREADY_EXISTS the cluster is founded already");
  EXPECT_EQ(catalog.version().FindUser("guest"), nullptr) << "a deleted guest does not come back";
}

TEST(MachineTest, OneVersionForAWholeBatch) {
  TestCatalog catalog;
  const VersionPtr before = catalog.held_version();
  std::vector<std::pair<uint64_t, std::string>> entries;
  for (uint64_t i = 1; i <= 100; ++i) {
    entries.emplace_back(catalog.index() + i,
                         EncodeCommand({}, catalog.Queue("q" + std::to_string(i))));
  }
  const AppliedBatch batch = catalog.machine().Apply(entries);
  EXPECT_EQ(batch.outcomes.size(), 100u);
  EXPECT_EQ(batch.version->queue_count(), 100u);
  EXPECT_EQ(before->queue_count(), 0u);
  EXPECT_EQ(batch.version->index(), catalog.index() + 100);
  EXPECT_EQ(catalog.machine().Apply(entries).outcomes.size(), 0u)
      << "entries up to the applied index are passed over";
}

// One of the many things that clients do, on few names so that they meet.
Command RandomCommand(const TestCatalog& catalog, base::Random* random) {
  const auto name = [&](const char* kind) { return kind + std::to_string(random->Below(12)); };
  const std::string key =
      std::vector<std::string>{"a", "a.b", "#", "*.b", "a.#.b"}[random->Below(5)];
  switch (random->Below(12)) {
    case 0:
    case 1: {
      const QueueRecord* queue = catalog.version().FindQueue(catalog.vhost(), name("q"));
      if (queue != nullptr) return ForgetQueue{queue->id};
      return catalog.Queue(name("q"));
    }
    case 2: {
      DeclareQueue queue =
          catalog.TransientQueue(name("q"), TestCatalog::Session(1 + random->Below(2)));
      queue.exclusive = random->Below(2) == 0;
      return queue;
    }
    case 3:
    case 4: {
      DeclareExchange exchange =
          catalog.Exchange(name("x"), static_cast<ExchangeKind>(random->Below(4)));
      exchange.auto_delete = random->Below(3) == 0;
      exchange.durable = random->Below(2) == 0;
      return exchange;
    }
    case 5:
      return DeleteExchange{catalog.vhost(), name("x"), random->Below(2) == 0};
    case 6:
      return catalog.BindExchange(name("x"), name("x"), key);
    case 7:
      return Unbind{catalog.vhost(), catalog.Binding(name("x"), name("q"), key)};
    default:
      return catalog.BindQueue(name("x"), name("q"), key,
                               random->Below(4) == 0 ? Table{{"h", Value::Int(1)}} : Table{});
  }
}

TEST(MachineTest, ACheckpointAndTheRestOfTheLogGiveTheSameState) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    base::SeededRandom random(seed);
    TestCatalog catalog;
    catalog.Run(RegisterBoot{{1}, {1}, "a"});
    catalog.Run(RegisterBoot{{2}, {1}, "b"});
    std::string checkpoint;
    uint64_t at = 0;
    for (uint64_t step = 1; step <= 400; ++step) {
      catalog.RunFrom({TestCatalog::Session(), step}, RandomCommand(catalog, &random));
      if (step == 200) {
        checkpoint = catalog.machine().MakeCheckpoint();
        at = catalog.index();
      }
      if (step == 300) catalog.Run(RegisterBoot{{2}, {2}, "b"});
    }
    const std::unique_ptr<Machine> restored = NewMachine(), replayed = NewMachine();
    ASSERT_TRUE(restored->Restore(at, checkpoint).ok());
    EXPECT_EQ(restored->MakeCheckpoint(), checkpoint);
    const AppliedBatch batch = restored->Apply(catalog.log());
    ASSERT_TRUE(batch.status.ok());
    replayed->Apply(catalog.log());
    const std::string expected = Describe(catalog.version());
    EXPECT_EQ(Describe(*batch.version), expected) << "seed " << seed;
    EXPECT_EQ(Describe(*replayed->version()), expected) << "in one batch; seed " << seed;
    EXPECT_EQ(restored->digest(), catalog.machine().digest());
    EXPECT_EQ(replayed->digest(), catalog.machine().digest());
    EXPECT_EQ(restored->MakeCheckpoint(), catalog.machine().MakeCheckpoint());
    // Routes the same, and nothing leads to what is gone.
    for (int i = 0; i < 12; ++i) {
      const ExchangeRecord* exchange =
          catalog.version().FindExchange(catalog.vhost(), "x" + std::to_string(i));
      if (exchange == nullptr) continue;
      const absl::string_view key = "a.b";
      const VersionPtr version = restored->version(), original = catalog.held_version();
      std::vector<Target> a, b;
      version->Route(*exchange, {&key, 1}, nullptr, &a);
      original->Route(*exchange, {&key, 1}, nullptr, &b);
      ASSERT_EQ(a.size(), b.size());
      for (size_t j = 0; j < a.size(); ++j) {
        EXPECT_EQ(a[j].queue, b[j].queue);
        EXPECT_NE(version->FindQueue(a[j].queue), nullptr);
      }
    }
  }
}

TEST(MachineTest, ACheckpointIsOfTheMomentWhenItWasAskedFor) {
  TestCatalog catalog;
  catalog.Run(catalog.Queue("q"));
  const std::string now = catalog.machine().MakeCheckpoint();
  const std::function<std::string()> task = catalog.machine().CheckpointTask();
  catalog.Run(ForgetQueue{catalog.version().FindQueue(catalog.vhost(), "q")->id});
  catalog.Run(catalog.Queue("r"));
  EXPECT_EQ(task(), now);
}

TEST(MachineTest, DigestsTellDifferentHistoriesApart) {
  TestCatalog a, b;
  a.Run(a.Queue("one"));
  b.Run(b.Queue("two"));
  EXPECT_NE(a.machine().digest(), b.machine().digest());
}

TEST(CheckpointTest, DamagedOrNewerOnesAreRefused) {
  TestCatalog catalog;
  catalog.Run(catalog.Queue("q"));
  const std::string good = catalog.machine().MakeCheckpoint();
  const std::unique_ptr<Machine> machine = NewMachine();
  const auto restore = [&](auto change) {
    proto::CatalogCheckpoint checkpoint;
    checkpoint.ParseFromString(good);
    change(&checkpoint);
    return machine->Restore(catalog.index(), checkpoint.SerializeAsString());
  };
  EXPECT_TRUE(restore([](auto*) {}).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(restore([](auto* c) { c->set_layout(2); })));
  EXPECT_TRUE(absl::IsFailedPrecondition(
      restore([](auto* c) { c->GetReflection()->MutableUnknownFields(c)->AddVarint(99, 1); })));
  EXPECT_TRUE(absl::IsDataLoss(restore([](auto* c) { c->clear_vhosts(); })));
  EXPECT_TRUE(absl::IsDataLoss(restore([](auto* c) { *c->add_queues() = c->queues(0); })));
  EXPECT_TRUE(absl::IsDataLoss(restore([](auto* c) {
    c->add_bindings()->set_source(c->vhosts(0).id() | uint64_t{2} << 44);
    c->mutable_bindings(0)->set_destination(12345);
  })));
  EXPECT_TRUE(absl::IsDataLoss(machine->Restore(catalog.index() - 1, good)));
  EXPECT_TRUE(machine->Restore(catalog.index() + 1, good).ok())
      << "an entry of Raft's own came last";
  EXPECT_TRUE(absl::IsDataLoss(machine->Restore(catalog.index(), good.substr(0, good.size() - 3))));
  EXPECT_TRUE(absl::IsDataLoss(machine->Restore(catalog.index(), "")));
}

}  // namespace
}  // namespace pontoon::catalog
