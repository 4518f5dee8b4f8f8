#ifndef PONTOON_STORAGE_HINTED_MEMTABLE_H_
#define PONTOON_STORAGE_HINTED_MEMTABLE_H_

#include <rocksdb/memtablerep.h>

#include <memory>

namespace pontoon::storage {

// RocksDB's own skip list for families with ItemKeys or MetaKeys, which remembers per group where
// it last put a value and where it last deleted one: both mostly go on right behind; and where the
// newest value of a MetaKey is that goes with nearly every batch: the next goes right before it.
// Looking for the place anew was a third of what a write cost when many groups ride in one batch.
// (RocksDB's option of that kind keeps its places in the table of range deletions together with
// those of the keys, and so breaks both; seen with 7.8.3.) For one writer; readers are as free as
// ever.
std::shared_ptr<rocksdb::MemTableRepFactory> MakeHintedMemTableFactory();

}  // namespace pontoon::storage

#endif  // PONTOON_STORAGE_HINTED_MEMTABLE_H_
