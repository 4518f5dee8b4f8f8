#ifndef PONTOON_RAFT_SIM_TRACE_H_
#define PONTOON_RAFT_SIM_TRACE_H_

#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "raft/core/message.h"

namespace pontoon::raft::sim {

// A message in one line, for whoever reads a trace.
std::string DescribeMessage(const Message& message);

// What a run did, step by step: a digest always, the text of it if somebody wants to read it. Two
// runs of the same plan must have the same.
class Trace {
 public:
  explicit Trace(bool keep_text) : keep_text_(keep_text) {}

  void Add(uint64_t number) {
    digest_ = (digest_ ^ number) * 0x9e3779b97f4a7c15u;
    digest_ ^= digest_ >> 29;
  }
  bool keeps_text() const { return keep_text_; }
  template <typename... Parts>
  void Say(int64_t at_us, const Parts&... parts) {
    if (!keep_text_) return;
    absl::StrAppend(&text_, at_us / 1000, ".", at_us % 1000 / 100, " ", parts..., "\n");
  }

  uint64_t digest() const { return digest_; }
  const std::string& text() const { return text_; }

 private:
  const bool keep_text_;
  uint64_t digest_ = 0x70616e746f6f6e;
  std::string text_;
};

}  // namespace pontoon::raft::sim

#endif  // PONTOON_RAFT_SIM_TRACE_H_
