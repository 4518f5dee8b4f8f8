#ifndef PONTOON_RAFT_NODE_SNAPSHOT_WORLD_H_
#define PONTOON_RAFT_NODE_SNAPSHOT_WORLD_H_

#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/random.h"
#include "raft/node/expect_readable.h"
#include "raft/node/memory_log_store.h"
#include "raft/node/snapshot_fetcher.h"
#include "raft/node/snapshot_server.h"
#include "raft/node/test_machine.h"

namespace pontoon::raft {

inline constexpr GroupId kWorldGroup{7};

// For tests: a replica without its core, of which the test says what it has and what is committed;
// with a store, a state machine, and both ends of a snapshot.
class SnapshotPeer final : public StorageEvents,
                           public SnapshotFetcher::Host,
                           public SnapshotServer::Host {
 public:
  struct Sent {
    ReplicaId from;
    ReplicaId to;
    bool request;
    SnapshotPart part;
  };

  SnapshotPeer(uint64_t node, std::deque<Sent>* wire)
      : id{NodeId{node}, 1}, random(node), store(this), wire_(wire) {
    Open();
  }

  // Appends what follows in the log, and applies it unless it is not known to be committed.
  void Append(const Entry& entry, bool committed = true) {
    StorageTask task;
    task.group = kWorldGroup;
    task.seq = ++seq_;
    task.append = {entry};
    last = entry.id;
    store.Submit(std::move(task));
    if (fetcher != nullptr) fetcher->OnLogChanged(entry.id.index);
    if (committed) Apply(entry);
  }
  void Truncate(Index from) {
    StorageTask task;
    task.group = kWorldGroup;
    task.seq = ++seq_;
    task.truncate_from = from;
    store.Submit(std::move(task));
    if (fetcher != nullptr) fetcher->OnLogChanged(from);
  }
  void Apply(const Entry& entry) {
    applied = entry.id;
    if (entry.kind == EntryKind::kNormal) machine->Apply({&entry, 1});
    if (auto task = machine->TakeStateTask(kWorldGroup)) store.Submit(*std::move(task));
  }
  void Checkpoint() {
    StateTask task = machine->MakeCheckpoint(kWorldGroup, applied);
    for (auto& [page, bytes] : task.put_pages) page = StoredPage(page_generation, page);
    for (PageId& page : task.drop_pages) page = StoredPage(page_generation, page);
    task.drop_pages = server->HoldDrops(kWorldGroup, std::move(task.drop_pages));
    task.checkpoint->page_generation = page_generation;
    task.checkpoint->membership = {.voters = {{NodeId{1}, 1}, {NodeId{2}, 1}, {NodeId{3}, 1}}};
    store.Submit(std::move(task));
    StorageTask compact;
    compact.group = kWorldGroup;
    compact.seq = ++seq_;
    compact.compact_to = applied.index;
    store.Submit(std::move(compact));
  }
  void Crash() {
    fetcher.reset();
    server.reset();
    store.Crash(&random, this);
    Open();
  }
  // One round: what is ready is installed, the disk works.
  void Work() {
    if (fetcher->ready()) {
      auto install = fetcher->MakeInstall();
      StorageTask task;
      task.group = kWorldGroup;
      task.seq = ++seq_;
      task.install = install;
      store.Submit(std::move(task));
      applied = last = install->checkpoint.applied;
      ended_through = std::max(ended_through, install->ended_through);
      page_generation = install->checkpoint.page_generation;
      machine->Install(install->checkpoint);
      fetcher->OnInstalled();
      server->Forget(kWorldGroup);
      ++installs;
    }
    store.SyncAndReport();
    store.AnswerReads();
  }
  // Everything that the state refers to is in the store, and nothing else.
  void ExpectWhole() {
    while (store.unsynced() > 0 || store.has_report()) store.SyncAndReport();
    ExpectReadable(&store, kWorldGroup, *machine,
                   [this](PageId page) { return StoredPage(page_generation, page); });
    std::vector<PageId> expected;
    for (const auto& [page, crc] : machine->pages())
      expected.push_back(StoredPage(page_generation, page));
    EXPECT_EQ(store.pages(kWorldGroup), expected);
    for (uint64_t i = 1; i <= applied.index.value; ++i) {
      if (!machine->NeedsBody(Index{i})) {
        EXPECT_FALSE(store.HasBody(kWorldGroup, Index{i})) << i;
      }
    }
  }

  // StorageEvents.
  void OnStorageDone(GroupId, IoSeq) override {}
  void OnCheckpointDurable(GroupId, EntryId id) override { checkpoint = id; }
  void OnStateWritten(GroupId, uint64_t ticket) override { fetcher->OnStateWritten(ticket); }
  // SnapshotFetcher::Host.
  uint64_t NextRequest() override { return next_request_++; }
  void SendRequest(GroupId, const ReplicaId& to, SnapshotPart request) override {
    wire_->push_back({id, to, true, std::move(request)});
  }
  void SubmitFetched(StateTask task) override { store.Submit(std::move(task)); }
  void ReadOwnBodies(GroupId group, std::vector<Index> bodies,
                     std::function<void(std::vector<absl::StatusOr<BodyImage>>)> done) override {
    store.ReadBodyImages(group, std::move(bodies), false, std::move(done));
  }
  ReplicaId Self(GroupId) const override { return id; }
  Index CommitIndex(GroupId) const override { return applied.index; }
  Index AppliedIndex(GroupId) const override { return applied.index; }
  uint16_t PageGeneration(GroupId) const override { return page_generation; }
  bool HasRoom() const override { return has_room; }
  // SnapshotServer::Host.
  std::optional<SnapshotServer::Source> FindSource(GroupId) const override {
    return SnapshotServer::Source{id, applied.index, ended_through, checkpoint, machine.get()};
  }
  void SendPart(GroupId, const ReplicaId& to, SnapshotPart part) override {
    wire_->push_back({id, to, false, std::move(part)});
  }
  void SubmitDrops(StateTask task) override { store.Submit(std::move(task)); }

  const ReplicaId id;
  base::SeededRandom random;
  MemoryLogStore store;
  std::unique_ptr<TestMachine> machine;
  SnapshotBudget budget;
  std::unique_ptr<SnapshotFetcher> fetcher;
  std::unique_ptr<SnapshotServer> server;
  EntryId applied;
  EntryId last;
  EntryId checkpoint;  // Durable.
  Index ended_through;
  uint16_t page_generation = 0;
  int installs = 0;
  bool has_room = true;

 private:
  struct Numbers {
    IoSeq next;
    IoSeq operator++() { return next = {next.value + 1}; }
  };

  void Open() {
    RecoveredGroup recovered = store.RecoverBlocking(kWorldGroup).value();
    machine = std::make_unique<TestMachine>(recovered.checkpoint);
    applied = checkpoint = {};
    page_generation = 0;
    if (recovered.checkpoint.has_value()) {
      applied = checkpoint = recovered.checkpoint->applied;
      page_generation = recovered.checkpoint->page_generation;
    }
    last = applied;
    ended_through = recovered.ended_through;
    seq_ = {};
    fetcher = std::make_unique<SnapshotFetcher>(kWorldGroup, this, machine.get(), &budget);
    server = std::make_unique<SnapshotServer>(&store, nullptr, this);
    for (const Entry& entry : recovered.entries) {
      last = entry.id;
      Apply(entry);
    }
  }

  std::deque<Sent>* const wire_;
  uint64_t next_request_ = 1;
  Numbers seq_;
};

}  // namespace pontoon::raft

#endif  // PONTOON_RAFT_NODE_SNAPSHOT_WORLD_H_
