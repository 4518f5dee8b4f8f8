#include "server/broker/facts.h"

#include <algorithm>

namespace pontoon::broker {
namespace {

void Kind(FactKind kind, std::string* out) { out->push_back(static_cast<char>(kind)); }

}  // namespace

void EncodePrefix(std::string* header, int64_t log_time_nanos) {
  Encoder out(header);
  out.U8(kEntryVersion);
  out.U64(static_cast<uint64_t>(log_time_nanos));
}

bool DecodePrefix(Decoder* in, EntryPrefix* prefix) {
  prefix->version = in->U8();
  prefix->log_time_nanos = static_cast<int64_t>(in->U64());
  return in->ok() && prefix->version == kEntryVersion;
}

void PatchLogTime(std::string* header, int64_t log_time_nanos) {
  std::string prefix;
  EncodePrefix(&prefix, log_time_nanos);
  header->replace(0, kEntryPrefixBytes, prefix);
}

void Encode(const SettleFact& fact, std::string* to) {
  Kind(FactKind::kSettle, to);
  Encoder out(to);
  out.U8(fact.session.has_value() ? 1 : 0);
  if (fact.session.has_value()) {
    out.Session(*fact.session);
    out.Varint(fact.first_number);
    out.Varint(fact.numbers);
  }
  out.Varint(fact.runs.size());
  uint64_t queue = 0;
  uint64_t position = 0;
  for (const SettleRun& run : fact.runs) {
    out.Signed(static_cast<int64_t>(run.queue.value - queue));
    out.Signed(static_cast<int64_t>(run.first - position));
    out.Varint(run.count);
    out.U8(static_cast<uint8_t>(run.reason));
    queue = run.queue.value;
    position = run.first + run.count;
  }
}

bool Decode(Decoder* in, SettleFact* fact) {
  fact->session.reset();
  fact->first_number = fact->numbers = 0;
  fact->runs.clear();
  const uint8_t flags = in->U8();
  if (flags > 1) return in->Fail(), false;
  if (flags == 1) {
    fact->session = in->Session();
    fact->first_number = in->Varint();
    fact->numbers = in->Varint();
  }
  const uint64_t runs = in->Bounded(in->left() / 4);
  uint64_t queue = 0;
  uint64_t position = 0;
  fact->runs.reserve(runs);
  for (uint64_t i = 0; i < runs && in->ok(); ++i) {
    SettleRun run;
    queue += static_cast<uint64_t>(in->Signed());
    position += static_cast<uint64_t>(in->Signed());
    run.queue = QueueId::Of(queue);
    run.first = position;
    run.count = in->Bounded(uint64_t{1} << 62);
    const uint8_t reason = in->U8();
    if (reason > static_cast<uint8_t>(SettleReason::kDeliveryLimit)) return in->Fail(), false;
    run.reason = static_cast<SettleReason>(reason);
    position += run.count;
    fact->runs.push_back(run);
  }
  return in->ok();
}

void Encode(const ReturnFact& fact, std::string* to) {
  Kind(FactKind::kReturn, to);
  Encoder out(to);
  out.U64(fact.queue.value);
  out.Varint(fact.messages.size());
  for (const ReturnFact::Message& message : fact.messages) {
    out.Varint(message.position);
    out.Varint(message.delivery_count);
  }
}

bool Decode(Decoder* in, ReturnFact* fact) {
  fact->queue.value = in->U64();
  fact->messages.clear();
  const uint64_t count = in->Bounded(in->left() / 2);
  for (uint64_t i = 0; i < count && in->ok(); ++i) {
    const uint64_t position = in->Varint();
    fact->messages.push_back({position, static_cast<uint32_t>(in->Bounded(~uint32_t{0}))});
  }
  return in->ok();
}

void Encode(const FenceFact& fact, std::string* to) {
  Kind(FactKind::kFence, to);
  Encoder out(to);
  out.U64(fact.queue.value);
  out.U8(fact.priority);
  out.Varint(fact.through);
  out.Varint(fact.processes.size());
  for (const ProcessId& process : fact.processes) {
    out.U64(process.node.value);
    out.Varint(process.boot.value);
  }
}

bool Decode(Decoder* in, FenceFact* fact) {
  fact->queue.value = in->U64();
  fact->priority = in->U8();
  fact->through = in->Varint();
  fact->processes.clear();
  const uint64_t count = in->Bounded(in->left() / 9);
  for (uint64_t i = 0; i < count && in->ok(); ++i) {
    ProcessId process;
    process.node.value = in->U64();
    process.boot.value = static_cast<uint32_t>(in->Bounded(~uint32_t{0}));
    fact->processes.push_back(process);
  }
  return in->ok();
}

void Encode(const MoveFact& fact, std::string* to) {
  Kind(FactKind::kMove, to);
  Encoder out(to);
  out.U64(fact.queue.value);
  out.Varint(fact.position);
  out.Varint(fact.number);
  out.Varint(fact.targets.size());
  for (const MoveFact::Target& target : fact.targets) {
    out.Varint(target.shard.value);
    out.U64(target.queue.value);
  }
}

bool Decode(Decoder* in, MoveFact* fact) {
  fact->queue.value = in->U64();
  fact->position = in->Varint();
  fact->number = in->Varint();
  fact->targets.clear();
  const uint64_t count = in->Bounded(in->left() / 9);
  for (uint64_t i = 0; i < count && in->ok(); ++i) {
    MoveFact::Target target;
    target.shard.value = static_cast<uint32_t>(in->Bounded(~uint32_t{0}));
    target.queue.value = in->U64();
    fact->targets.push_back(target);
  }
  return in->ok();
}

void EncodeQueue(FactKind kind, QueueId queue, std::string* out) {
  Kind(kind, out);
  Encoder(out).U64(queue.value);
}

bool Decode(Decoder* in, QueueFact* fact) {
  fact->queue.value = in->U64();
  return in->ok();
}

void Encode(const QueueClosedFact& fact, std::string* out) {
  EncodeQueue(FactKind::kQueueClosed, fact.queue, out);
  Encoder(out).U8(fact.catalog_knows ? 1 : 0);
}

bool Decode(Decoder* in, QueueClosedFact* fact) {
  fact->queue.value = in->U64();
  fact->catalog_knows = in->U8() != 0;
  return in->ok();
}

void EncodeSession(FactKind kind, const SessionId& session, std::string* out) {
  Kind(kind, out);
  Encoder(out).Session(session);
}

bool Decode(Decoder* in, SessionFact* fact) {
  fact->session = in->Session();
  return in->ok();
}

void Encode(const BodyPieceFact& fact, std::string* out) {
  EncodeSession(FactKind::kBodyPiece, fact.session, out);
  Encoder(out).Varint(fact.number);
  Encoder(out).Varint(fact.ordinal);
  Encoder(out).Varint(fact.bytes);
}

bool Decode(Decoder* in, BodyPieceFact* fact) {
  fact->session = in->Session();
  fact->number = in->Varint();
  fact->ordinal = in->Varint();
  fact->bytes = static_cast<uint32_t>(in->Bounded(kBodyBytesMax));
  return in->ok();
}

void Encode(const FactsAheadFact& fact, std::string* to) {
  EncodeSession(FactKind::kFactsAhead, fact.session, to);
  Encoder out(to);
  out.Varint(fact.ordinal);
  out.Varint(fact.facts.size());
  out.Bytes(fact.facts);
}

bool Decode(Decoder* in, FactsAheadFact* fact) {
  fact->session = in->Session();
  fact->ordinal = in->Varint();
  fact->facts = in->Bytes(in->Varint());
  return in->ok();
}

void Encode(const FactsTogetherFact& fact, std::string* out) {
  EncodeSession(FactKind::kFactsTogether, fact.session, out);
  Encoder(out).Varint(fact.count);
}

bool Decode(Decoder* in, FactsTogetherFact* fact) {
  fact->session = in->Session();
  fact->count = in->Varint();
  return in->ok();
}

void EnqueueWriter::Begin(const SessionId& session, uint64_t first_number) {
  session_ = session;
  first_number_ = first_number;
  count_ = pieces_ = queues_ = 0;
  last_id_ = 0;
  table_.clear();
  messages_.clear();
  index_.clear();
  last_targets_.clear();
  last_ = EnqueuedMessage();
}

uint32_t EnqueueWriter::IndexOf(QueueId queue) {
  const auto at =
      std::lower_bound(index_.begin(), index_.end(), std::make_pair(queue.value, uint32_t{0}));
  if (at != index_.end() && at->first == queue.value) return at->second;
  Encoder(&table_).Signed(static_cast<int64_t>(queue.value - last_id_));
  last_id_ = queue.value;
  index_.insert(at, {queue.value, queues_});
  return queues_++;
}

void EnqueueWriter::Add(const EnqueuedMessage& message, absl::Span<const QueueId> targets) {
  uint8_t flags = message.flags;
  const bool first = count_++ == 0;
  const bool same_targets = !first && std::equal(targets.begin(), targets.end(),
                                                 last_targets_.begin(), last_targets_.end());
  const bool same_sizes = !first && message.envelope_bytes == last_.envelope_bytes &&
                          message.payload_bytes == last_.payload_bytes;
  if (same_targets) flags |= kSameTargets;
  if (same_sizes) flags |= kSameSizes;
  Encoder out(&messages_);
  out.U8(flags);
  if (!same_targets) {
    last_targets_.assign(targets.begin(), targets.end());
    out.Varint(targets.size());
    uint32_t expected = 0;
    for (const QueueId queue : targets) {
      const uint32_t index = IndexOf(queue);
      out.Signed(static_cast<int64_t>(index) - static_cast<int64_t>(expected));
      expected = index + 1;
    }
  }
  if (!same_sizes) {
    out.Varint(message.envelope_bytes);
    out.Varint(message.payload_bytes);
  }
  out.U32(message.envelope_crc);
  out.U32(message.payload_crc);
  last_ = message;
}

void EnqueueWriter::Finish(std::string* to) {
  Kind(FactKind::kEnqueue, to);
  Encoder out(to);
  out.Session(session_);
  out.Varint(first_number_);
  out.Varint(count_);
  out.Varint(pieces_);
  out.Varint(queues_);
  out.Bytes(table_);
  out.Varint(messages_.size());
  out.Bytes(messages_);
  count_ = 0;
}

bool Decode(Decoder* in, EnqueueFact* fact) {
  fact->session = in->Session();
  fact->first_number = in->Varint();
  fact->count = static_cast<uint32_t>(in->Bounded(in->left()));
  fact->pieces = static_cast<uint32_t>(in->Bounded(~uint32_t{0}));
  const uint64_t queues = in->Bounded(in->left());
  fact->queues.clear();
  fact->queues.reserve(queues);
  uint64_t id = 0;
  for (uint64_t i = 0; i < queues && in->ok(); ++i) {
    id += static_cast<uint64_t>(in->Signed());
    fact->queues.push_back(QueueId::Of(id));
  }
  fact->messages = in->Bytes(in->Varint());
  return in->ok();
}

bool MessageReader::Next(EnqueuedMessage* message) {
  if (!in_.ok() || in_.done()) return false;
  message->flags = in_.U8();
  if ((message->flags & kSameTargets) == 0) {
    targets_.clear();
    const uint64_t count = in_.Bounded(in_.left());
    int64_t expected = 0;
    for (uint64_t i = 0; i < count; ++i) {
      const int64_t index = expected + in_.Signed();
      if (index < 0 || static_cast<uint64_t>(index) >= queues_) return in_.Fail(), false;
      targets_.push_back(static_cast<uint32_t>(index));
      expected = index + 1;
    }
  }
  if ((message->flags & kSameSizes) == 0) {
    last_.envelope_bytes = static_cast<uint32_t>(in_.Bounded(~uint32_t{0}));
    last_.payload_bytes = static_cast<uint32_t>(in_.Bounded(~uint32_t{0}));
  }
  message->envelope_bytes = last_.envelope_bytes;
  message->payload_bytes = last_.payload_bytes;
  message->envelope_crc = in_.U32();
  message->payload_crc = in_.U32();
  return in_.ok();
}

}  // namespace pontoon::broker
