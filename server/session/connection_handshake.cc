#include <utility>

#include "absl/strings/str_cat.h"
#include "server/amqp/reply_code.h"
#include "server/session/channel.h"
#include "server/session/connection.h"

// Connection: start, tune, open (AMQP 0-9-1 section 1.4.2).
namespace pontoon::session {

void Connection::OnHandshakeMethod(const amqp::Frame& frame, amqp::MethodId id) {
  const base::Slice payload = frame.payload.Flatten();
  auto method = amqp::DecodeMethod(payload.view());
  if (!method.ok()) {
    RefuseSilently(method.status().message());
    return;
  }
  if (auto* start_ok = std::get_if<amqp::ConnectionStartOk>(&*method);
      start_ok != nullptr && stage_ == Stage::kStarting) {
    OnStartOk(std::move(*start_ok));
  } else if (auto* tune_ok = std::get_if<amqp::ConnectionTuneOk>(&*method);
             tune_ok != nullptr && stage_ == Stage::kTuning) {
    OnTuneOk(*tune_ok);
  } else if (auto* open = std::get_if<amqp::ConnectionOpen>(&*method);
             open != nullptr && stage_ == Stage::kOpening) {
    OnOpen(*open);
  } else if (std::holds_alternative<amqp::ConnectionClose>(*method)) {
    // A client that gives up while tuning (a vhost it no longer wants, a test of the credentials).
    OnClientClose();
  } else {
    RefuseSilently(absl::StrCat("unexpected method in connection state ", StageName(), ": ",
                                amqp::MethodName(id)));
  }
}

void Connection::OnStartOk(amqp::ConnectionStartOk start_ok) {
  capabilities_ = ReadCapabilities(start_ok.client_properties);
  client_properties_ = std::move(start_ok.client_properties);
  if (const amqp::Value* name = client_properties_.Find("connection_name");
      name != nullptr && name->AsString()) {
    label_.user_provided_name = std::string(*name->AsString());
    Log(base::LogLevel::kInfo, ClientNameLine(label_));
  }
  const LoginVerdict verdict =
      Authenticate(catalog(), options(), start_ok.mechanism, start_ok.response);
  if (!verdict.status.ok()) {
    if (!amqp::HasReplyCode(verdict.status, amqp::ReplyCode::kAccessRefused)) {
      RefuseSilently(verdict.log);
      return;
    }
    Log(base::LogLevel::kError, ErrorLine(label_, StageName(), 0, verdict.log));
    if (capabilities_.authentication_failure_close) {
      SendClose(verdict.status, {});
    } else {
      stage_ = Stage::kRefused;
      stage_deadline_ = loop_->front_end->now() + options().refusal_delay;
    }
    return;
  }
  auth_mechanism_ = start_ok.mechanism;
  label_.user = verdict.user;
  const absl::Status local = CheckLoopback(options(), verdict.user, peer_.loopback);
  if (!local.ok()) {
    Log(base::LogLevel::kError, ErrorLine(label_, StageName(), 0, local.message()));
    // Told like a wrong password: who guesses learns nothing of the user.
    if (capabilities_.authentication_failure_close) {
      SendClose(amqp::AccessRefused(
                    absl::StrCat("Login was refused using authentication mechanism ",
                                 start_ok.mechanism, ". For details see the broker logfile.")),
                {});
    } else {
      stage_ = Stage::kRefused;
      stage_deadline_ = loop_->front_end->now() + options().refusal_delay;
    }
    return;
  }
  stage_ = Stage::kTuning;
  amqp::ConnectionTune tune;
  tune.channel_max = options().channel_max;
  tune.frame_max = options().frame_max;
  tune.heartbeat = options().heartbeat_seconds;
  writer_.AddMethod(0, tune);
  // A client may use the size that was offered from now on.
  reader_.set_frame_max(options().frame_max);
  MarkSelfDirty();
}

void Connection::OnTuneOk(const amqp::ConnectionTuneOk& tune_ok) {
  const auto tuned = Tune(options(), tune_ok);
  if (!tuned.ok()) {
    Log(base::LogLevel::kError,
        ClosingLine(label_, absl::StrCat("failed to negotiate connection parameters: ",
                                         tuned.status().message())));
    SendClose(tuned.status(), amqp::ConnectionTuneOk::kId);
    return;
  }
  tuned_ = *tuned;
  reader_.set_frame_max(tuned_.frame_max);
  writer_.set_frame_max(tuned_.frame_max);
  stage_ = Stage::kOpening;
}

void Connection::OnOpen(const amqp::ConnectionOpen& open) {
  const auto vhost = OpenVhost(catalog(), label_.user, open.virtual_host);
  if (!vhost.ok()) {
    Log(base::LogLevel::kError, ErrorLine(label_, StageName(), 0, vhost.status().message()));
    SendClose(vhost.status(), amqp::ConnectionOpen::kId);
    return;
  }
  vhost_ = (*vhost)->id;
  label_.vhost = (*vhost)->name;
  rights_ = catalog::NewRights(label_.user, label_.vhost);
  stage_ = Stage::kRunning;
  writer_.AddMethod(0, amqp::ConnectionOpenOk());
  MarkSelfDirty();
  Log(base::LogLevel::kInfo, AuthenticatedLine(label_));
}

void Connection::RefuseSilently(absl::string_view log) {
  Log(base::LogLevel::kError, ClosingLine(label_, absl::StrCat("handshake error in state ",
                                                               StageName(), ": ", Printable(log))));
  stage_ = Stage::kRefused;
  stage_deadline_ = loop_->front_end->now() + options().refusal_delay;
}

}  // namespace pontoon::session
