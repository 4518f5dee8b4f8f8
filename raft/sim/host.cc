#include "raft/sim/host.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/crc32c.h"
#include "raft/core/reopen.h"

namespace pontoon::raft::sim {

// The toy state machine, with what its host does for it.
class Host::Machine final : public StateMachine {
 public:
  Machine(Host* host, GroupId group, const std::optional<Checkpoint>& checkpoint)
      : host_(host), group_(group), machine_(checkpoint) {}

  void Apply(absl::Span<const Entry> committed) override {
    machine_.Apply(committed);
    host_->watcher_->OnApplied(host_, group_, committed.back().id.index, machine_.Digest());
    if (std::optional<StateTask> task = machine_.TakeStateTask(group_)) {
      if (host_->options_.cut_bodies == 0) task->cut_bodies.clear();
      host_->raft(group_).SubmitState(*std::move(task));
    }
    if (!checkpointing &&
        host_->raft(group_).reclaimable_bytes(group_) >= host_->options_.checkpoint_bytes)
      host_->MakeCheckpoint(group_);
  }
  void OnLeader(Term term) override { machine_.OnLeader(term); }
  void OnFollower(Term term, std::optional<ReplicaId> leader) override {
    machine_.OnFollower(term, leader);
  }
  void Install(const Checkpoint& checkpoint) override {
    machine_.Install(checkpoint);
    host_->watcher_->OnInstalled(host_, group_, checkpoint);
    host_->watcher_->OnApplied(host_, group_, machine_.last(), machine_.Digest());
  }
  absl::StatusOr<Contents> ListContents(absl::string_view root) const override {
    return machine_.ListContents(root);
  }
  bool NeedsBody(Index index) const override { return machine_.NeedsBody(index); }
  uint64_t Digest() const override { return machine_.Digest(); }
  void OnReadReady(ReadId id) override { host_->watcher_->OnReadReady(host_, group_, id); }

  TestMachine& machine() { return machine_; }

  bool checkpointing = false;  // One is on its way to the disk.

