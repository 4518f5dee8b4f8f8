#ifndef PONTOON_STORAGE_ROCKSDB_CRC32C_H_
#define PONTOON_STORAGE_ROCKSDB_CRC32C_H_

namespace pontoon::storage {

// Debian builds RocksDB without SSE 4.2: its CRC-32C of the write-ahead log is computed with
// tables, and costs a fifth of a synced write's processor time at 1 KiB and a third at 16 KiB
// (measured with 7.8.3). rocksdb_crc32c.cc defines those functions of RocksDB again, over
// base::Crc32cExtend; the linker takes ours, because calling this function brings them in before
// the library is searched. The bytes on the disk are the same: an unmodified library reads them
// (PlainReaderTest).
void UseOwnCrc32cForRocksDb();

}  // namespace pontoon::storage

#endif  // PONTOON_STORAGE_ROCKSDB_CRC32C_H_
