#include <algorithm>
#include <utility>

#include "base/check.h"
#include "raft/core/mutants.h"
#include "raft/node/hosted_group.h"
#include "raft/node/hosted_snapshots.h"
#include "raft/node/multi_raft.h"

// Snapshots between replicas: the cores say who needs one and take over what has arrived; what
// comes between is SnapshotFetcher's and SnapshotServer's.

namespace pontoon::raft {

void MultiRaft::Snapshots::Send(MessageKind kind, GroupId group, const ReplicaId& to,
                                SnapshotPart part) {
  const Group* from = raft_->Find(group);
  PONTOON_CHECK(from != nullptr);
  Message message;
  message.kind = kind;
  message.group = group;
  message.epoch = from->core->epoch();
  message.from = from->core->self();
  message.to = to;
  message.term = from->core->term();
  message.snapshot = std::make_shared<const SnapshotPart>(std::move(part));
  raft_->Send(std::move(message));
}

void MultiRaft::Snapshots::ReadOwnBodies(
    GroupId group, std::vector<Index> bodies,
    std::function<void(std::vector<absl::StatusOr<BodyImage>>)> done) {
  using Images = std::vector<absl::StatusOr<BodyImage>>;
  raft_->store_->ReadBodyImages(
      group, std::move(bodies), /*with_bytes=*/false,
      OnLoop<Images>(raft_->options_.post, raft_->alive_,
                     [raft = raft_, group, done = std::move(done)](Images images) {
                       done(std::move(images));
                       raft->AfterSnapshotInput(group);
                     }));
}

Index MultiRaft::Snapshots::CommitIndex(GroupId group) const { return raft_->core(group).commit(); }

Index MultiRaft::Snapshots::AppliedIndex(GroupId group) const {
  return raft_->applied(group).index;
}

uint16_t MultiRaft::Snapshots::PageGeneration(GroupId group) const {
  const Group* found = raft_->Find(group);
  PONTOON_CHECK(found != nullptr);
  return found->page_generation;
}

std::optional<SnapshotServer::Source> MultiRaft::Snapshots::FindSource(GroupId group) const {
  const Group* found = raft_->Find(group);
  if (found == nullptr) return std::nullopt;
  // The state of who is given up is worth nothing to others; that of who may be about to be is not
  // passed on either, or there would be two of them, and they a majority.
  if (found->core->quarantined() && !MutantIs(Mutant::kServesInQuarantine)) return std::nullopt;
  if (found->core->disputed() && !MutantIs(Mutant::kServesInDispute)) return std::nullopt;
  return SnapshotServer::Source{.self = found->core->self(),
                                .applied = found->applied.index,
                                .ended_through = found->core->ended_through(),
                                .checkpoint = found->checkpoint,
                                .machine = found->machine};
}

void MultiRaft::OnSnapshotMessage(Group* group, const Message& message) {
  if (message.kind == MessageKind::kSnapshotRequest) {
    // One that is a member and not known here asks again, of a leader that does know it.
    const std::vector<ReplicaId> members = AllMembers(group->core->membership());
    const bool taken = message.snapshot != nullptr &&
                       std::binary_search(members.begin(), members.end(), message.from) &&
                       snapshots_->server.OnRequest(group->id, message.from, *message.snapshot);
    ++(taken ? counters_.messages_in : counters_.invalid);
    return;
  }
  const auto fetcher = snapshots_->fetchers.find(group->id);
  const bool taken = fetcher != snapshots_->fetchers.end() && message.snapshot != nullptr &&
                     fetcher->second->OnPart(message.from, message.term, *message.snapshot);
  ++(taken ? counters_.messages_in : counters_.unasked_snapshot);
  AfterSnapshotInput(group->id);
}

void MultiRaft::FetchSnapshot(Group* group, const SnapshotWanted& wanted) {
  std::unique_ptr<SnapshotFetcher>& fetcher = snapshots_->fetchers[group->id];
  if (fetcher == nullptr) {
    fetcher = std::make_unique<SnapshotFetcher>(group->id, snapshots_.get(), group->machine,
                                                &snapshots_->budget, snapshots_->next_ticket);
  }
  fetcher->Tick(now_);
  fetcher->Start(wanted.from, wanted.at_least, wanted.must_take);
}

void MultiRaft::OnStateWritten(GroupId group, uint64_t ticket) {
  const auto fetcher = snapshots_->fetchers.find(group);
  if (fetcher == snapshots_->fetchers.end()) return;
  fetcher->second->OnStateWritten(ticket);
  AfterSnapshotInput(group);
}

bool MultiRaft::ServesSnapshot(GroupId group) const { return snapshots_->server.IsPinned(group); }

void MultiRaft::TickSnapshots() {
  snapshots_->server.Tick(now_);
  for (auto it = snapshots_->fetchers.begin(); it != snapshots_->fetchers.end();) {
    it->second->Tick(now_);
    snapshots_->next_ticket = std::max(snapshots_->next_ticket, it->second->next_ticket());
    it = it->second->active() ? std::next(it) : snapshots_->fetchers.erase(it);
  }
}

void MultiRaft::CloseSnapshots(GroupId group) {
  snapshots_->server.Close(group);
  const auto it = snapshots_->fetchers.find(group);
  if (it == snapshots_->fetchers.end()) return;
  snapshots_->next_ticket = std::max(snapshots_->next_ticket, it->second->next_ticket());
  snapshots_->fetchers.erase(it);
}

// What a storage task changes in the log may be what a fetcher has compared.
void MultiRaft::NoteLogChange(Group* group, Index from) {
  const auto fetcher = snapshots_->fetchers.find(group->id);
  if (fetcher != snapshots_->fetchers.end()) fetcher->second->OnLogChanged(from);
}

void MultiRaft::AfterSnapshotInput(GroupId group) {
  const auto fetcher = snapshots_->fetchers.find(group);
  if (fetcher == snapshots_->fetchers.end() || !fetcher->second->ready()) return;
  if (Group* found = Find(group); found != nullptr) MarkDirty(found);
}

// When nothing of the core is under way to the store that could change what was compared.
void MultiRaft::InstallFetched(Group* group) {
  const auto it = snapshots_->fetchers.find(group->id);
  if (it == snapshots_->fetchers.end() || !it->second->ready()) return;
  if (group->core->has_output() || group->core->has_committed()) return;  // Comes here again.
  SnapshotFetcher* fetcher = it->second.get();
  if (group->core->InstallSnapshot(fetcher->MakeInstall()).ok()) {
    ++counters_.installed_snapshots;
    fetcher->OnInstalled();
  } else {
    ++counters_.unused_snapshots;  // It has got further by itself, or leads.
    fetcher->Abandon();
  }
}

}  // namespace pontoon::raft
