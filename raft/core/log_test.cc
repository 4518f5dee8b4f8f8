#include "raft/core/log.h"

#include "raft/core/entry.h"

namespace pontoon::raft {
namespace {

Entry At(uint64_t term, uint64_t index, size_t header_bytes = 1) {
  Entry entry = MakeEntry(base::SliceChain(base::Slice::Copy(std::string(header_bytes, 'h'))));
  entry.id = {Term{term}, Index{index}};
  return entry;
}

Log LogOf(EntryId base, std::vector<uint64_t> terms) {
  Log log;
  log.Reset(base);
  for (const uint64_t term : terms) log.Append(At(term, log.last().index.value + 1));
  return log;
}

TEST(LogTest, KnowsTheTermOfEveryEntryAlsoOfThoseThatLeftMemory) {
  Log log = LogOf({}, {1, 1, 2, 2, 2, 5});
  log.ReleaseThrough(Index{5});
  EXPECT_EQ(log.held_from(), Index{6});
  EXPECT_EQ(log.TermAt(Index{2}).value(), Term{1});
  EXPECT_EQ(log.TermAt(Index{3}).value(), Term{2});
  EXPECT_EQ(log.TermAt(Index{5}).value(), Term{2});
  EXPECT_EQ(log.TermAt(Index{6}).value(), Term{5});
  EXPECT_EQ(log.last(), (EntryId{Term{5}, Index{6}}));
}

// etcd raft pull 31: a term of 0 for what was compacted let an empty append match, and commit ran
// past the log.
TEST(LogTest, NeverInventsATermForWhatWasCompactedOrDoesNotExist) {
  Log log = LogOf({}, {1, 1, 2, 2});
  log.CompactTo({Term{2}, Index{3}});
  EXPECT_EQ(log.TermAt(Index{2}).status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(log.TermAt(Index{0}).status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(log.TermAt(Index{3}).value(), Term{2});
  EXPECT_EQ(log.TermAt(Index{4}).value(), Term{2});
  EXPECT_EQ(log.TermAt(Index{5}).status().code(), absl::StatusCode::kNotFound);
}

TEST(LogTest, CompactingAllOfItKeepsTheLastEntrysTerm) {
  Log log = LogOf({}, {1, 3});
  log.CompactTo({Term{3}, Index{2}});
  EXPECT_EQ(log.last(), (EntryId{Term{3}, Index{2}}));
  EXPECT_EQ(log.size(), 0u);
  EXPECT_EQ(log.header_bytes(), 0u);
  log.Append(At(4, 3));
  EXPECT_EQ(log.TermAt(Index{2}).value(), Term{3});
  EXPECT_EQ(log.TermAt(Index{3}).value(), Term{4});
}

TEST(LogTest, TruncationTakesBackTermsAndBytes) {
  Log log = LogOf({}, {1, 1});
  const uint64_t bytes = log.header_bytes();
  log.Append(At(2, 3, 200000));
  log.Append(At(3, 4));
  log.TruncateFrom(Index{3});
  EXPECT_EQ(log.last(), (EntryId{Term{1}, Index{2}}));
  EXPECT_EQ(log.header_bytes(), bytes);
  EXPECT_FALSE(log.TermAt(Index{3}).ok());
  log.Append(At(4, 3));
  EXPECT_EQ(log.TermAt(Index{3}).value(), Term{4});
  log.TruncateFrom(Index{1});
  EXPECT_EQ(log.last(), EntryId{});
}

// The checkpoint policy goes by this number, so it must shrink with what a checkpoint lets go.
TEST(LogTest, HeaderBytesAreThoseAboveTheCheckpointToWithinAMark) {
  Log log;
  for (uint64_t i = 1; i <= 1000; ++i) log.Append(At(1, i, 1000));
  const uint64_t each = 1000 + kEntryOverheadBytes;
  EXPECT_EQ(log.header_bytes(), 1000 * each);
  log.CompactTo({Term{1}, Index{400}});
  EXPECT_GE(log.header_bytes(), 600 * each);
  EXPECT_LE(log.header_bytes(), 600 * each + 65 * 1024);
  log.CompactTo({Term{1}, Index{1000}});
  EXPECT_EQ(log.header_bytes(), 0u);
}

TEST(LogTest, EntriesStayReadableWhileOthersBeforeThemAreReleased) {
  Log log;
  uint64_t next = 1;
  for (int round = 0; round < 50; ++round) {
    for (int i = 0; i < 7; ++i) log.Append(At(1, next++));
    log.ReleaseThrough(log.held_from() + 5);
    for (Index i = log.held_from(); i <= log.last().index; i = i + 1)
      ASSERT_EQ(log.At(i).id.index, i);
  }
  EXPECT_EQ(log.size(), next - 1);
}

}  // namespace
}  // namespace pontoon::raft
