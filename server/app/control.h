#ifndef PONTOON_SERVER_APP_CONTROL_H_
#define PONTOON_SERVER_APP_CONTROL_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "base/logger.h"
#include "base/mutex.h"
#include "server/admin/node_control.h"
#include "server/app/alarms.h"
#include "server/app/node.h"

namespace pontoon::app {

// The process as administration sees it: holds the node while the application runs, starts and
// stops it, and asks its loops. Any thread.
class Control final : public admin::NodeControl {
 public:
  struct Options {
    NodeOptions node;
    std::string cluster_name;
    std::string data_directory;
    std::vector<std::string> config_files, log_files;
    std::string product, version, rabbitmq_version;
    admin::ListenerFigures admin_listener;
    std::function<void()> stop_process;  // Asks main to end; any thread.
  };
  // All borrowed.
  Control(Options options, storage::NodeDirectory* directory, Alarms* alarms, base::Logger* logger);
  ~Control() override;

  // What start_app does; at the process's own start main calls it.
  absl::Status StartAppBlocking();
  void StopAppBlocking();
  // The ports in use, once the application runs.
  std::vector<net::Endpoint> Endpoints() const;

  // admin::NodeControl.
  State state() const override;
  void Describe(std::function<void(admin::NodeFigures)> done) override;
  catalog::VersionPtr catalog() const override;
  void Change(catalog::Command command,
              std::function<void(absl::StatusOr<catalog::Outcome>)> done) override;
  void ListConnections(
      std::function<void(absl::StatusOr<std::vector<admin::ConnectionFigures>>)> done) override;
  void ListChannels(
      std::function<void(absl::StatusOr<std::vector<admin::ChannelFigures>>)> done) override;
  void ListQueueFigures(
      std::function<void(absl::StatusOr<std::vector<broker::QueueFigures>>)> done) override;
  void ListConsumers(
      std::function<void(absl::StatusOr<std::vector<broker::ConsumerFigures>>)> done) override;
  void DeleteQueue(base::QueueId queue, bool if_unused, bool if_empty,
                   std::function<void(absl::StatusOr<uint64_t>)> done) override;
  void PurgeQueue(base::QueueId queue, std::function<void(absl::StatusOr<uint64_t>)> done) override;
  void CloseConnections(admin::ConnectionFilter filter, std::string reason,
                        std::function<void(absl::StatusOr<uint64_t>)> done) override;
  absl::Status SetMemoryWatermark(double fraction, uint64_t absolute) override;
  absl::Status SetDiskFreeLimit(uint64_t bytes, double memory_fraction) override;
  void StopApp(std::function<void(absl::Status)> done) override;
  void StartApp(std::function<void(absl::Status)> done) override;
  void Stop(std::function<void(absl::Status)> done) override;

 private:
  // Runs `ask` on every loop; the last answer calls `done` with all of them, in the order of the
  // loops.
  template <typename T>
  void AskAll(std::function<T(LoopRuntime*)> ask,
              std::function<void(absl::StatusOr<std::vector<T>>)> done);
  // Runs `call` on loop 0, or answers Unavailable through `done`.
  template <typename Done>
  void OnFirstLoop(Done done, std::function<void(LoopRuntime*, Done)> call);

  const Options options_;
  storage::NodeDirectory* const directory_;
  Alarms* const alarms_;
  base::Logger* const logger_;
  const base::MonotonicTime started_at_;

  base::Mutex life_cycle_;  // Held while the application starts or stops.
  mutable base::Mutex mutex_;
  State state_ ABSL_GUARDED_BY(mutex_) = State::kStarting;
  std::shared_ptr<Node> node_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace pontoon::app

#endif  // PONTOON_SERVER_APP_CONTROL_H_
