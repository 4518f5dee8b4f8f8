#include "server/net/event_loop.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <chrono>

#include "base/check.h"
#include "server/net/asio_context.h"
#include "server/net/loop_core.h"

namespace pontoon::net {
namespace {

// Blocks that sockets read into; a socket that fills them at one go asks for larger ones.
constexpr size_t kSpareBlockBytes = 64 * 1024;
// The clock is read once per so many ready sockets.
constexpr int kReadyBetweenClockReads = 8;
// A sleep without a timer; a loop that was not woken looks around once in a while all the same.
constexpr base::Duration kSleepMax = base::Seconds(10);

void Add(std::atomic<uint64_t>* counter, uint64_t n) {
  // One writer: the loop.
  counter->store(counter->load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
}

EventLoop::Options WithClock(EventLoop::Options options, std::unique_ptr<base::Clock>* own) {
  if (options.clock == nullptr) {
    *own = std::make_unique<base::SystemClock>();
    options.clock = own->get();
  }
  return options;
}

}  // namespace

LoopCore::LoopCore(EventLoop::Options options)
    : options_(WithClock(options, &own_clock_)),
      asio_(std::make_unique<AsioContext>()),
      now_(options_.clock->Now()) {}

LoopCore::~LoopCore() {
  if (spare_ != nullptr) spare_->Unref();
}

void LoopCore::Open(EventLoop* loop) {
  tasks_ = std::make_unique<Mailbox<EventLoop::Task>>(loop, MailPriority::kNormal,
                                                      [](std::vector<EventLoop::Task>& batch) {
                                                        for (EventLoop::Task& task : batch) {
                                                          task();
                                                          task = nullptr;
                                                        }
                                                      });
}

void LoopCore::Close() {
  Stop();
  // Sockets that were still closing are held by their timers.
  timers_.Clear();
  hooks_.clear();
  ready_.clear();
  writers_.clear();
  tasks_.reset();
}

void LoopCore::Start() {
  PONTOON_CHECK_MSG(!thread_.joinable(), "a loop is started once");
  thread_ = std::thread([this] { Run(); });
  // Also before the thread's first instruction the loop counts as running.
  here_.store(thread_.get_id(), std::memory_order_relaxed);
}

void LoopCore::Stop() {
  if (!thread_.joinable()) return;
  PONTOON_CHECK_MSG(!IsHere(), "a loop cannot wait for its own end");
  stop_.store(true, std::memory_order_release);
  Wake();
  thread_.join();
  here_.store(std::thread::id(), std::memory_order_relaxed);
}

void LoopCore::Wake() {
  if (state_.exchange(kNotified, std::memory_order_acq_rel) != kSleeping) return;
  wakeups_.fetch_add(1, std::memory_order_relaxed);
  boost::asio::post(asio_->io, [] {});
}

void LoopCore::AssertHere() const {
  PONTOON_CHECK_MSG(here_.load(std::memory_order_relaxed) == std::thread::id() || IsHere(),
                    "state of a loop was touched by another thread");
}

void LoopCore::AddMailbox(MailboxBase* mailbox) {
  AssertHere();
  MailboxesOf(mailbox->priority_).push_back(mailbox);
}

void LoopCore::RemoveMailbox(MailboxBase* mailbox) {
  AssertHere();
  auto& list = MailboxesOf(mailbox->priority_);
  auto it = std::find(list.begin(), list.end(), mailbox);
  // A null keeps the places of the others while a round runs over them.
  if (it != list.end()) *it = nullptr;
}

base::Block* LoopCore::TakeSpareBlock() {
  if (spare_ == nullptr) return base::Block::New(kSpareBlockBytes);
  return std::exchange(spare_, nullptr);
}

void LoopCore::GiveSpareBlock(base::Block* block) {
  if (spare_ == nullptr && block->unique() && block->capacity() == kSpareBlockBytes) {
    spare_ = block;
  } else {
    block->Unref();
  }
}

uint64_t LoopCore::AddHook(EventLoop::Task hook) {
  AssertHere();
  hooks_.push_back({++last_hook_, std::move(hook)});
  return last_hook_;
}

void LoopCore::RemoveHook(uint64_t number) {
  AssertHere();
  for (Hook& hook : hooks_) {
    if (hook.number == number) hook.number = 0;  // Dropped at the turn's end: it may be running.
  }
}

EventLoop::Metrics LoopCore::metrics() const {
  return {.turns = turns_.load(std::memory_order_relaxed),
          .sleeps = sleeps_.load(std::memory_order_relaxed),
          .wakeups = wakeups_.load(std::memory_order_relaxed),
          .busy_nanos = busy_nanos_.load(std::memory_order_relaxed),
          .longest_turn_nanos = longest_turn_nanos_.load(std::memory_order_relaxed)};
}

void LoopCore::Run() {
  here_.store(std::this_thread::get_id(), std::memory_order_relaxed);
  // A peer that went away is an error of the write, never a signal to the process.
  sigset_t pipe;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
  pthread_setname_np(pthread_self(), ("loop-" + std::to_string(options_.id.value)).c_str());

  while (!stop_.load(std::memory_order_acquire)) {
    WaitForWork();
    RunTurn();
  }
}

void LoopCore::WaitForWork() {
  int expected = kRunning;
  if (ready_.empty() && writers_.empty() && !std::exchange(again_, false) &&
      state_.compare_exchange_strong(expected, kSleeping, std::memory_order_acq_rel)) {
    base::Duration wait = kSleepMax;
    if (const auto next = timers_.Next()) wait = std::min(wait, *next - options_.clock->Now());
    if (wait.nanos > 0) {
      Add(&sleeps_, 1);
      asio_->io.run_one_for(std::chrono::nanoseconds(wait.nanos));
    }
  }
  // From here on who sends mail need not wake; what was sent before is seen by this turn.
  state_.exchange(kRunning, std::memory_order_acq_rel);
  asio_->io.poll();
}

void LoopCore::RunTurn() {
  const base::MonotonicTime start = options_.clock->Now();
  now_ = start;
  DeliverMail(MailPriority::kHigh);
  timers_.RunDue(now_);
  DeliverMail(MailPriority::kNormal);
  ServeReady(start + options_.turn_budget);
  EndTurn();
  Add(&turns_, 1);
  const uint64_t nanos = static_cast<uint64_t>((options_.clock->Now() - start).nanos);
  Add(&busy_nanos_, nanos);
  if (nanos > longest_turn_nanos_.load(std::memory_order_relaxed)) {
    longest_turn_nanos_.store(nanos, std::memory_order_relaxed);
  }
}

bool LoopCore::DeliverMail(MailPriority priority) {
  auto& list = MailboxesOf(priority);
  bool any = false;
  bool removed = false;
  // By index: a consumer may add mailboxes.
  for (size_t i = 0; i < list.size(); ++i) {
    MailboxBase* mailbox = list[i];
    if (mailbox == nullptr) {
      removed = true;
    } else if (mailbox->pending_.load(std::memory_order_relaxed)) {
      mailbox->pending_.exchange(false, std::memory_order_acq_rel);
      mailbox->Deliver();
      any = true;
    }
  }
  if (removed) list.erase(std::remove(list.begin(), list.end(), nullptr), list.end());
  return any;
}

void LoopCore::ServeReady(base::MonotonicTime until) {
  // What becomes ready while this runs waits for the next turn, so that nobody can hold up the
  // turn's end.
  size_t left = ready_.size();
  for (int served = 0; left > 0; --left) {
    std::shared_ptr<ReadySource> source = std::move(ready_.front());
    ready_.pop_front();
    source->OnReady();
    if (++served % kReadyBetweenClockReads == 0 && options_.clock->Now() >= until) return;
  }
}

void LoopCore::EndTurn() {
  for (int round = 1;; ++round) {
    for (size_t i = 0; i < hooks_.size(); ++i) {
      if (hooks_[i].number == 0) continue;
      EventLoop::Task task = std::move(hooks_[i].task);  // A hook may add hooks.
      task();
      hooks_[i].task = std::move(task);
    }
    if (round == kRoundsMax) break;
    const bool high = DeliverMail(MailPriority::kHigh);
    const bool normal = DeliverMail(MailPriority::kNormal);
    if (!high && !normal) break;
  }
  hooks_.erase(std::remove_if(hooks_.begin(), hooks_.end(),
                              [](const Hook& hook) { return hook.number == 0; }),
               hooks_.end());
  writing_.swap(writers_);
  for (auto& writer : writing_) writer->WriteAtTurnEnd();
  writing_.clear();
}

MailboxBase::MailboxBase(EventLoop* loop, MailPriority priority)
    : loop_(loop), priority_(priority) {
  loop_->core().AddMailbox(this);
}

MailboxBase::~MailboxBase() { loop_->core().RemoveMailbox(this); }

void MailboxBase::Notify() {
  pending_.store(true, std::memory_order_release);
  loop_->core().Wake();
}

EventLoop::EventLoop(Options options) : core_(std::make_unique<LoopCore>(options)) {
  core_->Open(this);
}
EventLoop::~EventLoop() { core_->Close(); }
void EventLoop::Start() { core_->Start(); }
void EventLoop::Stop() { core_->Stop(); }
void EventLoop::Post(Task task) { core_->PostTask(std::move(task)); }

TimerId EventLoop::RunAt(base::MonotonicTime when, Task task) {
  core_->AssertHere();
  return core_->timers().Add(core_->now(), when, std::move(task));
}

TimerId EventLoop::RunAfter(base::Duration delay, Task task) {
  return RunAt(clock().Now() + delay, std::move(task));
}

void EventLoop::CancelTimer(TimerId* timer) {
  core_->AssertHere();
  if (*timer) core_->timers().Cancel(*timer);
  *timer = TimerId();
}

uint64_t EventLoop::OnTurnEnd(Task hook) { return core_->AddHook(std::move(hook)); }
void EventLoop::RemoveTurnEnd(uint64_t hook) { core_->RemoveHook(hook); }
base::MonotonicTime EventLoop::now() const { return core_->now(); }
base::LoopId EventLoop::id() const { return core_->options().id; }
const base::Clock& EventLoop::clock() const { return *core_->options().clock; }
EventLoop::Metrics EventLoop::metrics() const { return core_->metrics(); }
bool EventLoop::IsHere() const { return core_->IsHere(); }
void EventLoop::AssertHere() const { core_->AssertHere(); }

}  // namespace pontoon::net
