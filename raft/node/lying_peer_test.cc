#include <gmock/gmock.h>

#include "base/crc32c.h"
#include "raft/core/entry.h"
#include "raft/node/hosted_snapshot_fixture.h"
#include "raft/node/test_cluster.h"

// A peer that lies in any field of what it says may disturb its groups, which no protocol without
// signatures can help, but never ends the process of another node.

namespace pontoon::raft {
namespace {

const GroupId kA{1};

class Liar {
 public:
  explicit Liar(uint64_t seed) : random_(seed) {}

  Message Lie(Message message) {
    for (uint64_t lies = 1 + random_.Below(3); lies > 0; --lies) LieOnce(&message);
    return message;
  }
  uint64_t Below(uint64_t n) { return random_.Below(n); }

  // The same of what is said about a snapshot.
  Message LieAboutSnapshot(Message message) {
    auto part = std::make_shared<SnapshotPart>(*message.snapshot);
    for (uint64_t lies = 1 + random_.Below(2); lies > 0; --lies) {
      if (random_.Below(8) == 0) {
        message.term.value = Near(message.term.value);
      } else if (!part->body_answers.empty() && random_.Below(2) == 0) {
        LieAboutBody(&part->body_answers[random_.Below(part->body_answers.size())]);
      } else {
        LieAboutPart(part.get());
      }
    }
    message.snapshot = std::move(part);
    return message;
  }

 private:
  uint64_t Near(uint64_t value) {
    switch (random_.Below(6)) {
      case 0:
        return 0;
      case 1:
        return value + 1;
      case 2:
        return value == 0 ? 0 : value - 1;
      case 3:
        return random_.Below(20);
      case 4:
        return random_.Below(2) == 0 ? UINT64_MAX : UINT64_MAX - 1;
      default:
        return value + random_.Below(5);
    }
  }
  void LieOnce(Message* message) {
    switch (random_.Below(17)) {
      case 0:
        message->kind = static_cast<MessageKind>(random_.Below(12));
        break;
      case 1:
        message->term.value = Near(message->term.value);
        break;
      case 2:
        message->log.term.value = Near(message->log.term.value);
        break;
      case 3:
        message->log.index.value = Near(message->log.index.value);
        break;
      case 4:
        message->probe.value = Near(message->probe.value);
        break;
      case 5:
        message->commit.value = Near(message->commit.value);
        break;
      case 6:
        message->refused = !message->refused;
        break;
      case 7:
        message->transfer = !message->transfer;
        break;
      case 8:
        message->stamp.nanos = static_cast<int64_t>(Near(message->stamp.nanos));
        break;
      case 9:
        message->round = Near(message->round);
        break;
      case 10:
        message->digest_index.value = Near(message->digest_index.value);
        break;
      case 11:
        message->no_room = !message->no_room;
        break;
      case 12:
        message->digest = Near(message->digest);
        break;
      case 13:
        message->from.incarnation = static_cast<uint32_t>(random_.Below(3));
        break;
      case 14:
        if (!message->entries.empty()) message->entries.pop_back();
        break;
      default:
        LieAboutEntry(message);
    }
  }
  void LieAboutEntry(Message* message) {
    Entry entry = MakeEntry(TestBytes("lie"), TestBytes("body"));
    entry.id = {message->log.term, message->log.index + 1};
    if (!message->entries.empty()) {
      entry = message->entries[random_.Below(message->entries.size())];
      message->entries.pop_back();
    }
    switch (random_.Below(8)) {
      case 0:
        entry.id.index.value = Near(entry.id.index.value);
        break;
      case 1:
        entry.id.term.value = Near(entry.id.term.value);
        break;
      case 2:
        entry.kind = static_cast<EntryKind>(random_.Below(4));
        break;
      case 3:
        entry.body_bytes = static_cast<uint32_t>(Near(entry.body_bytes));
        break;
      case 4: {
        auto remains = std::make_shared<BodyRemains>();
        remains->ended.value = Near(message->commit.value);
        remains->crc = base::Crc32c(base::SliceChain());
        if (random_.Below(2) == 0)
          remains->kept.push_back({static_cast<uint32_t>(Near(2)), static_cast<uint32_t>(Near(2))});
        entry.body.Clear();
        entry.remains = std::move(remains);
        break;
      }
      case 5: {
        Membership members = kTestThree;
        if (random_.Below(2) == 0) members.voters.pop_back();
        entry = MakeEntry(TestBytes(EncodeMembership(members)));
        entry.kind = EntryKind::kConfig;
        entry.id = {message->term, message->log.index + 1};
        break;
      }
      case 6:
        entry.header_crc ^= 1;
        break;
      default:
        break;
    }
    message->entries.push_back(std::move(entry));
  }

