#include "examples/cpp/command_line.h"

#include <c10/util/Exception.h>

#include <charconv>
#include <exception>
#include <iostream>
#include <stdexcept>
#include <string_view>

namespace nacelle::examples {
namespace {

uint64_t ParseSeed(std::string_view text) {
  uint64_t seed = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seed);
  if (error != std::errc() || end != text.data() + text.size()) {
    throw std::invalid_argument("--seed " + std::string(text) + ": a whole number is wanted");
  }
  return seed;
}

at::Device ParseDevice(const std::string& text) {
  try {
    return at::Device(text);
  } catch (const c10::Error&) {
    throw std::invalid_argument("--device " + text + ": no such device; cpu, cuda and cuda:1 are examples");
  }
}

void SetOption(Options& options, std::string_view option, const std::string& value) {
  if (option == "--input") {
    options.inputs.push_back(ParseInputSpec(value));
  } else if (option == "--device") {
    options.device = ParseDevice(value);
  } else if (option == "--seed") {
    options.seed = ParseSeed(value);
  } else if (option == "--output") {
    options.output = value;
  } else {
    throw std::invalid_argument("there is no option " + std::string(option));
  }
}

}  // namespace

Options ParseOptions(const std::vector<std::string>& arguments) {
  Options options;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    if (argument == "--help" || argument == "-h") {
      options.help = true;
      return options;
    }
    if (!argument.starts_with("--")) {
      if (!options.program.empty())
        throw std::invalid_argument("two programs: " + options.program + " and " + argument);
      options.program = argument;
    } else if (const size_t equals = argument.find('='); equals != std::string::npos) {
      SetOption(options, argument.substr(0, equals), argument.substr(equals + 1));
    } else if (i + 1 < arguments.size()) {
      SetOption(options, argument, arguments[++i]);
    } else {
      throw std::invalid_argument(argument + " wants a value");
    }
  }
  if (options.program.empty()) throw std::invalid_argument("no program is named");
  return options;
}

int RunMain(const std::string& name, const std::string& usage, const std::vector<std::string>& arguments,
            const std::function<void(const Options&)>& run) {
  try {
    const Options options = ParseOptions(arguments);
    if (options.help) {
      std::cout << usage;
    } else {
      run(options);
    }
    return 0;
  } catch (const std::invalid_argument& error) {
    std::cerr << name << ": " << error.what() << "\n" << name << " --help says how it is called.\n";
    return 2;
  } catch (const c10::Error& error) {
    std::cerr << name << ": " << error.what_without_backtrace() << "\n";
  } catch (const std::exception& error) {
    std::cerr << name << ": " << error.what() << "\n";
  }
  return 1;
}

}  // namespace nacelle::examples
