#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace pontoon::base {

void CheckFailed(const char* file, int line, const char* expression, const char* why) {
  std::fprintf(stderr, "pontoon: check failed at %s:%d: %s%s%s\n", file, line, expression,
               *why != '\0' ? ": " : "", why);
  std::fflush(stderr);
  std::abort();
}

}  // namespace pontoon::base
