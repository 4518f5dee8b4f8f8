#ifndef PONTOON_RAFT_NODE_EXPECT_READABLE_H_
#define PONTOON_RAFT_NODE_EXPECT_READABLE_H_

#include <gtest/gtest.h>

#include <functional>

#include "base/crc32c.h"
#include "raft/node/memory_log_store.h"
#include "raft/node/test_machine.h"

namespace pontoon::raft {

// For tests: all that the state refers to is in the store, and is what it was when it was written.
// `stored`: under which id the store has a page.
inline void ExpectReadable(MemoryLogStore* store, GroupId group, const TestMachine& machine,
                           const std::function<PageId(PageId)>& stored) {
  for (const auto& [page, crc] : machine.pages()) {
    store->ReadPage(group, stored(page), [page, crc](absl::StatusOr<base::Slice> read) {
      ASSERT_TRUE(read.ok()) << "page " << page.value;
      EXPECT_EQ(base::Crc32c(read->view()), crc) << "page " << page.value;
    });
  }
  for (const TestMachine::LiveMessage& message : machine.live_messages()) {
    store->ReadBodies(group, {{message.ref.index, message.extent.offset, message.extent.size}},
                      [message](std::vector<absl::StatusOr<base::Slice>> read) {
                        ASSERT_TRUE(read[0].ok()) << "body " << message.ref.index.value;
                        EXPECT_EQ(base::Crc32c(read[0]->view()), message.crc)
                            << "body " << message.ref.index.value;
                      });
  }
  store->AnswerReads();
}

}  // namespace pontoon::raft

#endif  // PONTOON_RAFT_NODE_EXPECT_READABLE_H_
