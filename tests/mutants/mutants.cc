#include "raft/core/mutants.h"

#include <cstdlib>

namespace pontoon::raft {

bool MutantIs(Mutant mutant) {
  static const int chosen = [] {
    const char* number = std::getenv("PONTOON_MUTANT");
    return number == nullptr ? 0 : std::atoi(number);
  }();
  return static_cast<int>(mutant) == chosen && chosen != 0;
}

}  // namespace pontoon::raft
