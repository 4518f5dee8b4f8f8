#ifndef PONTOON_STORAGE_READER_POOL_H_
#define PONTOON_STORAGE_READER_POOL_H_

#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"

namespace pontoon::storage {

// A few threads for work that may wait for the disk. Jobs begin in the order in which they were
// posted.
class ReaderPool {
 public:
  explicit ReaderPool(int threads);
  // Finishes what was posted.
  ~ReaderPool();

  // Any thread. After Stop has begun, jobs run on the caller's thread.
  void Post(std::function<void()> job);
  // Finishes what was posted and ends the threads; may be called again.
  void StopBlocking();

 private:
  void ThreadMain();

  base::Mutex mutex_;
  base::CondVar wake_;
  std::deque<std::function<void()>> jobs_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace pontoon::storage

#endif  // PONTOON_STORAGE_READER_POOL_H_
