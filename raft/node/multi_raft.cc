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
  bool dirty = false;           // Is in dirty_.
  std::optional<Term> leading;  // Was told OnLeader of it, and no OnFollower since.
  EntryId applied;
  std::deque<HeldMessage> held;
  std::deque<ReadReady> reads;  // Their index is not applied yet; ascending.
};

MultiRaft::MultiRaft(MultiRaftOptions options, LogStore* store, Transport* transport,
                     base::Random* random)
    : options_(options), store_(store), transport_(transport), random_(random) {}

MultiRaft::~MultiRaft() = default;

absl::Status MultiRaft::OpenGroup(GroupId group, RecoveredGroup recovered, StateMachine* machine,
                                  const std::optional<Membership>& founders) {
  if (groups_.contains(group))
    return absl::AlreadyExistsError(absl::StrCat("group ", group.value, " is open"));
  CoreOptions options{.group = group,
                      .epoch = options_.epoch,
                      .self = options_.self,
                      .last_io_seq = {},
                      .uncommitted_bytes_max = options_.uncommitted_bytes_max,
                      .committed_entries_max = options_.committed_entries_max};
  if (const auto closed = closed_.find(group); closed != closed_.end())
    options.last_io_seq = closed->second;
  const bool nothing =
      recovered.hard_state == HardState{} && recovered.entries.empty() && !recovered.checkpoint;
  absl::StatusOr<std::unique_ptr<Core>> core = Core::Create(options, std::move(recovered), random_);
  if (!core.ok()) return core.status();
  const Membership& members = nothing && founders.has_value() ? *founders : (*core)->membership();
  if (AllMembers(members).size() > 1) return absl::UnimplementedError("groups of several members");
  if (nothing && founders.has_value()) {
    if (absl::Status founded = (*core)->Found(*founders); !founded.ok()) return founded;
  }
  auto opened = std::make_unique<Group>();
  opened->id = group;
  opened->applied = (*core)->log().base();
  opened->core = *std::move(core);
  opened->machine = machine;
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
  if (task.checkpoint.has_value()) {
    PONTOON_CHECK_MSG(task.checkpoint->applied.index > Index{0} &&
                          task.checkpoint->applied.index <= group->applied.index &&
                          group->core->log().Contains(task.checkpoint->applied),
                      "a checkpoint of what is not applied");
    task.checkpoint->membership = group->core->memberships().At(task.checkpoint->applied.index);
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

absl::Status MultiRaft::Deliver(Message message) {
  Group* to = Find(message.group);
  if (to == nullptr) return NoSuchGroup(message.group);
  return absl::UnimplementedError("messages of peers");
}

void MultiRaft::OnStorageDone(GroupId group, IoSeq seq) {
  Group* to = Find(group);
  if (to == nullptr) return;
  to->core->OnStorageDone(seq);
  while (!to->held.empty() && to->held.front().after <= seq) {
    transport_->Send(std::move(to->held.front().message));
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
  return !dirty_.empty();
}

void MultiRaft::Drain(Group* group) {
  group->core->TakeOutput(&output_);
  for (StorageTask& task : output_.storage) store_->Submit(std::move(task));
  for (Message& message : output_.send_now) transport_->Send(std::move(message));
  for (HeldMessage& message : output_.send_after) group->held.push_back(std::move(message));
  if (output_.role.has_value()) TellRole(group, *output_.role);
  for (const ReadReady& read : output_.reads) group->reads.push_back(read);
  if (!output_.committed.empty()) ApplyCommitted(group, &output_.committed);
  while (!group->reads.empty() && group->reads.front().index <= group->applied.index) {
    group->machine->OnReadReady(group->reads.front().id);
    group->reads.pop_front();
  }
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
  const absl::Span<const Entry> entries(*committed);
  size_t begin = 0;
  while (begin < entries.size()) {
    size_t end = begin;
    while (end < entries.size() && entries[end].kind == EntryKind::kNormal) ++end;
    if (end > begin) {
      // Before, so that the state machine can submit a checkpoint from within.
      group->applied = entries[end - 1].id;
      group->machine->Apply(entries.subspan(begin, end - begin));
    }
    for (; end < entries.size() && entries[end].kind != EntryKind::kNormal; ++end)
      group->applied = entries[end].id;
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

}  // namespace pontoon::raft
