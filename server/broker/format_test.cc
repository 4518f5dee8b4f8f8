#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/crc32c.h"
#include "base/random.h"
#include "server/broker/facts.h"
#include "server/broker/fake_environment.h"
#include "server/broker/segment.h"

// What an earlier version wrote is read for ever: testdata/ holds the log and the checkpoint of a
// shard as version 1 of the formats has them (FORMAT.md). PONTOON_WRITE_FIXTURES=1 writes them
// anew, for a new version beside the old one.

namespace pontoon::broker {
namespace {

std::string Read(const std::string& name) {
  std::ifstream in(absl::StrCat(PONTOON_BROKER_TESTDATA, "/", name));
  EXPECT_TRUE(in.good()) << name;
  return std::string(std::istreambuf_iterator<char>(in), {});
}

const SessionId kSession{{0x1122334455667788}, {3}, {1}};

broker::Publish Message(const std::string& text, std::vector<QueueId> targets) {
  broker::Publish publish;
  publish.message.envelope.Append(base::Slice::Copy("envelope"));
  publish.message.payload.Append(base::Slice::Copy(text));
  publish.envelope_crc = base::Crc32c(publish.message.envelope);
  publish.payload_crc = base::Crc32c(publish.message.payload);
  publish.persistent = text.size() % 2 == 0;
  publish.targets.assign(targets.begin(), targets.end());
  return publish;
}

// A shard with a bit of everything: 5,000 messages in queue 10 (one page), some in queue 11, a
// large one, a transaction, a consumer, a fence, settles.
void MakeHistory(FakeEnvironment* env) {
  env->Lead(20, {{QueueId::Of(10), false, "q10", "/"}, {QueueId::Of(11), false, "q11", "/"}});
  env->shard().OnRequest(kSession, OpenSession());
  env->Settle();
  uint64_t number = 1;
  for (int batch = 0; batch < 50; ++batch) {
    PublishBatch publishes;
    publishes.first_number = number;
    for (int i = 0; i < 100; ++i, ++number) {
      std::vector<QueueId> targets = {QueueId::Of(10)};
      if (i % 10 == 0) targets.push_back(QueueId::Of(11));
      publishes.messages.push_back(Message(absl::StrCat(number), targets));
    }
    env->shard().OnRequest(kSession, publishes);
    env->Settle();
  }
  Transaction transaction;
  transaction.publishes.first_number = number;
  transaction.publishes.messages.push_back(Message(std::string(300000, 'L'), {QueueId::Of(11)}));
  for (int i = 0; i < 30; ++i)
    transaction.publishes.messages.push_back(Message(std::string(10000, 'm'), {QueueId::Of(11)}));
  env->shard().OnRequest(kSession, transaction);
  Consume consume;
  consume.queue = QueueId::Of(10);
  consume.consumer.value = 1;
  consume.credit = {30, Credit::kUnlimited};
  env->shard().OnRequest(kSession, consume);
  env->Settle();
  SettleBatch settle;
  settle.number = 1;
  for (auto& [session, response] : env->TakeResponses()) {
    const auto* deliveries = std::get_if<Deliveries>(&response);
    if (deliveries == nullptr) continue;
    for (const Delivery& delivery : deliveries->deliveries) {
      if (delivery.position.value % 3 != 0) {
        settle.settles.push_back({{delivery.queue, delivery.position, delivery.delivery, 1},
                                  SettleAction::kAcknowledge});
      }
    }
  }
  env->shard().OnRequest(kSession, settle);
  env->Settle();
}

std::string Describe(FakeEnvironment* env) {
  std::string text = absl::StrCat("digest ", env->shard().digest(), "\nwaiting bytes ",
                                  env->shard().waiting_bytes(), "\n");
  env->Lead(20, {{QueueId::Of(10), false, "q10", "/"}, {QueueId::Of(11), false, "q11", "/"}});
  env->shard().OnRequest(kSession, InspectQueues{{1}, QueueId()});
  for (auto& [session, response] : env->TakeResponses()) {
    const auto* reply = std::get_if<Reply>(&response);
    if (reply == nullptr) continue;
    for (const QueueFigures& figures : std::get<std::vector<QueueFigures>>(reply->result)) {
      absl::StrAppend(&text, "queue ", figures.queue.value, " ready ", figures.ready, " bytes ",
                      figures.ready_bytes, " persistent ", figures.persistent, " ",
                      figures.persistent_bytes, "\n");
    }
  }
  return text;
}

// Lines of "index header", both of them in letters.
std::string LogText(const FakeEnvironment& env) {
  std::string text;
  for (const auto& [index, logged] : env.log) {
    absl::StrAppend(&text, index, " ", absl::Base64Escape(logged.header), "\n");
  }
  return text;
}

void LoadLog(FakeEnvironment* env, absl::string_view text) {
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const absl::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    const size_t space = line.find(' ');
    FakeEnvironment::Logged logged;
    ASSERT_TRUE(absl::Base64Unescape(line.substr(space + 1), &logged.header));
    env->last_index = std::stoull(std::string(line.substr(0, space)));
    env->log[env->last_index] = std::move(logged);
  }
}

TEST(FormatTest, LogAndCheckpointOfVersion1AreReadForEver) {
  if (std::getenv("PONTOON_WRITE_FIXTURES") != nullptr) {
    FakeEnvironment env;
    MakeHistory(&env);
    const auto write = [](const std::string& name, const std::string& bytes) {
      std::ofstream(absl::StrCat(PONTOON_BROKER_TESTDATA, "/", name)) << bytes;
    };
    write("log_v1.txt", LogText(env));
    env.shard().MakeCheckpoint();
    env.Settle();
    write("root_v1.txt", absl::Base64Escape(env.root));
    std::string pages;
    for (const auto& [page, bytes] : env.pages)
      absl::StrAppend(&pages, page, " ", absl::Base64Escape(bytes), "\n");
    write("pages_v1.txt", pages);
    env.Crash();
    write("state_v1.txt", Describe(&env));
  }
  const std::string expected = Read("state_v1.txt");

  FakeEnvironment replayed;
  LoadLog(&replayed, Read("log_v1.txt"));
  replayed.Crash();
  EXPECT_EQ(Describe(&replayed), expected);

  FakeEnvironment restored;
  ASSERT_TRUE(absl::Base64Unescape(Read("root_v1.txt"), &restored.root));
  restored.checkpoint = replayed.last_index - 1;
  restored.last_index = restored.checkpoint;
  FakeEnvironment pages;
  LoadLog(&pages, Read("pages_v1.txt"));
  ASSERT_FALSE(pages.log.empty());
  for (const auto& [page, logged] : pages.log) restored.pages[page] = logged.header;
  restored.Crash();
  EXPECT_EQ(Describe(&restored), expected);
  // The pages are readable: all that waits is handed out (its bodies are not part of the fixture).
  restored.shard().OnRequest(kSession, Purge{{2}, 0, QueueId::Of(10)});
  restored.Settle();
  EXPECT_TRUE(restored.pages.empty() || restored.page_reads > 0);
}

TEST(FormatTest, CheckpointOfANewerVersionIsRefused) {
  std::string root = "\x02";
  FakeEnvironment env;
  EXPECT_EQ(env.shard().Restore(1, root).code(), absl::StatusCode::kFailedPrecondition);
}

TEST(FormatTest, DamagedCheckpointIsRefusedWhereverTheDamageIs) {
  FakeEnvironment env;
  MakeHistory(&env);
  env.shard().MakeCheckpoint();
  env.Settle();
  const std::string root = env.root;
  for (size_t cut = 0; cut < root.size(); cut += 1 + cut / 20) {
    FakeEnvironment other;
    EXPECT_FALSE(other.shard().Restore(1, absl::string_view(root).substr(0, cut)).ok()) << cut;
  }
  base::SeededRandom random(1);
  for (int i = 0; i < 2000; ++i) {  // Must not crash; storage's checksums find such damage first.
    std::string damaged = root;
    damaged[random.Below(damaged.size())] ^= static_cast<char>(1 + random.Below(255));
    FakeEnvironment other;
    (void)other.shard().Restore(1, damaged);
  }
}

TEST(FormatTest, DamagedPageIsRefused) {
  Segment segment;
  for (uint32_t i = 0; i < Segment::kSlots; ++i) {
    Reference reference;
    reference.entry = 100 + i / 7;
    reference.offset = i % 7 * 50;
    reference.envelope_bytes = 20;
    reference.payload_bytes = 10 + i % 5;
    segment.Append(reference);
  }
  const std::string page = segment.EncodePage();
  segment.set_page(1);
  segment.Unload();
  const auto released = [](const Reference&, uint64_t) {};
  base::SeededRandom random(2);
  for (size_t cut = 0; cut < page.size(); cut += 7) {
    EXPECT_FALSE(segment.Load(absl::string_view(page).substr(0, cut), released));
  }
  ASSERT_TRUE(segment.Load(page, released));
  EXPECT_EQ(segment.At(1234).entry, 100 + 1234u / 7);
  EXPECT_EQ(segment.At(1234).payload_bytes, 10 + 1234u % 5);
}

// Every fact comes back as it was written.
TEST(FormatTest, FactsComeBackAsTheyWereWritten) {
  std::string bytes;
  SettleFact settle;
  settle.session = kSession;
  settle.first_number = 7;
  settle.numbers = 2;
  settle.runs = {{QueueId::Of(99), 5, 10, SettleReason::kAcknowledged},
                 {QueueId::Of(3), 1, 1, SettleReason::kRejected}};
  Encode(settle, &bytes);
  Encode(FenceFact{QueueId::Of(5), 1, 1000, {{{1}, {2}}, {{3}, {4}}}}, &bytes);
  Encode(ReturnFact{QueueId::Of(5), {{1, 2}, {3, 4}}}, &bytes);
  Encode(MoveFact{QueueId::Of(5), 8, 9, {{{2}, QueueId::Of(6)}}}, &bytes);
  Encode(BodyPieceFact{kSession, 4, 1, 262144}, &bytes);

  Decoder in(bytes);
  ASSERT_EQ(in.U8(), static_cast<uint8_t>(FactKind::kSettle));
  SettleFact settle_back;
  ASSERT_TRUE(Decode(&in, &settle_back));
  EXPECT_EQ(settle_back.session, kSession);
  ASSERT_EQ(settle_back.runs.size(), 2u);
  EXPECT_EQ(settle_back.runs[1].queue, QueueId::Of(3));
  EXPECT_EQ(settle_back.runs[1].first, 1u);
  EXPECT_EQ(settle_back.runs[0].count, 10u);
  ASSERT_EQ(in.U8(), static_cast<uint8_t>(FactKind::kFence));
  FenceFact fence;
  ASSERT_TRUE(Decode(&in, &fence));
  EXPECT_EQ(fence.through, 1000u);
  EXPECT_EQ(fence.processes[1].boot.value, 4u);
  ASSERT_EQ(in.U8(), static_cast<uint8_t>(FactKind::kReturn));
  ReturnFact back;
  ASSERT_TRUE(Decode(&in, &back));
  EXPECT_EQ(back.messages[1].delivery_count, 4u);
  ASSERT_EQ(in.U8(), static_cast<uint8_t>(FactKind::kMove));
  MoveFact move;
  ASSERT_TRUE(Decode(&in, &move));
  EXPECT_EQ(move.targets[0].queue, QueueId::Of(6));
  ASSERT_EQ(in.U8(), static_cast<uint8_t>(FactKind::kBodyPiece));
  BodyPieceFact piece;
  ASSERT_TRUE(Decode(&in, &piece));
  EXPECT_EQ(piece.bytes, 262144u);
  EXPECT_TRUE(in.done());
}

TEST(FormatTest, EnqueueWithManyTargetsComesBackAndStaysSmall) {
  EnqueueWriter writer;
  writer.Begin(kSession, 1);
  std::vector<QueueId> all;
  for (uint64_t i = 0; i < 100000; ++i) all.push_back(QueueId::Of(1000 + i * 3));
  writer.Add({0, 10, 20, 1, 2}, all);
  writer.Add({0, 10, 20, 3, 4}, all);
  writer.Add({kPersistent, 11, 21, 5, 6}, {&all[500], 2});
  std::string bytes;
  writer.Finish(&bytes);
  EXPECT_LT(bytes.size(), 250000u);
  Decoder in(bytes);
  in.U8();
  EnqueueFact fact;
  ASSERT_TRUE(Decode(&in, &fact));
  MessageReader reader(fact);
  EnqueuedMessage message;
  ASSERT_TRUE(reader.Next(&message));
  EXPECT_EQ(reader.targets().size(), all.size());
  EXPECT_EQ(fact.queues[reader.targets()[77]], all[77]);
  ASSERT_TRUE(reader.Next(&message));
  EXPECT_EQ(reader.targets().size(), all.size());
  EXPECT_EQ(message.envelope_crc, 3u);
  ASSERT_TRUE(reader.Next(&message));
  ASSERT_EQ(reader.targets().size(), 2u);
  EXPECT_EQ(fact.queues[reader.targets()[1]], all[501]);
  EXPECT_EQ(message.flags & kPersistent, kPersistent);
  EXPECT_FALSE(reader.Next(&message));
  EXPECT_TRUE(reader.ok());
}

}  // namespace
}  // namespace pontoon::broker
