#ifndef PONTOON_SERVER_CATALOG_TOPIC_TRIE_H_
#define PONTOON_SERVER_CATALOG_TOPIC_TRIE_H_

#include <string>

#include "absl/container/inlined_vector.h"
#include "absl/strings/string_view.h"
#include "server/catalog/destination_set.h"
#include "server/catalog/ref.h"

namespace pontoon::catalog {

struct TopicNode;

// The bindings of a topic exchange, as a trie over words (AMQP 0-9-1 section 3.1.3.3): `*` stands
// for one word, `#` for any number of them, also none, and both may stand anywhere and often. Empty
// words count; an empty key has no word. Persistent: copies share their nodes. A node that nothing
// leads through is taken out.
class TopicTrie {
 public:
  using Matches = absl::InlinedVector<const DestinationSet*, 8>;

  void Add(absl::string_view binding_key, const Destination& destination);
  // It was added.
  void Remove(absl::string_view binding_key, uint64_t destination);

  // Appends the sets of all binding keys that match, each once. Time: words of the key times the
  // nodes that are reached by matching prefixes, whatever the number of `#`.
  void Match(absl::string_view routing_key, Matches* matches) const;

  size_t node_count() const;  // For tests.

 private:
  Ref<TopicNode> root_;
};

struct TopicChild {
  std::string word;
  Ref<TopicNode> node;
};
struct TopicChildByWord {
  using Key = absl::string_view;
  static Key Get(const TopicChild& child) { return child.word; }
  static uint64_t Hash(Key word) { return HashName(word); }
};

struct TopicNode : RefCounted {
  PersistentMap<TopicChild, TopicChildByWord> words;
  Ref<TopicNode> star;
  Ref<TopicNode> hash;
  DestinationSet here;  // Of binding keys that end here.

  bool IsEmpty() const { return words.empty() && !star && !hash && here.empty(); }
};

}  // namespace pontoon::catalog

#endif  // PONTOON_SERVER_CATALOG_TOPIC_TRIE_H_
