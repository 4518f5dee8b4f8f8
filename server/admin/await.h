#ifndef PONTOON_SERVER_ADMIN_AWAIT_H_
#define PONTOON_SERVER_ADMIN_AWAIT_H_

#include <future>
#include <memory>
#include <utility>

namespace pontoon::admin {

// Calls `ask` with a callback that takes a T and waits until somebody has called it.
template <typename T, typename F>
T Await(F ask) {
  auto promise = std::make_shared<std::promise<T>>();
  std::future<T> answer = promise->get_future();
  ask([promise](T value) { promise->set_value(std::move(value)); });
  return answer.get();
}

}  // namespace pontoon::admin

#endif  // PONTOON_SERVER_ADMIN_AWAIT_H_
