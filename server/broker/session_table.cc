#include "server/broker/session_table.h"

namespace pontoon::broker {

void SessionState::Encode(Encoder* out) const {
  out->Session(id);
  out->Varint(next_publish);
  out->Varint(next_settle);
  out->Varint(refused.size());
  for (const uint64_t number : refused) out->Varint(number);
  out->Varint(pieces_for);
  out->Varint(pieces.size());
  for (const Piece& piece : pieces) {
    out->Varint(piece.entry);
    out->Varint(piece.bytes);
  }
  out->Varint(facts_ahead.size());
  for (const std::string& facts : facts_ahead) {
    out->Varint(facts.size());
    out->Bytes(facts);
  }
}

bool SessionState::Restore(Decoder* in) {
  id = in->Session();
  next_publish = in->Varint();
  next_settle = in->Varint();
  for (uint64_t n = in->Bounded(in->left()); n != 0 && in->ok(); --n)
    refused.push_back(in->Varint());
  pieces_for = in->Varint();
  for (uint64_t n = in->Bounded(in->left()); n != 0 && in->ok(); --n) {
    const uint64_t entry = in->Varint();
    pieces.push_back({entry, static_cast<uint32_t>(in->Bounded(~uint32_t{0}))});
  }
  for (uint64_t n = in->Bounded(in->left()); n != 0 && in->ok(); --n) {
    const absl::string_view facts = in->Bytes(in->Varint());
    facts_ahead.emplace_back(facts.data(), facts.size());
  }
  return in->ok();
}

SessionState* SessionTable::Find(const SessionId& id) {
  if (hot_ != nullptr && hot_->id == id) return hot_;
  const auto it = sessions_.find(id);
  if (it == sessions_.end()) return nullptr;
  return hot_ = it->second.get();
}

SessionState* SessionTable::Open(const SessionId& id) {
  std::unique_ptr<SessionState>& session = sessions_[id];
  if (session == nullptr) {
    session = std::make_unique<SessionState>();
    session->id = id;
  }
  return session.get();
}

void SessionTable::Erase(const SessionId& id) {
  hot_ = nullptr;
  sessions_.erase(id);
}

void SessionTable::Encode(Encoder* out) const {
  out->Varint(sessions_.size());
  for (const auto& [id, session] : sessions_) session->Encode(out);
}

bool SessionTable::Restore(Decoder* in) {
  const uint64_t count = in->Bounded(in->left());
  for (uint64_t i = 0; i < count && in->ok(); ++i) {
    auto session = std::make_unique<SessionState>();
    if (!session->Restore(in)) return false;
    const SessionId id = session->id;
    sessions_[id] = std::move(session);
  }
  return in->ok();
}

}  // namespace pontoon::broker
