#include "server/broker/entry_builder.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/crc32c.h"

namespace pontoon::broker {
namespace {

static_assert(kEnvelopeBytesMax <= kBodyBytesMax, "an envelope must fit into one entry's body");

// Below, going over the bytes again is faster than combining checksums (about 30 ns for each
// hexadecimal digit of the length).
constexpr size_t kCombineFromBytes = 512;

EnqueuedMessage Describe(const Publish& message, uint8_t flags) {
  EnqueuedMessage described;
  described.flags = flags | (message.persistent ? kPersistent : 0);
  described.envelope_bytes = static_cast<uint32_t>(message.message.envelope.size());
  described.payload_bytes = static_cast<uint32_t>(message.message.payload.size());
  described.envelope_crc = message.envelope_crc;
  described.payload_crc = message.payload_crc;
  return described;
}

uint64_t BytesOf(const Publish& message) {
  return message.message.envelope.size() + message.message.payload.size();
}

}  // namespace

void EntryBuilder::Begin() {
  if (!creates_.empty()) WriteCreates();
  if (header_.empty()) EncodePrefix(&header_, 0);
}

void EntryBuilder::WriteCreates() {
  for (const QueueId queue : std::exchange(creates_, {})) AddQueue(FactKind::kQueueCreated, queue);
}

void EntryBuilder::Close() {
  if (header_.empty()) return;
  PONTOON_CHECK(header_.size() <= kHeaderBytesMax && body_.size() <= kBodyBytesMax);
  ready_.push_back(
      {std::exchange(header_, {}), std::exchange(body_, {}), std::exchange(body_crc_, 0)});
}

void EntryBuilder::CloseIfLarge() {
  if (header_.size() >= kHeaderBytesWanted) Close();
}

void EntryBuilder::AppendBody(const broker::Publish& message, bool payload, base::SliceChain* body,
                              uint32_t* crc) {
  const auto append = [&](const base::SliceChain& bytes, uint32_t bytes_crc) {
    body->Append(bytes);
    if (bytes.size() >= kCombineFromBytes) {
      *crc = base::Crc32cCombine(*crc, bytes_crc, bytes.size());
      return;
    }
    for (const base::Slice& slice : bytes.slices()) *crc = base::Crc32cExtend(*crc, slice.view());
  };
  append(message.message.envelope, message.envelope_crc);
  if (payload) append(message.message.payload, message.payload_crc);
}

void EntryBuilder::SendAhead(uint64_t number, const SessionId& session, Ahead* piece) {
  Entry entry;
  EncodePrefix(&entry.header, 0);
  BodyPieceFact fact;
  fact.session = session;
  fact.number = number;
  fact.ordinal = pieces_++;
  fact.bytes = static_cast<uint32_t>(piece->body.size());
  Encode(fact, &entry.header);
  entry.body = std::move(piece->body);
  entry.body_crc = piece->crc;
  *piece = Ahead();
  ready_.push_back(std::move(entry));
}

void EntryBuilder::SendPayloadAhead(uint64_t number, const SessionId& session,
                                    const broker::Publish& message) {
  const base::SliceChain& payload = message.message.payload;
  for (size_t at = 0; at < payload.size(); at += kBodyBytesMax) {
    Ahead piece;
    piece.body = payload.Sub(at, std::min<size_t>(kBodyBytesMax, payload.size() - at));
    piece.crc = base::Crc32c(piece.body);
    SendAhead(number, session, &piece);
  }
}

void EntryBuilder::Publish(const SessionId& session, uint64_t first_number,
                           absl::Span<const broker::Publish> messages) {
  uint64_t number = first_number;
  bool open = false;
  const auto finish = [&] {
    if (!open) return;
    writer_.set_pieces(std::exchange(pieces_, 0));
    writer_.Finish(&header_);
    open = false;
  };
  for (const broker::Publish& message : messages) {
    const uint64_t bytes = BytesOf(message);
    const bool large = bytes > kBodyBytesMax;
    const uint64_t here = large ? message.message.envelope.size() : bytes;
    if (body_.size() + here > kBodyBytesMax ||
        header_.size() + (open ? writer_.bytes() : 0) > kHeaderBytesWanted) {
      finish();
      Close();
    }
    Begin();
    if (!open) writer_.Begin(session, number);
    open = true;
    if (large) SendPayloadAhead(writer_.first_number(), session, message);
    writer_.Add(Describe(message, large ? kPayloadPieces : 0), message.targets);
    AppendBody(message, !large, &body_, &body_crc_);
    ++number;
    if (large) {  // So that pieces of the session that come later do not meet these.
      finish();
      Close();
    }
  }
  finish();
}

void EntryBuilder::Transact(const SessionId& session, uint64_t first_number,
                            absl::Span<const broker::Publish> messages, const SettleFact* settles) {
  // An entry of its own, preceded by all that does not fit into it.
  WriteCreates();
  Close();
  Begin();
  std::string facts;
  if (!messages.empty()) {
    writer_.Begin(session, first_number);
    Ahead piece;
    bool spilled = false;
    for (const broker::Publish& message : messages) {
      const uint64_t bytes = BytesOf(message);
      const bool large = bytes > kBodyBytesMax;
      const uint64_t here = large ? message.message.envelope.size() : bytes;
      uint8_t flags = large ? kPayloadPieces : 0;
      spilled = spilled || body_.size() + here > kBodyBytesMax;
      if (!spilled) {
        AppendBody(message, !large, &body_, &body_crc_);
      } else {
        flags |= kLiesAhead;
        if (piece.body.size() + here > kBodyBytesMax) SendAhead(first_number, session, &piece);
        if (piece.body.empty()) flags |= kNewPiece;
        AppendBody(message, !large, &piece.body, &piece.crc);
      }
      if (large) {
        if (!piece.body.empty()) SendAhead(first_number, session, &piece);
        SendPayloadAhead(first_number, session, message);
      }
      writer_.Add(Describe(message, flags), message.targets);
    }
    if (!piece.body.empty()) SendAhead(first_number, session, &piece);
    writer_.set_pieces(std::exchange(pieces_, 0));
    writer_.Finish(&facts);
  }
  if (settles != nullptr) Encode(*settles, &facts);
  if (facts.size() + 64 <= kHeaderBytesMax) {
    header_ += facts;
    Close();
    return;
  }
  FactsTogetherFact together;
  together.session = session;
  for (size_t at = 0; at < facts.size(); at += kHeaderBytesMax - 64, ++together.count) {
    FactsAheadFact part;
    part.session = session;
    part.ordinal = together.count;
    part.facts = absl::string_view(facts).substr(at, kHeaderBytesMax - 64);
    Entry entry;
    EncodePrefix(&entry.header, 0);
    Encode(part, &entry.header);
    ready_.push_back(std::move(entry));
  }
  Encode(together, &header_);
  Close();
}

void EntryBuilder::Propose(int64_t log_time_nanos) {
  Close();
  for (Entry& entry : ready_) {
    PatchLogTime(&entry.header, log_time_nanos);
    environment_->Propose(base::SliceChain(base::Slice::Copy(entry.header)), std::move(entry.body),
                          entry.body_crc);
  }
  ready_.clear();
}

void EntryBuilder::Clear() {
  header_.clear();
  body_.Clear();
  body_crc_ = 0;
  ready_.clear();
  creates_.clear();
}

}  // namespace pontoon::broker
