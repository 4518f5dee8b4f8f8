#include "raft/node/multi_raft.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"

namespace pontoon::raft {
namespace {

absl::Status NoSuchGroup(GroupId group) {
  return absl::NotFoundError(absl::StrCat("group ", group.value, " is not open here"));
}

}  // namespace

struct MultiRaft::Group {
  GroupId id;
  std::unique_ptr<Core> core;
  StateMachine* machine;
  uint64_t opening;  // The how-manieth OpenGroup of this loop.
  uint16_t page_generation = 0;
  bool dirty = false;           // Is in dirty_.
  std::optional<Term> leading;  // Was told OnLeader of it, and no OnFollower since.
  EntryId applied;
  std::deque<HeldMessage> held;
  std::deque<ReadReady> reads;  // Their index is not applied yet; ascending.
};

MultiRaft::MultiRaft(MultiRaftOptions options, LogStore* store, Transport* transport,
                     base::Random* random)
    : options_(std::move(options)), store_(store), transport_(transport), random_(random) {}

MultiRaft::~MultiRaft() = default;

absl::Status MultiRaft::OpenGroup(GroupId group, RecoveredGroup recovered, StateMachine* machine,
                                  const std::optional<Membership>& founders,
                                  const std::optional<ReplicaId>& self) {
  if (groups_.contains(group))
    return absl::AlreadyExistsError(absl::StrCat("group ", group.value, " is open"));
  CoreOptions options = options_.core;
  options.group = group;
  options.epoch = recovered.epoch;
  options.self = self.value_or(options_.self);
  options.last_io_seq = {};
  if (const auto closed = closed_.find(group); closed != closed_.end())
    options.last_io_seq = closed->second;
  const bool nothing = recovered.hard_state == HardState{} && recovered.entries.empty() &&
                       !recovered.checkpoint.has_value() && !recovered.quarantined;
  auto opened = std::make_unique<Group>();
  opened->id = group;
  opened->machine = machine;
  opened->opening = ++openings_;
  if (recovered.checkpoint.has_value())
    opened->page_generation = recovered.checkpoint->page_generation;
  absl::StatusOr<std::unique_ptr<Core>> core = Core::Create(options, std::move(recovered), random_);
  if (!core.ok()) return core.status();
  if (nothing && founders.has_value()) {
    if (absl::Status founded = (*core)->Found(*founders); !founded.ok()) return founded;
  }
  opened->applied = (*core)->log().base();
  opened->core = *std::move(core);
  if (!has_room_) opened->core->SetRoom(false);
  MarkDirty(opened.get());
  in_order_.insert(std::lower_bound(in_order_.begin(), in_order_.end(), group,
                                    [](const Group* a, GroupId b) { return a->id < b; }),
                   opened.get());
  groups_.emplace(group, std::move(opened));
  return absl::OkStatus();
}

void MultiRaft::CloseGroup(GroupId group) {
  PONTOON_CHECK(!flushing_);
  const auto it = groups_.find(group);
  if (it == groups_.end()) return;
  Group* closing = it->second.get();
  closed_[group] = closing->core->last_io_seq();
  dirty_.erase(std::remove(dirty_.begin(), dirty_.end(), closing), dirty_.end());
  in_order_.erase(std::remove(in_order_.begin(), in_order_.end(), closing), in_order_.end());
  groups_.erase(it);
}

MultiRaft::Group* MultiRaft::Find(GroupId id) const {
  const auto it = groups_.find(id);
  return it == groups_.end() ? nullptr : it->second.get();
}

void MultiRaft::MarkDirty(Group* group) {
  if (group->dirty) return;
  group->dirty = true;
  dirty_.push_back(group);
}

void MultiRaft::Tick(base::MonotonicTime now) {
  for (Group* group : in_order_) {
    group->core->Tick(now);
    if (group->core->has_output()) MarkDirty(group);
  }
}

absl::StatusOr<Index> MultiRaft::Propose(GroupId group, Term expected_term,
                                         absl::Span<Entry> entries, Core::Room room) {
  Group* to = Find(group);
  if (to == nullptr) return NoSuchGroup(group);
  absl::StatusOr<Index> first = to->core->Propose(expected_term, entries, room);
  if (first.ok()) MarkDirty(to);
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
  if (!task.drop_bodies.empty() || !task.cut_bodies.empty())
    task.ended_through = group->applied.index;
  if (task.checkpoint.has_value()) {
    PONTOON_CHECK_MSG(task.checkpoint->applied.index > Index{0} &&
                          task.checkpoint->applied.index <= group->applied.index &&
                          group->core->log().Contains(task.checkpoint->applied),
                      "a checkpoint of what is not applied");
    task.checkpoint->membership = group->core->memberships().At(task.checkpoint->applied.index);
    task.checkpoint->page_generation = group->page_generation;
  }
  store_->Submit(std::move(task));
}

absl::Status MultiRaft::ReadIndex(GroupId group, ReadId id) {
  Group* to = Find(group);
  if (to == nullptr) return NoSuchGroup(group);
  absl::Status asked = to->core->ReadIndex(id);
  if (asked.ok()) MarkDirty(to);
  return asked;
}

absl::StatusOr<Index> MultiRaft::ProposeConfig(GroupId group, Term expected_term,
                                               const Membership& wanted) {
  Group* to = Find(group);
  if (to == nullptr) return NoSuchGroup(group);
  absl::StatusOr<Index> index = to->core->ProposeConfig(expected_term, wanted);
  if (index.ok()) MarkDirty(to);
  return index;
}

absl::Status MultiRaft::TransferTo(GroupId group, ReplicaId target) {
  Group* to = Find(group);
  if (to == nullptr) return NoSuchGroup(group);
  absl::Status started = to->core->TransferTo(target);
  if (to->core->has_output()) MarkDirty(to);
  return started;
}

absl::Status MultiRaft::Campaign(GroupId group) {
  Group* to = Find(group);
  if (to == nullptr) return NoSuchGroup(group);
  absl::Status started = to->core->Campaign();
  if (to->core->has_output()) MarkDirty(to);
  return started;
}

absl::Status MultiRaft::Quarantine(GroupId group) {
  Group* to = Find(group);
  if (to == nullptr) return NoSuchGroup(group);
  to->core->Quarantine();
  if (to->core->has_output()) MarkDirty(to);
  return absl::OkStatus();
}

void MultiRaft::SetRoom(bool has_room) {
  if (has_room == has_room_) return;
  has_room_ = has_room;
  for (Group* group : in_order_) {
    group->core->SetRoom(has_room);
    if (group->core->has_output()) MarkDirty(group);
  }
}

void MultiRaft::OnPeerUnreachable(NodeId node) {
  for (Group* group : in_order_) {
    group->core->OnPeerUnreachable(node);
    if (group->core->has_output()) MarkDirty(group);
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
    } else if (message.to != group->core->self()) {
      ++counters_.wrong_replica;
    } else if (message.epoch != group->core->epoch()) {
      ++counters_.wrong_epoch;
    } else {
      Step(group, std::move(message));
    }
  }
}

