#include "server/app/logging.h"

#include <spdlog/async.h>
#include <spdlog/details/file_helper.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <deque>
#include <filesystem>
#include <future>
#include <mutex>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/mutex.h"
#include "server/app/flood_guard.h"

namespace pontoon::app {
namespace {

// Lines that may wait for the writing thread.
constexpr size_t kQueuedLinesMax = 8192;

// A file that can be opened anew while others log. Written by the log's own thread alone.
class FileSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit FileSink(const std::string& path) { file_.open(path); }

  void Reopen() {
    const std::lock_guard<std::mutex> lock(mutex_);
    file_.reopen(false);
  }

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t bytes;
    formatter_->format(message, bytes);
    file_.write(bytes);
  }
  void flush_() override { file_.flush(); }

 private:
  spdlog::details::file_helper file_;
};

// Opens a gate when the writing thread reaches it: all that was logged before is written then.
class FenceSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  std::future<void> Next() {
    const std::lock_guard<std::mutex> lock(mutex_);
    gates_.emplace_back();
    return gates_.back().get_future();
  }

 protected:
  void sink_it_(const spdlog::details::log_msg&) override {
    gates_.front().set_value();
    gates_.pop_front();
  }
  void flush_() override {}

 private:
  std::deque<std::promise<void>> gates_;
};

// Lines come with all their parts and their ends.
void WriteAsGiven(spdlog::sinks::sink* sink) {
  sink->set_formatter(std::make_unique<spdlog::pattern_formatter>(
      "%v", spdlog::pattern_time_type::local, std::string()));
}

bool Passes(base::LogLevel level, const LogThreshold& threshold) {
  return threshold.has_value() && level >= *threshold;
}

}  // namespace

class Logging::Impl {
 public:
  Impl(const LogSettings& settings, const base::Clock* clock) : settings_(settings), clock_(clock) {
    for (const LogCategory category : {LogCategory::kDefault, LogCategory::kConnection,
                                       LogCategory::kChannel, LogCategory::kQueue}) {
      loggers_[static_cast<int>(category)] = std::make_unique<CategoryLogger>(this, category);
    }
  }

  ~Impl() {
    Tick(true);
    fence_.reset();
    console_.reset();
    file_.reset();
    // Joins the writing thread when all is written.
    pool_.reset();
  }

  absl::Status Open() {
    pool_ = std::make_shared<spdlog::details::thread_pool>(kQueuedLinesMax, 1);
    fence_sink_ = std::make_shared<FenceSink>();
    // Unlike a line it must not be dropped when the queue is full.
    fence_ = std::make_shared<spdlog::async_logger>("fence", fence_sink_, pool_,
                                                    spdlog::async_overflow_policy::block);
    const bool to_file = !settings_.file.empty();
    if (to_file) {
      path_ = std::filesystem::path(settings_.dir) / settings_.file;
      std::error_code failed;
      std::filesystem::create_directories(std::filesystem::path(path_).parent_path(), failed);
      try {
        file_sink_ = std::make_shared<FileSink>(path_);
      } catch (const spdlog::spdlog_ex& error) {
        return absl::UnavailableError(
            absl::StrCat("cannot write the log file ", path_, ": ", error.what()));
      }
      file_ = Attach("file", file_sink_);
    }
    if (settings_.console.value_or(!to_file)) {
      console_ = Attach("console", std::make_shared<spdlog::sinks::stdout_sink_mt>());
    }
    return absl::OkStatus();
  }

  void Log(LogCategory category, base::LogLevel level, uint64_t origin, absl::string_view text) {
    if (!Passes(level, ThresholdOf(category))) return;
    {
      base::MutexLock lock(&mutex_);
      if (!guard_.Admit(clock_->Now(), level, text)) return;
    }
    Print({clock_->WallNow(), level, category, origin, text});
  }

  void Tick(bool all) {
    std::vector<FloodGuard::Held> held;
    {
      base::MutexLock lock(&mutex_);
      held = guard_.TakeHeld(clock_->Now(), all);
    }
    for (const FloodGuard::Held& kind : held) {
      const std::string text =
          absl::StrCat("... repeated ", kind.count,
                       " times more, not printed one by one. The first of these: ", kind.sample);
      Print({clock_->WallNow(), kind.level, LogCategory::kDefault, 0, text});
    }
  }

