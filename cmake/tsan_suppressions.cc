// Debian's RocksDB is not built for ThreadSanitizer, which therefore does not see how it keeps its
// own threads and its callers apart. In this preset only: reports in whose stacks RocksDB's own
// functions stand are left out. What our functions do in its threads is still seen. The name is
// ThreadSanitizer's, hence NOLINT.
extern "C" const char* __tsan_default_suppressions();  // NOLINT(bugprone-reserved-identifier)
extern "C" const char* __tsan_default_suppressions() { return "race:rocksdb::\n"; }
