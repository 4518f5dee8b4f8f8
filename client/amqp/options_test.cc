#include "client/amqp/options.h"

#include <gtest/gtest.h>

namespace pontoon::client {
namespace {

TEST(OptionsTest, AUriNamesEverythingThatItHolds) {
  const auto options = ConnectionOptions::FromUri("amqp://us%40er:p%3Aw@broker:5673/my%2Fhost");
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ(options->user, "us@er");
  EXPECT_EQ(options->password, "p:w");
  EXPECT_EQ(options->host, "broker");
  EXPECT_EQ(options->port, 5673);
  EXPECT_EQ(options->vhost, "my/host");
  EXPECT_FALSE(options->tls.has_value());
}

TEST(OptionsTest, WhatAUriLeavesOutHasItsDefault) {
  for (const absl::string_view uri :
       {"amqp://", "amqp://localhost", "amqp://guest:guest@localhost:5672"}) {
    const auto options = ConnectionOptions::FromUri(uri);
    ASSERT_TRUE(options.ok()) << uri;
    EXPECT_EQ(options->port, 5672);
    EXPECT_EQ(options->vhost, "/");
    EXPECT_EQ(options->user, "guest");
  }
  EXPECT_EQ(ConnectionOptions::FromUri("amqp://h/")->vhost, "");
  const auto tls = ConnectionOptions::FromUri("amqps://h");
  EXPECT_EQ(tls->port, 5671);
  EXPECT_TRUE(tls->tls.has_value());
  const auto v6 = ConnectionOptions::FromUri("amqp://[::1]:5673/x");
  EXPECT_EQ(v6->host, "::1");
  EXPECT_EQ(v6->port, 5673);
}

TEST(OptionsTest, WhatIsNoAmqpUriIsRefused) {
  for (const absl::string_view uri : {"", "http://h", "amqp://h:0", "amqp://h:x", "amqp://h:70000",
                                      "amqp://[::1", "amqp://h/%zz", "amqp://%4@h"}) {
    EXPECT_FALSE(ConnectionOptions::FromUri(uri).ok()) << uri;
  }
}

}  // namespace
}  // namespace pontoon::client