 private:
  Host* const host_;
  const GroupId group_;
  TestMachine machine_;
};

Host::Host(uint32_t number, const Options& options, HostWatcher* watcher)
    : number_(number),
      options_(options),
      watcher_(watcher),
      disk_chance_(options.seed, Purpose::kDisk, number),
      election_chance_(options.seed, Purpose::kElection, number),
      clock_chance_(options.seed, Purpose::kClock, number),
      store_(std::make_unique<Store>(this, this, options.mark_lag_us > 0)) {
  for (uint32_t group = 0; group < options.groups; ++group) incarnation_[GroupId{group}] = 1;
  clock_.SetRate(0, static_cast<int64_t>(clock_chance_.Below(2 * options.drift_ppm + 1)) -
                        static_cast<int64_t>(options.drift_ppm));
}

Host::~Host() = default;

absl::Status Host::Start(int64_t now_us, const std::map<GroupId, Membership>& founders) {
  PONTOON_CHECK(!up());
  highest_boot_ = std::max(highest_boot_, ++boot_);
  ++starts_;
  // The machine started anew, or only the process.
  if (starts_ == 1 || clock_chance_.Below(2) == 0)
    clock_.Reset(now_us * 1000,
                 static_cast<int64_t>(1000000000 + clock_chance_.Below(1u << 30) * 100));
  const int64_t scale = static_cast<int64_t>(options_.scale);
  MultiRaftOptions options;
  options.self = {node(), 1};
  options.boot = base::BootId{static_cast<uint32_t>(boot_)};
  options.core.heartbeat = base::Millis(50 * scale);
  options.core.election_min = base::Millis(300 * scale);
  options.core.election_max =
      options.core.election_min +
      base::Duration{static_cast<int64_t>(options_.election_spread_us) * 1000 * scale};
  options.core.lease = base::Millis(300 * scale);
  options.core.append_bytes_max = options_.append_bytes;
  options.core.inflight_messages_max = static_cast<uint32_t>(options_.inflight_messages);
  options.core.inflight_bytes_max = options_.inflight_bytes;
  options.core.held_bytes_max = options_.held_bytes;
  options.core.kept_header_bytes_max = options_.kept_header_bytes;
  options.core.promotion_lag_max = options_.promotion_lag;
  options.core.digest_interval = options_.digest_interval;
  options.core.uncommitted_bytes_max = options_.uncommitted_bytes;
  options.core.committed_entries_max = static_cast<uint32_t>(options_.committed_entries);
  if (nodes_ == nullptr || options_.remember_boots == 0) nodes_ = std::make_unique<NodeTable>();
  options.nodes = nodes_.get();
  options.on_astray = [this](GroupId group, const Astray& astray) {
    watcher_->OnAstray(this, group, astray);
  };
  options.snapshot_part_bytes = options_.snapshot_part_bytes;
  options.on_disk_dead = [this] { disk_dead = true; };
  heartbeats_ = std::make_unique<HeartbeatGatherer>(
      HeartbeatGatherer::Options{.loops = options_.loops, .interval = options.core.heartbeat});
  options.heartbeats = heartbeats_.get();
  for (options.loop = 0; options.loop < options_.loops; ++options.loop) {
    loops_.push_back(std::make_unique<MultiRaft>(options, store_.get(), this, &election_chance_));
  }
  Tick(now_us);
  dropped_copies_.clear();
  for (const auto& [group, incarnation] : incarnation_) {
    absl::Status opened = Open(group, founders);
    if (absl::IsInvalidArgument(opened) && store_->durable(group).epoch < epoch_[group]) {
      store_->Drop(group);
      IncarnateAnew(group);
      dropped_copies_.push_back(group);
      opened = Open(group, founders);
    }
    if (!opened.ok()) return opened;
  }
  disk_busy = reads_busy = disk_dead = mark_armed = false;
  frozen_until_us = 0;
  return absl::OkStatus();
}

absl::Status Host::Open(GroupId group, const std::map<GroupId, Membership>& founders) {
  absl::StatusOr<RecoveredGroup> recovered = store_->RecoverBlocking(group);
  if (!recovered.ok()) return recovered.status();
  auto machine = std::make_unique<Machine>(this, group, recovered->checkpoint);
  std::optional<Membership> founding;
  if (const auto it = founders.find(group); it != founders.end() && incarnation_.at(group) == 1 &&
                                            epoch_[group] == base::RecoveryEpoch{} &&
                                            IsVoter(it->second, self(group)))
    founding = it->second;
  const absl::Status opened = raft(group).OpenGroup(group, *std::move(recovered), machine.get(),
                                                    founding, self(group), epoch_[group]);
  machines_[group] = std::move(machine);
  return opened;
}

void Host::IncarnateAnew(GroupId group) {
  uint32_t& highest = highest_incarnation_[group];
  highest = std::max(highest, incarnation_[group]) + 1;
  incarnation_[group] = highest;
}

bool Host::IsIncomplete(GroupId group) const {
  const absl::StatusOr<RecoveredGroup> copy = store_->memory().disk().Recover(group);
  return copy.ok() &&
         absl::IsFailedPrecondition(
             MakeReopenTask(group, *copy, self(group),
                            base::RecoveryEpoch{static_cast<uint16_t>(copy->epoch.value + 1)})
                 .status());
}

absl::Status Host::Reopen(GroupId group, base::RecoveryEpoch epoch, bool although_incomplete,
                          Missing* missing) {
  PONTOON_CHECK(!up());
  const absl::StatusOr<RecoveredGroup> copy = store_->RecoverBlocking(group);
  if (!copy.ok()) return copy.status();
  missing->incomplete = IsIncomplete(group);
  absl::StatusOr<StorageTask> task =
      MakeReopenTask(group, *copy, self(group), epoch, although_incomplete);
  if (!task.ok()) return task.status();
  TestMachine machine(copy->checkpoint);
  for (const Entry& entry : copy->entries) {
    if (entry.kind == EntryKind::kNormal) machine.Apply(absl::MakeSpan(&entry, 1));
  }
  for (const TestMachine::LiveMessage& live : machine.live_messages()) {
    const absl::StatusOr<base::Slice> bytes = store_->memory().disk().ReadBody(
        group, {live.ref.index, live.extent.offset, live.extent.size});
    if (!bytes.ok() || base::Crc32c(bytes->view()) != live.crc)
      missing->messages.push_back(live.ref);
  }
  store_->Submit(*std::move(task));
  const bool written = store_->Write(1);
  PONTOON_CHECK(written);
  epoch_[group] = epoch;
  // The one who did it ends.
  bool lost = false;
  std::vector<GroupId> groups;
  for (const auto& [id, incarnation] : incarnation_) groups.push_back(id);
  const std::string why =
      store_->Crash(&disk_chance_, this, groups, MemoryLogStore::LogDamage::kNone, &lost);
  return why.empty() ? absl::OkStatus() : absl::InternalError(why);
}

absl::Status Host::CloseAndOpen(GroupId group) {
  raft(group).CloseGroup(group);
  const bool written = store_->Write(store_->unsynced());
  PONTOON_CHECK(written);
  return Open(group, {});
}

void Host::GiveUp() {
  loops_.clear();
  heartbeats_.reset();
  machines_.clear();
  outbox_.clear();
}

std::string Host::Crash(MemoryLogStore::LogDamage damage, bool* lost) {
  PONTOON_CHECK(up());
  GiveUp();
  std::vector<GroupId> groups;
  for (const auto& [group, incarnation] : incarnation_) groups.push_back(group);
  return store_->Crash(&disk_chance_, this, groups, damage, lost);
}

void Host::Wipe() {
  PONTOON_CHECK(!up());
  store_ = std::make_unique<Store>(this, this, options_.mark_lag_us > 0);
  ++life_;
  damaged_ = outcast_ = false;
  boot_ = highest_boot_;
  for (const auto& [group, incarnation] : incarnation_) IncarnateAnew(group);
}

void Host::PutBack() {
  PONTOON_CHECK(!up() && image_.has_value());
  for (const auto& [group, incarnation] : incarnation_)
    highest_incarnation_[group] = std::max(highest_incarnation_[group], incarnation);
  store_ = std::make_unique<Store>(this, this, options_.mark_lag_us > 0);
  store_->PutBack(image_->store, this);
  ++life_;
  damaged_ = true;
  boot_ = image_->boot;
  incarnation_ = image_->incarnation;
}

const TestMachine& Host::machine(GroupId group) const { return machines_.at(group)->machine(); }

void Host::OnStorageDone(GroupId group, IoSeq seq) { raft(group).OnStorageDone(group, seq); }
void Host::OnCheckpointDurable(GroupId group, EntryId applied) {
  machines_.at(group)->checkpointing = false;
  raft(group).OnCheckpointDurable(group, applied);
}
void Host::OnStateWritten(GroupId group, uint64_t ticket) {
  raft(group).OnStateWritten(group, ticket);
}

void Host::Send(Message message) {
  watcher_->OnSend(this, message);
  const uint32_t to = static_cast<uint32_t>(message.to.node.value);
  if (to < 1 || to > options_.nodes || to == number_) return;
  const TrafficClass traffic = ClassOf(message.kind);
  for (Packet& packet : outbox_) {
    if (packet.to == to && packet.traffic == traffic) {
      packet.messages.push_back(std::move(message));
      return;
    }
  }
  Packet& packet = outbox_.emplace_back();
  packet.from = number_;
  packet.to = to;
  packet.boot = boot_;
  packet.start = starts_;
  packet.outcast = outcast_;
  packet.traffic = traffic;
  packet.messages.push_back(std::move(message));
}

void Host::Deliver(Packet packet) {
  for (size_t loop = 0; loop < loops_.size(); ++loop) {
    std::vector<Message> share;
    if (loops_.size() == 1) {
      share = std::move(packet.messages);
    } else {
      for (Message& message : packet.messages) {
        if (message.group.value % loops_.size() == loop) share.push_back(std::move(message));
      }
    }
    if (!share.empty()) loops_[loop]->Deliver(NodeId{packet.from}, packet.boot, std::move(share));
  }
}

uint64_t Host::dropped() const {
  uint64_t dropped = 0;
  for (const auto& loop : loops_) dropped += loop->counters().dropped();
  return dropped;
}

void Host::Tick(int64_t now_us) {
  for (const auto& loop : loops_) loop->Tick(clock_.Now(now_us * 1000));
}

void Host::SetRoom(bool has_room) {
  for (const auto& loop : loops_) loop->SetRoom(has_room);
}

void Host::OnPeerUnreachable(NodeId node) {
  for (const auto& loop : loops_) loop->OnPeerUnreachable(node);
}

std::vector<Packet> Host::Run() {
  for (const auto& loop : loops_) {
    while (loop->Flush()) {
    }
  }
  return std::exchange(outbox_, {});
}

void Host::MakeCheckpoint(GroupId group, bool again) {
  const EntryId applied = raft(group).applied(group);
  if (applied.index == Index{0}) return;
  if (!again && applied.index <= core(group).log().base().index) return;
  Machine& machine = *machines_.at(group);
  machine.checkpointing = true;
  StateTask task =
      machine.machine().MakeCheckpoint(group, applied, raft(group).ServesSnapshot(group));
  watcher_->OnCheckpoint(this, group, *task.checkpoint);
  raft(group).SubmitState(std::move(task));
}

}  // namespace pontoon::raft::sim
