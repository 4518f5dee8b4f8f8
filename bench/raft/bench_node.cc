#include "bench/raft/bench_node.h"

#include <condition_variable>
#include <mutex>
#include <utility>

#include "base/check.h"

namespace pontoon::bench {
namespace {

constexpr base::Duration kCheckpointLook = base::Seconds(1);
constexpr uint64_t kBoot = 1;

template <typename... Ts>
struct Overloaded : Ts... {
  using Ts::operator()...;
};
template <typename... Ts>
Overloaded(Ts...) -> Overloaded<Ts...>;

}  // namespace

void LocalNetwork::Add(BenchNode* node) {
  base::MutexLock lock(&mutex_);
  nodes_.push_back(node);
}

void LocalNetwork::Carry(raft::NodeId from, raft::NodeId to, std::vector<raft::Message> messages) {
  base::MutexLock lock(&mutex_);
  for (BenchNode* node : nodes_) {
    if (node->replica().node == to) return node->PostMessages(from, kBoot, std::move(messages));
  }
}

void LocalTransport::Send(raft::Message message) {
  const raft::NodeId to = message.to.node;
  for (Batch& batch : sending_) {
    if (batch.to == to) return batch.messages.push_back(std::move(message));
  }
  sending_.push_back({to, {}});
  sending_.back().messages.push_back(std::move(message));
}

void LocalTransport::EndTurn() {
  for (Batch& batch : sending_) {
    if (!batch.messages.empty())
      network_->Carry(self_, batch.to, std::exchange(batch.messages, {}));
  }
}

BenchNode::BenchNode(Options options)
    : options_(std::move(options)),
      replica_{{options_.number}, 1},
      loop_({.id = {}}),
      mailbox_(&loop_, net::MailPriority::kHigh, [this](std::vector<Mail>& batch) {
        for (Mail& mail : batch) OnMail(std::move(mail));
      }) {}

BenchNode::~BenchNode() { Stop(); }

absl::Status BenchNode::OpenBlocking(raft::Transport* transport,
                                     const std::vector<raft::GroupId>& groups,
                                     const raft::Membership& founders) {
  storage::RocksLogStoreOptions options;
  options.data_dir = options_.folder;
  options.identity = {options_.number, {1}};
  auto store = storage::RocksLogStore::OpenBlocking(options, nullptr, this);
  if (!store.ok()) return store.status();
  store_ = *std::move(store);
  raft::MultiRaftOptions raft_options;
  raft_options.self = replica_;
  raft_options.nodes = &table_;
  raft_options.heartbeats = &heartbeats_;
  raft_options.post = [this](std::function<void()> run) { Post(std::move(run)); };
  raft_ = std::make_unique<raft::MultiRaft>(raft_options, store_.get(), transport, &random_);
  for (const raft::GroupId group : groups) {
    absl::StatusOr<raft::RecoveredGroup> recovered = store_->RecoverBlocking(group);
    if (!recovered.ok()) return recovered.status();
    machines_.push_back(std::make_unique<BenchMachine>(group, raft_.get()));
    const absl::Status opened =
        raft_->OpenGroup(group, *std::move(recovered), machines_.back().get(), founders);
    if (!opened.ok()) return opened;
  }
  return absl::OkStatus();
}

void BenchNode::Start() {
  loop_.OnTurnEnd([this] { OnTurnEnd(); });
  loop_.RunAfter(base::Duration{}, [this] { Tick(); });
  loop_.Start();
}

void BenchNode::Stop() {
  loop_.Stop();
  // The store reports to the mailbox until it has stopped.
  if (store_ != nullptr) store_->StopBlocking();
}

void BenchNode::Post(std::function<void()> run) { mailbox_.Post(std::move(run)); }

void BenchNode::RunBlocking(const std::function<void()>& run) {
  std::mutex mutex;
  std::condition_variable changed;
  bool done = false;
  Post([&] {
    run();
    const std::lock_guard lock(mutex);
    done = true;
    changed.notify_one();
  });
  std::unique_lock lock(mutex);
  changed.wait(lock, [&] { return done; });
}

void BenchNode::PostMessages(raft::NodeId from, uint64_t boot, std::vector<raft::Message> messages,
                             std::shared_ptr<const void> unread) {
  mailbox_.Post(Arrived{from, boot, std::move(messages), std::move(unread)});
}

void BenchNode::OnStorageDone(raft::GroupId group, raft::IoSeq seq) {
  mailbox_.Post(BatchDone{{{group, seq}}});
}
void BenchNode::OnBatchDone(absl::Span<const std::pair<raft::GroupId, raft::IoSeq>> done) {
  mailbox_.Post(BatchDone{{done.begin(), done.end()}});
}
void BenchNode::OnCheckpointDurable(raft::GroupId group, raft::EntryId applied) {
  mailbox_.Post(CheckpointDurable{group, applied});
}
void BenchNode::OnStateWritten(raft::GroupId group, uint64_t ticket) {
  mailbox_.Post(StateWritten{group, ticket});
}

void BenchNode::OnMail(Mail mail) {
  std::visit(Overloaded{
                 [this](BatchDone& m) {
                   for (const auto& [group, seq] : m.done) raft_->OnStorageDone(group, seq);
                 },
                 [this](CheckpointDurable& m) { raft_->OnCheckpointDurable(m.group, m.applied); },
                 [this](StateWritten& m) { raft_->OnStateWritten(m.group, m.ticket); },
                 [this](Arrived& m) { raft_->Deliver(m.from, m.boot, std::move(m.messages)); },
                 [](std::function<void()>& run) { run(); },
             },
             mail);
}

void BenchNode::Tick() {
  const base::MonotonicTime now = loop_.now();
  raft_->Tick(now);
  if (now >= next_checkpoint_look_) {
    next_checkpoint_look_ = now + kCheckpointLook;
    for (const auto& machine : machines_) machine->MaybeCheckpoint();
  }
  loop_.RunAfter(options_.tick, [this] { Tick(); });
}

void BenchNode::OnTurnEnd() {
  // As server/cluster's LoopHost: what was reported is applied, what that frees is proposed in the
  // same turn.
  bool more = raft_->Flush();
  if (on_turn) {
    on_turn();
    more = raft_->Flush() || more;
  }
  if (more) loop_.Post([] {});
}

}  // namespace pontoon::bench
