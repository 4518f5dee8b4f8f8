#include "raft/sim/store.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace pontoon::raft::sim {

void Store::Submit(StorageTask task) {
  watcher_->OnSubmit(task);
  Task kept{.group = task.group,
            .seq = task.seq,
            .hard_state = task.hard_state,
            .truncate_from = task.truncate_from,
            .append = {},
            .checkpoint = {},
            .quarantine = task.quarantine,
            .epoch = task.epoch,
            .must_sync = task.must_sync};
  kept.append.reserve(task.append.size());
  for (const Entry& entry : task.append) kept.append.push_back(entry.id);
  if (task.install != nullptr) {
    kept.install = true;
    kept.checkpoint = task.install->checkpoint.applied;
  }
  tasks_.push_back(std::move(kept));
  store_.Submit(std::move(task));
}

void Store::Submit(StateTask task) {
  Task kept{.group = task.group,
            .seq = {},
            .hard_state = {},
            .truncate_from = {},
            .append = {},
            .checkpoint = {}};
  if (task.checkpoint.has_value()) kept.checkpoint = task.checkpoint->applied;
  tasks_.push_back(std::move(kept));
  store_.Submit(std::move(task));
}

void Store::Record(const Task& task, Durable* durable) {
  if (task.hard_state.has_value()) durable->hard_state = *task.hard_state;
  if (task.epoch.has_value()) {
    // The group was reopened, which ends a quarantine.
    durable->epoch = *task.epoch;
    durable->quarantined = false;
  }
  durable->quarantined = durable->quarantined || task.quarantine;
  if (task.install) {
    durable->terms.assign(task.checkpoint->index.value, Term{0});
    durable->terms.push_back(task.checkpoint->term);
  }
  if (task.checkpoint.has_value()) durable->checkpoint = *task.checkpoint;
  if (task.truncate_from.has_value() && *task.truncate_from <= durable->last())
    durable->terms.resize(task.truncate_from->value);
  for (const EntryId& id : task.append) {
    durable->terms.resize(id.index.value);
    durable->terms.push_back(id.term);
  }
  durable->most = std::max(durable->most, durable->last());
}

void Store::RecordSynced(const Task& task) {
  Record(task, &durable_[task.group]);
  if (task.hard_state.has_value() && task.hard_state->vote.has_value())
    votes_.emplace_back(task.group, *task.hard_state);
  if (mark_lags_) since_mark_.push_back(task);
}

void Store::WriteMark() {
  store_.WriteMark();
  ends_with_entries_ = false;
  for (const Task& task : since_mark_) Record(task, &marked_[task.group]);
  since_mark_.clear();
}

bool Store::Write(size_t count) {
  count = std::min(count, tasks_.size() - written_);
  if (count == 0) {
    store_.Sync(0);
  } else {
    store_.Write(count);
  }
  if (store_.failed()) return false;
  bool synced = count == 0;
  for (size_t i = written_; i < written_ + count; ++i) synced = synced || tasks_[i].must_sync;
  written_ += count;
  if (!synced) return true;
  if (written_ > 0) ends_with_entries_ = false;
  for (; written_ > 0; --written_) {
    ends_with_entries_ = ends_with_entries_ || !tasks_.front().append.empty();
    RecordSynced(tasks_.front());
    tasks_.pop_front();
  }
  return true;
}

std::string Store::Match(const std::map<GroupId, RecoveredGroup>& found) const {
  for (const auto& [group, recovered] : found) {
    const auto it = durable_.find(group);
    const Durable& durable = it == durable_.end() ? Durable() : it->second;
    const auto differs = [&, id = group](absl::string_view what) {
      return absl::StrCat("S1: group ", id.value, " recovers another ", what);
    };
    if (!(recovered.hard_state == durable.hard_state)) return differs("vote");
    if (recovered.epoch != durable.epoch) return differs("epoch");
    const EntryId checkpoint =
        recovered.checkpoint.has_value() ? recovered.checkpoint->applied : EntryId{};
    if (checkpoint != durable.checkpoint) return differs("checkpoint");
    Index last = checkpoint.index;
    for (const Entry& entry : recovered.entries) {
      if (entry.id.index != last + 1)
        return absl::StrCat("S2: group ", group.value, " recovers a hole at ", last.value + 1);
      last = entry.id.index;
      if (last > durable.last() || durable.terms[last.value] != entry.id.term)
        return differs(absl::StrCat("entry ", last.value));
    }
    if (last != std::max(durable.last(), checkpoint.index)) return differs("end of the log");
  }
  return "";
}

