// pontoon-server: one node.

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "base/random.h"
#include "base/time.h"
#include "server/admin/admin_server.h"
#include "server/app/alarms.h"
#include "server/app/command_line.h"
#include "server/app/config.h"
#include "server/app/control.h"
#include "server/app/logging.h"
#include "server/app/node_options.h"
#include "storage/accept_data_loss.h"
#include "storage/node_directory.h"

namespace pontoon::app {
namespace {

constexpr int kExitConfiguration = 78;  // sysexits: EX_CONFIG, as RabbitMQ's tools use it.
constexpr uint16_t kAdminPortOffset = 20000;

void PrintError(const absl::Status& error) {
  std::fprintf(stderr, "\nBOOT FAILED\n===========\n%s\n\n", std::string(error.message()).c_str());
}

// Where pontoonctl finds this node: "host port node pid".
void WriteEndpointFile(const std::string& path, const std::string& host, uint16_t port,
                       const std::string& node) {
  std::ofstream file(path, std::ios::trunc);
  file << host << ' ' << port << ' ' << node << ' ' << getpid() << '\n';
}

class Server {
 public:
  Server(LoadedConfig config, Logging* logging) : config_(std::move(config)), logging_(logging) {}

  absl::Status Start() {
    const Settings& settings = config_.settings;
    base::Logger* const logger = logging_->logger();
    logger->Log(base::LogLevel::kInfo, 0,
                absl::StrCat("Starting ", settings.product_name, " ", Version(settings)));
    for (const std::string& warning : config_.warnings)
      logger->Log(base::LogLevel::kWarning, 0, warning);

    absl::StatusOr<std::unique_ptr<storage::NodeDirectory>> directory =
        storage::NodeDirectory::OpenBlocking(settings.data_dir, &random_);
    if (!directory.ok()) return directory.status();
    directory_ = *std::move(directory);
    absl::StatusOr<std::string> cookie = Cookie();
    if (!cookie.ok()) return cookie.status();

    alarms_ = std::make_unique<Alarms>(settings, settings.data_dir, logger);
    Control::Options options;
    options.node = NodeOptionsFrom(settings, Version(settings), random_.Next());
    options.node.connection_logger = logging_->logger(LogCategory::kConnection);
    options.node.on_free_disk = [alarms = alarms_.get()](uint64_t bytes) {
      alarms->OnFreeDisk(bytes);
    };
    options.node.flush_logs = [this] { logging_->FlushBlocking(); };
    options.cluster_name = options.node.session.cluster_name;
    options.data_directory = settings.data_dir;
    options.config_files = config_.files;
    options.log_files = logging_->destinations();
    options.product = settings.product_name;
    options.version = Version(settings);
    options.rabbitmq_version = "3.10.8";
    options.stop_process = [] { kill(getpid(), SIGTERM); };

    // Administration first: it tells a caller that the node is starting. Its port follows the AMQP
    // port, as RabbitMQ's distribution port does; where AMQP takes any free port, so does
    // administration.
    const uint16_t amqp_port =
        options.node.listen.empty() ? uint16_t{0} : options.node.listen.front().port;
    admin::AdminServer::Options admin_options;
    admin_options.host = "127.0.0.1";
    admin_options.port = amqp_port == 0 || amqp_port > 65535 - kAdminPortOffset
                             ? uint16_t{0}
                             : static_cast<uint16_t>(amqp_port + kAdminPortOffset);
    admin_options.node_name = settings.node_name;
    admin_options.cookie = *cookie;
    options.admin_listener = {"127.0.0.1", admin_options.port, "clustering"};
    control_ =
        std::make_unique<Control>(std::move(options), directory_.get(), alarms_.get(), logger);
    absl::StatusOr<std::unique_ptr<admin::AdminServer>> admin_server =
        admin::AdminServer::Start(admin_options, control_.get(), &random_, logger);
    if (!admin_server.ok()) return admin_server.status();
    admin_server_ = *std::move(admin_server);
    endpoint_file_ = settings.data_dir + "/admin.endpoint";
    WriteEndpointFile(endpoint_file_, "127.0.0.1", admin_server_->port(), settings.node_name);

    if (absl::Status started = control_->StartAppBlocking(); !started.ok()) return started;
    logger->Log(base::LogLevel::kInfo, 0, "Server startup complete; 0 plugins started.");
    return absl::OkStatus();
  }

  // Until a signal asks for the end.
  void Run(const sigset_t& signals) {
    while (true) {
      timespec second{1, 0};
      const int signal = sigtimedwait(&signals, nullptr, &second);
      if (signal == SIGTERM || signal == SIGINT) return;
      if (signal == SIGHUP) {
        if (absl::Status reopened = logging_->Reopen(); !reopened.ok()) {
          logging_->logger()->Log(base::LogLevel::kError, 0, reopened.message());
        }
      }
      logging_->Tick();
    }
  }

  void Stop() {
    if (admin_server_ != nullptr) unlink(endpoint_file_.c_str());
    if (control_ != nullptr) control_->StopAppBlocking();
    admin_server_.reset();
    control_.reset();
    alarms_.reset();
    directory_.reset();
  }

 private:
  static std::string Version(const Settings& settings) {
    return settings.product_version.empty() ? PONTOON_VERSION : settings.product_version;
  }

