#include "server/broker/dispatcher.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace pontoon::broker {
namespace {

// How far a fence reaches beyond what was handed out: far enough that few are written, near enough
// that a new leader marks few messages as redelivered that were not. Doubled each time that the
// fence held up the dispatch.
constexpr uint64_t kFenceStep = 1024;
constexpr uint64_t kFenceStepMax = 16384;
// Deliveries of one queue before the next one has its turn.
constexpr uint32_t kDeliveriesPerVisit = 512;

}  // namespace

void Dispatcher::Wake(LeaderQueue* queue) {
  if (queue->in_work) return;
  queue->in_work = true;
  work_.push_back(queue);
}

uint64_t Dispatcher::NextReady(LeaderQueue* queue) {
  while (!queue->returned.empty()) {
    const uint64_t position = *queue->returned.begin();
    if (!queue->unreadable.contains(position)) return position;
    queue->returned.erase(queue->returned.begin());
  }
  for (;;) {
    const uint64_t position = queue->state->NextLive(queue->cursor);
    if (position == 0) return 0;
    queue->cursor = position;
    if (!queue->unreadable.contains(position)) return position;
    ++queue->cursor;
  }
}

void Dispatcher::ProposeFence(LeaderQueue* queue, uint64_t through, const ProcessId* process) {
  FenceFact fact;
  fact.queue = queue->spec.id;
  fact.through = queue->fence_proposed = std::max(queue->fence_proposed, through);
  if (process != nullptr) {
    fact.processes.push_back(*process);
    queue->processes_proposed.push_back(*process);
  }
  builder_->Add(fact);
}

bool Dispatcher::Fenced(LeaderQueue* queue, uint64_t position, const ProcessId& process) {
  const bool known = queue->state->Covers(process);
  if (known && position <= queue->state->fence()) {
    if (position + queue->fence_step / 2 >= queue->fence_proposed)
      ProposeFence(queue, position + queue->fence_step, nullptr);
    return true;
  }
  const bool process_proposed =
      known || std::find(queue->processes_proposed.begin(), queue->processes_proposed.end(),
                         process) != queue->processes_proposed.end();
  if (!process_proposed || position > queue->fence_proposed) {
    ProposeFence(queue, position + queue->fence_step, process_proposed ? nullptr : &process);
  } else if (known && position > queue->state->fence()) {
    queue->fence_step = std::min(queue->fence_step * 2, kFenceStepMax);
  }
  return false;
}

void Dispatcher::List(Consumer* consumer) {
  if (consumer->waiting || !consumer->has_credit()) return;
  for (PriorityGroup& group : consumer->queue->groups) {
    if (group.priority != consumer->priority) continue;
    group.waiting.push_back(consumer);
    consumer->waiting = true;
    return;
  }
}

void Dispatcher::Unlist(Consumer* consumer) {
  if (!consumer->waiting) return;
  consumer->waiting = false;
  for (PriorityGroup& group : consumer->queue->groups) {
    if (group.priority != consumer->priority) continue;
    group.waiting.erase(std::find(group.waiting.begin(), group.waiting.end(), consumer));
    return;
  }
}

void Dispatcher::AddConsumer(Consumer* consumer) {
  LeaderQueue* queue = consumer->queue;
  queue->consumers.push_back(consumer);
  queue->tellers += consumer->credit.tell;
  if (queue->fence_step == 0) queue->fence_step = kFenceStep;
  auto group = queue->groups.begin();
  while (group != queue->groups.end() && group->priority > consumer->priority) ++group;
  if (group == queue->groups.end() || group->priority != consumer->priority) {
    queue->groups.insert(group, PriorityGroup{consumer->priority, {}});
  }
  // Ask for the fence at once, so that a first message need not wait for it.
  const uint64_t next = queue->state->NextLive(queue->cursor);
  Fenced(queue, next != 0 ? next : queue->state->tail() + 1, ProcessOf(consumer->session->id));
  OnCredit(consumer);
}

