#ifndef PONTOON_RAFT_NODE_WIRE_SAMPLES_H_
#define PONTOON_RAFT_NODE_WIRE_SAMPLES_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/crc32c.h"
#include "base/random.h"
#include "raft/core/snapshot.h"
#include "raft/node/wire.h"

// For tests and the fuzz target: messages of all kinds with all fields, and what is in a message as
// text, so that two can be compared.

namespace pontoon::raft {

inline const BatchHeader kSampleHeader{.cluster_id = 0xc1c2c3c4c5c6c7c8,
                                       .sender = {NodeId{0x1111111111111111}, 2},
                                       .boot = {7},
                                       .receiver = NodeId{0x2222222222222222},
                                       .traffic = TrafficClass::kControl};

inline void DescribeReplicas(const char* name, const std::vector<ReplicaId>& replicas,
                             std::string* out) {
  absl::StrAppend(out, " ", name);
  for (const ReplicaId& replica : replicas) {
    absl::StrAppend(out, " ", replica.node.value, "/", replica.incarnation);
  }
}

inline std::string Text(const base::SliceChain& bytes) {
  const base::Slice flat = bytes.Flatten();
  return absl::StrCat(bytes.size(), ":", flat.view());
}

inline std::string Describe(const SnapshotPart& part) {
  std::string out = absl::StrCat("part ", static_cast<int>(part.kind), " request ", part.request,
                                 " of ", part.checkpoint.term.value, "/",
                                 part.checkpoint.index.value, " at ", part.offset, " pages");
  for (const PageId page : part.pages) absl::StrAppend(&out, " ", page.value);
  for (const BodyWanted& body : part.bodies) {
    absl::StrAppend(&out, " wants ", body.index.value, "/", body.fingerprint);
  }
  absl::StrAppend(&out, part.gone ? " gone" : "", " root ", part.root_bytes, "/", part.root_crc,
                  " generation ", part.page_generation, " ", Text(part.root));
  DescribeReplicas("voters", part.membership.voters, &out);
  DescribeReplicas("outgoing", part.membership.outgoing_voters, &out);
  DescribeReplicas("learners", part.membership.learners, &out);
  for (const base::SliceChain& page : part.page_bytes) absl::StrAppend(&out, " page ", Text(page));
  for (const BodyAnswer& answer : part.body_answers) {
    absl::StrAppend(&out, " answer ", static_cast<int>(answer.kind), " ", answer.index.value,
                    " ended ", answer.ended.value, " image ", answer.image.index.value, "/",
                    answer.image.body_bytes);
    for (const BodyImage::Extent& extent : answer.image.extents) {
      absl::StrAppend(&out, " [", extent.offset, "+", extent.size, " ", extent.crc, "]");
    }
    absl::StrAppend(&out, " ", Text(answer.image.bytes));
  }
  return out;
}

inline std::string Describe(const Entry& entry) {
  std::string out =
      absl::StrCat("entry ", entry.id.term.value, "/", entry.id.index.value, " ",
                   static_cast<int>(entry.kind), " ", entry.header_crc, " ", entry.body_bytes, " ",
                   entry.body_crc, " ", Text(entry.header), " ", Text(entry.body));
  if (entry.remains != nullptr) {
    absl::StrAppend(&out, " ended ", entry.remains->ended.value, " crc ", entry.remains->crc);
    for (const BodyExtent& extent : entry.remains->kept) {
      absl::StrAppend(&out, " [", extent.offset, "+", extent.size, "]");
    }
  }
  return out;
}

inline std::string Describe(const Message& m) {
  std::string out = absl::StrCat(
      "kind ", static_cast<int>(m.kind), " group ", m.group.value, " epoch ", m.epoch.value,
      " from ", m.from.node.value, "/", m.from.incarnation, " to ", m.to.node.value, "/",
      m.to.incarnation, " term ", m.term.value, " log ", m.log.term.value, "/", m.log.index.value,
      " probe ", m.probe.value, " commit ", m.commit.value, " flags ", m.refused, m.transfer,
      m.quarantined, m.no_room, m.must_take);
  absl::StrAppend(&out, " stamp ", m.stamp.nanos, " round ", m.round, " digest ",
                  m.digest_index.value, "/", m.digest);
  for (const Entry& entry : m.entries) absl::StrAppend(&out, "\n  ", Describe(entry));
  if (m.snapshot != nullptr) absl::StrAppend(&out, "\n  ", Describe(*m.snapshot));
  return out;
}

// Draws messages; a number is often small, sometimes as large as it can be.
class MessageMaker {
 public:
  MessageMaker(uint64_t seed, const BatchHeader& header) : random_(seed), header_(header) {}

