#ifndef PONTOON_SERVER_CATALOG_PERSISTENT_MAP_H_
#define PONTOON_SERVER_CATALOG_PERSISTENT_MAP_H_

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <utility>

#include "base/check.h"

namespace pontoon::catalog {

// A hash array mapped trie whose copies share their nodes: copying a map costs one count, changing
// a copy costs the nodes on one path. A node that only this map can reach is edited in place, so a
// batch of changes copies a node at most once.
//
// `Entry` holds its own key. `KeyOf` names it:
//   using Key = ...;                            // Cheap to pass: an integer or a view into the
//   entry. static Key Get(const Entry& entry); static uint64_t Hash(const Key& key);
// and keys are compared with ==. The order of ForEach is that of the hashes.
//
// A map belongs to one thread; its copies may be read and dropped on others at the same time.
//
// Invariants (checked by persistent_map_test):
// 1. every node but the root holds at least two entries in its subtree, so a map has one shape for
// one content;
// 2. an entry lies at the lowest depth at which the bits of its hash are its own.
template <typename Entry, typename KeyOf>
class PersistentMap {
 public:
  using Key = typename KeyOf::Key;

  PersistentMap() = default;
  PersistentMap(const PersistentMap& other) : root_(other.root_), size_(other.size_) {
    if (root_ != nullptr) Acquire(root_);
  }
  PersistentMap(PersistentMap&& other) noexcept
      : root_(std::exchange(other.root_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  PersistentMap& operator=(PersistentMap other) noexcept {
    std::swap(root_, other.root_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~PersistentMap() {
    if (root_ != nullptr) Release(root_);
  }

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  // Valid until this map changes (a copy keeps what it holds).
  const Entry* Find(const Key& key) const {
    const Node* node = root_;
    uint64_t hash = KeyOf::Hash(key);
    for (int depth = 0; node != nullptr; ++depth, hash >>= kBits) {
      if (depth == kDepthMax) return FindCollision(node, key);
      const uint32_t bit = BitOf(hash);
      if (node->entry_bits & bit) {
        const Entry& entry = node->entries()[node->EntryIndex(bit)];
        return KeyOf::Get(entry) == key ? &entry : nullptr;
      }
      if (!(node->child_bits & bit)) return nullptr;
      node = node->children()[node->ChildIndex(bit)];
    }
    return nullptr;
  }

  // To change what is not part of the key; null if it is not there. Valid until the map changes or
  // is copied.
  Entry* FindMutable(const Key& key) {
    if (Find(key) == nullptr) return nullptr;
    Node** slot = &root_;
    uint64_t hash = KeyOf::Hash(key);
    for (int depth = 0;; ++depth, hash >>= kBits) {
      Unshare(slot);
      Node* node = *slot;
      if (depth == kDepthMax) return const_cast<Entry*>(FindCollision(node, key));
      const uint32_t bit = BitOf(hash);
      if (node->entry_bits & bit) return &node->entries()[node->EntryIndex(bit)];
      slot = &node->children()[node->ChildIndex(bit)];
    }
  }

  // Puts it in, in the place of an entry of the same key. True if there was none. The entry's key
  // must stay valid while the entry lives.
  bool Insert(Entry entry) {
    const uint64_t hash = KeyOf::Hash(KeyOf::Get(entry));
    const bool added = InsertAt(&root_, std::move(entry), hash, 0);
    if (added) ++size_;
    return added;
  }

  // True if it was there.
  bool Erase(const Key& key) {
    if (Find(key) == nullptr) return false;
    EraseAt(&root_, key, KeyOf::Hash(key), 0);
    --size_;
    return true;
  }

  template <typename Function>
  void ForEach(const Function& function) const {
    if (root_ != nullptr) Walk(root_, function);
  }

  // For the test: aborts if an invariant is broken.
  void CheckShape() const {
    size_t count = 0;
    if (root_ != nullptr) CheckNode(root_, 0, 0, &count);
    PONTOON_CHECK(count == size_);
  }

 private:
  static constexpr int kBits = 5;
  // Past this depth no bits of the hash are left: a node there is a plain list of entries with one
  // hash.
  static constexpr int kDepthMax = 13;
  static_assert(kDepthMax * kBits >= 64);

  // How many bits are set. std::popcount is a call where the processor's instruction may not be
  // assumed.
  static uint32_t Ones(uint32_t bits) {
    bits -= (bits >> 1) & 0x55555555;
    bits = (bits & 0x33333333) + ((bits >> 2) & 0x33333333);
    return (((bits + (bits >> 4)) & 0x0f0f0f0f) * 0x01010101) >> 24;
  }

  struct Node {
    std::atomic<uint32_t> refs{1};
    uint32_t entry_bits =
        0;  // Which of the 32 places hold an entry; not used in a list of collisions.
    uint32_t child_bits = 0;  // Which hold a node.
    uint32_t entry_count = 0;

    Entry* entries() { return reinterpret_cast<Entry*>(this + 1); }
    const Entry* entries() const { return reinterpret_cast<const Entry*>(this + 1); }
    Node** children() { return reinterpret_cast<Node**>(entries() + entry_count); }
    Node* const* children() const {
      return reinterpret_cast<Node* const*>(entries() + entry_count);
    }
    uint32_t child_count() const { return Ones(child_bits); }
    uint32_t EntryIndex(uint32_t bit) const { return Ones(entry_bits & (bit - 1)); }
    uint32_t ChildIndex(uint32_t bit) const { return Ones(child_bits & (bit - 1)); }
  };
  static_assert(sizeof(Node) == 16 && alignof(Entry) <= 8 && sizeof(Entry) % 8 == 0);

  static uint32_t BitOf(uint64_t hash) { return uint32_t{1} << (hash & 31); }
  static void Acquire(Node* node) { node->refs.fetch_add(1, std::memory_order_relaxed); }
  static bool IsShared(const Node* node) { return node->refs.load(std::memory_order_acquire) != 1; }

  static void Release(Node* node) {
    if (node->refs.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    for (uint32_t i = 0; i < node->child_count(); ++i) Release(node->children()[i]);
    std::destroy_n(node->entries(), node->entry_count);
    std::free(node);
  }

  // Room for this many; the caller constructs the entries and sets the children.
  static Node* Allocate(uint32_t entry_bits, uint32_t child_bits, uint32_t entry_count) {
    const size_t bytes =
        sizeof(Node) + entry_count * sizeof(Entry) + size_t{Ones(child_bits)} * sizeof(Node*);
    void* memory = std::malloc(bytes);
    PONTOON_CHECK_MSG(memory != nullptr, "memory has run out");
    Node* node = new (memory) Node();
    node->entry_bits = entry_bits;
    node->child_bits = child_bits;
    node->entry_count = entry_count;
    return node;
  }

  // A node of the new form with `old`'s entries but the one at `skip_entry`, a hole (not
  // constructed) at `new_entry`, and likewise for children. Consumes one reference to `old`: moves
  // what only we can see, copies what is shared.
  static constexpr uint32_t kNone = ~uint32_t{0};
  static Node* Reshape(Node* old, uint32_t entry_bits, uint32_t child_bits, uint32_t entry_count,
                       uint32_t skip_entry, uint32_t new_entry, uint32_t skip_child,
                       uint32_t new_child) {
    Node* node = Allocate(entry_bits, child_bits, entry_count);
    const bool shared = IsShared(old);
    uint32_t to = 0;
    for (uint32_t from = 0; from < old->entry_count; ++from) {
      if (from == skip_entry) continue;
      if (to == new_entry) ++to;
      Entry& entry = old->entries()[from];
      if (shared) {
        new (&node->entries()[to++]) Entry(std::as_const(entry));
      } else {
        new (&node->entries()[to++]) Entry(std::move(entry));
      }
    }
    to = 0;
    for (uint32_t from = 0; from < old->child_count(); ++from) {
      Node* child = old->children()[from];
      if (from == skip_child) {
        if (!shared) Release(child);
        continue;
      }
      if (to == new_child) ++to;
      if (shared) Acquire(child);
      node->children()[to++] = child;
    }
    if (shared) {
      Release(old);
    } else {
      std::destroy_n(old->entries(), old->entry_count);
      std::free(old);
    }
    return node;
  }

  static void Unshare(Node** slot) {
    Node* old = *slot;
    if (!IsShared(old)) return;
    *slot = Reshape(old, old->entry_bits, old->child_bits, old->entry_count, kNone, kNone, kNone,
                    kNone);
  }

  static const Entry* FindCollision(const Node* node, const Key& key) {
    for (uint32_t i = 0; i < node->entry_count; ++i) {
      if (KeyOf::Get(node->entries()[i]) == key) return &node->entries()[i];
    }
    return nullptr;
  }

  // A node for two entries whose hashes (shifted to `depth`) may agree in their next bits.
  static Node* Pair(Entry a, uint64_t hash_a, Entry b, uint64_t hash_b, int depth) {
    if (depth == kDepthMax) {
      Node* node = Allocate(0, 0, 2);
      new (&node->entries()[0]) Entry(std::move(a));
      new (&node->entries()[1]) Entry(std::move(b));
      return node;
    }
    const uint32_t bit_a = BitOf(hash_a), bit_b = BitOf(hash_b);
    if (bit_a == bit_b) {
      Node* node = Allocate(0, bit_a, 0);
      node->children()[0] =
          Pair(std::move(a), hash_a >> kBits, std::move(b), hash_b >> kBits, depth + 1);
      return node;
    }
    Node* node = Allocate(bit_a | bit_b, 0, 2);
    new (&node->entries()[bit_a < bit_b ? 0 : 1]) Entry(std::move(a));
    new (&node->entries()[bit_a < bit_b ? 1 : 0]) Entry(std::move(b));
    return node;
  }

  static bool InsertAt(Node** slot, Entry entry, uint64_t hash, int depth) {
    Node* node = *slot;
    const uint32_t bit = BitOf(hash);
    if (node == nullptr) {
      node = Allocate(bit, 0, 1);
      new (&node->entries()[0]) Entry(std::move(entry));
      *slot = node;
      return true;
    }
    if (depth == kDepthMax) {
      for (uint32_t i = 0; i < node->entry_count; ++i) {
        if (!(KeyOf::Get(node->entries()[i]) == KeyOf::Get(entry))) continue;
        Unshare(slot);
        (*slot)->entries()[i] = std::move(entry);
        return false;
      }
      const uint32_t count = node->entry_count;
      *slot = Reshape(node, 0, 0, count + 1, kNone, count, kNone, kNone);
      new (&(*slot)->entries()[count]) Entry(std::move(entry));
      return true;
    }
    if (node->entry_bits & bit) {
      const uint32_t index = node->EntryIndex(bit);
      if (KeyOf::Get(node->entries()[index]) == KeyOf::Get(entry)) {
        Unshare(slot);
        (*slot)->entries()[index] = std::move(entry);
        return false;
      }
      // Two keys share this place: both go one deeper.
      Entry other = node->entries()[index];
      const uint64_t other_hash = KeyOf::Hash(KeyOf::Get(other)) >> (kBits * depth);
      Node* child =
          Pair(std::move(other), other_hash >> kBits, std::move(entry), hash >> kBits, depth + 1);
      const uint32_t child_index = node->ChildIndex(bit);
      *slot = Reshape(node, node->entry_bits & ~bit, node->child_bits | bit, node->entry_count - 1,
                      index, kNone, kNone, child_index);
      (*slot)->children()[child_index] = child;
      return true;
    }
    if (node->child_bits & bit) {
      Unshare(slot);
      return InsertAt(&(*slot)->children()[(*slot)->ChildIndex(bit)], std::move(entry),
                      hash >> kBits, depth + 1);
    }
    const uint32_t index = node->EntryIndex(bit);
    *slot = Reshape(node, node->entry_bits | bit, node->child_bits, node->entry_count + 1, kNone,
                    index, kNone, kNone);
    new (&(*slot)->entries()[index]) Entry(std::move(entry));
    return true;
  }

  // The key is there.
  static void EraseAt(Node** slot, const Key& key, uint64_t hash, int depth) {
    Node* node = *slot;
    const uint32_t bit = BitOf(hash);
    if (depth == kDepthMax || (node->entry_bits & bit)) {
      uint32_t index = 0;
      if (depth == kDepthMax) {
        while (!(KeyOf::Get(node->entries()[index]) == key)) ++index;
      } else {
        index = node->EntryIndex(bit);
      }
      if (node->entry_count == 1 && node->child_bits == 0) {  // Only a root.
        Release(node);
        *slot = nullptr;
        return;
      }
      const uint32_t bits = depth == kDepthMax ? 0 : node->entry_bits & ~bit;
      *slot =
          Reshape(node, bits, node->child_bits, node->entry_count - 1, index, kNone, kNone, kNone);
      return;
    }
    Unshare(slot);
    node = *slot;
    const uint32_t child_index = node->ChildIndex(bit);
    Node** child_slot = &node->children()[child_index];
    EraseAt(child_slot, key, hash >> kBits, depth + 1);
    Node* child = *child_slot;
    if (child->entry_count != 1 || child->child_bits != 0) return;
    // A lone entry moves up.
    Entry lone = child->entries()[0];
    const uint32_t entry_bits = node->entry_bits | bit;
    const uint32_t index = Ones(entry_bits & (bit - 1));
    *slot = Reshape(node, entry_bits, node->child_bits & ~bit, node->entry_count + 1, kNone, index,
                    child_index, kNone);
    new (&(*slot)->entries()[index]) Entry(std::move(lone));
  }

  template <typename Function>
  static void Walk(const Node* node, const Function& function) {
    for (uint32_t i = 0; i < node->entry_count; ++i) function(node->entries()[i]);
    for (uint32_t i = 0; i < node->child_count(); ++i) Walk(node->children()[i], function);
  }

  static void CheckNode(const Node* node, int depth, uint64_t prefix, size_t* count) {
    size_t below = 0;
    for (uint32_t i = 0; i < node->entry_count; ++i) {
      const uint64_t hash = KeyOf::Hash(KeyOf::Get(node->entries()[i]));
      PONTOON_CHECK(depth == 0 ||
                    ((hash ^ prefix) << (depth == kDepthMax ? 0 : 64 - kBits * depth)) == 0);
      PONTOON_CHECK(depth == kDepthMax || node->EntryIndex(BitOf(hash >> (kBits * depth))) == i);
      ++below;
    }
    PONTOON_CHECK((node->entry_bits & node->child_bits) == 0);
    PONTOON_CHECK(depth == kDepthMax || Ones(node->entry_bits) == node->entry_count);
    for (uint32_t bits = node->child_bits, i = 0; bits != 0; bits &= bits - 1, ++i) {
      const uint64_t place = static_cast<uint64_t>(std::countr_zero(bits));
      CheckNode(node->children()[i], depth + 1, prefix | place << (kBits * depth), &below);
    }
    PONTOON_CHECK(depth == 0 ? below >= 1 : below >= 2);
    *count += below;
  }

  Node* root_ = nullptr;
  size_t size_ = 0;
};

}  // namespace pontoon::catalog

#endif  // PONTOON_SERVER_CATALOG_PERSISTENT_MAP_H_
