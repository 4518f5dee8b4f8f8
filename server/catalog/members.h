#ifndef PONTOON_SERVER_CATALOG_MEMBERS_H_
#define PONTOON_SERVER_CATALOG_MEMBERS_H_

#include <cstdint>
#include <map>
#include <string>

#include "server/catalog/catalog.h"

namespace pontoon::catalog {

// What a command was answered first, kept for when it is sent again.
struct Answer {
  absl::Status status;
  QueueId queue;
  bool created = false;
};

// The cluster and its nodes' boots with their sessions: who may change the catalog, and what it was
// answered.
class Members {
 public:
  struct Node {
    base::BootId boot;
    std::string name;
  };
  using Answers = std::map<uint64_t, Answer>;  // By number.

  // FailedPrecondition if a later boot of that node is known, or if the number is so old that its
  // answer is forgotten.
  absl::Status CheckOrigin(const Origin& origin) const;
  // Null if this command is new.
  const Answer* FindAnswer(const Origin& origin) const;
  // Remembers the newest kUnansweredChangesMax of the session. Number 0 is not remembered.
  void Remember(const Origin& origin, Answer answer);

  // Ends the sessions of earlier boots. FailedPrecondition if a later one is known.
  absl::Status Register(base::NodeId node, base::BootId boot, std::string name);

  const std::map<base::NodeId, Node>& nodes() const { return nodes_; }
  const std::map<base::SessionId, Answers>& answers() const { return answers_; }
  std::map<base::SessionId, Answers>* mutable_answers() { return &answers_; }

  std::string cluster_id;  // Empty until the cluster is founded.
  uint32_t shards = 0;

 private:
  std::map<base::NodeId, Node> nodes_;
  std::map<base::SessionId, Answers> answers_;
};

}  // namespace pontoon::catalog

#endif  // PONTOON_SERVER_CATALOG_MEMBERS_H_