  // From the settings, a file of theirs, or the data directory's own.
  absl::StatusOr<std::string> Cookie() const {
    const Settings& settings = config_.settings;
    if (!settings.cookie.empty()) return settings.cookie;  // Which config.warnings tells.
    if (settings.cookie_file.empty()) return directory_->cookie();
    std::ifstream file(settings.cookie_file);
    std::string cookie;
    if (!(file >> cookie)) {
      return absl::InvalidArgumentError(
          absl::StrCat("the cookie file ", settings.cookie_file, " cannot be read"));
    }
    return cookie;
  }

  const LoadedConfig config_;
  Logging* const logging_;
  base::SystemRandom random_;
  std::unique_ptr<storage::NodeDirectory> directory_;
  std::unique_ptr<Alarms> alarms_;
  std::unique_ptr<Control> control_;
  std::unique_ptr<admin::AdminServer> admin_server_;
  std::string endpoint_file_;
};

// What an operator decides after the error about a damaged store: nothing is served, what is gone
// is told.
int AcceptDataLoss(const Settings& settings) {
  base::SystemRandom random;
  struct stat info;
  if (stat((settings.data_dir + "/node").c_str(), &info) != 0) {
    PrintError(absl::NotFoundError(
        absl::StrCat(settings.data_dir, " is not a data directory of Pontoon")));
    return 1;
  }
  absl::StatusOr<std::unique_ptr<storage::NodeDirectory>> directory =
      storage::NodeDirectory::OpenBlocking(settings.data_dir, &random);
  if (!directory.ok()) {
    PrintError(directory.status());
    return 1;
  }
  const absl::StatusOr<storage::AcceptedLoss> loss =
      storage::AcceptDataLossBlocking(settings.data_dir, (*directory)->identity(), nullptr);
  if (!loss.ok()) {
    PrintError(loss.status());
    return 1;
  }
  std::printf("Copied %s to %s.\n", settings.data_dir.c_str(), loss->copy.c_str());
  for (const std::string& lost : loss->lost) std::printf("Lost: %s\n", lost.c_str());
  std::printf("The rest is in place; start the server as usual.\n");
  return 0;
}

// RabbitMQ: `-detached` leaves the node running in the background. Before any thread is made; ends
// the parent.
void DetachIfAsked(std::vector<std::string>* arguments) {
  if (std::erase_if(*arguments, [](const std::string& argument) {
        return argument == "-detached" || argument == "--detached";
      }) == 0) {
    return;
  }
  const pid_t child = fork();
  if (child < 0) {
    std::fprintf(stderr, "pontoon-server: cannot start a process for the node: %s\n",
                 std::strerror(errno));
    std::_Exit(1);
  }
  if (child > 0) std::_Exit(0);
  setsid();
  const int nothing = open("/dev/null", O_RDWR);
  for (const int standard : {0, 1, 2}) dup2(nothing, standard);
  if (nothing > 2) close(nothing);
}

int Main(int argc, char** argv) {
  std::vector<std::string> arguments(argv + 1, argv + argc);
  DetachIfAsked(&arguments);
  // Debian's gRPC takes absl locks in orders that the deadlock detector of its assertion build
  // aborts on.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  // Signals are waited for in Run; every thread that is made from here on inherits the mask.
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, signal);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);

  absl::StatusOr<CommandLine> command_line = ParseCommandLine(arguments);
  if (!command_line.ok()) {
    std::fprintf(stderr, "pontoon-server: %s\n",
                 std::string(command_line.status().message()).c_str());
    return 64;
  }
  if (!command_line->print.empty()) {
    std::printf("%s", command_line->print.c_str());
    return 0;
  }
  absl::StatusOr<LoadedConfig> config =
      LoadConfig(command_line->config_file, ProcessEnvironment(), command_line->settings);
  if (!config.ok()) {
    PrintError(config.status());
    return kExitConfiguration;
  }
  if (command_line->accept_data_loss) return AcceptDataLoss(config->settings);
  // Before the log's folder is made in it: a directory of somebody else's stays as it is.
  if (absl::Status ours = storage::NodeDirectory::CheckBlocking(config->settings.data_dir);
      !ours.ok()) {
    PrintError(ours);
    return 1;
  }
  if (config->settings.log.dir.empty())
    config->settings.log.dir = config->settings.data_dir + "/log";
  const base::SystemClock clock;
  absl::StatusOr<std::unique_ptr<Logging>> logging = Logging::Open(config->settings.log, &clock);
  if (!logging.ok()) {
    PrintError(logging.status());
    return kExitConfiguration;
  }
  Server server(*std::move(config), logging->get());
  if (absl::Status started = server.Start(); !started.ok()) {
    (*logging)->logger()->Log(base::LogLevel::kError, 0,
                              absl::StrCat("BOOT FAILED: ", started.message()));
    server.Stop();
    (*logging)->FlushBlocking();
    PrintError(started);
    return 1;
  }
  server.Run(signals);
  (*logging)->logger()->Log(base::LogLevel::kInfo, 0,
                            "Stopping: closing listeners and connections");
  server.Stop();
  (*logging)->logger()->Log(base::LogLevel::kInfo, 0, "Successfully stopped");
  return 0;
}

}  // namespace
}  // namespace pontoon::app

int main(int argc, char** argv) { return pontoon::app::Main(argc, argv); }
