#ifndef PONTOON_BASE_CHECK_H_
#define PONTOON_BASE_CHECK_H_

// Checks that are always on, for what only a bug of ours can break: never for bytes that came from
// a wire, a disk or a peer (those get an absl::Status). A failed check prints where and what to
// stderr and aborts.

namespace pontoon::base {

[[noreturn]] void CheckFailed(const char* file, int line, const char* expression, const char* why);

}  // namespace pontoon::base

#define PONTOON_CHECK(condition)                     \
  (__builtin_expect(static_cast<bool>(condition), 1) \
       ? static_cast<void>(0)                        \
       : ::pontoon::base::CheckFailed(__FILE__, __LINE__, #condition, ""))

// `why` is a string literal that says which promise would be broken.
#define PONTOON_CHECK_MSG(condition, why)            \
  (__builtin_expect(static_cast<bool>(condition), 1) \
       ? static_cast<void>(0)                        \
       : ::pontoon::base::CheckFailed(__FILE__, __LINE__, #condition, why))

#endif  // PONTOON_BASE_CHECK_H_
