#include "server/cluster/raft_transport.h"

#include <array>
#include <map>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "base/check.h"
#include "base/mutex.h"
#include "raft/node/wire.h"

namespace pontoon::cluster {
namespace {

using net::PeerLane;
using raft::TrafficClass;

// A batch of so many bytes leaves before the turn is over.
constexpr size_t kBatchBytesWanted = size_t{512} << 10;

constexpr PeerLane LaneOf(TrafficClass traffic) { return static_cast<PeerLane>(traffic); }
static_assert(LaneOf(TrafficClass::kControl) == PeerLane::kControl);
static_assert(LaneOf(TrafficClass::kAppend) == PeerLane::kAppend);
static_assert(LaneOf(TrafficClass::kSnapshot) == PeerLane::kSnapshot);
static_assert(raft::kBatchBytesMax <= net::kPeerBatchBytesMax);

}  // namespace

// How much of what arrived the loops have not yet taken. Outlives the transport for as long as
// somebody holds some of it.
class RaftTransport::Unread {
 public:
  Unread(size_t bytes_max, net::PeerTransport* peers) : bytes_max_(bytes_max), peers_(peers) {}

  struct Taken {
    std::shared_ptr<const void> held;  // Null: too much waits, and it is to be dropped.
    bool pause = false;
  };
  static Taken Take(const std::shared_ptr<Unread>& self, base::NodeId from, PeerLane lane,
                    size_t bytes) {
    Taken taken;
    base::MutexLock lock(&self->mutex_);
    Flow& flow = self->flows_[{from, lane}];
    if (lane == PeerLane::kControl && flow.bytes > self->bytes_max_) return taken;
    flow.bytes += bytes;
    taken.pause = lane != PeerLane::kControl && flow.bytes > self->bytes_max_;
    flow.paused |= taken.pause;
    taken.held = std::shared_ptr<const void>(
        static_cast<const void*>(self.get()),
        [self, from, lane, bytes](const void*) { self->Return(from, lane, bytes); });
    return taken;
  }
  void End() {
    base::MutexLock lock(&mutex_);
    peers_ = nullptr;
  }

 private:
  struct Flow {
    size_t bytes = 0;
    bool paused = false;
  };
  void Return(base::NodeId from, PeerLane lane, size_t bytes) {
    base::MutexLock lock(&mutex_);
    Flow& flow = flows_[{from, lane}];
    flow.bytes -= bytes;
    if (!flow.paused || flow.bytes > bytes_max_ / 2 || peers_ == nullptr) return;
    flow.paused = false;
    peers_->Resume(from, lane);
  }

  const size_t bytes_max_;
  base::Mutex mutex_;
  net::PeerTransport* peers_ ABSL_GUARDED_BY(mutex_);
  std::map<std::pair<base::NodeId, PeerLane>, Flow> flows_ ABSL_GUARDED_BY(mutex_);
};

// What one loop sends.
class RaftTransport::LoopEnd final : public raft::Transport {
 public:
  explicit LoopEnd(RaftTransport* transport) : transport_(transport) {}

  void Send(raft::Message message) override {
    if (message.to.node.value == 0 || message.to.node == transport_->options_.self.node) return;
    const TrafficClass traffic = raft::ClassOf(message.kind);
    Sending& sending = SendingTo(message.to.node, traffic);
    absl::Status added = sending.batch.Add(message);
    if (!added.ok() && !sending.batch.empty()) {
      Leave(&sending);
      added = sending.batch.Add(message);
    }
    if (!added.ok()) {
      ++transport_->counters_.unsendable;
      return;
    }
    if (sending.batch.bytes() >= kBatchBytesWanted) {
      Leave(&sending);
    } else if (!sending.gathered) {
      sending.gathered = true;
      gathered_.push_back(&sending);
    }
  }

  void EndTurn() override {
    for (Sending* sending : gathered_) {
      sending->gathered = false;
      if (!sending->batch.empty()) Leave(sending);
    }
    gathered_.clear();
  }

 private:
  struct Sending {
    explicit Sending(const raft::BatchHeader& header)
        : to(header.receiver), lane(LaneOf(header.traffic)), batch(header) {}
    const base::NodeId to;
    const PeerLane lane;
    raft::BatchWriter batch;
    bool gathered = false;  // Is in gathered_.
  };

