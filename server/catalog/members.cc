#include "server/catalog/members.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace pontoon::catalog {

absl::Status Members::CheckOrigin(const Origin& origin) const {
  const auto node = nodes_.find(origin.session.node);
  if (node != nodes_.end() && origin.session.boot < node->second.boot) {
    return absl::FailedPreconditionError(absl::StrCat("boot ", origin.session.boot.value,
                                                      " of this node is over: boot ",
                                                      node->second.boot.value, " has started"));
  }
  const auto session = answers_.find(origin.session);
  if (session != answers_.end() && session->second.size() >= kUnansweredChangesMax &&
      origin.number != 0 && origin.number < session->second.begin()->first) {
    return absl::FailedPreconditionError(
        absl::StrCat("change ", origin.number, " is too old: its answer is no longer known"));
  }
  return absl::OkStatus();
}

const Answer* Members::FindAnswer(const Origin& origin) const {
  const auto session = answers_.find(origin.session);
  if (session == answers_.end()) return nullptr;
  const auto answer = session->second.find(origin.number);
  return answer == session->second.end() ? nullptr : &answer->second;
}

void Members::Remember(const Origin& origin, Answer answer) {
  if (origin.number == 0) return;
  Answers& answers = answers_[origin.session];
  answers.emplace(origin.number, std::move(answer));
  while (answers.size() > kUnansweredChangesMax) answers.erase(answers.begin());
}

absl::Status Members::Register(base::NodeId node, base::BootId boot, std::string name) {
  Node& known = nodes_[node];
  if (boot < known.boot) {
    return absl::FailedPreconditionError(absl::StrCat("boot ", boot.value, " of node ", name,
                                                      " is older than boot ", known.boot.value));
  }
  known = {boot, std::move(name)};
  for (auto it = answers_.begin(); it != answers_.end();) {
    const bool over = it->first.node == node && it->first.boot < boot;
    it = over ? answers_.erase(it) : std::next(it);
  }
  return absl::OkStatus();
}

}  // namespace pontoon::catalog
