#ifndef PONTOON_SERVER_BROKER_NAIVE_MODEL_H_
#define PONTOON_SERVER_BROKER_NAIVE_MODEL_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "server/broker/facts.h"

namespace pontoon::broker {

// The queues as the log says, without runs, pages or ledgers.
struct NaiveQueue {
  struct Message {
    SessionId session;
    uint64_t number;
    std::vector<uint64_t> entries;  // Whose bodies it needs.
  };
  uint64_t tail = 0;
  std::map<uint64_t, Message> messages;  // by position
};

class NaiveModel {
 public:
  void Apply(uint64_t index, absl::string_view header) {
    if (header.empty()) return;
    Decoder in(header);
    EntryPrefix prefix;
    ASSERT_TRUE(DecodePrefix(&in, &prefix));
    ASSERT_GE(prefix.log_time_nanos, time_);
    time_ = prefix.log_time_nanos;
    while (!in.done()) ApplyFact(index, static_cast<FactKind>(in.U8()), &in);
  }

  std::set<uint64_t> EntriesNeeded() const {
    std::set<uint64_t> needed;
    for (const auto& [id, queue] : queues) {
      for (const auto& [position, message] : queue.messages)
        needed.insert(message.entries.begin(), message.entries.end());
    }
    for (const auto& [session, pieces] : pieces_) needed.insert(pieces.begin(), pieces.end());
    return needed;
  }

  const NaiveQueue& At(QueueId id) const {
    static const NaiveQueue gone;
    const auto it = queues.find(id);
    return it == queues.end() ? gone : it->second;
  }

  std::map<QueueId, NaiveQueue> queues;

 private:
  void ApplyFact(uint64_t index, FactKind kind, Decoder* in) {
    switch (kind) {
      case FactKind::kEnqueue: {
        EnqueueFact fact;
        ASSERT_TRUE(Decode(in, &fact));
        const auto session = sessions_.find(fact.session);
        if (session == sessions_.end() || session->second.first != fact.first_number) return;
        std::vector<uint64_t> pieces;
        if (fact.pieces != 0) pieces = std::exchange(pieces_[fact.session], {});
        ASSERT_EQ(pieces.size(), fact.pieces);
        MessageReader reader(fact);
        EnqueuedMessage message;
        size_t piece = 0;
        uint64_t ahead = 0;
        while (reader.Next(&message)) {
          NaiveQueue::Message naive{fact.session, session->second.first++, {}};
          if ((message.flags & kNewPiece) != 0) ahead = pieces[piece++];
          naive.entries.push_back((message.flags & kLiesAhead) != 0 ? ahead : index);
          if ((message.flags & kPayloadPieces) != 0) {
            for (uint32_t left = message.payload_bytes; left != 0;
                 left -= std::min(left, kBodyBytesMax)) {
              naive.entries.push_back(pieces[piece++]);
            }
          }
          for (const uint32_t target : reader.targets()) {
            const auto queue = queues.find(fact.queues[target]);
            if (queue != queues.end()) queue->second.messages[++queue->second.tail] = naive;
          }
        }
        ASSERT_TRUE(reader.ok());
        return;
      }
      case FactKind::kSettle: {
        SettleFact fact;
        ASSERT_TRUE(Decode(in, &fact));
        if (fact.session.has_value()) {
          const auto session = sessions_.find(*fact.session);
          if (session == sessions_.end() || session->second.second != fact.first_number) return;
          session->second.second += fact.numbers;
        }
        for (const SettleRun& run : fact.runs) {
          const auto queue = queues.find(run.queue);
          if (queue == queues.end()) continue;
          auto& messages = queue->second.messages;
          messages.erase(messages.lower_bound(run.first),
                         messages.lower_bound(run.first + run.count));
        }
        return;
      }
      case FactKind::kFence: {
        FenceFact fact;
        ASSERT_TRUE(Decode(in, &fact));
        return;
      }
      case FactKind::kQueueCreated:
      case FactKind::kQueueFirstConsumer:
      case FactKind::kQueueForgotten: {
        QueueFact fact;
        ASSERT_TRUE(Decode(in, &fact));
        if (kind == FactKind::kQueueCreated) queues[fact.queue];
        return;
      }
      case FactKind::kQueueClosed: {
        QueueClosedFact fact;
        ASSERT_TRUE(Decode(in, &fact));
        queues.erase(fact.queue);
        return;
      }
      case FactKind::kSessionOpened:
      case FactKind::kSessionEnded: {
        SessionFact fact;
        ASSERT_TRUE(Decode(in, &fact));
        if (kind == FactKind::kSessionOpened) {
          sessions_.try_emplace(fact.session, 1, 1);
        } else {
          sessions_.erase(fact.session);
          pieces_.erase(fact.session);
        }
        return;
      }
      case FactKind::kBodyPiece: {
        BodyPieceFact fact;
        ASSERT_TRUE(Decode(in, &fact));
        if (!sessions_.contains(fact.session)) return;
        if (fact.ordinal == 0) pieces_[fact.session].clear();
        pieces_[fact.session].push_back(index);
        return;
      }
      default:
        FAIL() << "unexpected fact " << static_cast<int>(kind);
    }
  }

  int64_t time_ = 0;
  std::map<SessionId, std::pair<uint64_t, uint64_t>> sessions_;  // Next publish and settle.
  std::map<SessionId, std::vector<uint64_t>> pieces_;
};

}  // namespace pontoon::broker

#endif  // PONTOON_SERVER_BROKER_NAIVE_MODEL_H_
