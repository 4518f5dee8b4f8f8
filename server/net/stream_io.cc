#include <algorithm>
#include <utility>

#include "server/net/stream_impl.h"

namespace pontoon::net {
namespace {

// One connection reads and writes at most this much per turn, then the others have theirs.
constexpr size_t kReadPerTurnMax = 256 * 1024;
constexpr size_t kWritePerTurnMax = 1024 * 1024;
// A read that brought no more than this is copied into a slice of its own size: cheaper than what a
// block would pin.
constexpr size_t kCopiedReadMax = 4096;
// A block with less room than this is left, so that no read is needlessly short.
constexpr size_t kRoomMin = 8192;
// For a connection that filled a (nearly) whole block by one read.
constexpr size_t kLargeReadMin = 32 * 1024;
constexpr size_t kLargeBlockBytes = 256 * 1024;
// A block is given back when nothing big was read for this long.
constexpr base::Duration kIdleBlockTime = base::Seconds(1);
// Pieces of one gathered write: what Linux takes in one call.
constexpr size_t kPiecesMax = 1024;
constexpr size_t kTlsRecordBytes = 16 * 1024;
// A queue vector that grew beyond this for one burst is given back.
constexpr size_t kKeptQueueMax = 1024;

}  // namespace

void StreamSocket::Impl::OnReadable() {
  const auto self = shared_from_this();
  if (state_ == State::kHandshake) {
    Handshake();
    return;
  }
  if (state_ == State::kFlushing || state_ == State::kLingering) {
    ReadAndDrop();
    return;
  }
  if (write_blocked_ && tls) {
    // TLS may have wanted to read in order to write.
    write_blocked_ = false;
    WriteNow();
  }
  size_t budget = kReadPerTurnMax;
  while (state_ == State::kOpen && allowance > 0 && budget > 0) {
    if (!ReadOnce(&budget)) break;
  }
  if (state_ != State::kOpen || allowance == 0) return;
  if (transport->has_buffered()) {
    descriptor_->PretendReadable();
  } else {
    descriptor_->WaitReadable();
  }
}

bool StreamSocket::Impl::ReadOnce(size_t* budget) {
  if (block_ != nullptr && block_->capacity() - block_used_ < kRoomMin) ReleaseBlock();
  base::Block* block = block_;
  const size_t used = block_ != nullptr ? block_used_ : 0;
  if (block == nullptr)
    block = large_blocks_ ? base::Block::New(kLargeBlockBytes) : loop->core().TakeSpareBlock();
  const size_t room = std::min<uint64_t>(block->capacity() - used, allowance);
  const IoResult result = transport->Read(block->data() + used, room);
  if (result.kind != IoResult::kBytes) {
    if (block != block_) loop->core().GiveSpareBlock(block);
    return OnNoBytes(result);
  }
  const size_t size = result.bytes;
  read += size;
  if (allowance != kUnlimited) allowance -= size;
  *budget -= std::min(*budget, size);

  base::Slice bytes;
  if (block != block_ && size <= kCopiedReadMax) {
    bytes = base::Slice::Copy(absl::string_view(block->data(), size));
    loop->core().GiveSpareBlock(block);
  } else {
    block_ = block;
    block_used_ = used + size;
    block->Ref();
    bytes = base::Slice(block, block->data() + used, size);
    WatchIdleBlock(size);
  }
  if (size == room && room >= kLargeReadMin) large_blocks_ = true;
  if (size <= kCopiedReadMax) large_blocks_ = false;
  if (handler_ != nullptr) handler_->OnBytes(std::move(bytes));
  // A plain socket that gave less than was asked for is empty; TLS gives one record at a time.
  return tls || size == room;
}

bool StreamSocket::Impl::OnNoBytes(const IoResult& result) {
  if (result.kind == IoResult::kWantWrite) {
    descriptor_->WaitWritable();
  } else if (result.kind == IoResult::kEnd) {
    // Answers that are still queued go out first: a client may have shut down only its own side.
    StreamHandler* handler = std::exchange(handler_, nullptr);
    BeginClosing(true);
    if (handler != nullptr)
      handler->OnClosed(absl::CancelledError("the peer closed the connection"));
  } else if (result.kind == IoResult::kError) {
    Finish(result.error);
  }
  return false;
}

void StreamSocket::Impl::ReadAndDrop() {
  base::Block* block = loop->core().TakeSpareBlock();
  IoResult result;
  for (size_t dropped = 0; dropped < kReadPerTurnMax; dropped += result.bytes) {
    result = transport->Read(block->data(), block->capacity());
    if (result.kind != IoResult::kBytes) break;
  }
  loop->core().GiveSpareBlock(block);
  if (result.kind == IoResult::kEnd || result.kind == IoResult::kError) {
    peer_is_done_ = true;
    if (state_ == State::kLingering) {
      Finish(absl::OkStatus());
    } else if (result.kind == IoResult::kError) {
      Finish(result.error);
    }
  } else {
    descriptor_->WaitReadable();
  }
}

void StreamSocket::Impl::ReleaseBlock() {
  if (block_ != nullptr) block_->Unref();
  block_ = nullptr;
  block_used_ = 0;
}

void StreamSocket::Impl::WatchIdleBlock(size_t bytes_read) {
  if (bytes_read > kCopiedReadMax) last_big_read_ = loop->now();
  if (idle_timer_) return;
  idle_timer_ = loop->RunAfter(kIdleBlockTime, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (self == nullptr) return;
    self->idle_timer_ = TimerId();
    if (self->block_ == nullptr) return;
    if (self->loop->now() - self->last_big_read_ >= kIdleBlockTime) {
      self->ReleaseBlock();
    } else {
      self->WatchIdleBlock(0);
    }
  });
}