void Dispatcher::RemoveConsumer(Consumer* consumer) {
  LeaderQueue* queue = consumer->queue;
  Unlist(consumer);
  queue->consumers.erase(std::find(queue->consumers.begin(), queue->consumers.end(), consumer));
  queue->tellers -= consumer->credit.tell;
  if (queue->tellers != 0) Wake(queue);
  if (queue->consumers.empty()) bodies_->Forget(queue);
}

void Dispatcher::AddCredit(Consumer* consumer, const Credit& more) {
  const auto add = [](uint64_t* have, uint64_t more) {
    *have = more > ~*have ? Credit::kUnlimited : *have + more;
  };
  add(&consumer->credit.messages, more.messages);
  add(&consumer->credit.bytes, more.bytes);
  if (more.messages != 0) consumer->told = CreditUse::kUntold;
  consumer->queue->tellers -= consumer->credit.tell;
  consumer->credit.tell = more.tell;
  consumer->queue->tellers += consumer->credit.tell;
  OnCredit(consumer);
}

void Dispatcher::OnCredit(Consumer* consumer) {
  if (consumer->credit.tell) Wake(consumer->queue);
  if (!consumer->queue->state->Covers(ProcessOf(consumer->session->id)))
    return;  // OnFence lists it.
  List(consumer);
  if (consumer->waiting) Wake(consumer->queue);
}

Credit Dispatcher::TakeCredit(Consumer* consumer) {
  Unlist(consumer);
  consumer->told = CreditUse::kUntold;
  consumer->queue->tellers -= consumer->credit.tell;
  if (consumer->queue->tellers != 0) Wake(consumer->queue);  // Another may be short now.
  return std::exchange(consumer->credit, Credit());
}

void Dispatcher::OnFence(LeaderQueue* queue) {
  for (Consumer* consumer : queue->consumers) OnCredit(consumer);
  Wake(queue);
}

Consumer* Dispatcher::NextConsumer(LeaderQueue* queue) {
  for (PriorityGroup& group : queue->groups) {
    if (!group.waiting.empty()) return group.waiting.front();
  }
  return nullptr;
}

bool Dispatcher::Fetch(LeaderQueue* queue, uint64_t position, Reference* reference,
                       MessageBytes* bytes) {
  const Segment* segment = queue->state->SegmentOf(position);
  if (!segment->loaded()) {
    replica_->WantSegment(queue->state, (position - 1) / Segment::kSlots);
    return false;
  }
  *reference = queue->state->At(position);
  return bodies_->Take(queue, position, *reference, bytes);
}

Delivery Dispatcher::HandOut(LeaderQueue* queue, LeaderSession* session, bool no_ack,
                             uint64_t position, const Reference& reference, MessageBytes bytes) {
  Delivery delivery;
  delivery.queue = queue->spec.id;
  delivery.position.value = position;
  delivery.delivery.value = next_delivery_++;
  delivery.redelivered = position <= queue->redelivered_through;
  delivery.message = std::move(bytes);
  if (position < queue->cursor) {
    queue->returned.erase(position);
    delivery.redelivered = true;
  } else {
    queue->cursor = position + 1;
  }
  bodies_->Delivered(reference);
  Outstanding held;
  held.delivery = delivery.delivery.value;
  held.session = session;
  held.bytes = static_cast<uint32_t>(reference.bytes());
  held.no_ack = no_ack;
  queue->outstanding.emplace_hint(queue->outstanding.end(), position, held);
  queue->outstanding_bytes += held.bytes;
  if (!no_ack) {
    ++queue->unacknowledged;
    queue->unacknowledged_bytes += held.bytes;
  }
  return delivery;
}

void Dispatcher::TellOfCredit(LeaderQueue* queue) {
  const bool ready = NextReady(queue) != 0;
  const Consumer* next = NextConsumer(queue);
  for (Consumer* consumer : queue->consumers) {
    if (!consumer->credit.tell || consumer->credit.bytes == 0) continue;
    CreditUse use = CreditUse::kUntold;
    if (consumer->credit.messages == 0) {
      if (ready && next == nullptr) use = CreditUse::kShort;
    } else if (!ready || (next != nullptr && next->priority > consumer->priority)) {
      use = CreditUse::kIdle;
    }
    if (use == CreditUse::kUntold || use == consumer->told) continue;
    consumer->told = use;
    consumer->session->deliveries.notes.push_back({consumer->key, use});
    consumer->session->has_deliveries = true;
  }
}