  Message Make() {
    constexpr MessageKind kControl[] = {
        MessageKind::kPreVote,        MessageKind::kPreVoteReply, MessageKind::kVote,
        MessageKind::kVoteReply,      MessageKind::kAppendReply,  MessageKind::kHeartbeat,
        MessageKind::kHeartbeatReply, MessageKind::kTimeoutNow,   MessageKind::kSnapshotOffer};
    Message m;
    switch (header_.traffic) {
      case TrafficClass::kControl:
        m.kind = kControl[random_.Below(std::size(kControl))];
        break;
      case TrafficClass::kAppend:
        m.kind = MessageKind::kAppend;
        break;
      case TrafficClass::kSnapshot:
        m.kind = Flip() ? MessageKind::kSnapshotRequest : MessageKind::kSnapshotPart;
        break;
    }
    m.group.value = static_cast<uint32_t>(Number());
    m.from = header_.sender;
    if (random_.Below(8) == 0) m.from.incarnation = static_cast<uint32_t>(Number());
    m.to = {header_.receiver, static_cast<uint32_t>(Number())};
    m.term.value = Number();
    if (Flip()) m.epoch.value = static_cast<uint16_t>(Number());
    if (Flip()) m.log = {{Number()}, {Number()}};
    if (Flip()) m.probe.value = Number();
    if (Flip()) m.commit.value = Number();
    if (Flip()) m.stamp.nanos = static_cast<int64_t>(Number());
    if (Flip()) m.round = Number();
    if (Flip()) m.digest_index.value = Number();
    if (Flip()) m.digest = random_.Next();
    m.refused = Flip();
    m.transfer = Flip();
    m.quarantined = Flip();
    m.no_room = Flip();
    m.must_take = Flip();
    if (header_.traffic == TrafficClass::kAppend) {
      for (uint64_t n = random_.Below(6); n > 0; --n) m.entries.push_back(MakeEntryOf(m.log));
    }
    if (header_.traffic == TrafficClass::kSnapshot) m.snapshot = MakePart();
    return m;
  }

 private:
  bool Flip() { return random_.Below(2) == 0; }
  uint64_t Number() {
    switch (random_.Below(4)) {
      case 0:
        return random_.Below(3);
      case 1:
        return random_.Below(100000);
      case 2:
        return random_.Next() >> random_.Below(64);
      default:
        return ~random_.Below(2);
    }
  }
  base::SliceChain Bytes() {
    base::SliceChain bytes;
    for (uint64_t n = random_.Below(4); n > 0; --n) {
      std::string piece(random_.Below(8) == 0 ? random_.Below(9000) : random_.Below(40), '\0');
      for (char& c : piece) c = static_cast<char>(random_.Next());
      bytes.Append(base::Slice::Copy(piece));
    }
    return bytes;
  }
  Entry MakeEntryOf(EntryId before) {
    Entry entry;
    entry.id = Flip() ? EntryId{before.term, before.index + 1} : EntryId{{Number()}, {Number()}};
    entry.kind = static_cast<EntryKind>(random_.Below(3));
    entry.header = Bytes();
    entry.header_crc = base::Crc32c(entry.header);
    if (Flip()) return entry;
    entry.body = Bytes();
    entry.body_bytes = static_cast<uint32_t>(entry.body.size());
    entry.body_crc = base::Crc32c(entry.body);
    if (random_.Below(3) == 0) {
      auto remains = std::make_shared<BodyRemains>();
      remains->ended.value = Number();
      for (uint64_t n = random_.Below(4); n > 0; --n) {
        remains->kept.push_back({static_cast<uint32_t>(Number()), static_cast<uint32_t>(Number())});
      }
      remains->crc = static_cast<uint32_t>(random_.Next());
      entry.body_bytes = static_cast<uint32_t>(Number());
      entry.remains = std::move(remains);
    } else if (random_.Below(3) == 0) {
      entry.body_bytes += 17;  // A header alone.
      entry.body.Clear();
    }
    return entry;
  }
  std::vector<ReplicaId> Replicas() {
    std::vector<ReplicaId> replicas(random_.Below(4));
    for (ReplicaId& replica : replicas) {
      replica = {{random_.Next()}, static_cast<uint32_t>(Number())};
    }
    return replicas;
  }
  std::shared_ptr<const SnapshotPart> MakePart() {
    auto part = std::make_shared<SnapshotPart>();
    part->kind = static_cast<SnapshotPart::Kind>(random_.Below(3));
    part->request = random_.Next();
    part->checkpoint = {{Number()}, {Number()}};
    part->offset = Number();
    part->gone = Flip();
    for (uint64_t n = random_.Below(4); n > 0; --n) part->pages.push_back({Number()});
    for (uint64_t n = random_.Below(4); n > 0; --n) {
      part->bodies.push_back({{Number()}, static_cast<uint32_t>(random_.Next())});
    }
    if (Flip()) {
      part->root_bytes = Number();
      part->root_crc = static_cast<uint32_t>(random_.Next());
      part->membership = {Replicas(), Replicas(), Replicas()};
      part->page_generation = static_cast<uint16_t>(Number());
      part->root = Bytes();
    }
    for (uint64_t n = random_.Below(4); n > 0; --n) part->page_bytes.push_back(Bytes());
    for (uint64_t n = random_.Below(4); n > 0; --n) {
      BodyAnswer answer;
      answer.kind = static_cast<BodyAnswer::Kind>(random_.Below(3));
      answer.index.value = Number();
      answer.ended.value = Number();
      if (answer.kind == BodyAnswer::Kind::kBytes) {
        answer.image.index.value = Number();
        answer.image.body_bytes = static_cast<uint32_t>(Number());
        for (uint64_t k = random_.Below(3); k > 0; --k) {
          answer.image.extents.push_back({static_cast<uint32_t>(Number()),
                                          static_cast<uint32_t>(Number()),
                                          static_cast<uint32_t>(random_.Next())});
        }
        answer.image.bytes = Bytes();
      }
      part->body_answers.push_back(std::move(answer));
    }
    return part;
  }

  base::SeededRandom random_;
  const BatchHeader header_;
};

}  // namespace pontoon::raft

#endif  // PONTOON_RAFT_NODE_WIRE_SAMPLES_H_
