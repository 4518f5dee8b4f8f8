#include "server/catalog/persistent_map.h"

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "server/catalog/hash.h"
#include "server/catalog/ref.h"

namespace pontoon::catalog {
namespace {

struct Pair {
  std::string key;
  uint64_t value = 0;
};
// `kHashBits` small makes many keys collide, down to the lists at the bottom.
template <int kHashBits>
struct PairByKey {
  using Key = absl::string_view;
  static Key Get(const Pair& pair) { return pair.key; }
  static uint64_t Hash(Key key) {
    uint64_t hash = 0;
    for (const char c : key) hash = HashId(hash + static_cast<unsigned char>(c));
    return kHashBits == 64 ? hash : hash & ((uint64_t{1} << kHashBits) - 1);
  }
};

using Model = std::map<std::string, uint64_t>;

template <typename Map>
Model Contents(const Map& map) {
  Model model;
  map.ForEach([&](const Pair& pair) { model.emplace(pair.key, pair.value); });
  return model;
}

template <int kHashBits>
void RunAgainstModel(uint64_t seed) {
  using Map = PersistentMap<Pair, PairByKey<kHashBits>>;
  base::SeededRandom random(seed);
  Map map;
  Model model;
  std::vector<std::pair<Map, Model>> versions;
  for (int step = 0; step < 20000; ++step) {
    const std::string key = std::to_string(random.Below(400));
    switch (random.Below(5)) {
      case 0:
      case 1: {
        const bool added = map.Insert({key, static_cast<uint64_t>(step)});
        ASSERT_EQ(added, model.find(key) == model.end());
        model[key] = static_cast<uint64_t>(step);
        break;
      }
      case 2:
        ASSERT_EQ(map.Erase(key), model.erase(key) == 1);
        break;
      case 3:
        if (Pair* found = map.FindMutable(key)) {
          found->value += 7;
          model.at(key) += 7;
        } else {
          ASSERT_EQ(model.count(key), 0u);
        }
        break;
      default: {
        const Pair* found = map.Find(key);
        ASSERT_EQ(found != nullptr, model.count(key) == 1);
        if (found != nullptr) {
          ASSERT_EQ(found->value, model.at(key));
        }
      }
    }
    ASSERT_EQ(map.size(), model.size());
    if (step % 500 == 0) {
      map.CheckShape();
      versions.emplace_back(map, model);
      if (versions.size() > 8) versions.erase(versions.begin() + static_cast<int>(random.Below(8)));
    }
  }
  for (const auto& [version, expected] : versions) {
    version.CheckShape();
    EXPECT_EQ(Contents(version), expected) << "an older version has changed";
  }
  for (const auto& [key, value] : model) ASSERT_TRUE(map.Erase(key));
  EXPECT_TRUE(map.empty());
}

TEST(PersistentMapTest, BehavesAsAMapAndKeepsOldVersions) { RunAgainstModel<64>(1); }
TEST(PersistentMapTest, BehavesAsAMapWhereHashesCollide) { RunAgainstModel<4>(2); }
TEST(PersistentMapTest, BehavesAsAMapWhereAllHashesAreOne) { RunAgainstModel<0>(3); }

struct IdEntry {
  uint64_t id;
};
struct ById {
  using Key = uint64_t;
  static Key Get(const IdEntry& entry) { return entry.id; }
  static uint64_t Hash(Key id) { return HashId(id); }
};

TEST(PersistentMapTest, WalksInAnOrderThatDependsOnTheContentsAlone) {
  PersistentMap<IdEntry, ById> up, down;
  for (uint64_t id = 0; id < 1000; ++id) up.Insert({id});
  for (uint64_t id = 2000; id-- > 0;) down.Insert({id});
  for (uint64_t id = 1000; id < 2000; ++id) down.Erase(id);
  std::vector<uint64_t> a, b;
  up.ForEach([&](const IdEntry& entry) { a.push_back(entry.id); });
  down.ForEach([&](const IdEntry& entry) { b.push_back(entry.id); });
  EXPECT_EQ(a, b);
  EXPECT_EQ(a.size(), 1000u);
}

struct Thing : RefCounted {
  int value = 0;
};

TEST(RefTest, CopiesOnlyWhatIsShared) {
  Ref<Thing> one;
  one.Mutable().value = 1;
  Thing* const alone = one.get();
  one.Mutable().value = 2;
  EXPECT_EQ(one.get(), alone);
  const Ref<Thing> other = one;
  one.Mutable().value = 3;
  EXPECT_EQ(other->value, 2);
  EXPECT_EQ(one->value, 3);
}

}  // namespace
}  // namespace pontoon::catalog