uint32_t Dispatcher::RunQueue(LeaderQueue* queue, uint32_t deliveries_max) {
  uint32_t n = 0;
  for (; n < deliveries_max; ++n) {
    Consumer* consumer = NextConsumer(queue);
    if (consumer == nullptr) break;
    const uint64_t position = NextReady(queue);
    if (position == 0 || !Fenced(queue, position, ProcessOf(consumer->session->id))) break;
    Reference reference;
    MessageBytes bytes;
    if (!Fetch(queue, position, &reference, &bytes)) break;
    LeaderSession* session = consumer->session;
    Delivery delivery =
        HandOut(queue, session, consumer->no_ack, position, reference, std::move(bytes));
    delivery.consumer = consumer->key;
    session->deliveries.deliveries.push_back(std::move(delivery));
    session->has_deliveries = true;
    if (consumer->credit.messages != Credit::kUnlimited) --consumer->credit.messages;
    if (consumer->credit.bytes != Credit::kUnlimited) {
      consumer->credit.bytes -= std::min<uint64_t>(consumer->credit.bytes, reference.bytes());
    }
    for (PriorityGroup& group : queue->groups) {
      if (group.priority != consumer->priority) continue;
      group.waiting.pop_front();
      consumer->waiting = consumer->has_credit();
      if (consumer->waiting) group.waiting.push_back(consumer);
      break;
    }
  }
  return n;
}

bool Dispatcher::Run() {
  uint32_t left = deliveries_per_turn_;
  for (size_t visits = work_.size(); visits != 0 && left != 0; --visits) {
    LeaderQueue* queue = work_.front();
    work_.pop_front();
    queue->in_work = false;
    if (queue->state == nullptr || queue->closing) continue;
    const uint32_t most = std::min(left, kDeliveriesPerVisit);
    const uint32_t done = RunQueue(queue, most);
    left -= done;
    if (queue->tellers != 0 && done != most) TellOfCredit(queue);
    if (done == most) {
      Wake(queue);
      ++visits;  // Goes round again within this turn's bound.
    }
    uint64_t credit = 0;
    for (const PriorityGroup& group : queue->groups) {
      for (const Consumer* consumer : group.waiting)
        credit += std::min<uint64_t>(consumer->credit.messages, 4096);
    }
    if (credit != 0) {
      bodies_->ReadAhead(queue, credit);
    } else if (!queue->get_waits) {
      bodies_->Pause(queue);
    }
  }
  return !work_.empty();
}

Dispatcher::GetResult Dispatcher::Get(LeaderQueue* queue, LeaderSession* session, bool no_ack,
                                      Delivery* delivery) {
  if (queue->fence_step == 0) queue->fence_step = kFenceStep;
  queue->get_waits = false;
  const uint64_t position = NextReady(queue);
  if (position == 0) return GetResult::kEmpty;
  Reference reference;
  MessageBytes bytes;
  if (!Fenced(queue, position, ProcessOf(session->id)) ||
      !Fetch(queue, position, &reference, &bytes)) {
    queue->get_waits = true;
    return GetResult::kWait;
  }
  *delivery = HandOut(queue, session, no_ack, position, reference, std::move(bytes));
  return GetResult::kTaken;
}

void Dispatcher::ForEachHeld(LeaderQueue* queue, const DeliveryRun& run,
                             absl::FunctionRef<void(uint64_t, uint64_t)> each) {
  // Stretches of the run that are held under the delivery ids that it names.
  const uint64_t end = run.first.value + run.count;
  auto it = queue->outstanding.lower_bound(run.first.value);
  while (it != queue->outstanding.end() && it->first < end) {
    const auto first = it;
    uint64_t expected = it->first;
    uint64_t count = 0;
    while (it != queue->outstanding.end() && it->first == expected && expected < end &&
           it->second.delivery == run.first_delivery.value + (expected - run.first.value)) {
      queue->outstanding_bytes -= it->second.bytes;
      if (!it->second.no_ack) {
        --queue->unacknowledged;
        queue->unacknowledged_bytes -= it->second.bytes;
      }
      ++it, ++expected, ++count;
    }
    if (count == 0) {
      ++it;
      continue;
    }
    const uint64_t position = first->first;
    it = queue->outstanding.erase(first, it);
    each(position, count);
  }
}

