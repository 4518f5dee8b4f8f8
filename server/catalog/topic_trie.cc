#include "server/catalog/topic_trie.h"

#include <cstdint>
#include <utility>

#include "absl/container/flat_hash_set.h"

namespace pontoon::catalog {
namespace {

using Words = absl::InlinedVector<absl::string_view, 16>;
using Nodes = absl::InlinedVector<const TopicNode*, 16>;

Words Split(absl::string_view key) {
  Words words;
  if (key.empty()) return words;
  for (size_t begin = 0;;) {
    const size_t end = key.find('.', begin);
    words.push_back(key.substr(begin, end == absl::string_view::npos ? end : end - begin));
    if (end == absl::string_view::npos) return words;
    begin = end + 1;
  }
}

void AddAt(Ref<TopicNode>* slot, const Words& words, size_t next, const Destination& destination) {
  TopicNode& node = slot->Mutable();
  if (next == words.size()) {
    node.here.Add(destination);
  } else if (words[next] == "*") {
    AddAt(&node.star, words, next + 1, destination);
  } else if (words[next] == "#") {
    AddAt(&node.hash, words, next + 1, destination);
  } else {
    if (node.words.Find(words[next]) == nullptr) node.words.Insert({std::string(words[next]), {}});
    AddAt(&node.words.FindMutable(words[next])->node, words, next + 1, destination);
  }
}

void RemoveAt(Ref<TopicNode>* slot, const Words& words, size_t next, uint64_t destination) {
  TopicNode& node = slot->Mutable();
  if (next == words.size()) {
    node.here.Remove(destination);
  } else if (words[next] == "*") {
    RemoveAt(&node.star, words, next + 1, destination);
  } else if (words[next] == "#") {
    RemoveAt(&node.hash, words, next + 1, destination);
  } else {
    TopicChild* child = node.words.FindMutable(words[next]);
    PONTOON_CHECK(child != nullptr);
    RemoveAt(&child->node, words, next + 1, destination);
    if (!child->node) node.words.Erase(words[next]);
  }
  if (node.IsEmpty()) *slot = Ref<TopicNode>();
}

// The nodes that the words so far lead to. A node below a word or `*` is reached in one way only,
// through its parent. A
// `#` node stays reached once it is, since it takes any further word; `hashes_` holds those, each
// once.
class Walk {
 public:
  explicit Walk(const TopicNode* root) { Reach(root); }

  void Step(absl::string_view word) {
    before_.swap(reached_);
    reached_.clear();
    const size_t hashes = hashes_.size();  // Those reached by this step have not seen the word yet.
    for (const TopicNode* node : before_) Follow(*node, word);
    for (size_t i = 0; i < hashes; ++i) Follow(*hashes_[i], word);
  }

  void Collect(TopicTrie::Matches* matches) const {
    for (const Nodes* nodes : {&reached_, &hashes_}) {
      for (const TopicNode* node : *nodes) {
        if (!node->here.empty()) matches->push_back(&node->here);
      }
    }
  }

 private:
  void Follow(const TopicNode& node, absl::string_view word) {
    if (node.star) Reach(node.star.get());
    if (const TopicChild* child = node.words.Find(word)) Reach(child->node.get());
  }
  void Reach(const TopicNode* node) {
    reached_.push_back(node);
    // `#` also stands for no word.
    for (const TopicNode* hash = node->hash.get(); hash != nullptr && IsNewHash(hash);
         hash = hash->hash.get()) {
      hashes_.push_back(hash);
    }
  }
  bool IsNewHash(const TopicNode* node) {
    if (hashes_.size() < 16) {
      for (const TopicNode* known : hashes_) {
        if (known == node) return false;
      }
      return true;
    }
    if (known_hashes_.empty()) known_hashes_.insert(hashes_.begin(), hashes_.end());
    return known_hashes_.insert(node).second;
  }

  Nodes reached_;
  Nodes before_;
  Nodes hashes_;
  absl::flat_hash_set<const TopicNode*> known_hashes_;  // Once they are many.
};

size_t CountNodes(const TopicNode* node) {
  if (node == nullptr) return 0;
  size_t count = 1 + CountNodes(node->star.get()) + CountNodes(node->hash.get());
  node->words.ForEach([&](const TopicChild& child) { count += CountNodes(child.node.get()); });
  return count;
}

}  // namespace

void TopicTrie::Add(absl::string_view binding_key, const Destination& destination) {
  AddAt(&root_, Split(binding_key), 0, destination);
}

void TopicTrie::Remove(absl::string_view binding_key, uint64_t destination) {
  RemoveAt(&root_, Split(binding_key), 0, destination);
}

void TopicTrie::Match(absl::string_view routing_key, Matches* matches) const {
  if (!root_) return;
  Walk walk(root_.get());
  for (absl::string_view word : Split(routing_key)) walk.Step(word);
  walk.Collect(matches);
}

size_t TopicTrie::node_count() const { return CountNodes(root_.get()); }

}  // namespace pontoon::catalog
