// Loads a TorchScript program with engines and runs it once, as a C++ application does.
//
// The application only has to depend on //runtime, which makes the engines known to torch. torch::jit::load and forward
// are torch's own. The list of engines is an extra.
#include <ATen/Context.h>
#include <ATen/core/ivalue.h>
#include <c10/core/InferenceMode.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/serialization/import.h>
#include <torch/csrc/jit/serialization/pickle.h>

#include <charconv>
#include <exception>
#include <fstream>
#include <iostream>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "examples/cpp/input_spec.h"
#include "examples/cpp/print_value.h"
#include "runtime/engine.h"
#include "runtime/program.h"
#include "runtime/tensor_info.h"

namespace nacelle::examples {
namespace {

constexpr const char* kUsage = R"(Usage: run_program PROGRAM.ts [options]

Loads a TorchScript program, lists its engines, runs it once and prints what it returns.

  --input [N=]DTYPE:SHAPE[:FILL]  input N (from 0; left out: the next one), for instance 0=float32:1x3x224x224.
                                  FILL is random (as when left out), zeros or ones.
  --input [N=]FILE                input N, read from a tensor that torch.save wrote.
                                  With no --input, a program with one engine gets what that engine was built for.
  --device DEVICE                 where to load and run it: cpu (the default), cuda, cuda:1 ...
  --seed NUMBER                   of the random inputs; 0 when left out.
  --output FILE                   also saves what the program returns, lists as tuples; torch.load reads it.
  --help                          this text.
)";

struct Options {
  std::string program;
  std::vector<InputSpec> inputs;
  at::Device device = at::kCPU;
  uint64_t seed = 0;
  std::string output;
  bool help = false;
};

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

torch::jit::Module Load(const Options& options) {
  if (!std::ifstream(options.program)) throw std::runtime_error("cannot open the program " + options.program);
  torch::jit::Module program = torch::jit::load(options.program, options.device);
  program.eval();
  return program;
}

void PrintEngines(const std::vector<runtime::EngineSite>& engines) {
  std::cout << engines.size() << (engines.size() == 1 ? " engine\n" : " engines\n");
  for (const runtime::EngineSite& site : engines) std::cout << site.path << ":\n" << site.engine()->Describe() << "\n";
}

// The shapes that the program's only engine was built for, if it has one and that takes what the program takes.
std::vector<InputSpec> InputsOfEngine(const std::vector<runtime::EngineSite>& engines, size_t count) {
  if (engines.size() != 1 || engines[0].engine()->inputs().size() != count) return {};
  std::vector<InputSpec> specs;
  for (const runtime::TensorInfo& info : engines[0].engine()->inputs()) {
    InputSpec& spec = specs.emplace_back();
    spec.dtype = info.dtype;
    spec.shape = info.optimization_profiles.empty() ? info.shape : info.optimization_profiles[0].opt;
  }
  return specs;
}

std::vector<at::IValue> MakeInputs(const Options& options, const torch::jit::Module& program,
                                   const std::vector<runtime::EngineSite>& engines) {
  const size_t count = program.get_method("forward").num_inputs() - 1;  // without self
  const std::vector<InputSpec> specs = options.inputs.empty() ? InputsOfEngine(engines, count) : options.inputs;
  at::manual_seed(options.seed);
  std::vector<at::IValue> inputs;
  for (const InputSpec& spec : InPlaces(specs, count)) {
    inputs.emplace_back(MakeInput(spec).to(options.device));
    PrintValue(std::cout, "input " + std::to_string(inputs.size() - 1), inputs.back());
  }
  return inputs;
}

// The value with tuples for its lists: torch.load refuses TorchScript's typed lists, unless it is told to trust a file.
at::IValue WithoutLists(const at::IValue& value) {
  if (!value.isTuple() && !value.isList()) return value;
  std::vector<at::IValue> parts = value.isTuple() ? value.toTupleRef().elements().vec() : value.toListRef().vec();
  for (at::IValue& part : parts) part = WithoutLists(part);
  return c10::ivalue::Tuple::create(std::move(parts));
}

void Save(const at::IValue& value, const std::string& path) {
  const std::vector<char> bytes = torch::jit::pickle_save(WithoutLists(value));
  std::ofstream file(path, std::ios::binary);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  file.close();
  if (!file) throw std::runtime_error("cannot write " + path);
}

void Run(const Options& options) {
  torch::jit::Module program = Load(options);
  const std::vector<runtime::EngineSite> engines = runtime::FindEngines(program);
  PrintEngines(engines);
  const std::vector<at::IValue> inputs = MakeInputs(options, program, engines);
  const c10::InferenceMode inference;
  const at::IValue result = program.forward(inputs);
  PrintValue(std::cout, "output", result);
  if (!options.output.empty()) Save(result, options.output);
}

int Main(const std::vector<std::string>& arguments) {
  try {
    const Options options = ParseOptions(arguments);
    if (options.help) {
      std::cout << kUsage;
    } else {
      Run(options);
    }
    return 0;
  } catch (const std::invalid_argument& error) {
    std::cerr << "run_program: " << error.what() << "\nrun_program --help says how it is called.\n";
    return 2;
  } catch (const c10::Error& error) {
    std::cerr << "run_program: " << error.what_without_backtrace() << "\n";
  } catch (const std::exception& error) {
    std::cerr << "run_program: " << error.what() << "\n";
  }
  return 1;
}

}  // namespace
}  // namespace nacelle::examples

int main(int argc, char** argv) { return nacelle::examples::Main({argv + 1, argv + argc}); }
