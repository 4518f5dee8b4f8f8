#include "raft/script/world.h"

#include <algorithm>
#include <memory>

#include "base/check.h"
#include "base/crc32c.h"
#include "raft/script/trace.h"

namespace pontoon::raft::script {

base::MonotonicTime World::ClockOf(const Replica& replica) const {
  // Two clocks never show the same.
  return base::MonotonicTime{now_.nanos + now_.nanos / 1000000 * replica.clock_ppm} +
         base::Seconds(static_cast<int64_t>(replica.id.node.value) * 1000);
}

Replica* World::Find(NodeId node) {
  const auto it = replicas_.find(node);
  return it == replicas_.end() ? nullptr : it->second.get();
}

Replica* World::Up(NodeId node) {
  Replica* replica = Find(node);
  return replica == nullptr || replica->core == nullptr ? nullptr : replica;
}

void World::Add(NodeId node, const Membership* founders) {
  auto replica = std::make_unique<Replica>();
  replica->id = {node, 1};
  replica->random.above_min = base::Millis(static_cast<int64_t>(20 * node.value));
  Replica* added = replica.get();
  replicas_[node] = std::move(replica);
  Start(added, founders);
}

void World::Replace(NodeId node, Disk disk) {
  Replica* replica = Find(node);
  replica->invariants = Invariants();
  replica->disk = std::move(disk);
  Start(replica, nullptr);
}

void World::Start(Replica* replica, const Membership* founders) {
  CoreOptions options = options_;
  options.group = GroupId{1};
  options.self = replica->id;
  RecoveredGroup recovered = replica->disk.Recover();
  Replica::State state;
  if (recovered.checkpoint.has_value())
    state = {recovered.checkpoint->applied, recovered.checkpoint->root};
  options.epoch = recovered.epoch;
  absl::StatusOr<std::unique_ptr<Core>> core =
      Core::Create(options, std::move(recovered), &replica->random);
  if (!core.ok()) return Say(Show(replica->id), " does not start: ", core.status().message());
  replica->core = *std::move(core);
  replica->invariants.OnRestart();
  replica->committed_checked = {};
  replica->states = {{state.applied.index, state}};
  replica->core->Tick(ClockOf(*replica));
  if (founders != nullptr) Check(replica->core->Found(*founders));
  Run(replica);
  CheckAll();
}

void World::Crash(NodeId node, size_t keep) {
  Replica* replica = Find(node);
  replica->core.reset();
  replica->held.clear();
  replica->reads.clear();
  replica->asked.clear();
  replica->unapplied.clear();
  replica->disk.Crash(keep);
}

void World::Restart(NodeId node) { Start(Find(node), nullptr); }

void World::Wipe(NodeId node) {
  Crash(node, 0);
  Replica* replica = Find(node);
  replica->id.incarnation += 1;
  replica->invariants = Invariants();
  replica->disk = Disk();
  Start(replica, nullptr);
}

void World::Act(NodeId node, const std::function<absl::Status(Core&)>& act) {
  Replica* replica = Up(node);
  if (replica == nullptr) return Say(node.value, " is down");
  if (absl::Status status = act(*replica->core); !status.ok())
    Say(node.value, " refuses: ", status.message());
  CheckAll();
  Run(replica);
  CheckAll();
}

void World::Tick(NodeId node) {
  Act(node, [this, node](Core& core) {
    core.Tick(ClockOf(*Find(node)));
    return absl::OkStatus();
  });
}

void World::Run(Replica* replica) {
  while (replica->core->has_output()) {
    Output out;
    replica->core->TakeOutput(&out);
    Check(replica->invariants.Check(*replica->core));
    TakeOver(replica, std::move(out));
  }
}

void World::TakeOver(Replica* replica, Output out) {
  const std::string name = Show(replica->id);
  for (StorageTask& task : out.storage) {
    if (!quiet_) Say(name, " writes ", Show(task));
    replica->disk.Submit(std::move(task));
  }
  for (Message& message : out.send_now) Post(*replica, std::move(message));
  for (HeldMessage& held : out.send_after) replica->held.push_back(std::move(held));
  if (out.role.has_value()) Say(name, " is ", Show(*out.role));
  for (const Astray& astray : out.astray) {
    const absl::string_view why = astray.why == Astray::Why::kSaidSo    ? "says so"
                                  : astray.why == Astray::Why::kDamaged ? "is damaged"
                                                                        : "differs";
    Say(name, " finds ", Show(astray.replica), " astray at ", astray.index.value, ": ", why);
  }
  if (out.installed != nullptr) {
    const Checkpoint& checkpoint = out.installed->checkpoint;
    replica->unapplied.clear();
    replica->states = {{checkpoint.applied.index, {checkpoint.applied, checkpoint.root}}};
    Say(name, " takes over the state at ", Show(checkpoint.applied));
  }
  for (Entry& entry : out.committed) replica->unapplied.push_back(std::move(entry));
  if (replica->applies) ApplyHandedOut(replica);
  for (const ReadReady& read : out.reads) {
    Say(name, " may read r", read.id.value, " at ", read.index.value);
    Check(checks_.OnRead(replica, read));
  }
  for (const EntryRead& read : out.entry_reads) {
    if (!quiet_) Say(name, " reads entries from ", read.from.value, " for ", Show(read.peer));
    replica->reads.push_back({read, replica->disk.Read(read.from, read.to, read.bytes_max)});
  }
  if (out.fetch.has_value())
    Say(name, " wants a snapshot of ", Show(out.fetch->from), " at ", Show(out.fetch->at_least));
}

void World::ApplyHandedOut(Replica* replica) {
  CheckAll();  // What is handed out counts as committed.
  std::string applied;
  while (!replica->unapplied.empty()) {
    const Entry entry = std::move(replica->unapplied.front());
    replica->unapplied.pop_front();
    Check(checks_.OnApply(*replica, entry));
    absl::StrAppend(&applied, " ", Show(entry));
    Replica::State state = replica->state();
    state.applied = entry.id;
    absl::StrAppend(&state.text, Show(entry.id), ":", entry.header_crc, ";");
    replica->states[entry.id.index] = state;
    replica->core->OnApplied(entry.id.index);
    if (entry.id.index.value % options_.digest_interval == 0)
      replica->core->OnDigest(entry.id.index, base::Crc32c(state.text));
  }
  if (!applied.empty()) Say(Show(replica->id), " applies", applied);
}

void World::Apply(NodeId node) {
  ApplyHandedOut(Find(node));
  Run(Find(node));
  CheckAll();
}

void World::Post(const Replica& from, Message message) {
  const bool cut = cut_.contains({message.from.node, message.to.node});
  if (!quiet_) Say(Show(message), cut ? " (cut)" : "");
  Check(checks_.OnSend(from, message));
  if (!cut) messages_.push_back(std::move(message));
}

void World::Forge(Message message) { messages_.push_back(std::move(message)); }

std::vector<const Message*> World::OnTheWay(const Link& link) const {
  std::vector<const Message*> found;
  for (const Message& message : messages_) {
    if (Link{message.from.node, message.to.node} == link) found.push_back(&message);
  }
  return found;
}

bool World::Drop(const Link& link, size_t nth) {
  for (auto it = messages_.begin(); it != messages_.end(); ++it) {
    if (Link{it->from.node, it->to.node} != link || nth-- > 0) continue;
    messages_.erase(it);
    return true;
  }
  return false;
}

bool World::Deliver(const Link& link, size_t nth, bool keep) {
  const std::vector<const Message*> found = OnTheWay(link);
  if (nth >= found.size()) return false;
  Message message = *found[nth];
  if (!keep) Drop(link, nth);
  if (Up(link.second) == nullptr) return true;
  const bool question = message.kind == MessageKind::kPreVote;
  const Core& core = *Up(link.second)->core;
  const HardState before{core.term(), core.vote()};
  Act(link.second, [&message](Core& core) { return core.Step(std::move(message)); });
  if (question && before != HardState{core.term(), core.vote()})
    Say("!! R17: a question before an election changed ", link.second.value);
  return true;
}

void World::Release(Replica* replica, IoSeq done) {
  while (!replica->held.empty() && replica->held.front().after <= done) {
    Message message = std::move(replica->held.front().message);
    replica->held.pop_front();
    Post(*replica, std::move(message));
  }
}

bool World::Sync(NodeId node) {
  Replica* replica = Find(node);
  std::optional<Disk::Item> item = replica->disk.SyncOne();
  if (!item.has_value()) return false;
  if (replica->core == nullptr) return true;
  Act(node, [this, replica, &item](Core& core) {
    if (const auto* task = std::get_if<StorageTask>(&*item)) {
      core.OnStorageDone(task->seq);
      Release(replica, task->seq);
    } else {
      core.OnCheckpointDurable(std::get<Checkpoint>(*item).applied);
    }
    return absl::OkStatus();
  });
  return true;
}

void World::SyncAtOnce(NodeId node) {
  Replica* replica = Find(node);
  IoSeq done;
  while (std::optional<Disk::Item> item = replica->disk.SyncOne()) {
    if (const auto* task = std::get_if<StorageTask>(&*item)) done = task->seq;
  }
  Act(node, [this, replica, done](Core& core) {
    core.OnStorageDone(done);
    Release(replica, done);
    return absl::OkStatus();
  });
}

bool World::AnswerReads(NodeId node, Answer answer, size_t count) {
  Replica* replica = Up(node);
  if (replica == nullptr || replica->reads.empty()) return false;
  std::deque<Replica::AskedRead> reads = std::exchange(replica->reads, {});
  for (; count > 0 && !reads.empty(); --count) {
    const EntryRead read = reads.front().read;
    absl::StatusOr<std::vector<Entry>> entries = std::move(reads.front().then);
    reads.pop_front();
    if (answer != Answer::kStale) entries = replica->disk.Read(read.from, read.to, read.bytes_max);
    if (answer == Answer::kDamaged) entries = absl::DataLossError("a flipped bit");
    if (answer == Answer::kFailed) entries = absl::UnavailableError("try again");
    for (size_t i = 0; entries.ok() && i < entries->size(); ++i) {
      Entry& entry = (*entries)[i];
      if (entry.remains == nullptr || answer == Answer::kNeeded) continue;
      auto remains = std::make_shared<BodyRemains>(*entry.remains);
      remains->ended = replica->core->applied();
      entry.remains = std::move(remains);
    }
    Act(node, [&read, &entries](Core& core) {
      core.OnEntriesRead(read, std::move(entries));
      return absl::OkStatus();
    });
  }
  replica->reads.insert(replica->reads.begin(), reads.begin(), reads.end());
  return true;
}

void World::Read(NodeId node, const std::vector<uint64_t>& ids) {
  Replica* replica = Up(node);
  for (const uint64_t id : ids) replica->asked.push_back({ReadId{id}, checks_.committed()});
  Act(node, [&ids](Core& core) {
    absl::Status status;
    for (const uint64_t id : ids) status.Update(core.ReadIndex(ReadId{id}));
    return status;
  });
}

void World::TakeCheckpoint(NodeId node, Index at) {
  Replica* replica = Up(node);
  const auto state = replica->states.find(at);
  if (state == replica->states.end()) return Say("no state at ", at.value);
  replica->disk.Submit(Checkpoint{.applied = state->second.applied,
                                  .membership = replica->core->memberships().At(at),
                                  .root = state->second.text});
}

void World::Install(NodeId node, NodeId from) {
  const std::optional<Checkpoint>& checkpoint = Find(from)->disk.checkpoint();
  if (!checkpoint.has_value()) return Say(from.value, " has no checkpoint");
  const Term term = Find(from)->core == nullptr ? Term{0} : Find(from)->core->term();
  Act(node, [&checkpoint, term](Core& core) {
    auto install = std::make_shared<raft::Install>();
    install->checkpoint = *checkpoint;
    install->term = term;
    return core.InstallSnapshot(std::move(install));
  });
}

bool World::StabilizeOnce(const std::set<NodeId>& nodes) {
  bool moved = false;
  const auto takes_part = [&nodes](NodeId node) { return nodes.empty() || nodes.contains(node); };
  size_t here = messages_.size();  // Those that are sent meanwhile are for the next round.
  for (size_t i = 0; i < here;) {
    const Link link{messages_[i].from.node, messages_[i].to.node};
    if (!takes_part(link.first) || !takes_part(link.second) || held_.contains(link)) {
      ++i;
      continue;
    }
    // The first on its link, for all of that link in front of it were delivered.
    Deliver(link, 0, false);
    --here;
    moved = true;
  }
  for (const auto& [node, replica] : replicas_) {
    if (!takes_part(node) || replica->core == nullptr) continue;
    while (Sync(node)) moved = true;
    if (replica->reads_at_once && AnswerReads(node, Answer::kNow, replica->reads.size()))
      moved = true;
  }
  return moved;
}

void World::Stabilize(const std::set<NodeId>& nodes) {
  constexpr int kRoundsMax = 1000;
  for (int round = 0; round < kRoundsMax; ++round) {
    if (!StabilizeOnce(nodes)) return;
  }
  Say("!! R19: the replicas never come to rest");
}

void World::CheckAll() {
  Check(checks_.Check(replicas_, [this](const Replica& replica) { return ClockOf(replica); }));
}

}  // namespace pontoon::raft::script
