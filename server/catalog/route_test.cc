#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/random.h"
#include "server/catalog/testing.h"
#include "server/catalog/topic_trie.h"

namespace pontoon::catalog {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

class RouteTest : public ::testing::Test {
 protected:
  void Queues(const std::vector<std::string>& names) {
    for (const std::string& name : names) ASSERT_EQ(catalog_.Try(catalog_.Queue(name)), "");
  }
  void BindAll(const std::string& exchange,
               const std::vector<std::pair<std::string, std::string>>& bindings) {
    for (const auto& [queue, key] : bindings)
      ASSERT_EQ(catalog_.Try(catalog_.BindQueue(exchange, queue, key)), "");
  }
  TestCatalog catalog_;
};

TEST_F(RouteTest, DefaultExchangeRoutesByQueueNameWithoutBindings) {
  Queues({"ja", "hello"});
  EXPECT_THAT(catalog_.Route("", {"hello"}), ElementsAre("hello"));
  EXPECT_THAT(catalog_.Route("", {"unknown"}), IsEmpty());
  EXPECT_THAT(catalog_.Route("", {"ja", "hello", "ja"}), ElementsAre("ja", "hello"))
      << "each queue once";
}

TEST_F(RouteTest, DirectReachesOnlyQueuesBoundWithExactlyThatKey) {
  Queues({"one", "two"});
  BindAll("amq.direct", {{"one", "nb"}, {"two", "nb"}, {"two", "bnb"}});
  EXPECT_THAT(catalog_.Route("amq.direct", {"bnb"}), ElementsAre("two"));
  EXPECT_THAT(catalog_.Route("amq.direct", {"nb"}), UnorderedElementsAre("one", "two"));
  EXPECT_THAT(catalog_.Route("amq.direct", {"nb", "bnb"}), UnorderedElementsAre("one", "two"));
  EXPECT_THAT(catalog_.Route("amq.direct", {""}), IsEmpty());
}

TEST_F(RouteTest, FanoutCopiesToEachBoundQueueOnceWhateverTheKey) {
  Queues({"one", "two", "three"});
  BindAll("amq.fanout", {{"one", ""}, {"two", "a"}, {"two", "b"}});
  EXPECT_THAT(catalog_.Route("amq.fanout", {"zzz"}), UnorderedElementsAre("one", "two"));
  catalog_.Run(Unbind{catalog_.vhost(), catalog_.Binding("amq.fanout", "two", "a")});
  EXPECT_THAT(catalog_.Route("amq.fanout", {""}), UnorderedElementsAre("one", "two"));
  catalog_.Run(Unbind{catalog_.vhost(), catalog_.Binding("amq.fanout", "two", "b")});
  EXPECT_THAT(catalog_.Route("amq.fanout", {""}), ElementsAre("one"));
}

TEST_F(RouteTest, TopicWildcardsAsInTheTutorials) {
  Queues({"star", "hash", "both", "tail", "all", "first"});
  BindAll("amq.topic", {{"star", "log.*"},
                        {"hash", "log.#"},
                        {"both", "#.log.#"},
                        {"tail", "#.a"},
                        {"all", "#"},
                        {"first", "*.a"}});
  EXPECT_THAT(catalog_.Route("amq.topic", {"log.warn"}),
              UnorderedElementsAre("star", "hash", "both", "all"));
  EXPECT_THAT(catalog_.Route("amq.topic", {"log.warn.timeout"}),
              UnorderedElementsAre("hash", "both", "all"));
  EXPECT_THAT(catalog_.Route("amq.topic", {"MQ.log.error"}), UnorderedElementsAre("both", "all"));
  EXPECT_THAT(catalog_.Route("amq.topic", {"aa.a"}), UnorderedElementsAre("tail", "all", "first"));
  EXPECT_THAT(catalog_.Route("amq.topic", {"log"}), UnorderedElementsAre("hash", "both", "all"));
  EXPECT_THAT(catalog_.Route("amq.topic", {""}), UnorderedElementsAre("all"));
  EXPECT_THAT(catalog_.Route("amq.topic", {"log."}),
              UnorderedElementsAre("star", "hash", "both", "all"))
      << "an empty word counts";
}

// What the definition says, word by word, without any cleverness.
bool MatchesNaively(const std::vector<std::string>& pattern, size_t p,
                    const std::vector<std::string>& words, size_t w) {
  if (p == pattern.size()) return w == words.size();
  if (pattern[p] == "#") {
    for (size_t skip = w; skip <= words.size(); ++skip) {
      if (MatchesNaively(pattern, p + 1, words, skip)) return true;
    }
    return false;
  }
  if (w == words.size()) return false;
  return (pattern[p] == "*" || pattern[p] == words[w]) &&
         MatchesNaively(pattern, p + 1, words, w + 1);
}
std::vector<std::string> Words(const std::string& key) {
  return key.empty() ? std::vector<std::string>()
                     : std::vector<std::string>(absl::StrSplit(key, '.'));
}
std::string RandomKey(base::Random* random, const std::vector<std::string>& alphabet) {
  std::vector<std::string> words(random->Below(6));
  for (std::string& word : words) word = alphabet[random->Below(alphabet.size())];
  return absl::StrJoin(words, ".");
}

TEST(TopicTrieTest, MatchesLikeANaiveMatcherWhileBindingsComeAndGo) {
  base::SeededRandom random(7);
  TopicTrie trie;
  std::set<std::pair<std::string, uint64_t>> bindings;
  std::vector<std::pair<TopicTrie, std::set<std::pair<std::string, uint64_t>>>> versions;
  for (int step = 0; step < 30000; ++step) {
    if (random.Below(3) == 0) {
      const std::string key = RandomKey(&random, {"a", "b", "*", "#", "#", ""});
      const uint64_t id = 1 + random.Below(20);
      if (bindings.insert({key, id}).second) {
        Destination destination;
        destination.id = id;
        trie.Add(key, destination);
      }
    } else if (!bindings.empty() && random.Below(3) == 0) {
      const auto victim =
          std::next(bindings.begin(), static_cast<int>(random.Below(bindings.size())));
      trie.Remove(victim->first, victim->second);
      bindings.erase(victim);
    }
    if (step % 3000 == 0) versions.emplace_back(trie, bindings);
    const auto check = [&](const TopicTrie& checked,
                           const std::set<std::pair<std::string, uint64_t>>& expected) {
      const std::string key = RandomKey(&random, {"a", "b", "c", ""});
      TopicTrie::Matches matches;
      checked.Match(key, &matches);
      std::multiset<std::pair<uint64_t, uint32_t>> got, want;
      std::map<std::string, std::map<uint64_t, uint32_t>> wanted;
      for (const DestinationSet* set : matches) {
        set->ForEach([&](const Destination& destination) {
          got.insert({destination.id, destination.bindings});
        });
      }
      for (const auto& [pattern, id] : expected) {
        if (MatchesNaively(Words(pattern), 0, Words(key), 0)) ++wanted[pattern][id];
      }
      for (const auto& [pattern, ids] : wanted) want.insert(ids.begin(), ids.end());
      ASSERT_EQ(got, want) << "key '" << key << "'";
    };
    if (step % 20 == 0) {
      check(trie, bindings);
      if (!versions.empty()) {
        const auto& [old, expected] = versions[random.Below(versions.size())];
        check(old, expected);
      }
    }
  }
  for (const auto& [key, id] : std::set<std::pair<std::string, uint64_t>>(bindings))
    trie.Remove(key, id);
  EXPECT_EQ(trie.node_count(), 0u) << "unbinding must not leave nodes behind";
}

TEST(TopicTrieTest, ManyHashesTakeNoExponentialTime) {
  // 127 times `#`, and patterns that share long prefixes of `#.a`: a backtracking matcher does not
  // end.
  TopicTrie trie;
  Destination destination;
  destination.id = 1;
  std::string hashes = "#", pairs = "#.a";
  for (int i = 0; i < 126; ++i) hashes += ".#";
  for (int i = 0; i < 60; ++i) pairs += ".#.a";
  trie.Add(hashes, destination);
  trie.Add(pairs, destination);
  trie.Add(pairs + ".b", destination);
  std::string key = "a";
  for (int i = 0; i < 126; ++i) key += ".a";
  TopicTrie::Matches matches;
  trie.Match(key, &matches);
  EXPECT_EQ(matches.size(), 2u);
}

TEST_F(RouteTest, HeadersMatchAllByDefaultAndVoidAsksForPresence) {
  using amqp::Table;
  using amqp::Value;
  Queues({"all", "any", "present", "none", "any-none"});
  const auto bind = [&](const std::string& queue, const Table& arguments) {
    ASSERT_EQ(catalog_.Try(catalog_.BindQueue("amq.headers", queue, "", arguments)), "");
  };
  bind("all", {{"a", Value::Int(1)}, {"b", Value::String("x")}});
  bind("any", {{"x-match", Value::String("any")}, {"a", Value::Int(1)}, {"b", Value::String("x")}});
  bind("present", {{"a", Value::Void()}});
  bind("none", {});
  bind("any-none", {{"x-match", Value::String("any")}});
  const auto route = [&](const Table& headers) {
    return catalog_.Route("amq.headers", {"key"}, &headers);
  };
  EXPECT_THAT(route({{"b", Value::String("x")}, {"a", Value::Int(1)}}),
              ElementsAre("all", "any", "present", "none"));
  EXPECT_THAT(route({{"a", Value::Int(1)}}), ElementsAre("any", "present", "none"));
  EXPECT_THAT(route({{"a", Value::Int(2)}}), ElementsAre("present", "none"));
  EXPECT_THAT(route({}), ElementsAre("none"));
  EXPECT_THAT(catalog_.Route("amq.headers", {"key"}), ElementsAre("none")) << "no table at all";
  EXPECT_THAT(route({{"a", Value::Long(1)}, {"b", Value::Binary("x")}}),
              ElementsAre("all", "any", "present", "none"))
      << "values are compared, not their types";
  EXPECT_THAT(route({{"a", Value::Double(1.0)}}), ElementsAre("any", "present", "none"));
}

TEST_F(RouteTest, HeadersCountXFieldsOnlyWhereAsked) {
  using amqp::Table;
  using amqp::Value;
  Queues({"all", "all-x", "any-x"});
  const auto bind = [&](const std::string& queue, const std::string& match) {
    ASSERT_EQ(
        catalog_.Try(catalog_.BindQueue(
            "amq.headers", queue, "",
            {{"x-match", Value::String(match)}, {"x-a", Value::Int(1)}, {"b", Value::Int(2)}})),
        "");
  };
  bind("all", "all");
  bind("all-x", "all-with-x");
  bind("any-x", "any-with-x");
  const auto route = [&](const Table& headers) {
    return catalog_.Route("amq.headers", {""}, &headers);
  };
  EXPECT_THAT(route({{"b", Value::Int(2)}}), ElementsAre("all", "any-x"));
  EXPECT_THAT(route({{"b", Value::Int(2)}, {"x-a", Value::Int(1)}}),
              ElementsAre("all", "all-x", "any-x"));
  EXPECT_THAT(route({{"x-a", Value::Int(1)}}), ElementsAre("any-x"));
}

TEST_F(RouteTest, ExchangesBoundInACycleDeliverOneCopyPerQueue) {
  Queues({"q", "r"});
  for (const char* name : {"a", "b", "c"})
    catalog_.Run(catalog_.Exchange(name, ExchangeKind::kFanout));
  catalog_.Run(catalog_.BindExchange("a", "b"));
  catalog_.Run(catalog_.BindExchange("b", "c"));
  catalog_.Run(catalog_.BindExchange("c", "a"));
  catalog_.Run(catalog_.BindExchange("a", "a"));
  BindAll("a", {{"q", ""}});
  BindAll("b", {{"q", ""}});
  BindAll("c", {{"q", ""}, {"r", ""}});
  EXPECT_THAT(catalog_.Route("a", {""}), ElementsAre("q", "r"));
  EXPECT_THAT(catalog_.Route("c", {""}), UnorderedElementsAre("q", "r"));
}

TEST_F(RouteTest, AFanOfManyExchangesDeliversOneCopy) {
  Queues({"q"});
  catalog_.Run(catalog_.Exchange("start", ExchangeKind::kFanout));
  for (int i = 0; i < 50; ++i) {
    const std::string name = "x" + std::to_string(i);
    catalog_.Run(catalog_.Exchange(name, ExchangeKind::kFanout));
    catalog_.Run(catalog_.BindExchange("start", name));
    catalog_.Run(catalog_.BindExchange(name, "start"));
    BindAll(name, {{"q", ""}});
  }
  EXPECT_THAT(catalog_.Route("start", {""}), ElementsAre("q"));
}

TEST_F(RouteTest, AlternateExchangeTakesWhatMatchedNothing) {
  using amqp::Value;
  Queues({"q", "last"});
  catalog_.Run(
      catalog_.Exchange("a", ExchangeKind::kDirect, {{"alternate-exchange", Value::String("b")}}));
  catalog_.Run(
      catalog_.Exchange("b", ExchangeKind::kDirect, {{"alternate-exchange", Value::String("c")}}));
  catalog_.Run(catalog_.Exchange("c", ExchangeKind::kFanout));
  BindAll("a", {{"q", "k"}});
  EXPECT_THAT(catalog_.Route("a", {"other"}), IsEmpty());
  BindAll("c", {{"last", ""}});
  EXPECT_THAT(catalog_.Route("a", {"other"}), ElementsAre("last"));
  EXPECT_THAT(catalog_.Route("a", {"k"}), ElementsAre("q"));
  EXPECT_THAT(catalog_.Route("a", {"k", "other"}), ElementsAre("q"))
      << "one key matched: nothing is left over";
}

TEST_F(RouteTest, AlternateExchangesInACycleEnd) {
  using amqp::Value;
  catalog_.Run(
      catalog_.Exchange("a", ExchangeKind::kDirect, {{"alternate-exchange", Value::String("b")}}));
  catalog_.Run(
      catalog_.Exchange("b", ExchangeKind::kDirect, {{"alternate-exchange", Value::String("a")}}));
  catalog_.Run(catalog_.Exchange("self", ExchangeKind::kDirect,
                                 {{"alternate-exchange", Value::String("self")}}));
  catalog_.Run(catalog_.Exchange("to-missing", ExchangeKind::kDirect,
                                 {{"alternate-exchange", Value::String("no")}}));
  for (const char* name : {"a", "b", "self", "to-missing"})
    EXPECT_THAT(catalog_.Route(name, {"k"}), IsEmpty());
}

TEST_F(RouteTest, TheOrderOfTargetsIsTheSameInEveryCatalog) {
  std::vector<std::string> names;
  for (int i = 0; i < 100; ++i) names.push_back("q" + std::to_string(i));
  Queues(names);
  for (const std::string& name : names) BindAll("amq.fanout", {{name, ""}});
  const std::vector<std::string> order = catalog_.Route("amq.fanout", {""});
  ASSERT_EQ(order.size(), 100u);
  TestCatalog restored;
  ASSERT_TRUE(
      restored.machine().Restore(catalog_.index(), catalog_.machine().MakeCheckpoint()).ok());
  EXPECT_EQ(restored.Route("amq.fanout", {""}), order);
  EXPECT_EQ(catalog_.Route("amq.fanout", {""}), order);
}

}  // namespace
}  // namespace pontoon::catalog
