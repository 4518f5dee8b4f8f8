#ifndef PONTOON_SERVER_SESSION_TEST_CLIENT_H_
#define PONTOON_SERVER_SESSION_TEST_CLIENT_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/logger.h"
#include "base/random.h"
#include "server/amqp/frame_reader.h"
#include "server/amqp/frame_writer.h"
#include "server/amqp/methods.h"
#include "server/amqp/properties.h"
#include "server/session/connection.h"
#include "server/session/fake_front_end.h"
#include "server/session/registry.h"

namespace pontoon::session {

// The lines of the operator's log, in memory.
class TestLogger final : public base::Logger {
 public:
  void Log(base::LogLevel, uint64_t, absl::string_view text) override {
    lines.push_back(std::string(text));
  }
  bool Contains(absl::string_view part) const;
  std::vector<std::string> lines;
};

// A socket made of a string.
struct Wire {
  std::string out;  // What the server wrote.
  uint64_t queued = 0;
  uint64_t written = 0;
  bool stalled = false;  // The client does not read: nothing is taken.
  bool paused = false;   // The server does not read.
  bool closed = false;   // CloseAfterWrites.
  bool aborted = false;
};

// One loop's sessions over a cluster that is faked.
struct TestLoop {
  explicit TestLoop(SessionOptions options = {});
  // Turns until nothing moves.
  void Settle();
  void Advance(base::Duration duration);

  FakeFrontEnd front_end;
  TestLogger logger;
  base::SeededRandom random{42};
  std::unique_ptr<Registry> registry;
  std::vector<class TestClient*> clients;
};

// A client that says what it is told to and shows what the server says as text, one line per frame:
// "1 queue.declare_ok q 0 0", "0 connection.close 530 'NOT_ALLOWED - ...' 10.40", "1 header 5", "1
// body hello".
class TestClient {
 public:
  explicit TestClient(TestLoop* loop, PeerInfo peer = LocalPeer());
  ~TestClient();

  static PeerInfo LocalPeer();

  TestClient& Send(absl::string_view octets);
  template <typename M>
  TestClient& Send(uint16_t channel, const M& method) {
    writer_.AddMethod(channel, method);
    return SendWriter();
  }
  TestClient& SendFrame(amqp::FrameType type, uint16_t channel, absl::string_view payload);
  TestClient& Publish(absl::string_view exchange, absl::string_view key, absl::string_view body,
                      const amqp::PropertiesBuilder& properties = {}, bool mandatory = false,
                      uint16_t channel = 1);
  // Protocol header, start_ok, tune_ok, open; what the server said is dropped.
  struct Login {
    std::string user = "guest";
    std::string password = "guest";
    std::string vhost = "/";
    std::string mechanism = "PLAIN";
    uint16_t channel_max = 2047;
    uint32_t frame_max = 131072;
    uint16_t heartbeat = 0;
    bool capabilities = true;
    std::string name;
  };
  TestClient& Open(const Login& login);
  TestClient& Open() { return Open(Login()); }
  TestClient& StartOk(const Login& login);
  TestClient& OpenChannel(uint16_t channel = 1);
  // Everything that the server has said since the last call, after the loop has settled.
  std::vector<std::string> Read();
  // The same without turning the loop.
  std::vector<std::string> ReadNow();
  void Hangup();

  TestLoop* const loop;
  Wire wire;
  Connection* connection = nullptr;  // Null after Hangup.

 private:
  TestClient& SendWriter();

  amqp::FrameWriter writer_{0};
  amqp::FrameReader reader_{0};
};

}  // namespace pontoon::session

#endif  // PONTOON_SERVER_SESSION_TEST_CLIENT_H_
