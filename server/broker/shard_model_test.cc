#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/broker/shard_history.h"

// Random histories against a shard, with a naive model that reads the same log.

namespace pontoon::broker {
namespace {

TEST(ShardModelTest, RandomHistoriesLoseDoubleAndReorderNothing) {
  const char* only = std::getenv("PONTOON_SEED");
  const uint64_t first = only != nullptr ? std::stoull(only) : 1;
  const uint64_t last = only != nullptr ? first : 8;
  uint64_t cuts = 0;
  uint64_t pages = 0;
  for (uint64_t seed = first; seed <= last; ++seed) {
    SCOPED_TRACE(absl::StrCat("PONTOON_SEED=", seed));
    History history(seed);
    for (int step = 0; step < 1500; ++step) {
      SCOPED_TRACE(absl::StrCat("step ", step));
      history.Step();
      if (::testing::Test::HasFailure()) return;
    }
    history.Drain();
    if (::testing::Test::HasFailure()) return;
    cuts += history.env().cuts;
    pages += history.env().page_bytes_written;
  }
  EXPECT_TRUE(only != nullptr || (pages > 0 && cuts > 0))
      << "the histories never reached what they are for";
  RecordProperty("page_bytes", absl::StrCat(pages));
  RecordProperty("cuts", absl::StrCat(cuts));
}

}  // namespace
}  // namespace pontoon::broker
