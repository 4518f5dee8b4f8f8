#include "server/cluster/catalog_host.h"

#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/crc32c.h"

namespace pontoon::cluster {
namespace {

// A checkpoint writes the whole catalog, so it waits until the log has grown to the catalog's own
// size, or to this.
constexpr uint64_t kCheckpointBytesMin = 4 << 20;
constexpr uint64_t kIdleCheckpointBytes = 64 << 10;
constexpr base::Duration kIdle = base::Seconds(10);

// The node itself asks under a loop number that no event loop has: founding and the registration of
// its boot.
constexpr base::LoopId kNodeItself{0xffff};

}  // namespace

CatalogHost::CatalogHost(const NodeFacts& facts, raft::MultiRaft* raft, raft::LogStore* store,
                         Fabric* fabric, Send send)
    : facts_(facts),
      raft_(raft),
      store_(store),
      fabric_(fabric),
      send_(std::move(send)),
      machine_(catalog::NewMachine()),
      installed_(facts.loops, 0) {}

absl::Status CatalogHost::OpenBlocking(const raft::Membership& founders,
                                       catalog::FoundCluster found) {
  found_ = std::move(found);
  absl::StatusOr<raft::RecoveredGroup> recovered = store_->RecoverBlocking(base::kCatalogGroup);
  if (!recovered.ok()) return recovered.status();
  if (recovered->checkpoint.has_value()) {
    const raft::Checkpoint& checkpoint = *recovered->checkpoint;
    const absl::Status restored =
        machine_->Restore(checkpoint.applied.index.value, checkpoint.root);
    if (!restored.ok()) {
      return absl::Status(restored.code(), absl::StrCat("checkpoint of the catalog: ",
                                                        std::string(restored.message())));
    }
    checkpoint_size_ = checkpoint.root.size();
    applied_index_ = checkpointed_index_ = checkpoint.applied.index.value;
  }
  return raft_->OpenGroup(base::kCatalogGroup, *std::move(recovered), this, founders);
}

void CatalogHost::OnLeader(raft::Term term) {
  term_ = term;
  leads_ = true;
  // Refused where the cluster exists already. The boot is in the catalog before the node serves
  // (design section 5).
  Append({facts_.SessionOf(kNodeItself), 1}, found_);
  Append({facts_.SessionOf(kNodeItself), 2},
         catalog::RegisterBoot{facts_.node, facts_.boot, facts_.name});
  for (auto& [origin, command] : std::exchange(held_, {})) Append(origin, command);
}

void CatalogHost::OnFollower(raft::Term term, std::optional<raft::ReplicaId> leader) {
  (void)term;
  (void)leader;
  leads_ = false;
}

void CatalogHost::OnCommands(std::vector<std::pair<catalog::Origin, catalog::Command>> commands) {
  for (auto& [origin, command] : commands) {
    if (leads_) {
      Append(origin, command);
    } else {
      held_.emplace_back(origin, std::move(command));
    }
  }
}

void CatalogHost::Append(const catalog::Origin& origin, const catalog::Command& command) {
  raft::Entry entry;
  entry.kind = raft::EntryKind::kNormal;
  entry.header = base::SliceChain(base::Slice::Copy(catalog::EncodeCommand(origin, command)));
  entry.header_crc = base::Crc32c(entry.header);
  const absl::StatusOr<raft::Index> index = raft_->Propose(
      base::kCatalogGroup, term_, absl::MakeSpan(&entry, 1), raft::Core::Room::kAlways);
  PONTOON_CHECK_MSG(index.ok(), "the catalog's leader could not append to its log");
}

void CatalogHost::Apply(absl::Span<const raft::Entry> committed) {
  std::vector<std::pair<uint64_t, std::string>> entries;
  entries.reserve(committed.size());
  for (const raft::Entry& entry : committed) {
    const base::Slice header = entry.header.Flatten();
    entries.emplace_back(entry.id.index.value, std::string(header.view().data(), header.size()));
  }
  catalog::AppliedBatch batch = machine_->Apply(entries);
  // An entry of a newer version, or none at all: to go on would be to route by something else than
  // the others do.
  if (!batch.status.ok()) {
    base::CheckFailed(__FILE__, __LINE__, "Machine::Apply",
                      std::string(batch.status.message()).c_str());
  }
  applied_index_ = committed.back().id.index.value;
  waiting_.push_back({applied_index_, std::move(batch.outcomes)});
  Tell(std::move(batch));
}

void CatalogHost::Tell(catalog::AppliedBatch batch) {
  version_ = std::move(batch.version);
  if (changes_.empty()) {
    changes_ = std::move(batch.changes);
  } else {
    changes_.insert(changes_.end(), batch.changes.begin(), batch.changes.end());
  }
}

void CatalogHost::OnTurnEnd() {
  if (version_ == nullptr) return;
  for (uint16_t loop = 0; loop < facts_.loops; ++loop) {
    send_(base::LoopId{loop}, CatalogApplied{version_, changes_});
  }
  version_.reset();
  changes_.clear();
}

void CatalogHost::OnInstalled(base::LoopId loop, uint64_t index) {
  installed_[loop.value] = std::max(installed_[loop.value], index);
  AnswerInstalled();
}

void CatalogHost::AnswerInstalled() {
  const uint64_t everywhere = *std::min_element(installed_.begin(), installed_.end());
  std::map<base::LoopId, std::vector<catalog::Outcome>> answers;
  while (!waiting_.empty() && waiting_.front().index <= everywhere) {
    for (catalog::Outcome& outcome : waiting_.front().outcomes) {
      const base::SessionId& asked = outcome.origin.session;
      // Commands of earlier boots are replayed from the log at a start; nobody waits for those.
      if (asked.node == facts_.node && asked.boot == facts_.boot &&
          asked.loop.value < facts_.loops) {
        answers[asked.loop].push_back(std::move(outcome));
      }
    }
    waiting_.pop_front();
  }
  for (auto& [loop, outcomes] : answers) send_(loop, CatalogAnswers{std::move(outcomes)});
}

void CatalogHost::MaybeCheckpoint(base::MonotonicTime now, bool now_or_never) {
  // While the log may still hold what is committed and not applied here it is soon worth more.
  const raft::Core& core = raft_->core(base::kCatalogGroup);
  const bool follows = core.role() == raft::Role::kFollower && core.leader().has_value();
  if (!leads_ && (!follows || core.applied() < core.commit())) return;
  if (applied_index_ != seen_index_ || seen_change_at_ == base::MonotonicTime{}) {
    seen_index_ = applied_index_;
    seen_change_at_ = now;
  }
  // After a start the log waits to be applied: until then there is nothing new, and perhaps nothing
  // at all.
  if (checkpoint_running_ || applied_index_ == checkpointed_index_) return;
  const uint64_t reclaimable = raft_->reclaimable_bytes(base::kCatalogGroup);
  const bool idle = now - seen_change_at_ >= kIdle || now_or_never;
  if (reclaimable < std::max(kCheckpointBytesMin, checkpoint_size_) &&
      !(idle && reclaimable >= kIdleCheckpointBytes)) {
    return;
  }
  checkpoint_running_ = true;
  checkpointed_index_ = applied_index_;
  const raft::EntryId applied = raft_->applied(base::kCatalogGroup);
  std::function<std::string()> write = machine_->CheckpointTask();
  if (now_or_never) return OnWritten({life_, applied, write()});
  fabric_->RunAside([fabric = fabric_, life = life_, applied, write = std::move(write)] {
    fabric->Send(base::LoopId{0}, CatalogWritten{life, applied, write()});
  });
}

void CatalogHost::OnWritten(CatalogWritten written) {
  if (written.life != life_) return;  // A snapshot has taken its place.
  checkpoint_size_ = written.root.size();
  raft::StateTask task;
  task.group = base::kCatalogGroup;
  raft::Checkpoint checkpoint;
  checkpoint.applied = written.applied;
  checkpoint.root = std::move(written.root);
  task.checkpoint = std::move(checkpoint);
  raft_->SubmitState(std::move(task));
}

void CatalogHost::Install(const raft::Checkpoint& checkpoint) {
  PONTOON_CHECK(!leads_);
  absl::StatusOr<catalog::AppliedBatch> batch =
      machine_->Install(checkpoint.applied.index.value, checkpoint.root);
  PONTOON_CHECK_MSG(batch.ok(), "a snapshot whose contents were listed could not be restored");
  checkpoint_size_ = checkpoint.root.size();
  applied_index_ = checkpointed_index_ = checkpoint.applied.index.value;
  checkpoint_running_ = false;
  ++life_;
  // What this node asked for and is answered by entries that the snapshot covers, is asked for
  // again.
  Tell(*std::move(batch));
}

absl::StatusOr<raft::StateMachine::Contents> CatalogHost::ListContents(
    absl::string_view root) const {
  // It has neither pages nor bodies.
  if (absl::Status checked = catalog::CheckCheckpoint(UINT64_MAX, root); !checked.ok())
    return checked;
  return Contents();
}

bool CatalogHost::NeedsBody(raft::Index) const { return false; }

uint64_t CatalogHost::Digest() const { return machine_->digest(); }

}  // namespace pontoon::cluster
