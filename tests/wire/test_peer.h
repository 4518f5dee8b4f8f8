#ifndef PONTOON_TESTS_WIRE_TEST_PEER_H_
#define PONTOON_TESTS_WIRE_TEST_PEER_H_

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/logger.h"
#include "base/mutex.h"
#include "base/random.h"
#include "server/net/peer_transport.h"

namespace pontoon::net {

inline constexpr char kTestCookie[] = "SECRETCOOKIE";
inline constexpr uint64_t kTestCluster = 0xfeedbeef;

// The end of a node's transport that keeps what arrives; what happens can be awaited by the test.
class TestPeer final : public PeerReceiver, public PeerWatcher, public base::Logger {
 public:
  explicit TestPeer(uint64_t id, PeerTransportOptions options = {}) : id_{id} {
    options_ = std::move(options);
    options_.self = id_;
    if (options_.cluster_id == 0) options_.cluster_id = kTestCluster;
    if (options_.cookie.empty()) options_.cookie = kTestCookie;
    if (options_.boot.value == 0) options_.boot.value = 1;
    Start();
  }
  ~TestPeer() override {
    if (transport != nullptr) Stop();
  }

  void Start() {
    transport = std::make_unique<PeerTransport>(options_, &random_, this);
    for (size_t lane = 0; lane < kPeerLanes; ++lane) {
      transport->SetReceiver(static_cast<PeerLane>(lane), this);
    }
    transport->AddWatcher(this);
    const absl::Status started = transport->StartBlocking();
    PONTOON_CHECK(started.ok());
    options_.port = transport->port();  // Again the same, if it starts again.
  }
  void Stop() {
    transport->StopBlocking();  // What is under way may still use it.
    transport.reset();
  }
  void Connect(const TestPeer& peer, uint16_t port = 0) {
    transport->SetPeer(peer.id_, "127.0.0.1", port == 0 ? peer.transport->port() : port);
  }
  // The same, and waits until all lanes are ready: what is sent before may be lost.
  void ConnectAndAwait(const TestPeer& peer, uint16_t port = 0) {
    const uint64_t before = transport->metrics().connected;
    Connect(peer, port);
    PONTOON_CHECK(Await([&] { return transport->metrics().connected >= before + kPeerLanes; }));
  }
  void Send(const TestPeer& to, PeerLane lane, const std::string& text) {
    transport->Send(to.id_, lane, base::SliceChain(base::Slice::Copy(text)));
  }

  Next OnPeerBatch(base::NodeId from, base::BootId, PeerLane lane, base::Slice batch) override {
    base::MutexLock lock(&mutex_);
    Lane& kept = received_[{from, lane}];
    kept.bytes += batch.size();
    if (batch.size() < 1000) kept.texts.emplace_back(batch.view());
    if (on_batch) on_batch(from, lane, batch);
    changed_.NotifyAll();
    return paused_.count(lane) != 0 ? Next::kPause : Next::kReadOn;
  }
  void OnPeerUnreachable(base::NodeId peer) override { Add(absl::StrCat("-", peer.value)); }
  void OnPeerReachable(base::NodeId peer) override { Add(absl::StrCat("+", peer.value)); }
  void Log(base::LogLevel, uint64_t, absl::string_view text) override {
    base::MutexLock lock(&mutex_);
    log_.emplace_back(text);
    changed_.NotifyAll();
  }

  void Pause(PeerLane lane) {
    base::MutexLock lock(&mutex_);
    paused_[lane] = true;
  }
  void Resume(const TestPeer& from, PeerLane lane) {
    {
      base::MutexLock lock(&mutex_);
      paused_.erase(lane);
    }
    transport->Resume(from.id_, lane);
  }

  // False if it does not come true within a minute.
  bool Await(const std::function<bool()>& condition) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    base::MutexLock lock(&mutex_);
    while (!condition()) {
      if (std::chrono::steady_clock::now() > end) return false;
      changed_.WaitFor(&mutex_, std::chrono::milliseconds(20));
    }
    return true;
  }
  bool AwaitTexts(const TestPeer& from, PeerLane lane, size_t count) {
    return Await([&] { return received_[{from.id_, lane}].texts.size() >= count; });
  }
  bool AwaitBytes(const TestPeer& from, PeerLane lane, uint64_t bytes) {
    return Await([&] { return received_[{from.id_, lane}].bytes >= bytes; });
  }
  bool AwaitEvent(const std::string& event) {
    return Await([&] { return !events_.empty() && events_.back() == event; });
  }
  bool AwaitLog(const std::string& part) {
    return Await([&] {
      for (const std::string& line : log_) {
        if (line.find(part) != std::string::npos) return true;
      }
      return false;
    });
  }
  std::vector<std::string> Texts(const TestPeer& from, PeerLane lane) {
    base::MutexLock lock(&mutex_);
    return received_[{from.id_, lane}].texts;
  }
  uint64_t Bytes(const TestPeer& from, PeerLane lane) {
    base::MutexLock lock(&mutex_);
    return received_[{from.id_, lane}].bytes;
  }
  std::vector<std::string> Events() {
    base::MutexLock lock(&mutex_);
    return events_;
  }
  base::NodeId id() const { return id_; }

  std::unique_ptr<PeerTransport> transport;
  // Under this object's lock.
  std::function<void(base::NodeId, PeerLane, const base::Slice&)> on_batch;

 private:
  struct Lane {
    std::vector<std::string> texts;  // Short ones.
    uint64_t bytes = 0;
  };
  void Add(std::string event) {
    base::MutexLock lock(&mutex_);
    events_.push_back(std::move(event));
    changed_.NotifyAll();
  }

  const base::NodeId id_;
  base::SystemRandom random_;
  PeerTransportOptions options_;
  base::Mutex mutex_;
  base::CondVar changed_;
  std::map<std::pair<base::NodeId, PeerLane>, Lane> received_;
  std::map<PeerLane, bool> paused_;
  std::vector<std::string> events_, log_;
};

}  // namespace pontoon::net

#endif  // PONTOON_TESTS_WIRE_TEST_PEER_H_
