#include "absl/strings/str_cat.h"
#include "server/session/channel.h"
#include "server/session/connection.h"

// Connection: back-pressure, alarms, heartbeats and timeouts.
namespace pontoon::session {

void Connection::UpdateFlow() {
  const uint64_t budget = options().publish_budget_bytes;
  const auto pending_budget = static_cast<int64_t>(options().pending_budget_bytes);
  const bool over = publishing_bytes_ > budget || pending_bytes_ > pending_budget;
  const bool under = publishing_bytes_ <= budget / 2 && pending_bytes_ <= pending_budget / 2;
  if (!flow_ && over) {
    flow_ = true;
    UpdateReading();
  } else if (flow_ && under) {
    flow_ = false;
    // What was read before goes on in the next turn, not from inside an answer.
    if (!unfinished_) {
      unfinished_ = true;
      loop_->unfinished.push_back(this);
    }
    UpdateReading();
  }
}

void Connection::OnPending(int64_t bytes) {
  pending_bytes_ += bytes;
  if (flow_ || bytes > 0) UpdateFlow();
}

void Connection::UpdateReading() {
  if (gone_ || socket_told_) return;
  // Deliveries are bounded by their consumers' windows and do not count: a client that cannot write
  // to us because it is busy reading, and then acknowledges, must not be waited for.
  const uint64_t all =
      transport_->bytes_queued() - transport_->bytes_written() + writer_.pending_bytes();
  const uint64_t unsent = all > delivery_bytes_ ? all - delivery_bytes_ : 0;
  if (!unsent_ && unsent > options().unsent_budget_bytes) {
    unsent_ = true;
  } else if (unsent_ && unsent <= options().unsent_budget_bytes / 2) {
    unsent_ = false;
    if (!unfinished_) {
      unfinished_ = true;
      loop_->unfinished.push_back(this);
    }
  }
  const bool pause = stage_ != Stage::kClosed &&
                     ((stage_ != Stage::kClosing && (flow_ || blocked_ || unsent_)) || unfinished_);
  if (pause == reading_paused_) return;
  reading_paused_ = pause;
  if (pause) {
    transport_->PauseReading();
  } else {
    // Silence while we did not listen is not the client's.
    last_received_ = loop_->front_end->now();
    transport_->ResumeReading();
  }
}

void Connection::OnPublishSeen() {
  publisher_ = true;
  if (!loop_->memory_alarm && !loop_->disk_alarm) return;
  if (blocked_) return;
  blocked_ = true;
  if (capabilities_.connection_blocked && !told_blocked_) {
    told_blocked_ = true;
    amqp::ConnectionBlocked blocked;
    blocked.reason = loop_->memory_alarm && loop_->disk_alarm ? "low on memory & disk"
                     : loop_->memory_alarm                    ? "low on memory"
                                                              : "low on disk";
    writer_.AddMethod(0, blocked);
    MarkSelfDirty();
  }
  UpdateReading();
}

void Connection::OnAlarmsChanged() {
  if (loop_->memory_alarm || loop_->disk_alarm) return;  // Concerns who publishes next.
  if (!blocked_) return;
  blocked_ = false;
  if (told_blocked_ && stage_ == Stage::kRunning) {
    told_blocked_ = false;
    writer_.AddMethod(0, amqp::ConnectionUnblocked());
    MarkSelfDirty();
  }
  if (!unfinished_) {
    unfinished_ = true;
    loop_->unfinished.push_back(this);
  }
  UpdateReading();
}

void Connection::OnTick(base::MonotonicTime now) {
  if (gone_) return;
  switch (stage_) {
    case Stage::kHeader:
    case Stage::kStarting:
    case Stage::kTuning:
    case Stage::kOpening:
      if (now - accepted_at_ >= options().handshake_timeout) {
        Log(base::LogLevel::kError,
            ClosingLine(label_, absl::StrCat("handshake timeout in state ", StageName())));
        CloseSocket();
      }
      return;
    case Stage::kRefused:
      if (now >= stage_deadline_) CloseSocket();
      return;
    case Stage::kClosing:
    case Stage::kDraining:
      if (now < stage_deadline_) return;
      if (input_broken_) {
        CloseSocket();
      } else {
        Log(base::LogLevel::kWarning, ClosingLine(label_, "timed out while closing"));
        Abort();
      }
      return;
    case Stage::kClosed:
      return;
    case Stage::kRunning:
      break;
  }
  if (tuned_.heartbeat_seconds == 0) return;
  const base::Duration interval = base::Seconds(tuned_.heartbeat_seconds);
  // Sent at half the interval of silence, as RabbitMQ does; a client is gone after two intervals of
  // silence.
  if (now - last_sent_ >= interval / 2) {
    writer_.AddHeartbeat();
    MarkSelfDirty();
    last_sent_ = now;
  }
  if (!reading_paused_ && now - last_received_ >= interval * 2) {
    Log(base::LogLevel::kError,
        ClosingLine(label_, absl::StrCat("missed heartbeats from client, timeout: ",
                                         tuned_.heartbeat_seconds, "s")));
    Abort();
  }
}

}  // namespace pontoon::session
