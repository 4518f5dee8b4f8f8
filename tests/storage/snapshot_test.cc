// A replica that was away comes back by a snapshot, over the store on the disk: what MultiRaft and
// that store promise each other.

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/crc32c.h"
#include "base/mutex.h"
#include "base/random.h"
#include "base/time.h"
#include "raft/node/multi_raft.h"
#include "raft/node/test_machine.h"
#include "storage/rocks_log_store.h"
#include "storage/test_support.h"

namespace pontoon::raft {
namespace {

constexpr GroupId kGroup{1};

// Has its host written what it asks for, as a shard does.
class HostedMachine final : public TestMachine {
 public:
  using TestMachine::TestMachine;
  void Apply(absl::Span<const Entry> committed) override {
    TestMachine::Apply(committed);
    if (auto task = TakeStateTask(kGroup)) raft->SubmitState(*std::move(task));
  }
  MultiRaft* raft = nullptr;
};

// A node whose loop is the test's thread.
class Host final : public StorageEvents, public Transport {
 public:
  Host(uint64_t n, std::vector<Message>* network)
      : id{NodeId{n}, 1}, random_(n), network_(network) {
    Open();
  }
  ~Host() override { Close(); }

  void Open() {
    storage::RocksLogStoreOptions options = storage::testing::TestOptions(dir_.path());
    auto opened = storage::RocksLogStore::OpenBlocking(std::move(options), nullptr, this);
    ASSERT_TRUE(opened.ok()) << opened.status();
    store = *std::move(opened);
    absl::StatusOr<RecoveredGroup> recovered = store->RecoverBlocking(kGroup);
    ASSERT_TRUE(recovered.ok()) << recovered.status();
    machine = std::make_unique<HostedMachine>(recovered->checkpoint);
    MultiRaftOptions multi;
    multi.self = id;
    multi.core.held_bytes_max = 0;  // Whoever is behind needs a snapshot.
    multi.core.kept_header_bytes_max = 0;
    multi.core.election_min = base::Seconds(1);
    multi.core.election_max = base::Seconds(2);
    multi.post = [this](std::function<void()> run) { Post(std::move(run)); };
    raft = std::make_unique<MultiRaft>(multi, store.get(), this, &random_);
    machine->raft = raft.get();
    Membership founders;
    for (uint64_t n = 1; n <= 3; ++n) founders.voters.push_back({NodeId{n}, 1});
    ASSERT_EQ(raft->OpenGroup(kGroup, *std::move(recovered), machine.get(), founders),
              absl::OkStatus());
  }
  void Close() {
    store.reset();  // Ends its threads.
    raft.reset();
    const base::MutexLock lock(&mutex_);
    posted_.clear();
  }

  void Turn(base::MonotonicTime now) {
    std::vector<std::function<void()>> posted;
    {
      const base::MutexLock lock(&mutex_);
      posted.swap(posted_);
    }
    for (const auto& run : posted) run();
    raft->Tick(now);
    for (Message& message : std::exchange(inbox, {})) {
      const NodeId from = message.from.node;
      raft->Deliver(from, 1, {std::move(message)});
    }
    while (raft->Flush()) {
    }
  }
  void Checkpoint() { raft->SubmitState(machine->MakeCheckpoint(kGroup, raft->applied(kGroup))); }

  // Everything that the state refers to can be read.
  void ExpectReadable() {
    for (const auto& [page, crc] : machine->pages()) {
      std::promise<absl::StatusOr<base::Slice>> read;
      store->ReadPage(
          kGroup, raft->StoredPageOf(kGroup, page),
          [&read](absl::StatusOr<base::Slice> bytes) { read.set_value(std::move(bytes)); });
      const absl::StatusOr<base::Slice> bytes = read.get_future().get();
      ASSERT_TRUE(bytes.ok()) << "page " << page.value << ": " << bytes.status();
      EXPECT_EQ(base::Crc32c(bytes->view()), crc);
    }
    for (const TestMachine::LiveMessage& message : machine->live_messages()) {
      std::promise<std::vector<absl::StatusOr<base::Slice>>> read;
      store->ReadBodies(kGroup, {{message.ref.index, message.extent.offset, message.extent.size}},
                        [&read](auto bodies) { read.set_value(std::move(bodies)); });
      const auto bodies = read.get_future().get();
      ASSERT_TRUE(bodies[0].ok()) << "body " << message.ref.index.value << ": "
                                  << bodies[0].status();
      EXPECT_EQ(base::Crc32c(bodies[0]->view()), message.crc);
    }
  }

  // StorageEvents: on the store's threads.
  void OnStorageDone(GroupId group, IoSeq seq) override {
    Post([this, group, seq] { raft->OnStorageDone(group, seq); });
  }
  void OnCheckpointDurable(GroupId group, EntryId applied) override {
    Post([this, group, applied] { raft->OnCheckpointDurable(group, applied); });
  }
  void OnStateWritten(GroupId group, uint64_t ticket) override {
    Post([this, group, ticket] { raft->OnStateWritten(group, ticket); });
  }
  // Transport.
  void Send(Message message) override { network_->push_back(std::move(message)); }

