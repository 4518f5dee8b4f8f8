#include "server/broker/replica.h"

#include <algorithm>

#include "base/check.h"
#include "base/crc32c.h"

namespace pontoon::broker {
QueueState* Replica::FindQueue(QueueId id) {
  const auto it = queues_.find(id);
  return it == queues_.end() ? nullptr : it->second.get();
}

void Replica::Apply(const LogEntry& entry) {
  applied_ = entry.index;
  if (entry.header.empty()) return;  // A term's opening entry.
  const base::Slice header = entry.header.Flatten();
  Decoder in(header.view());
  EntryPrefix prefix;
  PONTOON_CHECK_MSG(DecodePrefix(&in, &prefix),
                    "an entry of the log is of a newer version than this program");
  log_time_nanos_ = std::max(log_time_nanos_, prefix.log_time_nanos);
  digest_ = (digest_ ^ base::Crc32c(header.view()) ^ (entry.index << 32)) * 0x9e3779b97f4a7c15u;
  own_offset_ = 0;
  ApplyFacts(entry.index, &in);
  if (own_offset_ != 0) {
    if (ledger_.BytesOf(entry.index) != 0) {
      ledger_.Grow(entry.index,
                   own_offset_ - 1);  // Opened with one byte and one reference of its own.
      ledger_.Seal(entry.index);
      ledger_.Release(entry.index, 1);
    } else {
      state_.drop_bodies.push_back(entry.index);
    }
  }
  if (listener_ != nullptr) listener_->OnEntryApplied(entry);
}

void Replica::ApplyFacts(uint64_t index, Decoder* in) {
  while (!in->done()) {
    const FactKind kind = static_cast<FactKind>(in->U8());
    PONTOON_CHECK_MSG(ApplyFact(index, kind, in),
                      "a fact of the log is damaged, or of a kind that this program lacks");
  }
}

bool Replica::ApplyFact(uint64_t index, FactKind kind, Decoder* in) {
  switch (kind) {
    case FactKind::kEnqueue:
      if (!Decode(in, &enqueue_)) return false;
      ApplyEnqueue(index, enqueue_);
      return true;
    case FactKind::kSettle:
      if (!Decode(in, &settle_)) return false;
      ApplySettle(settle_);
      return true;
    case FactKind::kFence: {
      FenceFact fact;
      if (!Decode(in, &fact)) return false;
      QueueState* queue = FindQueue(fact.queue);
      if (queue == nullptr || queue->closed()) return true;
      queue->ApplyFence(fact);
      if (listener_ != nullptr) listener_->OnFence(queue);
      return true;
    }
    case FactKind::kQueueCreated: {
      QueueFact fact;
      if (!Decode(in, &fact)) return false;
      std::unique_ptr<QueueState>& queue = queues_[fact.queue];
      if (queue != nullptr) return true;
      queue = std::make_unique<QueueState>(fact.queue);
      if (listener_ != nullptr) listener_->OnQueueCreated(queue.get());
      return true;
    }
    case FactKind::kQueueFirstConsumer: {
      QueueFact fact;
      if (!Decode(in, &fact)) return false;
      if (QueueState* queue = FindQueue(fact.queue)) queue->set_had_consumer();
      return true;
    }
    case FactKind::kQueueClosed: {
      QueueClosedFact fact;
      if (!Decode(in, &fact)) return false;
      ApplyClosed(fact);
      return true;
    }
    case FactKind::kQueueForgotten: {
      QueueFact fact;
      if (!Decode(in, &fact)) return false;
      const QueueState* queue = FindQueue(fact.queue);
      if (queue != nullptr && queue->closed()) queues_.erase(fact.queue);
      return true;
    }
    case FactKind::kSessionOpened: {
      SessionFact fact;
      if (!Decode(in, &fact)) return false;
      SessionState* session = sessions_.Open(fact.session);
      if (listener_ != nullptr) listener_->OnSessionOpened(session);
      return true;
    }
    case FactKind::kSessionEnded: {
      SessionFact fact;
      if (!Decode(in, &fact)) return false;
      ApplySessionEnded(fact.session);
      return true;
    }
    case FactKind::kBodyPiece: {
      BodyPieceFact fact;
      if (!Decode(in, &fact)) return false;
      ApplyPiece(index, fact);
      return true;
    }
    case FactKind::kFactsAhead: {
      FactsAheadFact fact;
      if (!Decode(in, &fact)) return false;
      SessionState* session = sessions_.Find(fact.session);
      if (session == nullptr) return true;
      if (fact.ordinal == 0) session->facts_ahead.clear();
      if (fact.ordinal == session->facts_ahead.size())
        session->facts_ahead.emplace_back(fact.facts.data(), fact.facts.size());
      return true;
    }
    case FactKind::kFactsTogether: {
      FactsTogetherFact fact;
      return Decode(in, &fact) && ApplyTogether(index, fact);
    }
    case FactKind::kReturn:   // Nobody proposes these yet: delivery limits,
    case FactKind::kMove:     // dead lettering,
    case FactKind::kPrepare:  // and a tx over several shards come with the versions of the log that
                              // build on them.
    case FactKind::kDecide:
      return false;
  }
  return false;
}

bool Replica::ApplyTogether(uint64_t index, const FactsTogetherFact& fact) {
  SessionState* session = sessions_.Find(fact.session);
  if (session == nullptr || session->facts_ahead.size() != fact.count) return true;
  std::string facts;
  for (const std::string& part : std::exchange(session->facts_ahead, {})) facts += part;
  Decoder in(facts);
  while (!in.done()) {
    const FactKind kind = static_cast<FactKind>(in.U8());
    if (kind == FactKind::kFactsTogether || !ApplyFact(index, kind, &in)) return false;
  }
  return true;
}

void Replica::ApplyEnqueue(uint64_t index, const EnqueueFact& fact) {
  SessionState* session = sessions_.Find(fact.session);
  const bool next = session != nullptr && session->next_publish == fact.first_number &&
                    (fact.pieces == 0 || (session->pieces_for == fact.first_number &&
                                          session->pieces.size() == fact.pieces));
  targets_.clear();
  for (const QueueId id : fact.queues) {
    QueueState* queue = next ? FindQueue(id) : nullptr;
    targets_.push_back(queue != nullptr && !queue->closed() ? queue : nullptr);
  }
  appended_.assign(fact.queues.size(), 0);

  MessageReader reader(fact);
  EnqueuedMessage message;
  size_t next_piece = 0;
  uint64_t ahead_entry = 0;
  uint32_t ahead_offset = 0;
  uint64_t number = fact.first_number;
  while (reader.Next(&message)) {
    const bool pieces = (message.flags & kPayloadPieces) != 0;
    Reference reference;
    reference.envelope_bytes = message.envelope_bytes;
    reference.payload_bytes = message.payload_bytes;
    reference.persistent = (message.flags & kPersistent) != 0;
    const uint32_t inline_bytes = message.envelope_bytes + (pieces ? 0 : message.payload_bytes);
    if ((message.flags & kLiesAhead) == 0) {
      reference.entry = index;
      reference.offset = own_offset_;
      own_offset_ += inline_bytes;
    } else if (next) {
      if ((message.flags & kNewPiece) != 0) {
        PONTOON_CHECK(next_piece < session->pieces.size());
        ahead_entry = session->pieces[next_piece++].entry;
        ahead_offset = 0;
      }
      reference.entry = ahead_entry;
      reference.offset = ahead_offset;
      ahead_offset += inline_bytes;
    }
    if (!next) continue;
    const size_t first_piece = next_piece;
    if ((message.flags & kLiesAhead) != 0 && inline_bytes != 0) {
      if (sealed_pieces_.empty() || sealed_pieces_.back() != ahead_entry)
        sealed_pieces_.push_back(ahead_entry);
    }
    if (pieces) {
      PONTOON_CHECK(next_piece < session->pieces.size());
      reference.first_piece = session->pieces[first_piece].entry;
      for (uint64_t left = message.payload_bytes; left != 0; ++next_piece) {
        PONTOON_CHECK(next_piece < session->pieces.size() &&
                      session->pieces[next_piece].bytes <= left);
        left -= session->pieces[next_piece].bytes;
      }
    }
    uint32_t references = 0;
    for (const uint32_t target : reader.targets()) {
      QueueState* queue = targets_[target];
      if (queue == nullptr) continue;
      const uint64_t tail = queue->tail();
      queue->Append(reference);
      ++appended_[target];
      ++references;
      if (queue->tail() % Segment::kSlots == 0) PageOutBehind(queue, tail);
    }
    if ((message.flags & kRefused) != 0) session->refused.push_back(number);
    ++number;
    if (references == 0) continue;
    if (inline_bytes != 0) {
      if (reference.entry == index && ledger_.BytesOf(index) == 0) ledger_.Open(index, 1, 1);
      ledger_.Add(reference.entry, references);
    }
    for (size_t i = first_piece; i < next_piece; ++i)
      ledger_.Add(session->pieces[i].entry, references);
  }
  PONTOON_CHECK_MSG(reader.ok(), "an Enqueue of the log is damaged");
  if (!next) return;
  session->next_publish += fact.count;
  // Those of a later Enqueue may already be here: they travel ahead of the whole entry.
  for (const uint64_t piece : std::exchange(sealed_pieces_, {})) ledger_.Seal(piece);
  if (session->pieces_for < session->next_publish) DropPieces(session);
  if (listener_ == nullptr) return;
  for (size_t i = 0; i < targets_.size(); ++i) {
    if (appended_[i] != 0) listener_->OnAppended(targets_[i], appended_[i]);
  }
  listener_->OnSessionAdvanced(session);
}

void Replica::DropPieces(SessionState* session) {
  for (const SessionState::Piece& piece : session->pieces) ledger_.Release(piece.entry, 1);
  session->pieces.clear();
}

void Replica::ApplyPiece(uint64_t index, const BodyPieceFact& fact) {
  SessionState* session = sessions_.Find(fact.session);
  bool fits = session != nullptr && fact.number >= session->next_publish && fact.bytes != 0;
  if (fits && fact.ordinal == 0) {
    DropPieces(session);
    session->pieces_for = fact.number;
  }
  fits = fits && fact.number == session->pieces_for && fact.ordinal == session->pieces.size() &&
         (fact.ordinal == 0 || ledger_.last_opened() == session->pieces.back().entry);
  if (!fits) {
    state_.drop_bodies.push_back(index);
    return;
  }
  ledger_.Open(index, fact.bytes, 1);
  session->pieces.push_back({index, fact.bytes});
}

bool Replica::IsPendingPiece(uint64_t entry) {
  for (const auto& [id, session] : sessions_.all()) {
    if (!session->pieces.empty() && session->pieces.back().entry == entry) return true;
  }
  return false;
}

void Replica::ReleaseReference(const Reference& reference, uint64_t count) {
  const uint32_t n = static_cast<uint32_t>(count);
  if (reference.first_piece == 0) {
    if (reference.bytes() != 0) ledger_.Release(reference.entry, n);
    return;
  }
  if (reference.envelope_bytes != 0) ledger_.Release(reference.entry, n);
  uint64_t left = reference.payload_bytes;
  for (uint64_t entry = reference.first_piece; left != 0; ++entry) {
    const uint32_t bytes = ledger_.BytesOf(entry);
    if (bytes == 0) continue;
    ledger_.Release(entry, n);
    left -= std::min<uint64_t>(left, bytes);
  }
}

void Replica::PartsOf(const Reference& reference, std::vector<BodyPart>* parts) const {
  if (reference.first_piece == 0) {
    parts->push_back({reference.entry, reference.offset, static_cast<uint32_t>(reference.bytes())});
    return;
  }
  parts->push_back({reference.entry, reference.offset, reference.envelope_bytes});
  uint64_t left = reference.payload_bytes;
  for (uint64_t entry = reference.first_piece; left != 0; ++entry) {
    const uint32_t bytes = ledger_.BytesOf(entry);
    if (bytes == 0) continue;
    parts->push_back({entry, 0, bytes});
    left -= std::min<uint64_t>(left, bytes);
  }
}

void Replica::OnSegmentEmptied(std::unique_ptr<Segment> segment) {
  const uint64_t page = segment->page();
  if (page == 0) return;
  debts_.erase(page);
  if (segment->owes()) {
    orphans_[page] = std::move(segment);
  } else {
    RetirePage(page);
  }
}

uint64_t Replica::RemoveMessages(QueueState* queue, uint64_t first, uint64_t count) {
  return queue->Remove(
      first, count,
      [this](const Reference& reference, uint64_t n) { ReleaseReference(reference, n); },
      [this](std::unique_ptr<Segment> segment) { OnSegmentEmptied(std::move(segment)); },
      [this, queue](uint64_t number, Segment* segment) {
        debts_[segment->page()] = {queue->id(), number};
      });
}

void Replica::ApplySettle(const SettleFact& fact) {
  SessionState* session = nullptr;
  if (fact.session.has_value()) {
    session = sessions_.Find(*fact.session);
    if (session == nullptr || session->next_settle != fact.first_number) return;
    session->next_settle += fact.numbers;
  }
  QueueState* queue = nullptr;
  for (const SettleRun& run : fact.runs) {
    if (queue == nullptr || queue->id() != run.queue) queue = FindQueue(run.queue);
    if (queue == nullptr || queue->closed()) continue;
    const uint64_t bytes = queue->totals().bytes;
    const uint64_t removed = RemoveMessages(queue, run.first, run.count);
    if (listener_ != nullptr)
      listener_->OnSettled(queue, run.reason, removed, bytes - queue->totals().bytes);
  }
  if (session != nullptr && listener_ != nullptr) listener_->OnSessionAdvanced(session);
}

void Replica::ApplyClosed(const QueueClosedFact& fact) {
  QueueState* queue = FindQueue(fact.queue);
  if (queue == nullptr) return;
  if (!queue->closed()) {
    RemoveMessages(queue, 1, queue->tail());
    queue->set_closed();
    if (listener_ != nullptr) listener_->OnQueueClosed(queue);
  }
  if (fact.catalog_knows) queues_.erase(fact.queue);
}

void Replica::ApplySessionEnded(const SessionId& id) {
  SessionState* session = sessions_.Find(id);
  if (session == nullptr) return;
  DropPieces(session);
  sessions_.Erase(id);
  const ProcessId process = ProcessOf(id);
  bool last = true;
  for (const auto& [other, state] : sessions_.all()) last = last && ProcessOf(other) != process;
  if (last) {
    for (const auto& [queue_id, queue] : queues_) queue->ForgetProcess(process);
  }
  if (listener_ != nullptr) listener_->OnSessionEnded(id);
}

}  // namespace pontoon::broker