void Dispatcher::Return(LeaderQueue* queue, const DeliveryRun& run) {
  ForEachHeld(queue, run, [queue](uint64_t first, uint64_t count) {
    for (uint64_t i = 0; i < count; ++i) queue->returned.insert(first + i);
  });
  Wake(queue);
}

void Dispatcher::ReturnAll(LeaderSession* session,
                           const absl::btree_map<QueueId, std::unique_ptr<LeaderQueue>>& queues) {
  for (const auto& [id, queue] : queues) {
    for (auto it = queue->outstanding.begin(); it != queue->outstanding.end();) {
      if (it->second.session != session) {
        ++it;
        continue;
      }
      queue->outstanding_bytes -= it->second.bytes;
      if (!it->second.no_ack) {
        --queue->unacknowledged;
        queue->unacknowledged_bytes -= it->second.bytes;
      }
      queue->returned.insert(it->first);
      it = queue->outstanding.erase(it);
      Wake(queue.get());
    }
  }
}

void Dispatcher::BeginSettle(LeaderQueue* queue, const DeliveryRun& run, SettleReason reason,
                             std::vector<SettleRun>* runs) {
  uint64_t bytes = queue->outstanding_bytes;
  ForEachHeld(queue, run, [&](uint64_t first, uint64_t count) {
    bytes -= queue->outstanding_bytes;  // What this stretch took from it.
    queue->settling_count += count;
    queue->settling_bytes += bytes;
    if (!runs->empty() && runs->back().queue == queue->spec.id && runs->back().reason == reason &&
        runs->back().first + runs->back().count == first) {
      runs->back().count += count;
    } else {
      runs->push_back({queue->spec.id, first, count, reason});
    }
    bytes = queue->outstanding_bytes;
  });
}

uint64_t Dispatcher::BeginPurge(LeaderQueue* queue, std::vector<SettleRun>* runs) {
  const QueueId id = queue->spec.id;
  const uint64_t count = queue->ready();
  if (count == 0) return 0;
  const uint64_t bytes =
      queue->state->totals().bytes - queue->outstanding_bytes - queue->settling_bytes;
  for (const uint64_t position : queue->unreadable) {
    if (position < queue->cursor) queue->returned.insert(position);
  }
  for (const uint64_t position : queue->returned) {
    if (!runs->empty() && runs->back().first + runs->back().count == position) {
      ++runs->back().count;
    } else {
      runs->push_back({id, position, 1, SettleReason::kPurged});
    }
  }
  if (queue->cursor <= queue->state->tail()) {
    runs->push_back(
        {id, queue->cursor, queue->state->tail() + 1 - queue->cursor, SettleReason::kPurged});
    queue->cursor = queue->state->tail() + 1;
  }
  queue->returned.clear();
  queue->unreadable.clear();
  bodies_->Forget(queue);
  queue->settling_count += count;
  queue->settling_bytes += bytes;
  return count;
}

void Dispatcher::OnSettled(LeaderQueue* queue, uint64_t messages, uint64_t bytes) {
  queue->settling_count -= std::min(queue->settling_count, messages);
  queue->settling_bytes -= std::min(queue->settling_bytes, bytes);
}

void Dispatcher::OnUnreadable(LeaderQueue* queue, uint64_t segment) {
  uint64_t position = segment * Segment::kSlots + 1;
  const uint64_t end = position + Segment::kSlots;
  while ((position = queue->state->NextLive(position)) != 0 && position < end)
    queue->unreadable.insert(position++);
  Wake(queue);
}

void Dispatcher::Forget(LeaderQueue* queue) {
  if (!queue->in_work) return;
  work_.erase(std::find(work_.begin(), work_.end(), queue));
  queue->in_work = false;
}

void Dispatcher::Clear() { work_.clear(); }

}  // namespace pontoon::broker
