#include "server/broker/leader.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "server/amqp/reply_code.h"

namespace pontoon::broker {
namespace {

// The creation of a queue that nobody uses yet is logged with what comes next, or after this time:
// a write of its own would hold up the next declare by a sync. Until then the catalog alone knows
// the queue, as it does after a crash.
constexpr base::Duration kCreateWaitMax = base::Millis(100);
constexpr size_t kCreatesWaitingMax = 1024;

}  // namespace

Leader::Leader(uint64_t term, Replica* replica, ShardEnvironment* environment,
               const ShardLimits& limits)
    : replica_(replica),
      environment_(environment),
      builder_(environment),
      bodies_(term, replica, environment, limits.body_cache_bytes),
      dispatcher_(replica, &bodies_, &builder_, limits.deliveries_per_turn) {}

Leader::~Leader() {
  for (const auto& [id, queue] : replica_->queues()) queue->set_leader(nullptr);
}

LeaderQueue* Leader::FindLeaderQueue(QueueId id) {
  const auto it = queues_.find(id);
  return it == queues_.end() ? nullptr : it->second.get();
}

LeaderSession* Leader::FindSession(const SessionId& id) {
  if (hot_session_ != nullptr && hot_session_->id == id) return hot_session_;
  if (const auto it = sessions_.find(id); it != sessions_.end())
    return hot_session_ = it->second.get();
  SessionState* applied = replica_->sessions().Find(id);
  if (applied == nullptr) return nullptr;
  auto session = std::make_unique<LeaderSession>();
  session->id = id;
  session->open = true;
  session->applied = applied;
  session->next_publish = applied->next_publish;
  session->next_settle = applied->next_settle;
  session->reported_publish = applied->next_publish - 1;
  session->reported_settle = applied->next_settle - 1;
  return hot_session_ = (sessions_[id] = std::move(session)).get();
}

void Leader::AdoptQueue(const QueueSpec& spec) {
  std::unique_ptr<LeaderQueue>& queue = queues_[spec.id];
  if (queue != nullptr) return;
  queue = std::make_unique<LeaderQueue>();
  queue->spec = spec;
  QueueState* state = replica_->FindQueue(spec.id);
  if (state == nullptr) {
    builder_.AddCreate(spec.id);
    return;
  }
  OnQueueCreated(state);
  if (!state->closed()) return;
  queue->closing = true;
  environment_->ForgetQueue(spec.id);
}

void Leader::EraseQueue(LeaderQueue* queue) {
  dispatcher_.Forget(queue);
  if (queue->state != nullptr) queue->state->set_leader(nullptr);
  queues_.erase(queue->spec.id);
}

void Leader::Start(uint64_t catalog_index, const std::vector<QueueSpec>& queues) {
  catalog_index_ = catalog_index;
  for (const QueueSpec& spec : queues) AdoptQueue(spec);
  builder_.WriteCreates();
  for (const auto& [id, state] : replica_->queues()) {
    if (queues_.contains(id) || id.catalog_index() > catalog_index) continue;
    if (state->closed()) {
      builder_.AddQueue(FactKind::kQueueForgotten, id);
    } else {
      QueueClosedFact closed;
      closed.queue = id;
      closed.catalog_knows = true;
      builder_.Add(closed);
    }
  }
  environment_->WantTurn();
}

void Leader::OnQueueCreated(QueueState* state) {
  LeaderQueue* queue = FindLeaderQueue(state->id());
  if (queue == nullptr) return;
  queue->state = state;
  state->set_leader(queue);
  queue->first_consumer_proposed = state->had_consumer();
  queue->fence_proposed = state->fence();
  queue->redelivered_through = std::min(state->fence(), state->tail());
}

void Leader::OnQueueDeclared(const QueueSpec& spec) { AdoptQueue(spec); }

void Leader::OnQueueDeleted(QueueId id) {
  LeaderQueue* queue = FindLeaderQueue(id);
  if (queue == nullptr) return;
  if (queue->closing) {
    OnQueueForgotten(id);
  } else {
    CloseQueue(queue, true);
  }
}

void Leader::CloseQueue(LeaderQueue* queue, bool catalog_knows) {
  queue->closing = true;
  queue->forgotten = catalog_knows;
  QueueClosedFact closed;
  closed.queue = queue->spec.id;
  closed.catalog_knows = catalog_knows;
  builder_.Add(closed);
}

void Leader::CloseIfAbandoned(LeaderQueue* queue) {
  if (!queue->spec.auto_delete || queue->closing || !queue->consumers.empty() ||
      !queue->first_consumer_proposed)
    return;
  CloseQueue(queue, false);
}

void Leader::OnQueueClosed(QueueState* state) {
  LeaderQueue* queue = state->leader();
  if (queue == nullptr) return;
  queue->closing = true;
  while (!queue->consumers.empty()) {
    Consumer* consumer = queue->consumers.back();
    LeaderSession* session = consumer->session;
    const ConsumerKey key = consumer->key;
    dispatcher_.RemoveConsumer(consumer);
    session->consumers.erase(key);
    Respond(session, ConsumerCancelled{key});
  }
  for (const PendingPurge& purge : queue->purges) {
    Reply reply;
    reply.result = QueueCounts{purge.count, 0};
    Answer(purge.asker, std::move(reply));
  }
  queue->purges.clear();
  queue->outstanding.clear();
  queue->returned.clear();
  bodies_.Forget(queue);
  queue->outstanding_bytes = queue->unacknowledged = queue->unacknowledged_bytes = 0;
  queue->settling_count = queue->settling_bytes = 0;
  if (queue->forgotten) {
    DropQueue(queue);
  } else {
    environment_->ForgetQueue(queue->spec.id);
  }
}

void Leader::DropQueue(LeaderQueue* queue) {
  // For a queue that the catalog deleted first, the fact that closed it was the last one.
  builder_.AddQueue(FactKind::kQueueForgotten, queue->spec.id);
  for (size_t i = 0; i < queue->deletes.size(); ++i) {
    Reply reply;
    if (i == 0) {
      reply.result = QueueCounts{queue->ready_when_closed, 0};
    } else {
      reply.status = amqp::NotFound("no queue");
    }
    Answer(queue->deletes[i], std::move(reply));
  }
  EraseQueue(queue);
  environment_->WantTurn();
}

void Leader::OnQueueForgotten(QueueId id) {
  LeaderQueue* queue = FindLeaderQueue(id);
  if (queue == nullptr) return;
  if (queue->state == nullptr || !queue->state->closed()) {
    queue->forgotten = true;  // The catalog was faster than our own log.
  } else {
    DropQueue(queue);
  }
}

void Leader::OnCatalogIndex(uint64_t catalog_index) {
  catalog_index_ = std::max(catalog_index_, catalog_index);
  environment_->WantTurn();
}

void Leader::RemoveConsumer(LeaderSession* session, ConsumerKey key) {
  const auto it = session->consumers.find(key);
  if (it == session->consumers.end()) return;
  LeaderQueue* queue = it->second->queue;
  dispatcher_.RemoveConsumer(it->second.get());
  if (it->second->exclusive) queue->exclusive = false;
  session->consumers.erase(it);
  CloseIfAbandoned(queue);
}

void Leader::ReleaseSession(const SessionId& id) {
  LeaderSession* session = FindSession(id);
  if (session == nullptr || (!session->open && !session->opening)) return;
  while (!session->consumers.empty()) RemoveConsumer(session, session->consumers.begin()->first);
  dispatcher_.ReturnAll(session, queues_);
  // A consumer of an earlier leader's time left with its process.
  const ProcessId process = ProcessOf(id);
  for (const auto& [queue_id, queue] : queues_) {
    if (queue->state != nullptr && queue->state->Covers(process)) CloseIfAbandoned(queue.get());
  }
  session->waiting.clear();
  session->waiting_holds_publishes = session->waiting_holds_settles = 0;
  session->open = session->opening = false;
  builder_.AddSession(FactKind::kSessionEnded, id);
  environment_->WantTurn();
}

void Leader::OnBootRegistered(base::NodeId node, base::BootId boot) {
  base::BootId& newest = boots_[node];
  newest = std::max(newest, boot);
  std::vector<SessionId> over;
  for (const auto& [id, state] : replica_->sessions().all()) {
    if (id.node == node && id.boot < newest) over.push_back(id);
  }
  for (const auto& [id, session] : sessions_) {
    if (session->opening && id.node == node && id.boot < newest) over.push_back(id);
  }
  for (const SessionId& id : over) ReleaseSession(id);
}

void Leader::OnSessionOpened(SessionState* state) {
  const auto it = sessions_.find(state->id);
  if (it == sessions_.end()) return;
  LeaderSession* session = it->second.get();
  session->applied = state;
  if (!session->opening) return;
  session->opening = false;
  session->open = true;
  Respond(session, SessionOpened{session->next_publish, session->next_settle});
}

void Leader::OnSessionEnded(const SessionId& id) {
  const auto it = sessions_.find(id);
  if (it == sessions_.end()) return;
  LeaderSession* session = it->second.get();
  std::erase(advanced_, session);
  std::erase(settling_, session);
  hot_session_ = nullptr;
  sessions_.erase(it);
}

void Leader::OnSessionAdvanced(SessionState* state) {
  LeaderSession* session = FindSession(state->id);
  if (session == nullptr || session->advanced) return;
  session->advanced = true;
  advanced_.push_back(session);
}

void Leader::OnAppended(QueueState* state, uint32_t count) {
  LeaderQueue* queue = state->leader();
  if (queue == nullptr || queue->consumers.empty()) return;
  wanted_ += count;
  dispatcher_.Wake(queue);
}

void Leader::OnSettled(QueueState* state, SettleReason reason, uint64_t removed, uint64_t bytes) {
  LeaderQueue* queue = state->leader();
  if (queue == nullptr) return;
  dispatcher_.OnSettled(queue, removed, bytes);
  if (reason != SettleReason::kPurged || queue->purges.empty()) return;
  PendingPurge& purge = queue->purges.front();
  if (--purge.runs != 0) return;
  Reply reply;
  reply.result = QueueCounts{purge.count, queue->consumers.size()};
  Answer(purge.asker, std::move(reply));
  queue->purges.pop_front();
}

void Leader::OnFence(QueueState* state) {
  if (state->leader() != nullptr) dispatcher_.OnFence(state->leader());
}

void Leader::OnEntryApplied(const LogEntry& entry) {
  if (!entry.body.empty() && (wanted_ != 0 || replica_->IsPendingPiece(entry.index)))
    bodies_.OnApplied(entry, wanted_);
  wanted_ = 0;
  environment_->WantTurn();
}

bool Leader::WantsLoaded(const QueueState& state, uint64_t segment) {
  const LeaderQueue* queue = state.leader();
  if (queue == nullptr) return false;
  // Where messages are handed out, the next one, and any with a message that came back.
  const uint64_t at = (queue->cursor - 1) / Segment::kSlots;
  if (segment == at || segment == at + 1) return true;
  const auto returned = queue->returned.lower_bound(segment * Segment::kSlots + 1);
  return returned != queue->returned.end() && (*returned - 1) / Segment::kSlots == segment;
}

void Leader::OnSegmentLoaded(QueueState* state, uint64_t) {
  if (state->leader() != nullptr) dispatcher_.Wake(state->leader());
  environment_->WantTurn();
}

void Leader::OnSegmentUnreadable(QueueState* state, uint64_t segment) {
  if (state->leader() != nullptr) dispatcher_.OnUnreadable(state->leader(), segment);
  environment_->WantTurn();
}

void Leader::OnBodies(uint64_t read, std::vector<absl::StatusOr<base::Slice>> parts) {
  LeaderQueue* queue = bodies_.OnBodies(read, std::move(parts), queues_);
  if (queue == nullptr) return;
  dispatcher_.Wake(queue);
  environment_->WantTurn();
}

void Leader::OnBodiesDropped(const std::vector<uint64_t>& entries) {
  for (const uint64_t entry : entries) bodies_.OnDropped(entry);
}

void Leader::SendDeliveries(LeaderSession* session) {
  if (!session->has_deliveries) return;
  session->has_deliveries = false;
  environment_->Respond(session->id, std::exchange(session->deliveries, {}));
}

void Leader::Respond(LeaderSession* session, ShardResponse response) {
  SendDeliveries(session);
  environment_->Respond(session->id, std::move(response));
}

void Leader::Answer(const Asker& asker, Reply reply) {
  reply.request = asker.request;
  LeaderSession* session = FindSession(asker.session);
  if (session != nullptr) Respond(session, std::move(reply));
}

void Leader::ProposeSettles() {
  for (LeaderSession* session : settling_) {
    session->has_settles = false;
    builder_.Add(session->settles);
    session->settles.runs.clear();
  }
  settling_.clear();
}

void Leader::ProposeCreates(base::MonotonicTime now) {
  if (builder_.creates() != 0 && !creates_wait_) {
    creates_wait_ = true;
    creates_wait_from_ = now;
  }
  if (!builder_.empty() || builder_.creates() >= kCreatesWaitingMax ||
      (creates_wait_ && now - creates_wait_from_ >= kCreateWaitMax)) {
    builder_.WriteCreates();
  }
  creates_wait_ = creates_wait_ && builder_.creates() != 0;
}

void Leader::TellAdvanced() {
  for (LeaderSession* session : advanced_) {
    session->advanced = false;
    const SessionState& state = *session->applied;
    if (state.next_publish - 1 > session->reported_publish) {
      session->reported_publish = state.next_publish - 1;
      Respond(session, PublishesDone{state.next_publish - 1, state.refused});
    }
    if (state.next_settle - 1 > session->reported_settle) {
      session->reported_settle = state.next_settle - 1;
      Respond(session, SettlesDone{state.next_settle - 1});
    }
  }
  advanced_.clear();
}

int64_t Leader::LogTime(base::MonotonicTime now, base::WallTime wall) {
  if (!has_time_) {
    // The log goes on from where it stands, or, after a pause, from the present.
    has_time_ = true;
    log_time_nanos_ = std::max(replica_->log_time_nanos(), wall.nanos);
  } else {
    // With the monotonic clock, drawn to the wall clock by at most a tenth of what passed: slowly,
    // never by a step.
    const int64_t passed = std::max<int64_t>(0, (now - time_read_).nanos);
    const int64_t off = wall.nanos - (log_time_nanos_ + passed);
    log_time_nanos_ += passed + std::clamp<int64_t>(off, -passed / 10, passed / 10);
  }
  time_read_ = now;
  return log_time_nanos_;
}

void Leader::OnTurnEnd(base::MonotonicTime now, base::WallTime wall) {
  for (const auto& [id, session] : sessions_) {
    if (!session->waiting.empty()) Advance(session.get());
  }
  const bool more = dispatcher_.Run();
  ProposeSettles();
  ProposeCreates(now);
  const int64_t log_time = LogTime(now, wall);
  if (!builder_.empty()) builder_.Propose(log_time);
  TellAdvanced();
  for (const auto& [id, session] : sessions_) SendDeliveries(session.get());
  bodies_.Trim();
  if (more) environment_->WantTurn();
}

uint64_t Leader::memory_bytes() const {
  uint64_t bytes = bodies_.memory_bytes();
  for (const auto& [id, queue] : queues_) {
    bytes += sizeof(LeaderQueue) + queue->outstanding.size() * 40 + queue->returned.size() * 10;
  }
  return bytes;
}

}  // namespace pontoon::broker
