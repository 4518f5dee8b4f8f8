#ifndef PONTOON_SERVER_SESSION_TEST_FIXTURE_H_
#define PONTOON_SERVER_SESSION_TEST_FIXTURE_H_

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "server/session/test_client.h"

namespace pontoon::session {

using Frames = std::vector<std::string>;

// Tests that ask one thing on a fresh connection and look at the answer.
class AskingTest : public testing::Test {
 protected:
  // A new client with channel 1 open says this; what it is answered.
  Frames Ask(const std::function<void(TestClient&)>& says) {
    TestClient client(&loop_);
    client.Open().OpenChannel();
    says(client);
    return client.Read();
  }
  template <typename... M>
  Frames Say(const M&... methods) {
    return Ask([&](TestClient& client) { (client.Send(1, methods), ...); });
  }
  Frames SayFrame(amqp::FrameType type, uint16_t channel, absl::string_view payload) {
    return Ask([&](TestClient& client) { client.SendFrame(type, channel, payload); });
  }
  Frames PublishWith(const amqp::PropertiesBuilder& properties) {
    return Ask([&](TestClient& client) { client.Publish("", "k", "x", properties); });
  }

  TestLoop loop_;
};

}  // namespace pontoon::session

#endif  // PONTOON_SERVER_SESSION_TEST_FIXTURE_H_
