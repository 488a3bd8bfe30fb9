// Loads an AOTInductor package with engines and runs it once, as a C++ application does.
//
// The application only has to depend on //runtime, which makes the engines known to torch. AOTIModelPackageLoader and
// its run() are torch's own. The list of engines is an extra.
#include <ATen/Context.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/ivalue.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/InferenceMode.h>
#include <torch/csrc/inductor/aoti_package/model_package_loader.h>

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <optional>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "examples/cpp/command_line.h"
#include "examples/cpp/engines.h"
#include "examples/cpp/input_spec.h"
#include "examples/cpp/print_value.h"
#include "examples/cpp/save_value.h"
#include "runtime/program.h"

namespace nacelle::examples {
namespace {

using torch::inductor::AOTIModelPackageLoader;

constexpr const char* kUsage = R"(Usage: run_package PACKAGE.pt2 [options]

Loads an AOTInductor package, lists its engines, runs it once and prints what it returns.

  --input [N=]DTYPE:SHAPE[:FILL]  input N (from 0; left out: the next one), for instance 0=float32:1x3x224x224.
                                  FILL is random (as when left out), zeros or ones.
  --input [N=]FILE                input N, read from a tensor that torch.save wrote.
                                  With no --input, a package with one engine gets what that engine was built for.
  --device DEVICE                 where to load and run it, such as cuda:1. It must be of the type that the package
                                  was compiled for; left out: the first one of that type.
  --seed NUMBER                   of the random inputs; 0 when left out.
  --output FILE                   also saves the tensors that the package returns, as a tuple; torch.load reads it.
  --help                          this text.
)";

AOTIModelPackageLoader Load(const Options& options) {
  const std::string& path = options.program;
  if (!std::ifstream(path)) throw std::runtime_error("cannot open the package " + path);
  // Engines are set up on the current device, and torch's code on the one with this index.
  const c10::OptionalDeviceGuard guard(options.device);
  const c10::DeviceIndex index = options.device ? options.device->index() : -1;
  return {path, "model", /*run_single_threaded=*/false, /*num_runners=*/1, index};
}

// The device that the package takes its inputs on.
at::Device DeviceOf(AOTIModelPackageLoader& package, const Options& options) {
  const at::Device compiled(package.get_metadata().at("AOTI_DEVICE_KEY"));
  if (options.device && options.device->type() != compiled.type()) {
    throw std::invalid_argument("--device " + options.device->str() + ": the package was compiled for " +
                                compiled.str());
  }
  return options.device.value_or(compiled);
}

// The objects in the package, engines among them; nothing if torch has no function for it, as torch 2.11.
template <typename Loader>
std::optional<std::unordered_map<std::string, at::IValue>> ObjectsOf(const Loader& package) {
  if constexpr (requires { package.get_custom_objs(); }) {
    return package.get_custom_objs();
  } else {
    return std::nullopt;
  }
}

std::vector<runtime::EngineSite> ListEngines(const AOTIModelPackageLoader& package) {
  const auto objects = ObjectsOf(package);
  if (!objects) {
    std::cout << "engines: not listed, since this release of torch does not give the objects of a package\n";
    return {};
  }
  std::vector<runtime::EngineSite> engines = runtime::FindEngines(*objects);
  PrintEngines(std::cout, engines);
  return engines;
}

std::vector<at::Tensor> MakeInputs(const Options& options, const std::vector<runtime::EngineSite>& engines,
                                   at::Device device) {
  const std::vector<InputSpec> specs = options.inputs.empty() ? InputsOfEngine(engines) : options.inputs;
  at::manual_seed(options.seed);
  std::vector<at::Tensor> inputs;
  for (const InputSpec& spec : InPlaces(specs, specs.size())) {
    inputs.push_back(MakeInput(spec).to(device));
    PrintValue(std::cout, "input " + std::to_string(inputs.size() - 1), inputs.back());
  }
  return inputs;
}

void Run(const Options& options) {
  AOTIModelPackageLoader package = Load(options);
  const at::Device device = DeviceOf(package, options);
  const std::vector<runtime::EngineSite> engines = ListEngines(package);
  const std::vector<at::Tensor> inputs = MakeInputs(options, engines, device);
  const c10::InferenceMode inference;
  const std::vector<at::Tensor> outputs = package.run(inputs);
  const at::IValue result = c10::ivalue::Tuple::create(std::vector<at::IValue>(outputs.begin(), outputs.end()));
  PrintValue(std::cout, "output", result);
  if (!options.output.empty()) SaveValue(result, options.output);
}

}  // namespace
}  // namespace nacelle::examples

int main(int argc, char** argv) {
  using namespace nacelle::examples;
  // The code in a package reads its inputs' memory as the dtypes that it was compiled for, and looks at dtypes, shapes
  // and strides only if this is set when it is first called.
  setenv("AOTI_RUNTIME_CHECK_INPUTS", "1", /*overwrite=*/0);
  return RunMain("run_package", kUsage, {argv + 1, argv + argc}, &Run);
}