  const ReplicaId id;
  std::unique_ptr<storage::RocksLogStore> store;
  std::unique_ptr<HostedMachine> machine;
  std::unique_ptr<MultiRaft> raft;
  std::vector<Message> inbox;

 private:
  void Post(std::function<void()> run) {
    const base::MutexLock lock(&mutex_);
    posted_.push_back(std::move(run));
  }

  storage::testing::TempDir dir_;
  base::SeededRandom random_;
  std::vector<Message>* const network_;
  base::Mutex mutex_;
  std::vector<std::function<void()>> posted_;
};

class SnapshotOverDiskTest : public ::testing::Test {
 protected:
  SnapshotOverDiskTest() {
    for (uint64_t n = 1; n <= 3; ++n) hosts_.push_back(std::make_unique<Host>(n, &network_));
  }

  void Step() {
    // While this thread has no processor, no time passes for the replicas: nobody is elected for
    // that.
    const base::MonotonicTime before = std::exchange(last_step_, clock_.Now());
    now_ = now_ + std::min(last_step_ - before, base::Millis(10));
    for (const auto& host : hosts_) host->Turn(now_);
    for (Message& message : std::exchange(network_, {})) {
      if (message.from.node.value == away_ || message.to.node.value == away_) continue;
      hosts_[message.to.node.value - 1]->inbox.push_back(std::move(message));
    }
    std::this_thread::yield();
  }
  // Where everybody stands, for whoever reads a failure.
  std::string Describe() const {
    std::string text = absl::StrCat("proposed ", proposed_.value, ", away ", away_);
    for (const auto& host : hosts_) {
      const Core& core = host->raft->core(kGroup);
      absl::StrAppend(
          &text, "\nnode ", host->id.node.value, ": term ", core.term().value, ", leads ",
          host->raft->leads(kGroup), ", base ", core.log().base().index.value, ", last ",
          core.log().last().index.value, ", durable ", core.durable().value, ", commit ",
          core.commit().value, ", applied ", core.applied().value, ", machine ",
          host->machine->last().value, ", in ", host->raft->counters().messages_in, ", dropped ",
          host->raft->counters().dropped(), ", invalid ", host->raft->counters().invalid);
    }
    return text;
  }
  void Await(const std::function<bool()>& reached) {
    const base::MonotonicTime end = clock_.Now() + base::Seconds(60);
    bool is_reached = reached();
    for (; !is_reached && clock_.Now() < end; is_reached = reached()) Step();
    ASSERT_TRUE(is_reached) << Describe();
  }
  Host* Leader() {
    for (const auto& host : hosts_) {
      if (host->id.node.value != away_ && host->raft->leads(kGroup)) return host.get();
    }
    return nullptr;
  }
  void Propose(Entry entry) {
    Await([&] {
      Host* leader = Leader();
      if (leader == nullptr) return false;
      const auto index = leader->raft->Propose(kGroup, leader->raft->term(kGroup), {&entry, 1});
      if (index.ok()) proposed_ = *index;
      return index.ok();
    });
  }
  // All that are here have applied all that was proposed.
  bool Together() {
    for (const auto& host : hosts_) {
      if (host->id.node.value != away_ && host->machine->last() < proposed_) return false;
    }
    return Leader() != nullptr;
  }

  base::SystemClock clock_;
  base::MonotonicTime last_step_ = clock_.Now();
  base::MonotonicTime now_ = last_step_;
  std::vector<Message> network_;
  std::vector<std::unique_ptr<Host>> hosts_;
  uint64_t away_ = 0;
  Index proposed_;
};

TEST_F(SnapshotOverDiskTest, AReplicaThatWasAwayHasEverythingAlsoAfterARestart) {
  Await([this] { return Leader() != nullptr; });
  away_ = Leader()->id.node.value % 3 + 1;
  Host& away = *hosts_[away_ - 1];
  std::vector<TestMachine::MessageRef> settled;
  for (int i = 0; i < 200; ++i) {
    std::string text;
    text.resize(20000, static_cast<char>('a' + i % 26));
    Propose(TestMachine::Put(std::vector<std::string>(3, text)));
  }
  Await([this] { return Together(); });
  for (const TestMachine::LiveMessage& live : Leader()->machine->live_messages()) {
    const uint64_t i = live.ref.index.value;
    if (i % 5 == 0 || (i % 3 == 0 && live.ref.message == 1)) settled.push_back(live.ref);
  }
  Propose(TestMachine::Settle(settled));
  Await([this] { return Together(); });
  for (const auto& host : hosts_) {
    if (host.get() != &away) host->Checkpoint();
  }
  Propose(TestMachine::Put("behind the checkpoint"));
  Host* leader = Leader();
  Await([&] { return leader->raft->core(kGroup).log().base().index > Index{100}; });

  away_ = 0;
  Await([&] { return away.raft->counters().installed_snapshots > 0 && Together(); });
  EXPECT_EQ(away.machine->Digest(), Leader()->machine->Digest());
  away.ExpectReadable();

  const uint64_t digest = away.machine->Digest();
  away.Close();
  away.Open();
  Await([this] { return Together(); });
  EXPECT_EQ(away.machine->Digest(), digest);
  away.ExpectReadable();
}

}  // namespace
}  // namespace pontoon::raft
