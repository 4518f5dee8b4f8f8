#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "server/amqp/reply_code.h"
#include "server/broker/leader.h"

// What front-ends ask of a leader. A request is tried when it comes, unless earlier ones of its
// session still wait; one that cannot be done yet waits at the end of its session's line and is
// tried again at the end of each turn.

namespace pontoon::broker {
namespace {

// Runs of one Settle fact at most, so that a fact stays far below an entry's header.
constexpr size_t kRunsPerFactMax = 16384;

std::string Named(const QueueSpec& spec) {
  return absl::StrCat("queue '", spec.name, "' in vhost '", spec.vhost, "'");
}

// Whether a publish that was sent after it must not take effect before it.
bool HoldsPublishes(const ShardRequest& request) {
  return std::holds_alternative<PublishBatch>(request) ||
         std::holds_alternative<Transaction>(request) || std::holds_alternative<Purge>(request) ||
         std::holds_alternative<DeleteQueue>(request) ||
         std::holds_alternative<OpenSession>(request);
}

bool HoldsSettles(const ShardRequest& request) {
  return std::holds_alternative<Transaction>(request) ||
         std::holds_alternative<SettleBatch>(request) ||
         std::holds_alternative<OpenSession>(request);
}

// Of consumers that may still stand in the line themselves.
bool NamesConsumer(const ShardRequest& request) {
  return std::holds_alternative<GrantCredit>(request) ||
         std::holds_alternative<TakeCredit>(request) || std::holds_alternative<Cancel>(request);
}

}  // namespace

void Leader::Open(const SessionId& id) {
  const auto boot = boots_.find(id.node);
  if (boot != boots_.end() && id.boot < boot->second) {
    environment_->Respond(id, SessionRefused());  // A process that is over.
    return;
  }
  LeaderSession* session = FindSession(id);
  if (session == nullptr) {
    hot_session_ = nullptr;
    auto opened = std::make_unique<LeaderSession>();
    opened->id = id;
    opened->opening = true;
    sessions_[id] = std::move(opened);
    builder_.AddSession(FactKind::kSessionOpened, id);
  } else if (session->open) {
    Respond(session, SessionOpened{session->next_publish, session->next_settle});
  } else if (!session->opening) {
    environment_->Respond(id, SessionRefused());
  }
}

void Leader::OnRequest(const SessionId& id, ShardRequest request) {
  environment_->WantTurn();
  if (std::holds_alternative<OpenSession>(request)) return Open(id);
  LeaderSession* session = FindSession(id);
  if (session == nullptr || (!session->open && !session->opening)) {
    environment_->Respond(id, SessionRefused());
    return;
  }
  Admit(session, std::move(request));
}

void Leader::Admit(LeaderSession* session, ShardRequest request) {
  bool wait = !session->open;
  if (!session->waiting.empty()) {
    if (std::holds_alternative<PublishBatch>(request)) {
      wait = wait || session->waiting_holds_publishes != 0;
    } else if (std::holds_alternative<SettleBatch>(request)) {
      wait = wait || session->waiting_holds_settles != 0;
    } else if (NamesConsumer(request)) {
      const ConsumerKey key =
          std::holds_alternative<GrantCredit>(request)  ? std::get<GrantCredit>(request).consumer
          : std::holds_alternative<TakeCredit>(request) ? std::get<TakeCredit>(request).consumer
                                                        : std::get<Cancel>(request).consumer;
      wait = wait || !session->consumers.contains(key);
    } else if (!std::holds_alternative<ReturnBatch>(request)) {
      wait = true;
    }
  }
  if (!wait && Try(session, &request) == Done::kYes) return;
  session->waiting_holds_publishes += HoldsPublishes(request) ? 1 : 0;
  session->waiting_holds_settles += HoldsSettles(request) ? 1 : 0;
  session->waiting.push_back(std::move(request));
}

void Leader::Advance(LeaderSession* session) {
  while (session->open && !session->waiting.empty()) {
    ShardRequest& request = session->waiting.front();
    if (Try(session, &request) == Done::kWait) return;
    session->waiting_holds_publishes -= HoldsPublishes(request) ? 1 : 0;
    session->waiting_holds_settles -= HoldsSettles(request) ? 1 : 0;
    session->waiting.pop_front();
  }
}

Leader::Done Leader::Try(LeaderSession* session, ShardRequest* request) {
  return std::visit([this, session](auto& r) { return Do(session, &r); }, *request);
}

Leader::Done Leader::Do(LeaderSession*, OpenSession*) { return Done::kYes; }

bool Leader::NextPublishes(LeaderSession* session, const PublishBatch& batch,
                           absl::Span<const Publish>* messages) {
  *messages = batch.messages;
  if (messages->empty()) return false;
  for (const Publish& message : batch.messages) {
    if (message.message.envelope.size() <= kEnvelopeBytesMax) continue;
    Respond(session, SessionRefused());  // Not one of our front-ends.
    return false;
  }
  if (batch.first_number > session->next_publish) {
    Respond(session, SessionOpened{session->next_publish, session->next_settle});
    return false;
  }
  const uint64_t known = session->next_publish - batch.first_number;
  if (known >= messages->size()) {
    // Answered again if it is in the log; else the answer comes with it.
    const uint64_t through = session->applied->next_publish - 1;
    if (through >= batch.first_number)
      Respond(session, PublishesDone{through, session->applied->refused});
    return false;
  }
  messages->remove_prefix(known);
  return true;
}

Leader::Done Leader::Do(LeaderSession* session, PublishBatch* batch) {
  if (batch->catalog_index > catalog_index_) return Done::kWait;
  absl::Span<const Publish> messages;
  if (!NextPublishes(session, *batch, &messages)) return Done::kYes;
  builder_.Publish(session->id, session->next_publish, messages);
  session->next_publish += messages.size();
  return Done::kYes;
}

void Leader::Settle(const std::vector<broker::Settle>& settles, std::vector<SettleRun>* runs) {
  LeaderQueue* queue = nullptr;
  for (const broker::Settle& settle : settles) {
    if (queue == nullptr || queue->spec.id != settle.run.queue)
      queue = FindLeaderQueue(settle.run.queue);
    if (queue == nullptr || queue->closing) continue;
    dispatcher_.BeginSettle(queue, settle.run,
                            settle.action == SettleAction::kAcknowledge
                                ? SettleReason::kAcknowledged
                                : SettleReason::kRejected,
                            runs);
  }
}

Leader::Done Leader::Do(LeaderSession* session, SettleBatch* batch) {
  if (batch->number != session->next_settle) {
    if (batch->number > session->next_settle) {
      Respond(session, SessionOpened{session->next_publish, session->next_settle});
    } else if (session->applied->next_settle > batch->number) {
      Respond(session, SettlesDone{session->applied->next_settle - 1});
    }
    return Done::kYes;
  }
  SettleFact& fact = session->settles;
  if (!session->has_settles) {
    session->has_settles = true;
    settling_.push_back(session);
    fact.session = session->id;
    fact.first_number = batch->number;
    fact.numbers = 0;
  }
  Settle(batch->settles, &fact.runs);
  while (fact.runs.size() > kRunsPerFactMax) {
    SettleFact part;  // Ahead of the one with the number.
    part.runs.assign(fact.runs.begin(), fact.runs.begin() + kRunsPerFactMax);
    fact.runs.erase(fact.runs.begin(), fact.runs.begin() + kRunsPerFactMax);
    builder_.Add(part);
  }
  ++fact.numbers;
  ++session->next_settle;
  return Done::kYes;
}

void Leader::Return(const std::vector<DeliveryRun>& runs) {
  for (const DeliveryRun& run : runs) {
    LeaderQueue* queue = FindLeaderQueue(run.queue);
    if (queue != nullptr && !queue->closing) dispatcher_.Return(queue, run);
  }
}

Leader::Done Leader::Do(LeaderSession*, ReturnBatch* batch) {
  Return(batch->runs);
  return Done::kYes;
}

Leader::Done Leader::Do(LeaderSession* session, Transaction* transaction) {
  if (transaction->publishes.catalog_index > catalog_index_) return Done::kWait;
  const bool publishes = !transaction->publishes.messages.empty();
  const bool settles = transaction->settles.number != 0;
  // Sent again, it is known as a whole or not at all.
  if ((publishes && transaction->publishes.first_number != session->next_publish) ||
      (settles && transaction->settles.number != session->next_settle)) {
    Respond(session, SessionOpened{session->next_publish, session->next_settle});
    return Done::kYes;
  }
  for (const Publish& message : transaction->publishes.messages) {
    if (message.message.envelope.size() > kEnvelopeBytesMax) {
      Respond(session, SessionRefused());
      return Done::kYes;
    }
  }
  // In the log it comes behind the settles that came before it.
  ProposeSettles();
  SettleFact fact;
  if (settles) {
    fact.session = session->id;
    fact.first_number = session->next_settle++;
    fact.numbers = 1;
    Settle(transaction->settles.settles, &fact.runs);
  }
  if (publishes || settles) {
    builder_.Transact(session->id, session->next_publish, transaction->publishes.messages,
                      settles ? &fact : nullptr);
    session->next_publish += transaction->publishes.messages.size();
  }
  Return(transaction->returns);
  return Done::kYes;
}

Leader::Done Leader::Do(LeaderSession* session, GrantCredit* grant) {
  const auto it = session->consumers.find(grant->consumer);
  if (it == session->consumers.end()) return Done::kYes;  // Cancelled meanwhile.
  dispatcher_.AddCredit(it->second.get(), grant->more);
  return Done::kYes;
}

Leader::Done Leader::Do(LeaderSession* session, TakeCredit* request) {
  CreditTaken taken;
  taken.consumer = request->consumer;
  const auto it = session->consumers.find(request->consumer);
  if (it != session->consumers.end()) taken.unused = dispatcher_.TakeCredit(it->second.get());
  Reply reply;
  reply.request = request->request;
  reply.result = taken;
  Respond(session, std::move(reply));
  return Done::kYes;
}

Leader::Found Leader::Find(LeaderSession* session, uint64_t catalog_index, QueueId id) {
  Found found;
  // All that the session published before must have taken effect.
  if (session->applied->next_publish != session->next_publish || catalog_index > catalog_index_) {
    found.wait = true;
    return found;
  }
  LeaderQueue* queue = FindLeaderQueue(id);
  if (queue == nullptr || queue->closing) {
    found.status = amqp::NotFound("no queue");
    return found;
  }
  found.wait = queue->state == nullptr;
  if (found.wait) builder_.WriteCreates();
  found.queue = queue;
  return found;
}

Leader::Done Leader::Do(LeaderSession* session, Consume* request) {
  const Found found = Find(session, request->catalog_index, request->queue);
  if (found.wait) return Done::kWait;
  Reply reply;
  reply.request = request->request;
  reply.status = found.status;
  LeaderQueue* queue = found.queue;
  if (reply.status.ok() &&
      (queue->exclusive || (request->exclusive && !queue->consumers.empty()))) {
    reply.status = amqp::AccessRefused(absl::StrCat(Named(queue->spec), " in exclusive use"));
  }
  if (!reply.status.ok()) {
    Respond(session, std::move(reply));
    return Done::kYes;
  }
  std::unique_ptr<Consumer>& consumer = session->consumers[request->consumer];
  if (consumer != nullptr) {
    reply.status = amqp::InternalError("a session used a consumer key twice");
    Respond(session, std::move(reply));
    return Done::kYes;
  }
  consumer = std::make_unique<Consumer>();
  consumer->key = request->consumer;
  consumer->session = session;
  consumer->queue = queue;
  consumer->tag = std::move(request->tag);
  consumer->channel_name = std::move(request->channel_name);
  consumer->arguments = std::move(request->arguments);
  consumer->no_ack = request->no_ack;
  consumer->exclusive = request->exclusive;
  consumer->priority = request->priority;
  consumer->prefetch = request->prefetch;
  consumer->credit = request->credit;
  queue->exclusive = request->exclusive;
  if (!queue->first_consumer_proposed) {
    queue->first_consumer_proposed = true;
    builder_.AddQueue(FactKind::kQueueFirstConsumer, queue->spec.id);
  }
  Respond(session, std::move(reply));
  dispatcher_.AddConsumer(consumer.get());
  return Done::kYes;
}

Leader::Done Leader::Do(LeaderSession* session, Cancel* request) {
  RemoveConsumer(session, request->consumer);
  Reply reply;
  reply.request = request->request;
  Respond(session, std::move(reply));
  return Done::kYes;
}

Leader::Done Leader::Do(LeaderSession* session, Get* request) {
  const Found found = Find(session, request->catalog_index, request->queue);
  if (found.wait) return Done::kWait;
  Reply reply;
  reply.request = request->request;
  reply.status = found.status;
  if (reply.status.ok() && found.queue->exclusive) {
    reply.status = amqp::AccessRefused(absl::StrCat(Named(found.queue->spec), " in exclusive use"));
  }
  if (reply.status.ok()) {
    GetOk ok;
    const Dispatcher::GetResult result =
        dispatcher_.Get(found.queue, session, request->no_ack, &ok.delivery);
    if (result == Dispatcher::GetResult::kWait) return Done::kWait;
    if (result == Dispatcher::GetResult::kTaken) {
      ok.ready_left = found.queue->ready();
      reply.result = std::move(ok);
    }
  }
  Respond(session, std::move(reply));
  return Done::kYes;
}

Leader::Done Leader::Do(LeaderSession* session, CountMessages* request) {
  const Found found = Find(session, request->catalog_index, request->queue);
  if (found.wait) return Done::kWait;
  // Of one that is closing nothing is said until no loop routes to it any more: this is a declare,
  // and whoever hears that the queue is gone may declare the name anew.
  if (found.queue == nullptr && FindLeaderQueue(request->queue) != nullptr) return Done::kWait;
  Reply reply;
  reply.request = request->request;
  reply.status = found.status;
  if (reply.status.ok())
    reply.result = QueueCounts{found.queue->ready(), found.queue->consumers.size()};
  Respond(session, std::move(reply));
  return Done::kYes;
}

Leader::Done Leader::Do(LeaderSession* session, Purge* request) {
  const Found found = Find(session, request->catalog_index, request->queue);
  if (found.wait) return Done::kWait;
  Reply reply;
  reply.request = request->request;
  reply.status = found.status;
  if (!reply.status.ok()) {
    Respond(session, std::move(reply));
    return Done::kYes;
  }
  SettleFact fact;
  PendingPurge purge;
  purge.asker = {session->id, request->request};
  purge.count = dispatcher_.BeginPurge(found.queue, &fact.runs);
  purge.runs = fact.runs.size();
  if (purge.count == 0) {
    reply.result = QueueCounts{0, found.queue->consumers.size()};
    Respond(session, std::move(reply));
    return Done::kYes;
  }
  found.queue->purges.push_back(purge);
  // Answered once it is committed.
  while (fact.runs.size() > kRunsPerFactMax) {
    SettleFact part;
    part.runs.assign(fact.runs.begin(), fact.runs.begin() + kRunsPerFactMax);
    fact.runs.erase(fact.runs.begin(), fact.runs.begin() + kRunsPerFactMax);
    builder_.Add(part);
  }
  builder_.Add(fact);
  return Done::kYes;
}

Leader::Done Leader::Do(LeaderSession* session, DeleteQueue* request) {
  if (session->applied->next_publish != session->next_publish ||
      request->catalog_index > catalog_index_) {
    return Done::kWait;
  }
  LeaderQueue* queue = FindLeaderQueue(request->queue);
  const Asker asker{session->id, request->request};
  Reply reply;
  reply.request = request->request;
  if (queue == nullptr) {
    reply.status = amqp::NotFound("no queue");
  } else if (queue->closing) {
    queue->deletes.push_back(asker);  // Goes with the deletion that is under way.
    return Done::kYes;
  } else if (queue->state == nullptr) {
    builder_.WriteCreates();
    return Done::kWait;
  } else if (request->if_empty && queue->ready() != 0) {
    reply.status = amqp::PreconditionFailed(absl::StrCat(Named(queue->spec), " not empty"));
  } else if (request->if_unused && !queue->consumers.empty()) {
    reply.status = amqp::PreconditionFailed(absl::StrCat(Named(queue->spec), " in use"));
  } else {
    queue->ready_when_closed = queue->ready();
    queue->deletes.push_back(asker);
    CloseQueue(queue, false);
    return Done::kYes;
  }
  Respond(session, std::move(reply));
  return Done::kYes;
}

Leader::Done Leader::Do(LeaderSession* session, InspectQueues* request) {
  std::vector<QueueFigures> all;
  const auto add = [&all](const LeaderQueue& queue) {
    if (queue.closing) return;
    QueueFigures figures;
    figures.queue = queue.spec.id;
    figures.ready = queue.ready();
    figures.unacknowledged = queue.unacknowledged;
    figures.unacknowledged_bytes = queue.unacknowledged_bytes;
    figures.consumers = queue.consumers.size();
    if (queue.state != nullptr) {
      const MessageTotals totals = queue.state->totals();
      const uint64_t taken = queue.outstanding_bytes + queue.settling_bytes;
      figures.ready_bytes = totals.bytes - std::min(totals.bytes, taken);
      figures.persistent = totals.persistent;
      figures.persistent_bytes = totals.persistent_bytes;
      figures.memory_bytes =
          queue.state->memory_bytes() + sizeof(LeaderQueue) + queue.outstanding.size() * 40;
    }
    if (queue.exclusive && !queue.consumers.empty()) {
      figures.exclusive_consumer_tag = queue.consumers.front()->tag;
      figures.exclusive_consumer_channel = queue.consumers.front()->channel_name;
    }
    all.push_back(std::move(figures));
  };
  if (request->only) {
    if (const LeaderQueue* queue = FindLeaderQueue(request->only)) add(*queue);
  } else {
    for (const auto& [id, queue] : queues_) add(*queue);
  }
  Reply reply;
  reply.request = request->request;
  reply.result = std::move(all);
  Respond(session, std::move(reply));
  return Done::kYes;
}

Leader::Done Leader::Do(LeaderSession* session, InspectConsumers* request) {
  std::vector<ConsumerFigures> all;
  for (const auto& [id, queue] : queues_) {
    for (const Consumer* consumer : queue->consumers) {
      ConsumerFigures figures;
      figures.queue = id;
      figures.session = consumer->session->id;
      figures.channel_name = consumer->channel_name;
      figures.tag = consumer->tag;
      figures.ack_required = !consumer->no_ack;
      figures.exclusive = consumer->exclusive;
      figures.prefetch = consumer->prefetch;
      figures.arguments = consumer->arguments;
      all.push_back(std::move(figures));
    }
  }
  Reply reply;
  reply.request = request->request;
  reply.result = std::move(all);
  Respond(session, std::move(reply));
  return Done::kYes;
}

}  // namespace pontoon::broker
