#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "raft/core/mutants.h"
#include "raft/node/hosted_group.h"
#include "raft/node/hosted_snapshots.h"
#include "raft/node/multi_raft.h"

// What comes in: from the state machines, from peers, and from the log store.

namespace pontoon::raft {
namespace {

absl::Status NoSuchGroup(GroupId group) {
  return absl::NotFoundError(absl::StrCat("group ", group.value, " is not open here"));
}

}  // namespace

absl::StatusOr<Index> MultiRaft::Propose(GroupId group, Term expected_term,
                                         absl::Span<Entry> entries, Core::Room room) {
  Group* to = Enter(group);
  if (to == nullptr) return NoSuchGroup(group);
  absl::StatusOr<Index> first = to->core->Propose(expected_term, entries, room);
  Leave(to);
  return first;
}

absl::StatusOr<Index> MultiRaft::Propose(GroupId group, Term expected_term, base::SliceChain header,
                                         base::SliceChain body, Core::Room room) {
  Entry entry = MakeEntry(std::move(header), std::move(body));
  return Propose(group, expected_term, absl::MakeSpan(&entry, 1), room);
}

void MultiRaft::SubmitState(StateTask task) {
  Group* group = Find(task.group);
  PONTOON_CHECK_MSG(group != nullptr, "state of a group that is not open");
  for (auto& [page, bytes] : task.put_pages) page = StoredPageOf(task.group, page);
  for (PageId& page : task.drop_pages) page = StoredPageOf(task.group, page);
  // What a peer is fetching stays for as long.
  task.drop_pages = snapshots_->server.HoldDrops(task.group, std::move(task.drop_pages));
  if (!task.drop_bodies.empty() || !task.cut_bodies.empty())
    task.ended_through = group->applied.index;
  if (MutantIs(Mutant::kDropsWithoutSayingWhen)) task.ended_through = {};
  if (task.checkpoint.has_value()) {
    PONTOON_CHECK_MSG(task.checkpoint->applied.index > Index{0} &&
                          task.checkpoint->applied.index <= group->applied.index &&
                          group->core->log().Contains(task.checkpoint->applied),
                      "a checkpoint of what is not applied");
    task.checkpoint->membership = group->core->memberships().At(task.checkpoint->applied.index);
    task.checkpoint->page_generation = group->page_generation;
    if (MutantIs(Mutant::kStateApartFromItsData)) {
      StateTask first;
      first.group = task.group;
      first.checkpoint = std::exchange(task.checkpoint, std::nullopt);
      SubmitToStore(std::move(first));
    }
  }
  SubmitToStore(std::move(task));
}

absl::Status MultiRaft::ReadIndex(GroupId group, ReadId id) {
  Group* to = Enter(group);
  if (to == nullptr) return NoSuchGroup(group);
  absl::Status asked = to->core->ReadIndex(id);
  Leave(to);
  return asked;
}

absl::StatusOr<Index> MultiRaft::ProposeConfig(GroupId group, Term expected_term,
                                               const Membership& wanted) {
  Group* to = Enter(group);
  if (to == nullptr) return NoSuchGroup(group);
  absl::StatusOr<Index> index = to->core->ProposeConfig(expected_term, wanted);
  Leave(to);
  return index;
}

absl::Status MultiRaft::TransferTo(GroupId group, ReplicaId target) {
  Group* to = Enter(group);
  if (to == nullptr) return NoSuchGroup(group);
  absl::Status started = to->core->TransferTo(target);
  Leave(to);
  return started;
}

absl::Status MultiRaft::Campaign(GroupId group) {
  Group* to = Enter(group);
  if (to == nullptr) return NoSuchGroup(group);
  absl::Status started = to->core->Campaign();
  Leave(to);
  return started;
}

absl::Status MultiRaft::Quarantine(GroupId group) {
  Group* to = Enter(group);
  if (to == nullptr) return NoSuchGroup(group);
  to->core->Quarantine();
  Leave(to);
  return absl::OkStatus();
}

void MultiRaft::SetRoom(bool has_room) {
  if (has_room == has_room_) return;
  has_room_ = has_room;
  for (Group* group : in_order_) {
    Touch(group);
    group->core->SetRoom(has_room);
    Leave(group);
  }
}

void MultiRaft::OnPeerUnreachable(NodeId node) {
  for (Group* group : in_order_) {
    Touch(group);
    group->core->OnPeerUnreachable(node);
    Leave(group);
  }
}

void MultiRaft::Deliver(NodeId from, uint64_t boot, std::vector<Message> messages) {
  if (options_.nodes != nullptr && !options_.nodes->Admit(from, boot)) {
    counters_.old_boot += messages.size();
    return;
  }
  for (Message& message : messages) {
    if (message.from.node != from) {
      ++counters_.wrong_sender;
      continue;
    }
    Group* group = Find(message.group);
    if (group == nullptr) {
      ++counters_.no_such_group;
    } else if (message.to != group->core->self() && (message.to.node != group->core->self().node ||
                                                     !MutantIs(Mutant::kOldIncarnationHeard))) {
      ++counters_.wrong_replica;
    } else if (message.epoch != group->core->epoch() && !MutantIs(Mutant::kOldEpochHeard)) {
      ++counters_.wrong_epoch;
    } else {
      if (MutantIs(Mutant::kOldIncarnationHeard)) message.to = group->core->self();
      Step(group, std::move(message));
    }
  }
}

void MultiRaft::Step(Group* group, Message message) {
  const ReplicaId from = message.from;
  if (message.kind == MessageKind::kSnapshotRequest || message.kind == MessageKind::kSnapshotPart) {
    if (group->core->CheckSender(message).ok()) return OnSnapshotMessage(group, message);
  } else {
    Touch(group);
    if (group->core->Step(std::move(message)).ok()) {
      ++counters_.messages_in;
      return Leave(group);
    }
  }
  bool replaced = false;
  for (const ReplicaId& member : AllMembers(group->core->membership()))
    replaced = replaced || (member.node == from.node && member.incarnation > from.incarnation);
  ++(replaced ? counters_.old_incarnation : counters_.invalid);
}

void MultiRaft::OnStorageDone(GroupId group, IoSeq seq) {
  watchdog_.OnDone(group, seq);
  Group* to = Enter(group);
  if (to == nullptr) return;
  to->core->OnStorageDone(seq);
  if (seq >= to->installed.first) to->checkpoint = std::max(to->checkpoint, to->installed.second);
  if (MutantIs(Mutant::kReleasesByNewestTask)) seq = to->core->last_io_seq();
  while (!to->held.empty() && to->held.front().after <= seq) {
    // Whoever has given itself up since takes back what it was about to promise.
    Message& message = to->held.front().message;
    if (message.quarantined || !to->core->quarantined()) Send(std::move(message));
    to->held.pop_front();
  }
  Leave(to);
}

void MultiRaft::OnCheckpointDurable(GroupId group, EntryId applied) {
  Group* to = Enter(group);
  if (to == nullptr) return;
  to->core->OnCheckpointDurable(applied);
  to->checkpoint = std::max(to->checkpoint, applied);
  Leave(to);
}

void MultiRaft::ReadEntries(Group* group, const EntryRead& read) {
  using Entries = absl::StatusOr<std::vector<Entry>>;
  store_->ReadEntries(
      group->id, read.from, read.to, read.bytes_max,
      OnLoop<Entries>(options_.post, alive_,
                      [this, id = group->id, opening = group->opening, read](Entries entries) {
                        OnEntriesRead(id, opening, read, std::move(entries));
                      }));
}

// What a store lacks of a body was dropped or cut by this replica's state machine in this life or
// an earlier one, in which case the core has waited until as much is applied again; or it got lost.
void MultiRaft::OnEntriesRead(GroupId group, uint64_t opening, const EntryRead& read,
                              absl::StatusOr<std::vector<Entry>> entries) {
  Group* to = Enter(group);
  if (to == nullptr || to->opening != opening) return;
  if (!entries.ok() && MutantIs(Mutant::kReadErrorIsTheEnd)) entries = std::vector<Entry>();
  if (entries.ok()) {
    for (Entry& entry : *entries) {
      if (entry.remains == nullptr || entry.id.index > to->applied.index) continue;
      // Only what is settled is ever cut off; where nothing is left it might as well be damage.
      if (entry.remains->kept.empty() && to->machine->NeedsBody(entry.id.index)) continue;
      auto remains = std::make_shared<BodyRemains>(*entry.remains);
      remains->ended = to->applied.index;
      if (MutantIs(Mutant::kEndedByTheLast)) remains->ended = to->core->log().last().index;
      entry.remains = std::move(remains);
    }
  }
  to->core->OnEntriesRead(read, std::move(entries));
  Leave(to);
}

}  // namespace pontoon::raft
