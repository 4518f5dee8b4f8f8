#ifndef PONTOON_SERVER_APP_ASIDE_THREAD_H_
#define PONTOON_SERVER_APP_ASIDE_THREAD_H_

#include <deque>
#include <functional>
#include <thread>

#include "base/mutex.h"

namespace pontoon::app {

// A thread for work that would hold up an event loop for long; one piece after the other, in order.
class AsideThread {
 public:
  AsideThread();
  ~AsideThread() { StopBlocking(); }
  AsideThread(const AsideThread&) = delete;
  AsideThread& operator=(const AsideThread&) = delete;

  // Any thread. After StopBlocking `work` is dropped.
  void Run(std::function<void()> work);
  // Waits for the piece that runs; those behind it are dropped. Not from within one.
  void StopBlocking();

 private:
  void ThreadMain();

  base::Mutex mutex_;
  base::CondVar changed_;
  std::deque<std::function<void()>> work_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;  // Last: it uses the others.
};

}  // namespace pontoon::app

#endif  // PONTOON_SERVER_APP_ASIDE_THREAD_H_
