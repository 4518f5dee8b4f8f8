#include "storage/hinted_memtable.h"

#include <cstring>
#include <unordered_set>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "base/ids.h"
#include "storage/keys.h"

namespace pontoon::storage {
namespace {

using rocksdb::MemTableRep;

// A remembered place takes about 250 bytes of the write buffer; with more than so many groups in
// one buffer the rest go without.
constexpr size_t kHintsMax = 4096;
// A key in a buffer ends with 8 bytes of RocksDB's: sequence number, and in the lowest byte the
// kind.
constexpr size_t kTrailerBytes = 8;
// With which ItemKeys and MetaKeys begin. No family has keys of both kinds.
constexpr size_t kGroupBytes = sizeof(base::GroupId::value);

class HintedMemTable final : public MemTableRep {
 public:
  HintedMemTable(std::unique_ptr<MemTableRep> list, const KeyComparator& comparator,
                 rocksdb::Allocator* allocator)
      : MemTableRep(allocator), list_(std::move(list)), comparator_(comparator) {}

  rocksdb::KeyHandle Allocate(size_t len, char** buf) override {
    const rocksdb::KeyHandle handle = list_->Allocate(len, buf);
    allocated_ = {handle, *buf};
    return handle;
  }
  void Insert(rocksdb::KeyHandle handle) override { (void)InsertKey(handle); }
  bool InsertKey(rocksdb::KeyHandle handle) override {
    void** const hint = HintOf(handle);
    return hint == nullptr ? list_->InsertKey(handle) : list_->InsertKeyWithHint(handle, hint);
  }
  bool Contains(const char* key) const override { return list_->Contains(key); }
  void MarkReadOnly() override { list_->MarkReadOnly(); }
  void MarkFlushed() override { list_->MarkFlushed(); }
  void Get(const rocksdb::LookupKey& key, void* callback_args,
           bool (*callback)(void* arg, const char* entry)) override {
    list_->Get(key, callback_args, callback);
  }
  uint64_t ApproximateNumEntries(const rocksdb::Slice& start, const rocksdb::Slice& end) override {
    return list_->ApproximateNumEntries(start, end);
  }
  void UniqueRandomSample(uint64_t entries, uint64_t wanted,
                          std::unordered_set<const char*>* sample) override {
    list_->UniqueRandomSample(entries, wanted, sample);
  }
  size_t ApproximateMemoryUsage() override { return list_->ApproximateMemoryUsage(); }
  Iterator* GetIterator(rocksdb::Arena* arena) override { return list_->GetIterator(arena); }
  Iterator* GetDynamicPrefixIterator(rocksdb::Arena* arena) override {
    return list_->GetDynamicPrefixIterator(arena);
  }

 private:
  // Where the list remembers the place of such keys; null: nowhere.
  void** HintOf(rocksdb::KeyHandle handle) {
    if (handle != allocated_.first) return nullptr;
    const rocksdb::Slice key = comparator_.decode_key(allocated_.second);
    uint64_t of = 0;
    if (key.size() == sizeof(MetaKey) + kTrailerBytes) {
      // Always the same keys: the newest value of one lies right before the one that it replaces.
      // The others are written so rarely that a place costs more than it saves.
      const char kind = key.data()[sizeof(MetaKey) - 1];
      if (kind != static_cast<char>(MetaKind::kEndedThrough) &&
          kind != static_cast<char>(NodeMetaKind::kBatchNumber))
        return nullptr;
      std::memcpy(&of, key.data(), sizeof(MetaKey));
    } else if (key.size() == sizeof(ItemKey) + kTrailerBytes) {
      std::memcpy(&of, key.data(), kGroupBytes);
      of = of << 8 | static_cast<unsigned char>(key.data()[sizeof(ItemKey)]);
    } else {
      return nullptr;
    }
    const auto it = hints_.find(of);
    if (it != hints_.end()) return &it->second;
    return hints_.size() < kHintsMax ? &hints_[of] : nullptr;
  }

  const std::unique_ptr<MemTableRep> list_;
  const KeyComparator& comparator_;
  std::pair<rocksdb::KeyHandle, const char*> allocated_ = {};  // The newest.
  absl::flat_hash_map<uint64_t, void*> hints_;                 // Never iterated.
};

class HintedMemTableFactory final : public rocksdb::MemTableRepFactory {
 public:
  const char* Name() const override { return "pontoon.HintedMemTable"; }
  using MemTableRepFactory::CreateMemTableRep;
  MemTableRep* CreateMemTableRep(const MemTableRep::KeyComparator& comparator,
                                 rocksdb::Allocator* allocator,
                                 const rocksdb::SliceTransform* transform,
                                 rocksdb::Logger* logger) override {
    std::unique_ptr<MemTableRep> list(
        lists_.CreateMemTableRep(comparator, allocator, transform, logger));
    return new HintedMemTable(std::move(list), comparator, allocator);
  }
  bool CanHandleDuplicatedKey() const override { return true; }

 private:
  rocksdb::SkipListFactory lists_;
};

}  // namespace

std::shared_ptr<rocksdb::MemTableRepFactory> MakeHintedMemTableFactory() {
  return std::make_shared<HintedMemTableFactory>();
}

}  // namespace pontoon::storage