void MultiRaft::Step(Group* group, Message message) {
  if (message.kind == MessageKind::kSnapshotRequest ||
      message.kind == MessageKind::kSnapshotPart) {
    return OnSnapshotMessage(group, std::move(message));
  }
  const ReplicaId from = message.from;
  if (group->core->Step(std::move(message)).ok()) {
    ++counters_.messages_in;
    if (group->core->has_output()) MarkDirty(group);
    return;
  }
  bool replaced = false;
  for (const ReplicaId& member : AllMembers(group->core->membership()))
    replaced = replaced || (member.node == from.node && member.incarnation > from.incarnation);
  ++(replaced ? counters_.old_incarnation : counters_.invalid);
}

void MultiRaft::OnStorageDone(GroupId group, IoSeq seq) {
  Group* to = Find(group);
  if (to == nullptr) return;
  to->core->OnStorageDone(seq);
  while (!to->held.empty() && to->held.front().after <= seq) {
    Send(std::move(to->held.front().message));
    to->held.pop_front();
  }
  if (to->core->has_output()) MarkDirty(to);
}

void MultiRaft::OnCheckpointDurable(GroupId group, EntryId applied) {
  Group* to = Find(group);
  if (to == nullptr) return;
  to->core->OnCheckpointDurable(applied);
  if (to->core->has_output()) MarkDirty(to);
}

void MultiRaft::Send(Message message) {
  if (transport_ == nullptr) return;
  ++counters_.messages_out;
  sent_ = true;
  transport_->Send(std::move(message));
}

bool MultiRaft::Flush() {
  PONTOON_CHECK_MSG(!flushing_, "not from within a state machine");
  flushing_ = true;
  // What applying leads to (a proposal, a new role) is carried out in the same Flush, so that a
  // lone message does not wait for another turn; only the rest of a long stretch to apply is left
  // for the next.
  std::vector<Group*> later;
  while (!dirty_.empty()) {
    std::swap(turn_, dirty_);
    for (Group* group : turn_) {
      group->dirty = false;
      Drain(group);
      if (group->core->has_committed()) {
        later.push_back(group);
      } else if (group->core->has_output()) {
        MarkDirty(group);
      }
    }
    turn_.clear();
  }
  for (Group* group : later) MarkDirty(group);
  flushing_ = false;
  if (std::exchange(sent_, false)) transport_->EndTurn();
  return !dirty_.empty();
}

void MultiRaft::Drain(Group* group) {
  group->core->TakeOutput(&output_);
  for (StorageTask& task : output_.storage) store_->Submit(std::move(task));
  for (Message& message : output_.send_now) Send(std::move(message));
  for (HeldMessage& message : output_.send_after) group->held.push_back(std::move(message));
  if (output_.role.has_value()) TellRole(group, *output_.role);
  for (const Astray& astray : output_.astray) {
    ++counters_.astray;
    if (options_.on_astray) options_.on_astray(group->id, astray);
  }
  if (output_.installed != nullptr) TakeOver(group, *output_.installed);
  for (const ReadReady& read : output_.reads) group->reads.push_back(read);
  if (!output_.committed.empty()) ApplyCommitted(group, &output_.committed);
  while (!group->reads.empty() && group->reads.front().index <= group->applied.index) {
    group->machine->OnReadReady(group->reads.front().id);
    group->reads.pop_front();
  }
  for (const EntryRead& read : output_.entry_reads) ReadEntries(group, read);
  if (output_.fetch.has_value()) FetchSnapshot(group, *output_.fetch);
}