  Sending& SendingTo(base::NodeId to, TrafficClass traffic) {
    std::unique_ptr<Sending>& sending = sending_[to][static_cast<size_t>(traffic)];
    if (sending == nullptr) {
      const Options& options = transport_->options_;
      sending = std::make_unique<Sending>(raft::BatchHeader{.cluster_id = options.cluster_id,
                                                            .sender = options.self,
                                                            .boot = options.boot,
                                                            .receiver = to,
                                                            .traffic = traffic});
    }
    return *sending;
  }
  void Leave(Sending* sending) {
    transport_->peers_->Send(sending->to, sending->lane, sending->batch.Take());
  }

  RaftTransport* const transport_;
  std::map<base::NodeId, std::array<std::unique_ptr<Sending>, raft::kTrafficClasses>> sending_;
  std::vector<Sending*> gathered_;  // Of this turn.
};

RaftTransport::RaftTransport(Options options, net::PeerTransport* peers)
    : options_(std::move(options)),
      peers_(peers),
      unread_(std::make_shared<Unread>(options_.unread_bytes_max, peers)) {
  for (size_t i = 0; i < options_.loops.size(); ++i) {
    loops_.push_back(std::make_unique<LoopEnd>(this));
  }
  for (const PeerLane lane : {PeerLane::kControl, PeerLane::kAppend, PeerLane::kSnapshot}) {
    peers_->SetReceiver(lane, this);
  }
  peers_->AddWatcher(this);
}

RaftTransport::~RaftTransport() { unread_->End(); }

raft::Transport* RaftTransport::loop(size_t number) {
  PONTOON_CHECK(number < loops_.size());
  return loops_[number].get();
}

void RaftTransport::CountRefused(const absl::Status& why) {
  // DecodeBatch names each reason by a code of its own (raft/node/wire.h).
  static constexpr struct {
    absl::StatusCode code;
    base::Counter Metrics::*counter;
  } kReasons[] = {
      {absl::StatusCode::kUnimplemented, &Metrics::wrong_version},
      {absl::StatusCode::kOutOfRange, &Metrics::truncated},
      {absl::StatusCode::kResourceExhausted, &Metrics::oversized},
      {absl::StatusCode::kDataLoss, &Metrics::damaged},
      {absl::StatusCode::kPermissionDenied, &Metrics::other_cluster},
      {absl::StatusCode::kNotFound, &Metrics::other_node},
  };
  for (const auto& reason : kReasons) {
    if (why.code() == reason.code) {
      ++(counters_.*reason.counter);
      return;
    }
  }
  ++counters_.malformed;
}

net::PeerReceiver::Next RaftTransport::OnPeerBatch(base::NodeId from, base::BootId boot,
                                                   PeerLane lane, base::Slice bytes) {
  absl::StatusOr<raft::Batch> batch =
      raft::DecodeBatch(bytes, options_.cluster_id, options_.self.node);
  if (!batch.ok()) {
    CountRefused(batch.status());
    return Next::kReadOn;
  }
  const raft::BatchHeader& header = batch->header;
  if (header.sender.node != from || header.boot != boot || LaneOf(header.traffic) != lane) {
    ++counters_.wrong_sender;
    return Next::kReadOn;
  }
  Unread::Taken taken = Unread::Take(unread_, from, lane, bytes.size());
  if (taken.held == nullptr) {
    ++counters_.unread;
    return Next::kReadOn;
  }
  std::vector<std::vector<raft::Message>> by_loop(options_.loops.size());
  for (raft::Message& message : batch->messages) {
    const size_t loop = options_.loop_of(message.group);
    if (loop < by_loop.size()) {
      by_loop[loop].push_back(std::move(message));
    } else {
      ++counters_.no_loop;
    }
  }
  for (size_t i = 0; i < by_loop.size(); ++i) {
    if (by_loop[i].empty()) continue;
    options_.loops[i].deliver({from, boot.value, std::move(by_loop[i]), taken.held});
  }
  return taken.pause ? Next::kPause : Next::kReadOn;
}

void RaftTransport::OnPeerUnreachable(base::NodeId peer) {
  for (const Loop& loop : options_.loops) {
    if (loop.on_unreachable) loop.on_unreachable(peer);
  }
}

}  // namespace pontoon::cluster