std::string Store::Recover(const std::vector<GroupId>& groups,
                           std::map<GroupId, RecoveredGroup>* found) {
  for (const GroupId group : groups) {
    absl::StatusOr<RecoveredGroup> recovered = store_.RecoverBlocking(group);
    // A flipped bit that was put there; whoever starts finds it.
    if (absl::IsDataLoss(recovered.status())) continue;
    if (!recovered.ok()) return absl::StrCat("S1: ", recovered.status().message());
    found->emplace(group, *std::move(recovered));
  }
  return "";
}

// S5: after a damage of what was vouched for.
std::string Store::QuarantineAll(base::Random* random, const std::vector<GroupId>& groups) {
  std::map<GroupId, RecoveredGroup> found;
  store_.AcceptLoss(random);
  tasks_.clear();
  const std::map<GroupId, Durable> before = std::exchange(durable_, {});
  std::string why = Recover(groups, &found);
  for (const auto& [group, recovered] : found) {
    const auto had = before.find(group);
    // What never wrote anything has vouched for nothing.
    if (!recovered.quarantined && had != before.end() &&
        !(had->second.hard_state == HardState{} && had->second.last() == Index{0}))
      why = absl::StrCat("S5: group ", group.value, " goes on with a damaged log");
    Durable& left = durable_[group];
    left.quarantined = recovered.quarantined;
    left.epoch = recovered.epoch;
    left.hard_state = recovered.hard_state;
    if (recovered.checkpoint.has_value()) left.checkpoint = recovered.checkpoint->applied;
    left.terms.resize(left.checkpoint.index.value);
    left.terms.push_back(left.checkpoint.term);
    for (const Entry& entry : recovered.entries) left.terms.push_back(entry.id.term);
    left.most = left.last();
  }
  return why;
}

std::string Store::Crash(base::Random* random, StorageEvents* events,
                         const std::vector<GroupId>& groups, MemoryLogStore::LogDamage damage,
                         bool* lost) {
  store_.Crash(random, events, damage);
  fails_next_ = false;
  reads_ = 0;
  answers_.clear();
  written_ = 0;
  ends_with_entries_ = false;
  const std::deque<Task> since_mark = std::exchange(since_mark_, {});
  const std::map<GroupId, Durable> marked = std::exchange(marked_, {});
  if (damage == MemoryLogStore::LogDamage::kBelowMark && !store_.lost())
    return "S5: a damage below the durable mark is not noticed";
  *lost = store_.lost();
  std::string why;
  std::map<GroupId, RecoveredGroup> found;
  if (store_.lost()) {
    why = QuarantineAll(random, groups);
  } else if (why = Recover(groups, &found); why.empty()) {
    // All that was synced, and some first few of the rest.
    const std::string first_why = Match(found);
    why = first_why;
    while (!why.empty() && !tasks_.empty()) {
      RecordSynced(tasks_.front());
      tasks_.pop_front();
      why = Match(found);
    }
    if (!why.empty() &&
        (damage == MemoryLogStore::LogDamage::kAboveMark ||
         damage == MemoryLogStore::LogDamage::kEnd) &&
        !since_mark.empty()) {
      // Or what the mark vouches for, and some first few of what was synced since.
      *lost = true;
      votes_.clear();
      durable_ = marked;
      why = Match(found);
      for (const Task& task : since_mark) {
        if (why.empty()) break;
        Record(task, &durable_[task.group]);
        why = Match(found);
      }
      for (auto& [group, left] : durable_) left.most = left.last();
    }
    if (!why.empty()) why = first_why;
    tasks_.clear();
  }
  since_mark_.clear();
  if (mark_lags_) marked_ = durable_;
  return why;
}

void Store::Drop(GroupId group) {
  store_.Drop(group);
  durable_.erase(group);
  marked_.erase(group);
}

void Store::PutBack(const Image& image, StorageEvents* events) {
  store_.PutBack(*image.disk, events);
  durable_ = image.record;
  for (auto& [group, left] : durable_) left.most = left.last();
  if (mark_lags_) marked_ = durable_;
}

const Durable& Store::durable(GroupId group) const {
  static const Durable* const nothing = new Durable();
  const auto it = durable_.find(group);
  return it == durable_.end() ? *nothing : it->second;
}

}  // namespace pontoon::raft::sim