void MultiRaft::TakeOver(Group* group, const Install& install) {
  group->applied = install.checkpoint.applied;
  group->page_generation = install.checkpoint.page_generation;
  group->machine->Install(install.checkpoint);
}

void MultiRaft::OnSnapshotMessage(Group* group, Message message) {
  (void)group;
  (void)message;
  ++counters_.unasked_snapshot;
}

void MultiRaft::FetchSnapshot(Group* group, const SnapshotWanted& wanted) {
  (void)group;
  (void)wanted;
}

void MultiRaft::OnStateWritten(GroupId group, uint64_t ticket) {
  (void)group;
  (void)ticket;
}

void MultiRaft::ReadEntries(Group* group, const EntryRead& read) {
  store_->ReadEntries(
      group->id, read.from, read.to, read.bytes_max,
      [this, alive = std::weak_ptr<const bool>(alive_), post = options_.post, id = group->id,
       opening = group->opening, read](absl::StatusOr<std::vector<Entry>> entries) {
        auto arrive = [this, alive, id, opening, read, entries = std::move(entries)]() mutable {
          if (!alive.expired()) OnEntriesRead(id, opening, read, std::move(entries));
        };
        if (post) {
          post(std::move(arrive));
        } else {
          arrive();
        }
      });
}

// What a store lacks of a body was dropped or cut by this replica's state machine in this life or an
// earlier one, in which case the core has waited until as much is applied again; or it got lost.
void MultiRaft::OnEntriesRead(GroupId group, uint64_t opening, const EntryRead& read,
                              absl::StatusOr<std::vector<Entry>> entries) {
  Group* to = Find(group);
  if (to == nullptr || to->opening != opening) return;
  if (entries.ok()) {
    for (Entry& entry : *entries) {
      if (entry.remains == nullptr || entry.id.index > to->applied.index) continue;
      // Only what is settled is ever cut off; where nothing is left it might as well be damage.
      if (entry.remains->kept.empty() && to->machine->NeedsBody(entry.id.index)) continue;
      auto remains = std::make_shared<BodyRemains>(*entry.remains);
      remains->ended = to->applied.index;
      entry.remains = std::move(remains);
    }
  }
  to->core->OnEntriesRead(read, std::move(entries));
  if (to->core->has_output()) MarkDirty(to);
}

void MultiRaft::TellRole(Group* group, const RoleChange& change) {
  const bool leads_on = change.role == Role::kLeader && group->leading == change.term;
  if (leads_on) return;
  if (group->leading.has_value()) {
    group->leading.reset();
    group->reads.clear();
    group->machine->OnFollower(change.term, change.leader);
  }
  if (change.ready) {
    group->leading = change.term;
    group->machine->OnLeader(change.term);
  }
}

void MultiRaft::ApplyCommitted(Group* group, std::vector<Entry>* committed) {
  for (Entry& entry : *committed) {
    // Parts of a body are of no use to the state machine: it reads those that it still needs.
    if (entry.remains != nullptr) entry.body.Clear();
  }
  const uint64_t interval = options_.core.digest_interval;
  const absl::Span<const Entry> entries(*committed);
  size_t begin = 0;
  while (begin < entries.size()) {
    const bool normal = entries[begin].kind == EntryKind::kNormal;
    size_t end = begin;
    bool compare = false;
    while (end < entries.size() && (entries[end].kind == EntryKind::kNormal) == normal &&
           !compare) {
      compare = entries[end].id.index.value % interval == 0;
      ++end;
    }
    // Before, so that the state machine can submit a checkpoint from within.
    group->applied = entries[end - 1].id;
    if (normal) group->machine->Apply(entries.subspan(begin, end - begin));
    if (compare) group->core->OnDigest(group->applied.index, group->machine->Digest());
    begin = end;
  }
  group->core->OnApplied(group->applied.index);
  committed->clear();
}

std::vector<GroupId> MultiRaft::groups() const {
  std::vector<GroupId> ids;
  for (const Group* group : in_order_) ids.push_back(group->id);
  return ids;
}

const Core& MultiRaft::core(GroupId group) const {
  const Group* found = Find(group);
  PONTOON_CHECK(found != nullptr);
  return *found->core;
}

bool MultiRaft::leads(GroupId group) const {
  const Group* found = Find(group);
  PONTOON_CHECK(found != nullptr);
  return found->leading.has_value();
}

EntryId MultiRaft::applied(GroupId group) const {
  const Group* found = Find(group);
  PONTOON_CHECK(found != nullptr);
  return found->applied;
}

PageId MultiRaft::StoredPageOf(GroupId group, PageId page) const {
  const Group* found = Find(group);
  PONTOON_CHECK(found != nullptr && page.value <= kPageIdMax);
  return StoredPage(found->page_generation, page);
}

}  // namespace pontoon::raft
