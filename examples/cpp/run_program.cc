// Loads a TorchScript program with engines and runs it once, as a C++ application does.
//
// The application only has to depend on //runtime, which makes the engines known to torch. torch::jit::load and forward
// are torch's own. The list of engines is an extra.
#include <ATen/Context.h>
#include <ATen/core/ivalue.h>
#include <c10/core/InferenceMode.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/serialization/import.h>

#include <fstream>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

#include "examples/cpp/command_line.h"
#include "examples/cpp/engines.h"
#include "examples/cpp/input_spec.h"
#include "examples/cpp/print_value.h"
#include "examples/cpp/save_value.h"
#include "runtime/program.h"

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

torch::jit::Module Load(const Options& options) {
  if (!std::ifstream(options.program)) throw std::runtime_error("cannot open the program " + options.program);
  torch::jit::Module program = torch::jit::load(options.program, options.device.value_or(at::kCPU));
  program.eval();
  return program;
}

std::vector<at::IValue> MakeInputs(const Options& options, const torch::jit::Module& program,
                                   const std::vector<runtime::EngineSite>& engines) {
  const size_t count = program.get_method("forward").num_inputs() - 1;  // without self
  std::vector<InputSpec> specs = options.inputs;
  if (specs.empty()) {
    specs = InputsOfEngine(engines);
    if (specs.size() != count) specs.clear();
  }
  at::manual_seed(options.seed);
  std::vector<at::IValue> inputs;
  for (const InputSpec& spec : InPlaces(specs, count)) {
    inputs.emplace_back(MakeInput(spec).to(options.device.value_or(at::kCPU)));
    PrintValue(std::cout, "input " + std::to_string(inputs.size() - 1), inputs.back());
  }
  return inputs;
}

void Run(const Options& options) {
  torch::jit::Module program = Load(options);
  const std::vector<runtime::EngineSite> engines = runtime::FindEngines(program);
  PrintEngines(std::cout, engines);
  const std::vector<at::IValue> inputs = MakeInputs(options, program, engines);
  const c10::InferenceMode inference;
  const at::IValue result = program.forward(inputs);
  PrintValue(std::cout, "output", result);
  if (!options.output.empty()) SaveValue(result, options.output);
}

}  // namespace
}  // namespace nacelle::examples

int main(int argc, char** argv) {
  using namespace nacelle::examples;
  return RunMain("run_program", kUsage, {argv + 1, argv + argc}, &Run);
}
