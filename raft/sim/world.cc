#include "raft/sim/world.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "raft/core/entry.h"

namespace pontoon::raft::sim {
namespace {

constexpr GroupId kGroup{1};

template <typename... Parts>
absl::Status Broken(const Parts&... parts) {
  return absl::InternalError(absl::StrCat(parts...));
}

}  // namespace

Faults Faults::Draw(base::Random* random) {
  const auto upto = [random](uint32_t max) {
    return static_cast<uint32_t>(random->Below(max + 1));
  };
  Faults faults;
  faults.loss_percent = random->Below(2) == 0 ? 0 : upto(30);
  faults.duplicate_percent = random->Below(2) == 0 ? 0 : upto(30);
  faults.delay_max = base::Millis(1 + upto(random->Below(4) == 0 ? 200 : 20));
  faults.stragglers_percent = random->Below(2) == 0 ? 0 : upto(10);
  faults.election_spread = base::Millis(5 + upto(random->Below(2) == 0 ? 20 : 300));
  faults.crashes_percent = random->Below(3) == 0 ? 0 : upto(40);
  faults.partitions_percent = random->Below(3) == 0 ? 0 : upto(30);
  faults.slow_disk_percent = random->Below(2) == 0 ? 20 : upto(99);
  faults.transfers_percent = random->Below(2) == 0 ? 0 : upto(20);
  faults.changes_percent = random->Below(2) == 0 ? 0 : upto(30);
  return faults;
}

World::World(uint64_t seed, size_t nodes, size_t founders, Faults faults)
    : random_(seed),
      network_random_(seed ^ 0x6e6574),
      election_random_(seed ^ 0x656c65),
      faults_(faults) {
  now_ = base::MonotonicTime{} + base::Seconds(1);
  Membership members;
  for (size_t i = 0; i < nodes; ++i) {
    auto node = std::make_unique<Node>();
    node->id = {NodeId{i + 1}, 1};
    node->clock_offset = base::Millis(static_cast<int64_t>(random_.Below(100000)));
    node->clock_ppm =
        static_cast<int64_t>(random_.Below(10000)) - 5000;  // Within the drift bound of 1 % in all.
    if (i < founders) members.voters.push_back(node->id);
    nodes_.push_back(std::move(node));
  }
  for (size_t i = 0; i < nodes; ++i) Start(nodes_[i].get(), i < founders ? &members : nullptr);
}

World::~World() = default;

base::MonotonicTime World::ClockOf(const Node& node) const {
  const int64_t passed = now_.nanos;
  return base::MonotonicTime{passed + passed / 1000000 * node.clock_ppm} + node.clock_offset;
}

void World::Start(Node* node, const Membership* founders) {
  CoreOptions options;
  options.group = kGroup;
  options.self = node->id;
  options.election_max = options.election_min + faults_.election_spread;
  options.append_bytes_max = 200;
  options.inflight_messages_max = 4;
  options.held_bytes_max = 2000;
  options.committed_entries_max = 5;
  RecoveredGroup recovered = node->disk.Recover();
  const bool nothing =
      recovered.hard_state == HardState{} && recovered.entries.empty() && !recovered.checkpoint;
  node->applied = recovered.checkpoint.has_value() ? recovered.checkpoint->root : "";
  absl::StatusOr<std::unique_ptr<Core>> core =
      Core::Create(options, std::move(recovered), &election_random_);
  PONTOON_CHECK(core.ok());
  node->core = *std::move(core);
  node->invariants.OnRestart();
  node->committed_checked = node->core->commit();
  if (nothing && founders != nullptr) PONTOON_CHECK(node->core->Found(*founders).ok());
}

void World::Stop(Node* node) {
  node->core.reset();
  node->held.clear();
  node->reads.clear();
  node->asked.clear();
  node->disk.Crash(&random_);
  ++crashes_;
}

World::Node* World::Find(const ReplicaId& id) {
  for (const auto& node : nodes_) {
    if (node->id == id) return node.get();
  }
  return nullptr;
}

World::Node* World::AnyLeader() {
  std::vector<Node*> leaders;
  for (const auto& node : nodes_) {
    if (node->core && node->core->role() == Role::kLeader) leaders.push_back(node.get());
  }
  return leaders.empty() ? nullptr : leaders[random_.Below(leaders.size())];
}

void World::Post(Message message) {
  if (cut_.contains({message.from.node.value, message.to.node.value})) return;
  const uint32_t copies = network_random_.Below(100) < faults_.duplicate_percent ? 2 : 1;
  for (uint32_t i = 0; i < copies; ++i) {
    if (network_random_.Below(100) < faults_.loss_percent) continue;
    const bool straggles = network_random_.Below(100) < faults_.stragglers_percent;
    const base::Duration most = straggles ? base::Seconds(2) : faults_.delay_max;
    const auto delay =
        static_cast<int64_t>(network_random_.Below(static_cast<uint64_t>(most.nanos) + 1));
    packets_.insert({now_ + base::Duration{delay}, ++packets_sent_, message});
  }
}

bool World::Propose() {
  Node* leader = AnyLeader();
  if (leader == nullptr) return false;
  std::vector<Entry> entries;
  for (uint64_t i = 0; i <= random_.Below(3); ++i) {
    const std::string text = absl::StrCat("p", ++proposed_);
    const std::string body = random_.Below(2) == 0 ? "" : std::string(random_.Below(120), 'b');
    entries.push_back(MakeEntry(base::SliceChain(base::Slice::Copy(text)),
                                base::SliceChain(base::Slice::Copy(body))));
  }
  return leader->core->Propose(leader->core->term(), absl::MakeSpan(entries)).ok();
}

void World::AskForChange() {
  Node* leader = AnyLeader();
  if (leader == nullptr) return;
  Membership wanted = leader->core->membership();
  if (IsJoint(wanted)) return;
  // Some replicas change their part: nothing -> learner -> voter -> learner or nothing.
  for (const auto& node : nodes_) {
    const auto is_in = [&node](const std::vector<ReplicaId>& list) {
      return std::find(list.begin(), list.end(), node->id) != list.end();
    };
    if (random_.Below(3) != 0) continue;
    const bool voter = is_in(wanted.voters);
    const bool learner = is_in(wanted.learners);
    std::erase(wanted.voters, node->id);
    std::erase(wanted.learners, node->id);
    if (learner) {
      wanted.voters.push_back(node->id);
    } else if (!voter || random_.Below(2) == 0) {
      wanted.learners.push_back(node->id);
    }
  }
  std::sort(wanted.voters.begin(), wanted.voters.end());
  std::sort(wanted.learners.begin(), wanted.learners.end());
  if (leader->core->ProposeConfig(leader->core->term(), wanted).ok()) ++changes_;
}

void World::Disturb() {
  for (const auto& node : nodes_) {
    if (node->core == nullptr) {
      if (now_ >= node->up_at) Start(node.get(), nullptr);
    }
  }
  if (Chance(faults_.crashes_percent)) {
    Node* victim = random_.Below(2) == 0 ? AnyLeader() : nodes_[random_.Below(nodes_.size())].get();
    if (victim != nullptr && victim->core != nullptr) {
      Stop(victim);
      victim->up_at =
          now_ +
          base::Millis(static_cast<int64_t>(random_.Below(random_.Below(2) == 0 ? 20 : 2000)));
    }
  }
  if (Chance(faults_.partitions_percent)) {
    cut_.clear();
    if (random_.Below(2) == 0) {
      for (uint64_t i = 0; i < random_.Below(6); ++i) {
        cut_.insert({random_.Below(nodes_.size()) + 1,
                     random_.Below(nodes_.size()) + 1});  // One direction.
      }
      const uint64_t alone = random_.Below(nodes_.size() + 1);
      for (uint64_t other = 1; other <= nodes_.size() && alone != 0; ++other) {
        cut_.insert({alone, other});
        cut_.insert({other, alone});
      }
    }
  }
  Node* leader = AnyLeader();
  if (leader != nullptr && Chance(faults_.transfers_percent)) {
    (void)leader->core->TransferTo(nodes_[random_.Below(nodes_.size())]->id);
  }
  if (Chance(faults_.changes_percent)) AskForChange();
}

absl::Status World::Step() {
  now_ = now_ + base::Millis(1);
  if (now_.nanos / 1000000 % 100 == 0) Disturb();
  if (proposing_ && random_.Below(8) == 0) (void)Propose();
  if (Node* leader = AnyLeader(); leader != nullptr && random_.Below(20) == 0) {
    const ReadId id{++next_read_};
    leader->asked[id] = history_.size();
    if (!leader->core->ReadIndex(id).ok()) leader->asked.erase(id);
  }
  while (!packets_.empty() && packets_.begin()->at <= now_) {
    Message message = packets_.extract(packets_.begin()).value().message;
    Node* to = Find(message.to);
    if (to == nullptr || to->core == nullptr ||
        cut_.contains({message.from.node.value, message.to.node.value}))
      continue;
    to->core->Tick(std::max(ClockOf(*to), base::MonotonicTime{}));
    (void)to->core->Step(std::move(message));
    if (absl::Status status = to->invariants.Check(*to->core); !status.ok()) return status;
    if (random_.Below(2) == 0) {
      if (absl::Status status = Run(to); !status.ok()) return status;
    }
  }
  for (const auto& node : nodes_) {
    if (node->core == nullptr) continue;
    node->core->Tick(ClockOf(*node));
    if (absl::Status status = Run(node.get()); !status.ok()) return status;
  }
  return CheckAll();
}

absl::Status World::Run(Node* node) {
  Core& core = *node->core;
  if (random_.Below(100) >= faults_.slow_disk_percent) {
    if (const auto done = node->disk.Sync(1 + random_.Below(3)); done.has_value()) {
      core.OnStorageDone(*done);
      for (HeldMessage& held : node->held) {
        if (held.after <= *done) Post(std::move(held.message));
      }
      std::erase_if(node->held, [&done](const HeldMessage& held) { return held.after <= *done; });
    }
    for (const EntryRead& read : std::exchange(node->reads, {})) {
      core.OnEntriesRead(read, node->disk.Read(read.from, read.to, read.bytes_max));
    }
  }
  if (absl::Status status = node->invariants.Check(core); !status.ok()) return status;
  if (absl::Status status = CheckCommitted(node); !status.ok()) return status;
  while (core.has_output()) {
    Output out;
    core.TakeOutput(&out);
    if (absl::Status status = node->invariants.Check(core); !status.ok()) return status;
    for (StorageTask& task : out.storage) node->disk.Submit(std::move(task));
    for (Message& message : out.send_now) Post(std::move(message));
    for (HeldMessage& held : out.send_after) node->held.push_back(std::move(held));
    for (const EntryRead& read : out.entry_reads) node->reads.push_back(read);
    if (out.role.has_value() && out.role->role != Role::kLeader) node->asked.clear();
    if (absl::Status status = Apply(node, out.committed); !status.ok()) return status;
    for (const ReadReady& read : out.reads) {
      const auto asked = node->asked.find(read.id);
      if (asked == node->asked.end()) continue;
      if (read.index.value < asked->second)
        return Broken("R16: a read misses what was committed before it");
      node->asked.erase(asked);
      ++reads_answered_;
    }
  }
  if (core.applied() > core.log().base().index && Chance(faults_.checkpoints_percent) &&
      random_.Below(20) == 0) {
    const EntryId applied{core.log().TermAt(core.applied()).value(), core.applied()};
    if (applied.index <= core.durable() && node->disk.waiting() == 0) {
      node->disk.SaveCheckpoint({applied, core.memberships().At(applied.index), node->applied});
      core.OnCheckpointDurable(applied);
    }
  }
  return node->invariants.Check(core);
}

// R8: what a leader takes for committed is on the disks of a quorum.
absl::Status World::CheckCommitted(Node* node) {
  const Core& core = *node->core;
  if (core.role() == Role::kLeader && core.commit() > node->committed_checked) {
    const EntryId id{core.log().TermAt(core.commit()).value(), core.commit()};
    const auto on_disk = [this, id](const ReplicaId& voter) -> std::optional<bool> {
      const Node* node = Find(voter);
      return node != nullptr && node->disk.Has(id);
    };
    if (CountVotes(core.memberships().At(id.index), on_disk) != VoteResult::kWon &&
        CountVotes(core.membership(), on_disk) != VoteResult::kWon) {
      return Broken("R8: entry ", id.index.value, " of term ", id.term.value,
                    " is committed without a quorum");
    }
  }
  node->committed_checked = core.commit();
  return absl::OkStatus();
}

absl::Status World::Apply(Node* node, const std::vector<Entry>& entries) {
  for (const Entry& entry : entries) {
    const size_t index = entry.id.index.value;
    if (index > history_.size() + 1)
      return Broken("R7: entry ", index, " is applied before those in front of it");
    if (index == history_.size() + 1) history_.push_back({entry.id, entry.header_crc});
    const Committed& committed = history_[index - 1];
    if (committed.id != entry.id || committed.header_crc != entry.header_crc) {
      return Broken("R6: node ", node->id.node.value, " applies another entry at ", index);
    }
    absl::StrAppend(&node->applied, entry.id.term.value, ".", entry.header_crc, ";");
  }
  if (!entries.empty()) node->core->OnApplied(entries.back().id.index);
  return absl::OkStatus();
}

absl::Status World::CheckAll() {
  const Node* permitted = nullptr;
  for (const auto& node : nodes_) {
    if (node->core == nullptr || node->core->role() != Role::kLeader) continue;
    const Core& core = *node->core;
    const auto [leader, first] = leaders_.emplace(core.term(), node->id);
    if (!first && leader->second != node->id)
      return Broken("R1: two leaders of term ", core.term().value);
    if (first)
      absl::StrAppend(&trace_, now_.nanos / 1000000, " leader ", node->id.node.value, " term ",
                      core.term().value, "\n");
    const base::MonotonicTime clock = ClockOf(*node);
    if (!core.LeaseHolds(clock) || clock < core.PredecessorLeaseEnd()) continue;
    if (permitted != nullptr) {
      return Broken("R15: nodes ", permitted->id.node.value, " and ", node->id.node.value,
                    " hold leases at once");
    }
    permitted = node.get();
  }
  return absl::OkStatus();
}

void World::Heal() {
  faults_ = {};
  cut_.clear();
  for (const auto& node : nodes_) {
    if (node->core == nullptr) Start(node.get(), nullptr);
  }
}

bool World::Converged() const {
  const Core* leader = nullptr;
  for (const auto& node : nodes_) {
    if (node->core->ready() && (leader == nullptr || node->core->term() > leader->term()))
      leader = node->core.get();
  }
  if (leader == nullptr || leader->commit() != leader->log().last().index) return false;
  for (const auto& node : nodes_) {
    if (IsMember(leader->membership(), node->id) && node->core->applied() != leader->commit())
      return false;
  }
  return leader->LeaseHolds(ClockOf(*nodes_[leader->self().node.value - 1]));
}

std::string World::Describe() const {
  std::string text;
  for (const auto& node : nodes_) {
    absl::StrAppend(&text, "node ", node->id.node.value);
    if (node->core == nullptr) {
      absl::StrAppend(&text, " down\n");
      continue;
    }
    const Core& core = *node->core;
    absl::StrAppend(&text, " role ", static_cast<int>(core.role()), " term ", core.term().value,
                    " base ", core.log().base().index.value, " applied ", core.applied().value,
                    " commit ", core.commit().value, " durable ", core.durable().value, " last ",
                    core.log().last().index.value, " voters");
    for (const ReplicaId& voter : core.membership().voters)
      absl::StrAppend(&text, " ", voter.node.value);
    absl::StrAppend(&text, " outgoing");
    for (const ReplicaId& voter : core.membership().outgoing_voters)
      absl::StrAppend(&text, " ", voter.node.value);
    absl::StrAppend(&text, " learners");
    for (const ReplicaId& learner : core.membership().learners)
      absl::StrAppend(&text, " ", learner.node.value);
    for (const auto& [peer, progress] : core.progress()) {
      absl::StrAppend(&text, "\n  to ", peer.node.value, " state ",
                      static_cast<int>(progress.state), " match ", progress.match.value, " next ",
                      progress.next.value, progress.waiting ? " waiting" : "",
                      progress.reading ? " reading" : "", " in flight ", progress.in_flight.size());
    }
    absl::StrAppend(&text, "\n");
  }
  return text;
}

size_t World::needs_snapshot() const {
  size_t count = 0;
  for (const auto& node : nodes_) {
    if (node->core == nullptr) continue;
    for (const auto& [peer, progress] : node->core->progress()) {
      count += progress.state == Progress::State::kNeedsSnapshot;
    }
  }
  return count;
}

}  // namespace pontoon::raft::sim
