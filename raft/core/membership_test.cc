#include "raft/core/membership.h"

namespace pontoon::raft {
namespace {

ReplicaId R(uint64_t node) { return {NodeId{node}, 1}; }
std::vector<ReplicaId> Rs(std::vector<uint64_t> nodes) {
  std::vector<ReplicaId> replicas;
  for (const uint64_t node : nodes) replicas.push_back(R(node));
  return replicas;
}
auto MatchOf(std::map<uint64_t, uint64_t> match) {
  return [match = std::move(match)](const ReplicaId& r) {
    const auto it = match.find(r.node.value);
    return it == match.end() ? Index{0} : Index{it->second};
  };
}
auto VotesOf(std::map<uint64_t, bool> votes) {
  return [votes = std::move(votes)](const ReplicaId& r) -> std::optional<bool> {
    const auto it = votes.find(r.node.value);
    return it == votes.end() ? std::nullopt : std::optional<bool>(it->second);
  };
}

TEST(QuorumTest, IsTheHighestIndexThatAMajorityHas) {
  EXPECT_EQ(QuorumIndex({.voters = Rs({1})}, MatchOf({{1, 7}})), Index{7});
  EXPECT_EQ(QuorumIndex({.voters = Rs({1, 2})}, MatchOf({{1, 7}, {2, 3}})), Index{3});
  EXPECT_EQ(QuorumIndex({.voters = Rs({1, 2, 3})}, MatchOf({{1, 7}, {2, 3}, {3, 5}})), Index{5});
  EXPECT_EQ(QuorumIndex({.voters = Rs({1, 2, 3, 4, 5})}, MatchOf({{1, 9}, {2, 9}, {3, 1}, {4, 2}})),
            Index{2});
}

// Raft thesis §4.3: while joint, agreement needs both majorities.
TEST(QuorumTest, WhileJointBothHalvesMustHaveIt) {
  const Membership joint{.voters = Rs({1, 2, 3}), .outgoing_voters = Rs({1})};
  EXPECT_EQ(QuorumIndex(joint, MatchOf({{1, 4}, {2, 9}, {3, 9}})), Index{4});
  EXPECT_EQ(QuorumIndex(joint, MatchOf({{1, 9}, {2, 2}, {3, 1}})), Index{2});
}

TEST(QuorumTest, LearnersDoNotCount) {
  const Membership members{.voters = Rs({1, 2}), .learners = Rs({3})};
  EXPECT_EQ(QuorumIndex(members, MatchOf({{1, 9}, {2, 1}, {3, 9}})), Index{1});
  EXPECT_EQ(CountVotes(members, VotesOf({{1, true}, {3, true}})), VoteResult::kPending);
}

TEST(VoteCountTest, WonByAMajorityLostWhenNoneCanBeReachedAnyMore) {
  const Membership three{.voters = Rs({1, 2, 3})};
  EXPECT_EQ(CountVotes(three, VotesOf({{1, true}})), VoteResult::kPending);
  EXPECT_EQ(CountVotes(three, VotesOf({{1, true}, {2, false}})), VoteResult::kPending);
  EXPECT_EQ(CountVotes(three, VotesOf({{1, true}, {3, true}})), VoteResult::kWon);
  EXPECT_EQ(CountVotes(three, VotesOf({{2, false}, {3, false}})), VoteResult::kLost);
  EXPECT_EQ(CountVotes({}, VotesOf({})), VoteResult::kLost);
  const Membership joint{.voters = Rs({1, 2, 3}), .outgoing_voters = Rs({4})};
  EXPECT_EQ(CountVotes(joint, VotesOf({{1, true}, {2, true}})), VoteResult::kPending);
  EXPECT_EQ(CountVotes(joint, VotesOf({{1, true}, {2, true}, {4, false}})), VoteResult::kLost);
  EXPECT_EQ(CountVotes(joint, VotesOf({{1, true}, {2, true}, {4, true}})), VoteResult::kWon);
}

// Every pair of quorums of neighbouring memberships shares a voter: no two leaders in one term.
TEST(QuorumTest, QuorumsOfNeighbouringMembershipsIntersect) {
  for (unsigned from = 1; from < 32; ++from) {
    for (unsigned to = 1; to < 32; ++to) {
      Membership current;
      Membership wanted;
      for (uint64_t node = 0; node < 5; ++node) {
        if (from >> node & 1) current.voters.push_back(R(node));
        if (to >> node & 1) wanted.voters.push_back(R(node));
      }
      const Membership joint = JointOf(current, wanted);
      for (unsigned set = 0; set < 32; ++set) {
        const auto in = [](unsigned s) {
          return [s](const ReplicaId& r) { return std::optional<bool>(s >> r.node.value & 1); };
        };
        const bool wins_joint = CountVotes(joint, in(set)) == VoteResult::kWon;
        const bool rest_wins_old = CountVotes(current, in(~set & 31)) == VoteResult::kWon;
        const bool rest_wins_new = CountVotes(AfterJoint(joint), in(~set & 31)) == VoteResult::kWon;
        ASSERT_FALSE(wins_joint && (rest_wins_old || rest_wins_new))
            << from << " " << to << " " << set;
      }
    }
  }
}

TEST(MembershipTest, RefusesWhatCannotBeAMembership) {
  EXPECT_FALSE(ValidateMembership({}).ok());
  EXPECT_FALSE(ValidateMembership({.voters = Rs({2, 1})}).ok());
  EXPECT_FALSE(ValidateMembership({.voters = Rs({1, 1})}).ok());
  EXPECT_FALSE(ValidateMembership({.voters = Rs({1}), .learners = Rs({1})}).ok());
  EXPECT_TRUE(
      ValidateMembership({.voters = Rs({1}), .outgoing_voters = Rs({2}), .learners = Rs({2})})
          .ok());
}

TEST(MembershipFormatTest, RoundTripsAndIsFixed) {
  const Membership members{.voters = {{NodeId{0x1122334455667788}, 2}},
                           .outgoing_voters = Rs({3, 4}),
                           .learners = Rs({5})};
  const std::string bytes = EncodeMembership(members);
  EXPECT_EQ(DecodeMembership(bytes).value(), members);
  EXPECT_EQ(bytes.substr(0, 15),
            std::string("\x01\x01\x00\x88\x77\x66\x55\x44\x33\x22\x11\x02\x00\x00\x00", 15));
}

TEST(MembershipFormatTest, DamagedAndNewerBytesAreRefusedWithTheReason) {
  const std::string bytes = EncodeMembership({.voters = Rs({1, 2})});
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_EQ(DecodeMembership(bytes.substr(0, size)).status().code(), absl::StatusCode::kDataLoss)
        << size;
  }
  EXPECT_EQ(DecodeMembership(bytes + "x").status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(DecodeMembership(std::string("\xff\xff\xff", 3)).status().code(),
            absl::StatusCode::kUnimplemented);
  std::string huge("\x01\xff\xff", 3);
  EXPECT_EQ(DecodeMembership(huge).status().code(), absl::StatusCode::kDataLoss);
}

// Raft thesis §4.1: in force once appended; nats-server pull 8332: a truncated change must leave no
// trace.
TEST(MembershipLogTest, TheLastOneInTheLogIsInForceAndTruncationTakesItBack) {
  MembershipLog log;
  log.Reset({Term{1}, Index{10}}, {.voters = Rs({1})});
  log.Append({Term{2}, Index{15}}, {.voters = Rs({1, 2})});
  log.Append({Term{2}, Index{20}}, {.voters = Rs({1, 2, 3})});
  EXPECT_EQ(log.current().voters, Rs({1, 2, 3}));
  EXPECT_EQ(log.At(Index{14}).voters, Rs({1}));
  EXPECT_EQ(log.At(Index{19}).voters, Rs({1, 2}));
  log.TruncateFrom(Index{20});
  EXPECT_EQ(log.current().voters, Rs({1, 2}));
  log.CompactTo(Index{15});
  EXPECT_EQ(log.current().voters, Rs({1, 2}));
  EXPECT_EQ(log.At(Index{16}).voters, Rs({1, 2}));
}

}  // namespace
}  // namespace pontoon::raft
