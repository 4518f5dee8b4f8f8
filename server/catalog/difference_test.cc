#include <string>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/catalog/testing.h"

namespace pontoon::catalog {
namespace {

using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

std::vector<std::string> Describe(const std::vector<Change>& changes) {
  std::vector<std::string> texts;
  for (const Change& change : changes) {
    if (const auto* c = std::get_if<QueueDeclared>(&change)) {
      texts.push_back(absl::StrCat("queue ", c->queue.value));
    } else if (const auto* c = std::get_if<QueueForgotten>(&change)) {
      texts.push_back(
          absl::StrCat("no queue ", c->queue.value, c->closed_by_shard ? " closed" : ""));
    } else if (const auto* c = std::get_if<VhostDeleted>(&change)) {
      texts.push_back(absl::StrCat("no vhost ", c->name));
    } else if (const auto* c = std::get_if<UserDeleted>(&change)) {
      texts.push_back(absl::StrCat("no user ", c->name));
    } else if (const auto* c = std::get_if<UserChanged>(&change)) {
      texts.push_back(absl::StrCat("user ", c->name));
    } else if (const auto* c = std::get_if<BootRegistered>(&change)) {
      texts.push_back(absl::StrCat("boot ", c->node.value, "/", c->boot.value));
    }
  }
  return texts;
}

class InstallTest : public ::testing::Test {
 protected:
  // What one catalog does, the other one does not hear of.
  void Both(const Command& command) {
    ASSERT_EQ(Text(ahead_.Run(command)), "");
    ASSERT_EQ(Text(behind_.Run(command)), "");
  }
  void Ahead(const Command& command) { ASSERT_EQ(Text(ahead_.Run(command)), ""); }
  static std::string Text(const Outcome& outcome) { return TestCatalog::Text(outcome.status); }
  QueueId Id(const TestCatalog& catalog, const std::string& queue) {
    return catalog.version().FindQueue(catalog.vhost(), queue)->id;
  }
  AppliedBatch Install() {
    absl::StatusOr<AppliedBatch> batch =
        behind_.machine().Install(ahead_.index(), ahead_.machine().MakeCheckpoint());
    EXPECT_TRUE(batch.ok()) << batch.status();
    return *std::move(batch);
  }

  TestCatalog ahead_;
  TestCatalog behind_;
};

TEST_F(InstallTest, ANodeThatMissedChangesIsTheSameAfterwardsAndIsToldWhatDiffers) {
  Both(ahead_.Queue("stays"));
  Both(ahead_.Queue("goes"));
  Both(ahead_.Queue("again"));
  Both(AddVhost{"old", "", {}, ""});
  Both(PutUser{{.name = "stays"}, false});
  Both(PutUser{{.name = "goes"}, false});
  Both(PutUser{{.name = "tagged"}, false});
  Both(PutUser{{.name = "allowed"}, false});
  const QueueId goes = Id(ahead_, "goes");
  const QueueId again = Id(ahead_, "again");

  Ahead(ForgetQueue{goes});
  Ahead(ForgetQueue{again});
  Ahead(ahead_.Queue("again"));
  Ahead(ahead_.Queue("new"));
  Ahead(ahead_.Queue("short"));
  Ahead(ForgetQueue{Id(ahead_, "short")});
  Ahead(DeleteVhost{"old"});
  Ahead(DeleteUser{"goes"});
  Ahead(SetUserTags{"tagged", {"administrator"}});
  Ahead(SetPermission{{"allowed", "/", ".*", "", ""}});
  Ahead(PutUser{{.name = "new"}, false});
  Ahead(RegisterBoot{{9}, {4}, "rabbit@nine"});

  const AppliedBatch batch = Install();
  EXPECT_THAT(Describe(batch.changes),
              UnorderedElementsAre(absl::StrCat("no queue ", goes.value),
                                   absl::StrCat("no queue ", again.value), "no vhost old",
                                   absl::StrCat("queue ", Id(ahead_, "again").value),
                                   absl::StrCat("queue ", Id(ahead_, "new").value), "no user goes",
                                   "user tagged", "user allowed", "user new", "boot 9/4"));
  EXPECT_EQ(batch.version->index(), ahead_.version().index());
  EXPECT_EQ(behind_.machine().digest(), ahead_.machine().digest());
  EXPECT_EQ(behind_.machine().MakeCheckpoint(), ahead_.machine().MakeCheckpoint());
}

TEST_F(InstallTest, NothingDiffersWhereNothingWasMissed) {
  Both(ahead_.Queue("q"));
  Both(AddVhost{"v", "", {}, ""});
  EXPECT_THAT(Describe(Install().changes), ElementsAre());
}

TEST_F(InstallTest, ADamagedSnapshotChangesNothing) {
  Both(ahead_.Queue("q"));
  Ahead(ahead_.Queue("new"));
  const uint64_t digest = behind_.machine().digest();
  std::string root = ahead_.machine().MakeCheckpoint();
  root.resize(root.size() - 3);
  EXPECT_TRUE(absl::IsDataLoss(CheckCheckpoint(ahead_.index(), root)));
  EXPECT_TRUE(absl::IsDataLoss(behind_.machine().Install(ahead_.index(), root).status()));
  EXPECT_EQ(behind_.machine().digest(), digest);
}

}  // namespace
}  // namespace pontoon::catalog
