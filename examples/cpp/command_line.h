// The command line of a program that loads another one and runs it once.
#ifndef NACELLE_EXAMPLES_CPP_COMMAND_LINE_H_
#define NACELLE_EXAMPLES_CPP_COMMAND_LINE_H_

#include <c10/core/Device.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "examples/cpp/input_spec.h"

namespace nacelle::examples {

struct Options {
  std::string program;
  std::vector<InputSpec> inputs;
  std::optional<at::Device> device;
  uint64_t seed = 0;
  std::string output;
  bool help = false;
};

// Reads the arguments (without argv[0]). Throws std::invalid_argument that quotes the one that is wrong.
Options ParseOptions(const std::vector<std::string>& arguments);

// Reads the arguments and calls `run`, or prints `usage` if they ask for help. Returns the exit status: 0, or 1 after
// an error, or 2 after wrong usage (std::invalid_argument). Errors go to standard error, after `name`.
int RunMain(const std::string& name, const std::string& usage, const std::vector<std::string>& arguments,
            const std::function<void(const Options&)>& run);

}  // namespace nacelle::examples

#endif  // NACELLE_EXAMPLES_CPP_COMMAND_LINE_H_
