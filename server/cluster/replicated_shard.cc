#include "server/cluster/replicated_shard.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/crc32c.h"

namespace pontoon::cluster {
namespace {

// Headers of log that a restart would replay before a checkpoint is made. 32 busy shards replay 256
// MiB at most, which is well under a second.
constexpr uint64_t kCheckpointBytes = 8 << 20;
// An idle shard checkpoints for less, so that its settled bodies' keys and headers do not stay for
// days.
constexpr uint64_t kIdleCheckpointBytes = 1024;
constexpr base::Duration kIdle = base::Seconds(10);

}  // namespace

ReplicatedShard::ReplicatedShard(base::GroupId group, base::LoopId loop, raft::MultiRaft* raft,
                                 raft::LogStore* store, Fabric* fabric, ShardEvents* events)
    : ref_{group, {}},
      loop_(loop),
      raft_(raft),
      store_(store),
      fabric_(fabric),
      events_(events),
      shard_(broker::NewShard(group, broker::ShardLimits{}, this)) {}

absl::Status ReplicatedShard::OpenBlocking(const raft::Membership& founders) {
  absl::StatusOr<raft::RecoveredGroup> recovered = store_->RecoverBlocking(ref_.group);
  if (!recovered.ok()) return recovered.status();
  if (recovered->checkpoint.has_value()) {
    const raft::Checkpoint& checkpoint = *recovered->checkpoint;
    const absl::Status restored = shard_->Restore(checkpoint.applied.index.value, checkpoint.root);
    if (!restored.ok()) {
      return absl::Status(restored.code(), absl::StrCat("checkpoint of shard ", ref_.group.value,
                                                        ": ", std::string(restored.message())));
    }
    applied_index_ = checkpointed_index_ = checkpoint.applied.index.value;
  }
  return raft_->OpenGroup(ref_.group, *std::move(recovered), this, founders);
}

void ReplicatedShard::Serve(uint64_t catalog_index, const std::vector<broker::QueueSpec>& queues) {
  PONTOON_CHECK(leads_ && !serving_);
  serving_ = true;
  shard_->OnLeader(term_.value, catalog_index, queues);
}

void ReplicatedShard::MaybeCheckpoint(base::MonotonicTime now, bool now_or_never) {
  ReleasePages();
  // While the log may still hold what is committed and not applied here it is soon worth more.
  const raft::Core& core = raft_->core(ref_.group);
  const bool follows = core.role() == raft::Role::kFollower && core.leader().has_value();
  if (!serving_ && (!follows || core.applied() < core.commit())) return;
  const uint64_t applied = applied_index_;
  if (applied != seen_index_ || seen_change_at_ == base::MonotonicTime{}) {
    seen_index_ = applied;
    seen_change_at_ = now;
  }
  // After a start the log waits to be applied: until then there is nothing new, and perhaps nothing
  // at all.
  if (checkpoint_running_ || applied == checkpointed_index_) return;
  const uint64_t reclaimable = raft_->reclaimable_bytes(ref_.group);
  const bool idle = now - seen_change_at_ >= kIdle;
  if (reclaimable >= kCheckpointBytes ||
      ((idle || now_or_never) && reclaimable >= kIdleCheckpointBytes)) {
    checkpoint_running_ = true;
    checkpointed_index_ = applied;
    shard_->MakeCheckpoint();
  }
}

void ReplicatedShard::OnCheckpointDurable(uint64_t applied) {
  checkpoint_running_ = false;
  durable_index_ = applied;
  ReleasePages();
}

// Told of the checkpoint, the shard drops the pages of the one before, which a peer may be
// fetching. Until then each checkpoint names them, so that a crash does not forget them.
void ReplicatedShard::ReleasePages() {
  if (durable_index_ == 0 || raft_->ServesSnapshot(ref_.group)) return;
  shard_->OnCheckpointDurable(std::exchange(durable_index_, 0));
}

void ReplicatedShard::Apply(absl::Span<const raft::Entry> committed) {
  entries_.clear();
  for (const raft::Entry& entry : committed) {
    entries_.push_back({entry.id.index.value, entry.id.term.value, entry.header, entry.body});
  }
  applied_index_ = committed.back().id.index.value;
  shard_->Apply(entries_);
  entries_.clear();
}

void ReplicatedShard::OnLeader(raft::Term term) {
  term_ = term;
  leads_ = true;
  events_->OnShardRole(ref_);
}

void ReplicatedShard::OnFollower(raft::Term term, std::optional<raft::ReplicaId> leader) {
  (void)term;
  (void)leader;
  leads_ = false;
  if (serving_) shard_->OnFollower();
  serving_ = false;
  events_->OnShardRole(ref_);
}

void ReplicatedShard::Propose(base::SliceChain header, base::SliceChain body, uint32_t body_crc) {
  raft::Entry entry;
  entry.kind = raft::EntryKind::kNormal;
  entry.header_crc = base::Crc32c(header);
  entry.header = std::move(header);
  entry.body_bytes = static_cast<uint32_t>(body.size());
  entry.body_crc = body.empty() ? 0 : body_crc;
  entry.body = std::move(body);
  // The front-ends' byte budgets bound what is on its way, so the group's own quota must not refuse
  // here: the shard has already counted on this entry.
  const absl::StatusOr<raft::Index> index =
      raft_->Propose(ref_.group, term_, absl::MakeSpan(&entry, 1), raft::Core::Room::kAlways);
  PONTOON_CHECK_MSG(index.ok(), "a serving shard could not append to its log");
}

void ReplicatedShard::Respond(const base::SessionId& session, broker::ShardResponse response) {
  events_->OnShardResponse(ref_, session, std::move(response));
}

void ReplicatedShard::ReadBodies(uint64_t read, std::vector<broker::BodyPart> parts) {
  std::vector<raft::BodyRead> reads;
  reads.reserve(parts.size());
  for (const broker::BodyPart& part : parts)
    reads.push_back({raft::Index{part.index}, part.offset, part.size});
  store_->ReadBodies(ref_.group, std::move(reads),
                     [fabric = fabric_, loop = loop_, group = ref_.group, life = life_,
                      read](std::vector<absl::StatusOr<base::Slice>> bodies) {
                       fabric->Send(loop, BodiesRead{group, life, read, std::move(bodies)});
                     });
}

void ReplicatedShard::ReadPage(uint64_t read, uint64_t page) {
  store_->ReadPage(ref_.group, raft_->StoredPageOf(ref_.group, raft::PageId{page}),
                   [fabric = fabric_, loop = loop_, group = ref_.group, life = life_,
                    read](absl::StatusOr<base::Slice> bytes) {
                     fabric->Send(loop, PageRead{group, life, read, std::move(bytes)});
                   });
}

void ReplicatedShard::SubmitState(broker::ShardState state) {
  raft::StateTask task;
  task.group = ref_.group;
  for (auto& [page, bytes] : state.put_pages)
    task.put_pages.emplace_back(raft::PageId{page}, std::move(bytes));
  for (const uint64_t page : state.drop_pages) task.drop_pages.push_back({page});
  for (const uint64_t index : state.drop_bodies) task.drop_bodies.push_back({index});
  for (const broker::BodyKeep& keep : state.cut_bodies) {
    raft::BodyCut cut{raft::Index{keep.index}, {}};
    for (const auto& [offset, size] : keep.extents) cut.keep.push_back({offset, size});
    task.cut_bodies.push_back(std::move(cut));
  }
  if (state.has_checkpoint) {
    raft::Checkpoint checkpoint;
    // What the log applied beyond the shard's newest entry (the term's kNoop) is covered as well.
    checkpoint.applied = raft_->applied(ref_.group);
    PONTOON_CHECK(checkpoint.applied.index.value >= state.applied);
    checkpoint.root = std::move(state.root);
    task.checkpoint = std::move(checkpoint);
  }
  raft_->SubmitState(std::move(task));
}

void ReplicatedShard::Install(const raft::Checkpoint& checkpoint) {
  PONTOON_CHECK(!leads_);
  shard_ = broker::NewShard(ref_.group, broker::ShardLimits{}, this);
  ++life_;
  durable_index_ = 0;
  const absl::Status restored = shard_->Restore(checkpoint.applied.index.value, checkpoint.root);
  PONTOON_CHECK_MSG(restored.ok(), "a snapshot whose contents were listed could not be restored");
  applied_index_ = checkpointed_index_ = checkpoint.applied.index.value;
  checkpoint_running_ = false;
}

absl::StatusOr<raft::StateMachine::Contents> ReplicatedShard::ListContents(
    absl::string_view root) const {
  absl::StatusOr<broker::CheckpointContents> listed = broker::ListCheckpoint(ref_.group, root);
  if (!listed.ok()) return listed.status();
  Contents contents;
  contents.pages.reserve(listed->pages.size());
  for (const uint64_t page : listed->pages) contents.pages.push_back({page});
  for (const auto& [first, count] : listed->bodies)
    contents.bodies.push_back({raft::Index{first}, count});
  return contents;
}

bool ReplicatedShard::NeedsBody(raft::Index index) const { return shard_->NeedsBody(index.value); }

uint64_t ReplicatedShard::Digest() const { return shard_->digest(); }

}  // namespace pontoon::cluster
