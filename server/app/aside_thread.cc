#include "server/app/aside_thread.h"

#include <utility>

namespace pontoon::app {

AsideThread::AsideThread() : thread_([this] { ThreadMain(); }) {}

void AsideThread::Run(std::function<void()> work) {
  base::MutexLock lock(&mutex_);
  if (stopping_) return;
  work_.push_back(std::move(work));
  changed_.NotifyOne();
}

void AsideThread::StopBlocking() {
  std::deque<std::function<void()>> dropped;
  {
    base::MutexLock lock(&mutex_);
    stopping_ = true;
    dropped.swap(work_);
    changed_.NotifyOne();
  }
  dropped.clear();
  if (thread_.joinable()) thread_.join();
}

void AsideThread::ThreadMain() {
  for (;;) {
    std::function<void()> work;
    {
      base::MutexLock lock(&mutex_);
      while (work_.empty() && !stopping_) changed_.Wait(&mutex_);
      if (stopping_) return;
      work = std::move(work_.front());
      work_.pop_front();
    }
    work();
  }
}

}  // namespace pontoon::app
