#ifndef PONTOON_CLIENT_CTL_TOOL_H_
#define PONTOON_CLIENT_CTL_TOOL_H_

#include <functional>
#include <istream>
#include <memory>
#include <string>
#include <vector>

#include "client/ctl/node_address.h"
#include "client/ctl/node_link.h"

namespace pontoon::ctl {

// Everything that the tool touches outside itself.
struct ToolEdges {
  std::function<std::unique_ptr<NodeLink>(const NodeAddress&)> connect;
  Words environment;
  std::string host_name;
  std::istream* input = nullptr;
  std::function<void(double)> sleep_seconds;
  std::function<void(const std::string&)> write_output;
  std::function<void(const std::string&)> write_error;
};

// One run of the program: `program` is the name it was called by (pontoonctl, rabbitmqctl,
// rabbitmq-diagnostics), `words` the rest of the line. The exit code.
int RunTool(const std::string& program, const std::vector<std::string>& words,
            const ToolEdges& edges);

}  // namespace pontoon::ctl

#endif  // PONTOON_CLIENT_CTL_TOOL_H_
