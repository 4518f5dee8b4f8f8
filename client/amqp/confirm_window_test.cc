#include "client/amqp/confirm_window.h"

#include <gtest/gtest.h>

#include <vector>

namespace pontoon::client {
namespace {

std::vector<uint64_t> Settle(ConfirmWindow* window, uint64_t sequence, bool multiple) {
  std::vector<uint64_t> settled;
  window->Settle(sequence, multiple, [&](uint64_t number) { settled.push_back(number); });
  return settled;
}

TEST(ConfirmWindowTest, EachMessageIsSettledOnceInWhateverOrderTheBrokerAnswers) {
  ConfirmWindow window;
  for (uint64_t i = 1; i <= 6; ++i) EXPECT_EQ(window.Add(), i);
  EXPECT_EQ(Settle(&window, 2, false), (std::vector<uint64_t>{2}));
  EXPECT_EQ(Settle(&window, 2, false), (std::vector<uint64_t>{}));
  EXPECT_EQ(Settle(&window, 4, true), (std::vector<uint64_t>{1, 3, 4}));
  EXPECT_EQ(Settle(&window, 3, true), (std::vector<uint64_t>{}));
  EXPECT_EQ(Settle(&window, 6, false), (std::vector<uint64_t>{6}));
  EXPECT_EQ(window.outstanding(), 1u);
  EXPECT_EQ(Settle(&window, 5, false), (std::vector<uint64_t>{5}));
  EXPECT_EQ(window.outstanding(), 0u);
  EXPECT_EQ(window.Add(), 7u);
}

TEST(ConfirmWindowTest, ZeroWithMultipleMeansAllAndUnknownNumbersAreIgnored) {
  ConfirmWindow window;
  EXPECT_EQ(Settle(&window, 0, true), (std::vector<uint64_t>{}));
  window.Add();
  window.Add();
  EXPECT_EQ(Settle(&window, 3, true), (std::vector<uint64_t>{}));
  EXPECT_EQ(Settle(&window, 0, false), (std::vector<uint64_t>{}));
  EXPECT_EQ(Settle(&window, 0, true), (std::vector<uint64_t>{1, 2}));
}

}  // namespace
}  // namespace pontoon::client
