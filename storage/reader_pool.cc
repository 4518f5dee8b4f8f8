#include "storage/reader_pool.h"

#include <utility>

namespace pontoon::storage {

ReaderPool::ReaderPool(int threads) {
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { ThreadMain(); });
}

ReaderPool::~ReaderPool() { StopBlocking(); }

void ReaderPool::Post(std::function<void()> job) {
  {
    base::MutexLock lock(&mutex_);
    if (!stopping_) {
      jobs_.push_back(std::move(job));
      wake_.NotifyOne();
      return;
    }
  }
  job();
}

void ReaderPool::StopBlocking() {
  {
    base::MutexLock lock(&mutex_);
    stopping_ = true;
    wake_.NotifyAll();
  }
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void ReaderPool::ThreadMain() {
  for (;;) {
    std::function<void()> job;
    {
      base::MutexLock lock(&mutex_);
      while (jobs_.empty() && !stopping_) wake_.Wait(&mutex_);
      if (jobs_.empty()) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    job();
  }
}

}  // namespace pontoon::storage