  absl::Status Reopen() {
    if (file_sink_ == nullptr) return absl::OkStatus();
    try {
      file_sink_->Reopen();
    } catch (const spdlog::spdlog_ex& error) {
      return absl::UnavailableError(
          absl::StrCat("cannot open the log file ", path_, " anew: ", error.what()));
    }
    return absl::OkStatus();
  }

  void Flush() {
    Tick(true);
    std::future<void> reached = fence_sink_->Next();
    fence_->log(spdlog::level::info, spdlog::string_view_t("fence"));
    reached.wait();
  }

  base::Logger* logger(LogCategory category) { return loggers_[static_cast<int>(category)].get(); }

  std::vector<std::string> destinations() const {
    std::vector<std::string> all;
    if (file_ != nullptr) all.push_back(path_);
    if (console_ != nullptr) all.push_back("<stdout>");
    return all;
  }

 private:
  using Output = std::shared_ptr<spdlog::async_logger>;

  class CategoryLogger final : public base::Logger {
   public:
    CategoryLogger(Impl* log, LogCategory category) : log_(log), category_(category) {}
    void Log(base::LogLevel level, uint64_t origin, absl::string_view text) override {
      log_->Log(category_, level, origin, text);
    }

   private:
    Impl* const log_;
    const LogCategory category_;
  };

  Output Attach(const std::string& name, std::shared_ptr<spdlog::sinks::sink> sink) {
    WriteAsGiven(sink.get());
    auto output = std::make_shared<spdlog::async_logger>(
        name, std::move(sink), pool_, spdlog::async_overflow_policy::overrun_oldest);
    output->set_level(spdlog::level::trace);
    // A line that nobody has seen when the process dies was worth nothing.
    output->flush_on(spdlog::level::trace);
    return output;
  }

  void Print(const LogLine& line) {
    if (console_ != nullptr && Passes(line.level, settings_.console_level)) {
      Send(console_, line, settings_.console_json);
    }
    if (file_ != nullptr && Passes(line.level, settings_.file_level))
      Send(file_, line, settings_.file_json);
  }

  static void Send(const Output& output, const LogLine& line, bool json) {
    const std::string text = json ? FormatJson(line) : FormatPlain(line);
    output->log(spdlog::level::info, spdlog::string_view_t(text.data(), text.size()));
  }

  LogThreshold ThresholdOf(LogCategory category) const {
    switch (category) {
      case LogCategory::kConnection:
        return settings_.connection_level.value_or(settings_.default_level);
      case LogCategory::kChannel:
        return settings_.channel_level.value_or(settings_.default_level);
      case LogCategory::kQueue:
        return settings_.queue_level.value_or(settings_.default_level);
      case LogCategory::kDefault:
        break;
    }
    return settings_.default_level;
  }

  const LogSettings settings_;
  const base::Clock* const clock_;
  std::unique_ptr<CategoryLogger> loggers_[4];
  std::string path_;
  std::shared_ptr<spdlog::details::thread_pool> pool_;
  std::shared_ptr<FileSink> file_sink_;
  std::shared_ptr<FenceSink> fence_sink_;
  Output fence_, console_, file_;
  base::Mutex mutex_;
  FloodGuard guard_ ABSL_GUARDED_BY(mutex_);
};

Logging::Logging(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Logging::~Logging() = default;

absl::StatusOr<std::unique_ptr<Logging>> Logging::Open(const LogSettings& settings,
                                                       const base::Clock* clock) {
  auto impl = std::make_unique<Impl>(settings, clock);
  const absl::Status status = impl->Open();
  if (!status.ok()) return status;
  return std::unique_ptr<Logging>(new Logging(std::move(impl)));
}

base::Logger* Logging::logger(LogCategory category) { return impl_->logger(category); }
void Logging::Tick() { impl_->Tick(false); }
absl::Status Logging::Reopen() { return impl_->Reopen(); }
void Logging::FlushBlocking() { impl_->Flush(); }
std::vector<std::string> Logging::destinations() const { return impl_->destinations(); }

}  // namespace pontoon::app