  void LieAboutPart(SnapshotPart* part) {
    switch (random_.Below(14)) {
      case 0:
        part->kind = static_cast<SnapshotPart::Kind>(random_.Below(3));
        break;
      case 1:
        part->checkpoint.term.value = Near(part->checkpoint.term.value);
        break;
      case 2:
      case 3:
        part->checkpoint.index.value = Near(part->checkpoint.index.value);
        break;
      case 4:
        part->offset = Near(part->offset);
        break;
      case 5:
        part->gone = !part->gone;
        break;
      case 6:
        part->root_bytes = Near(part->root_bytes);
        break;
      case 7:
        part->page_generation = static_cast<uint16_t>(Near(part->page_generation));
        break;
      case 8:
        if (!part->membership.voters.empty()) part->membership.voters.pop_back();
        break;
      case 9:
        part->membership.learners.push_back({NodeId{random_.Below(5)}, 1});
        break;
      case 10:
        if (!part->page_bytes.empty()) part->page_bytes.pop_back();
        break;
      case 11:
        for (PageId& page : part->pages) page.value = Near(page.value);
        break;
      case 12:
        if (!part->bodies.empty()) part->bodies.back().index.value = Near(0);
        break;
      default:
        part->root = TestBytes("lie");
    }
  }
  void LieAboutBody(BodyAnswer* answer) {
    switch (random_.Below(6)) {
      case 0:
        answer->kind = static_cast<BodyAnswer::Kind>(random_.Below(3));
        break;
      case 1:
        answer->index.value = Near(answer->index.value);
        break;
      case 2:
      case 3:
        answer->ended.value = Near(answer->ended.value);
        break;
      case 4:
        answer->image.body_bytes = static_cast<uint32_t>(Near(answer->image.body_bytes));
        break;
      default:
        if (!answer->image.extents.empty())
          answer->image.extents[0].offset = static_cast<uint32_t>(Near(0));
    }
  }

  base::SeededRandom random_;
};

TEST(LyingPeerTest, NothingThatAPeerCanSayEndsAnotherNode) {
  uint64_t taken = 0;
  uint64_t dropped = 0;
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    Liar liar(seed);
    TestCluster cluster(seed, {kA}, 3, {.core = {.held_bytes_max = 1000, .digest_interval = 4}});
    cluster.lies = true;
    // Node 3 is the liar; what it is and says itself does not matter.
    std::vector<Message> said;
    cluster.filter = [&](const Message& message) {
      if (message.from.node == NodeId{3} && said.size() < 100) said.push_back(message);
      return true;
    };
    for (int step = 0; step < 300; ++step) {
      cluster.Step();
      const uint64_t leader = cluster.LeaderOf(kA);
      if (leader != 0 && step % 3 == 0) (void)cluster.node(leader).Propose(kA, "x", "body");
      for (const Message& message : std::exchange(said, {})) {
        if (liar.Below(3) != 0) continue;
        Message lie = liar.Lie(message);
        MultiRaft& victim = *cluster.node(lie.to.node.value).raft;
        lie.from.node = NodeId{3};
        victim.Deliver(NodeId{3}, 1, {std::move(lie)});
      }
    }
    for (uint64_t n = 1; n <= 2; ++n) {
      taken += cluster.node(n).raft->counters().messages_in;
      dropped += cluster.node(n).raft->counters().dropped();
      // What they believed is on their disks: they find it, and run.
      cluster.Crash(n);
      cluster.Start(n);
    }
    cluster.Run(base::Millis(500));
  }
  EXPECT_GT(taken, 10000u);
  EXPECT_GT(dropped, 1000u);
}

class LyingSenderTest : public MultiRaftSnapshotTest,
                        public ::testing::WithParamInterface<uint64_t> {};

// Of what the two ends of a snapshot tell each other, every fourth message is a lie.
TEST_P(LyingSenderTest, NothingThatCanBeSaidAboutASnapshotEndsANode) {
  Liar liar(GetParam());
  const uint64_t away = LeaveOneBehind(3);
  cluster_.lies = true;
  std::vector<Message> said;
  cluster_.filter = [&](const Message& message) {
    if (message.snapshot == nullptr || liar.Below(4) != 0) return true;
    said.push_back(message);
    return false;
  };
  uint64_t lies = 0;
  for (int step = 0; step < 300; ++step) {
    cluster_.Step();
    for (Message& message : std::exchange(said, {})) {
      Message lie = liar.LieAboutSnapshot(std::move(message));
      const NodeId from = lie.from.node;
      auto& victim = cluster_.node(lie.to.node.value);
      victim.raft->Deliver(from, cluster_.node(from.value).boot, {std::move(lie)});
      ++lies;
    }
  }
  EXPECT_GT(lies, 0u);
  // What it believed is on its disk: it finds it, and runs.
  cluster_.Crash(away);
  cluster_.Start(away);
  cluster_.Run(base::Millis(500));
}

INSTANTIATE_TEST_SUITE_P(Seeds, LyingSenderTest, ::testing::Range(uint64_t{1}, uint64_t{31}));

}  // namespace
}  // namespace pontoon::raft