void StreamSocket::Impl::Write(base::Slice bytes) {
  if (bytes.empty() || state_ > State::kOpen) return;
  queued_bytes += bytes.size();
  if (low_water > 0 && queued_bytes >= low_water) was_high_ = true;
  queue_.push_back(std::move(bytes));
  if (state_ == State::kOpen) ScheduleWrite();
}

void StreamSocket::Impl::ScheduleWrite() {
  if (write_blocked_ || std::exchange(write_scheduled_, true)) return;
  loop->core().WriteThisTurn(shared_from_this());
}

void StreamSocket::Impl::WriteAtTurnEnd() {
  write_scheduled_ = false;
  if (!write_blocked_) WriteNow();
}

void StreamSocket::Impl::OnWritable() {
  const auto self = shared_from_this();
  if (state_ == State::kHandshake) {
    Handshake();
    return;
  }
  // TLS may have wanted to write in order to read.
  if (tls && allowance > 0) descriptor_->PretendReadable();
  write_blocked_ = false;
  WriteNow();
}

void StreamSocket::Impl::WriteNow() {
  if (state_ != State::kOpen && state_ != State::kFlushing) return;
  const auto self = shared_from_this();
  const uint64_t before = written;
  iovec pieces[kPiecesMax];
  while (queued_bytes > 0 && !write_blocked_) {
    if (written - before >= kWritePerTurnMax) {
      ScheduleWrite();
      break;
    }
    size_t total = 0;
    const size_t count = Gather(pieces, kPiecesMax, &total);
    const IoResult result = transport->Write(absl::MakeConstSpan(pieces, count));
    if (result.kind == IoResult::kBytes) {
      Consume(result.bytes);
      // A plain socket that took less than it was given is full; TLS takes one record at a time.
      write_blocked_ = !tls && result.bytes < total;
    } else if (result.kind == IoResult::kWantWrite || result.kind == IoResult::kWantRead) {
      write_blocked_ = true;
      if (result.kind == IoResult::kWantRead) descriptor_->WaitReadable();
    } else {
      loop->core().RequestTurn();
      Finish(result.kind == IoResult::kEnd ? absl::CancelledError("the peer closed the connection")
                                           : result.error);
      return;
    }
  }
  if (write_blocked_) descriptor_->WaitWritable();
  if (queued_bytes == 0 && state_ == State::kFlushing) {
    FinishWriting();
  } else {
    TellWritten(before);
  }
}

void StreamSocket::Impl::TellWritten(uint64_t before) {
  // Answers to these calls are gathered for the end of a turn, and this one's has passed.
  if (handler_ != nullptr && before < written_mark && written > before) {
    loop->core().RequestTurn();
    handler_->OnWritten(written);
  }
  if (handler_ != nullptr && was_high_ && queued_bytes < low_water) {
    was_high_ = false;
    loop->core().RequestTurn();
    handler_->OnWriteQueueLow();
  }
}

size_t StreamSocket::Impl::Gather(iovec* pieces, size_t most, size_t* total) const {
  // TLS takes one record; a plain socket seldom takes more than this at once.
  const size_t bytes_most = tls ? kTlsRecordBytes : kWritePerTurnMax;
  size_t count = 0;
  for (size_t i = head_; i < queue_.size() && count < most && *total < bytes_most; ++i) {
    const size_t skip = i == head_ ? head_offset_ : 0;
    pieces[count++] = {const_cast<char*>(queue_[i].data()) + skip, queue_[i].size() - skip};
    *total += queue_[i].size() - skip;
  }
  return count;
}

void StreamSocket::Impl::Consume(size_t bytes) {
  written += bytes;
  queued_bytes -= bytes;
  while (bytes > 0) {
    const size_t rest = queue_[head_].size() - head_offset_;
    if (bytes < rest) {
      head_offset_ += bytes;
      break;
    }
    bytes -= rest;
    head_offset_ = 0;
    queue_[head_++] = base::Slice();
  }
  if (head_ == queue_.size()) {
    queue_.clear();
    head_ = 0;
    if (queue_.capacity() > kKeptQueueMax) queue_.shrink_to_fit();
  } else if (head_ >= kPiecesMax && head_ * 2 >= queue_.size()) {
    queue_.erase(queue_.begin(), queue_.begin() + static_cast<ptrdiff_t>(head_));
    head_ = 0;
  }
}

}  // namespace pontoon::net
