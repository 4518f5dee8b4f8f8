// Faults on purpose: proof that the presets `dev` and `tsan` would end a program of ours that has
// one.
//
// planted_faults race|locked|overflow|use-after-free|shift

#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <thread>

#include "base/mutex.h"

namespace {

// Two threads count; `mutex` may be null.
int CountFromTwoThreads(pontoon::base::Mutex* mutex) {
  int count = 0;
  const auto work = [&count, mutex] {
    for (int n = 0; n < 1000; ++n) {
      if (mutex != nullptr) {
        mutex->Lock();
        ++count;
        mutex->Unlock();
      } else {
        ++count;
      }
    }
  };
  std::thread other(work);
  work();
  other.join();
  return count;
}

int Overflow(int position) {
  const std::unique_ptr<int[]> numbers(new int[4]());
  return numbers[position];
}

int UseAfterFree(int position) {
  auto numbers = std::make_unique<int[]>(4);
  int* volatile kept = numbers.get();  // Volatile: the compiler must not see it either.
  numbers.reset();
  return kept[position];
}

}  // namespace

int main(int argc, char** argv) {
  const std::string fault = argc > 1 ? argv[1] : "";
  int result = 0;
  if (fault == "race") {
    result = CountFromTwoThreads(nullptr);
  } else if (fault == "locked") {
    pontoon::base::Mutex mutex;
    result = CountFromTwoThreads(&mutex);
  } else if (fault == "overflow") {
    result = Overflow(argc + 2);  // Position 4 of 4: the compiler must not see it.
  } else if (fault == "use-after-free") {
    result = UseAfterFree(argc - 2);
  } else if (fault == "shift") {
    result = 1 << (argc + 30);
  } else {
    return 64;
  }
  std::printf("%d\n", result);
  return 0;
}
