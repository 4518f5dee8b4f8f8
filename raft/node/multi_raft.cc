#include "raft/node/multi_raft.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "raft/core/mutants.h"
#include "raft/node/hosted_group.h"
#include "raft/node/hosted_snapshots.h"

namespace pontoon::raft {
namespace {

// With so much for the store it begins at once, also within a Flush: this takes a disk longer than
// handing it over by itself costs.
constexpr size_t kGatheredBytesMax = size_t{1} << 20;
// Nor does a list for more tasks than that, as when all groups elect, pay for the memory it keeps.
constexpr size_t kGatheredTasksMax = 256;
// What is gathered does not wait until more entries than that are applied: a millisecond or so.
constexpr uint64_t kAppliedMeanwhileMax = 512;

}  // namespace

MultiRaft::MultiRaft(MultiRaftOptions options, LogStore* store, Transport* transport,
                     base::Random* random)
    : options_(std::move(options)),
      store_(store),
      transport_(transport),
      random_(random),
      watchdog_(options_.disk),
      snapshots_(std::make_unique<Snapshots>(this)) {}

MultiRaft::~MultiRaft() = default;

absl::Status MultiRaft::OpenGroup(GroupId group, RecoveredGroup recovered, StateMachine* machine,
                                  const std::optional<Membership>& founders,
                                  const std::optional<ReplicaId>& self, base::RecoveryEpoch epoch) {
  if (groups_.contains(group))
    return absl::AlreadyExistsError(absl::StrCat("group ", group.value, " is open"));
  CoreOptions options = options_.core;
  options.group = group;
  options.epoch = epoch;
  options.self = self.value_or(options_.self);
  options.last_io_seq = {};
  if (const auto closed = closed_.find(group);
      closed != closed_.end() && !MutantIs(Mutant::kNumbersBeginAgain))
    options.last_io_seq = closed->second;
  const bool nothing = recovered.hard_state == HardState{} && recovered.entries.empty() &&
                       !recovered.checkpoint.has_value() && !recovered.quarantined;
  auto opened = std::make_unique<Group>();
  opened->id = group;
  opened->machine = machine;
  opened->opening = ++openings_;
  if (recovered.checkpoint.has_value()) {
    opened->page_generation = recovered.checkpoint->page_generation;
    opened->checkpoint = recovered.checkpoint->applied;
  }
  if (recovered.staging.has_value() && recovered.staging->generation != opened->page_generation)
    opened->drop_generation = recovered.staging->generation;
  absl::StatusOr<std::unique_ptr<Core>> core = Core::Create(options, std::move(recovered), random_);
  if (!core.ok()) return core.status();
  if (nothing && founders.has_value()) {
    if (absl::Status founded = (*core)->Found(*founders); !founded.ok()) return founded;
  }
  opened->applied = (*core)->log().base();
  opened->core = *std::move(core);
  if (!has_room_) opened->core->SetRoom(false);
  MarkDirty(opened.get());
  const auto at = std::lower_bound(in_order_.begin(), in_order_.end(), group,
                                   [](const Group* a, GroupId b) { return a->id < b; });
  due_.insert(due_.begin() + (at - in_order_.begin()), base::MonotonicTime{});
  in_order_.insert(at, opened.get());
  NumberPlaces();
  groups_.emplace(group, std::move(opened));
  return absl::OkStatus();
}

void MultiRaft::CloseGroup(GroupId group) {
  PONTOON_CHECK(!flushing_);
  const auto it = groups_.find(group);
  if (it == groups_.end()) return;
  Group* closing = it->second.get();
  closed_[group] = closing->core->last_io_seq();
  CloseSnapshots(group);
  dirty_.erase(std::remove(dirty_.begin(), dirty_.end(), closing), dirty_.end());
  due_.erase(due_.begin() + static_cast<ptrdiff_t>(closing->place));
  in_order_.erase(in_order_.begin() + static_cast<ptrdiff_t>(closing->place));
  NumberPlaces();
  groups_.erase(it);
}

void MultiRaft::NumberPlaces() {
  for (size_t place = 0; place < in_order_.size(); ++place) in_order_[place]->place = place;
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

MultiRaft::Group* MultiRaft::Enter(GroupId id) {
  Group* group = Find(id);
  if (group != nullptr) Touch(group);
  return group;
}

void MultiRaft::Touch(Group* group) {
  if (group->ticked == now_) return;
  group->ticked = now_;
  group->core->Tick(now_);
}

void MultiRaft::Leave(Group* group) {
  due_[group->place] = group->core->next_due();
  if (group->dirty) return;
  // What a heartbeat leads to is mostly an answer and nothing else: it waits with the others of
  // this turn, and the group need not be looked at again.
  if (group->core->TakeMessages(&messages_)) {
    SendAll(group, &messages_);
    messages_.clear();
  } else if (group->core->has_output()) {
    MarkDirty(group);
  }
}

void MultiRaft::Tick(base::MonotonicTime now) {
  PONTOON_CHECK(now >= now_);
  now_ = now;
  for (size_t place = 0; place < due_.size(); ++place) {
    if (due_[place] > now) continue;
    Touch(in_order_[place]);
    Leave(in_order_[place]);
  }
  WatchDisk();
  TickSnapshots();
}

void MultiRaft::WatchDisk() {
  const DiskWatchdog::State before = watchdog_.state();
  const DiskWatchdog::State state = watchdog_.Tick(now_);
  if (state == DiskWatchdog::State::kGood) return;
  if (state == DiskWatchdog::State::kDead && before != state && options_.on_disk_dead)
    options_.on_disk_dead();
  // Again and again: a successor may fail to take over, and a replica that lost its leader may be
  // elected here in spite of the disk.
  if (now_ < hand_over_at_) return;
  hand_over_at_ = now_ + options_.core.heartbeat;
  for (Group* group : in_order_) {
    if (group->core->role() == Role::kLeader && !group->core->transfer_target().has_value())
      HandOver(group);
  }
}

// To the voter that lacks least, which is heard; among equals another one for each group.
void MultiRaft::HandOver(Group* group) {
  std::vector<ReplicaId> best;
  Index match;
  for (const auto& [peer, progress] : group->core->progress()) {
    const bool heard = now_ - progress.heard < options_.core.election_min;
    const bool replicates = progress.state == Progress::State::kReplicate && !progress.no_room;
    if (!heard || !replicates || !IsVoter(group->core->membership(), peer)) continue;
    if (progress.match > match) best.clear();
    if (best.empty() || progress.match == match) best.push_back(peer);
    match = std::max(match, progress.match);
  }
  if (best.empty()) return;
  Touch(group);
  (void)group->core->TransferTo(best[group->id.value % best.size()]);
  Leave(group);
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
  SubmitGathered();
  flushing_ = false;
  EndTurn();
  return !dirty_.empty();
}

void MultiRaft::Drain(Group* group) {
  Touch(group);
  group->core->TakeOutput(&output_);
  due_[group->place] = group->core->next_due();
  if (group->drop_generation.has_value()) {
    StateTask task;
    task.group = group->id;
    task.drop_generation = std::exchange(group->drop_generation, std::nullopt);
    SubmitToStore(std::move(task));
  }
  if (MutantIs(Mutant::kReleasesBeforeSubmit) && group->core->durable_hard_state().term > Term{0} &&
      group->core->durable() == group->applied.index) {
    // Nothing seems to be under way.
    for (HeldMessage& message : output_.send_after) Send(std::move(message.message));
    output_.send_after.clear();
  }
  for (StorageTask& task : output_.storage) SubmitStorage(group, std::move(task));
  SendAll(group, &output_.send_now);
  for (HeldMessage& message : output_.send_after) group->held.push_back(std::move(message));
  if (output_.role.has_value()) TellRole(group, *output_.role);
  for (const Astray& astray : output_.astray) {
    ++counters_.astray;
    if (options_.on_astray) options_.on_astray(group->id, astray);
  }
  if (output_.installed != nullptr) TakeOver(group, *output_.installed);
  for (const ReadReady& read : output_.reads) group->reads.push_back(read);
  if (!output_.committed.empty()) {
    applied_meanwhile_ += output_.committed.size();
    if (applied_meanwhile_ > kAppliedMeanwhileMax) SubmitGathered();
    ApplyCommitted(group, &output_.committed);
  }
  while (!group->reads.empty() && group->reads.front().index <= group->applied.index) {
    group->machine->OnReadReady(group->reads.front().id);
    group->reads.pop_front();
  }
  for (const EntryRead& read : output_.entry_reads) ReadEntries(group, read);
  if (output_.fetch.has_value()) FetchSnapshot(group, *output_.fetch);
  InstallFetched(group);
}

void MultiRaft::SubmitStorage(Group* group, StorageTask task) {
  std::optional<Index> changed = task.truncate_from;
  if (!changed.has_value() && !task.append.empty()) changed = task.append.front().id.index;
  if (task.install != nullptr) group->installed = {task.seq, task.install->checkpoint.applied};
  if (task.must_sync) watchdog_.OnSubmit(group->id, task.seq);
  SubmitToStore(std::move(task));
  if (changed.has_value() && !MutantIs(Mutant::kComparedBeforeTheLogChanged))
    NoteLogChange(group, *changed);
}

void MultiRaft::SubmitToStore(StoreTask task) {
  if (gathered_.empty()) applied_meanwhile_ = 0;
  gathered_bytes_ += BytesToWrite(task);
  gathered_.push_back(std::move(task));
  if (!flushing_ || gathered_bytes_ >= kGatheredBytesMax || gathered_.size() >= kGatheredTasksMax)
    SubmitGathered();
}

void MultiRaft::SubmitGathered() {
  if (!gathered_.empty()) store_->SubmitAll(&gathered_);
  gathered_bytes_ = 0;
  applied_meanwhile_ = 0;
}

void MultiRaft::TakeOver(Group* group, const Install& install) {
  group->applied = install.checkpoint.applied;
  group->page_generation = install.checkpoint.page_generation;
  group->checkpoint = {};  // OnStorageDone knows when the new one is durable.
  snapshots_->server.Forget(group->id);
  group->machine->Install(install.checkpoint);
}

void MultiRaft::Send(Message message) {
  if (transport_ == nullptr) return;
  ++counters_.messages_out;
  sent_ = true;
  transport_->Send(std::move(message));
}

void MultiRaft::SendAll(Group* group, std::vector<Message>* messages) {
  uint64_t round = group->round;
  for (Message& message : *messages) {
    const bool beat = message.kind == MessageKind::kHeartbeat;
    if (options_.heartbeats == nullptr || message.round != group->round ||
        (!beat && message.kind != MessageKind::kHeartbeatReply)) {
      if (beat || message.kind == MessageKind::kHeartbeatReply) round = message.round;
      Send(std::move(message));
    } else {
      (beat ? heartbeats_ : replies_).push_back(std::move(message));
    }
  }
  group->round = round;
}

void MultiRaft::EndTurn() {
  if (options_.heartbeats != nullptr) {
    options_.heartbeats->Gather(options_.loop, now_, &heartbeats_, &replies_, &leaving_);
    for (Message& message : leaving_) Send(std::move(message));
    leaving_.clear();
  }
  if (std::exchange(sent_, false)) transport_->EndTurn();
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
