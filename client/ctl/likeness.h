#ifndef PONTOON_CLIENT_CTL_LIKENESS_H_
#define PONTOON_CLIENT_CTL_LIKENESS_H_

#include "absl/strings/string_view.h"

namespace pontoon::ctl {

// Jaro's measure of how much two words have in common: 0 nothing, 1 they are the same.
double JaroLikeness(absl::string_view a, absl::string_view b);

}  // namespace pontoon::ctl

#endif  // PONTOON_CLIENT_CTL_LIKENESS_H_
