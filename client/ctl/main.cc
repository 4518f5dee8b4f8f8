// pontoonctl: administers a node from the command line, as rabbitmqctl does.

#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include "client/ctl/tool.h"

namespace {

void Write(int descriptor, const std::string& text) {
  for (size_t at = 0; at < text.size();) {
    const ssize_t wrote = write(descriptor, text.data() + at, text.size() - at);
    if (wrote <= 0) return;  // Nobody reads any more.
    at += static_cast<size_t>(wrote);
  }
}

}  // namespace

int main(int argc, char** argv) {
  setenv("GRPC_VERBOSITY", "NONE", 0);  // The tool says itself what went wrong.
  const std::string path = argv[0];
  pontoon::ctl::ToolEdges edges;
  edges.connect = [](const pontoon::ctl::NodeAddress& address) {
    return pontoon::ctl::NewNodeLink(address.host, address.port, address.cookie);
  };
  edges.environment = pontoon::ctl::ReadEnvironment();
  edges.host_name = pontoon::ctl::HostName();
  edges.input = &std::cin;
  edges.sleep_seconds = [](double seconds) {
    std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  };
  edges.write_output = [](const std::string& text) { Write(STDOUT_FILENO, text); };
  edges.write_error = [](const std::string& text) { Write(STDERR_FILENO, text); };
  return pontoon::ctl::RunTool(path.substr(path.rfind('/') + 1), {argv + 1, argv + argc}, edges);
}
