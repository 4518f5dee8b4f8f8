#ifndef PONTOON_CLIENT_CTL_FAKE_NODE_LINK_H_
#define PONTOON_CLIENT_CTL_FAKE_NODE_LINK_H_

#include <deque>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "client/ctl/tool.h"

namespace pontoon::ctl {

// A node for tests: gives the answers that were laid ready, in their order, and keeps what was
// asked.
struct Conversation {
  std::deque<absl::StatusOr<admin::Result>> answers;
  std::vector<admin::Command> asked;
};

class FakeNodeLink final : public NodeLink {
 public:
  explicit FakeNodeLink(Conversation* conversation) : conversation_(conversation) {}
  absl::StatusOr<admin::Result> Execute(const admin::Command& command, double) override {
    conversation_->asked.push_back(command);
    if (conversation_->answers.empty()) {
      admin::Result running;
      running.set_state(admin::RUNNING);
      running.set_node("rabbit@here");
      return running;
    }
    absl::StatusOr<admin::Result> answer = std::move(conversation_->answers.front());
    conversation_->answers.pop_front();
    return answer;
  }

 private:
  Conversation* const conversation_;
};

struct ToolRun {
  int code = 0;
  std::string output, errors;
};

// The tool as a shell would run it on the machine "here.example.net"; words are separated by single
// spaces.
inline ToolRun RunAgainst(Conversation* conversation, const std::vector<std::string>& words,
                          const std::string& program = "rabbitmqctl", const std::string& typed = "",
                          Words environment = {{"RABBITMQ_NODENAME", "rabbit@here"}}) {
  ToolRun run;
  std::istringstream input(typed);
  ToolEdges edges;
  edges.connect = [conversation](const NodeAddress&) {
    return std::make_unique<FakeNodeLink>(conversation);
  };
  edges.environment = std::move(environment);
  edges.host_name = "here.example.net";
  edges.input = &input;
  edges.sleep_seconds = [](double) {};
  edges.write_output = [&run](const std::string& text) { run.output += text; };
  edges.write_error = [&run](const std::string& text) { run.errors += text; };
  run.code = RunTool(program, words, edges);
  return run;
}

}  // namespace pontoon::ctl

#endif  // PONTOON_CLIENT_CTL_FAKE_NODE_LINK_H_
