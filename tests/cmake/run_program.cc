// Loads a program, tells of its engines, and runs it on ones of the shape that is given:
//
//     run_program model.ts 2 3
//
// Errors go to standard error, each after its class.
#include <ATen/ATen.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/runtime/jit_exception.h>
#include <torch/csrc/jit/serialization/import.h>

#include <cstdint>
#include <iostream>
#include <string>
#include <vector>

#include "core/error.h"
#include "runtime/embed.h"
#include "runtime/engine.h"
#include "runtime/program.h"
#include "runtime/torch_error.h"

namespace {

void Run(const std::string& path, const std::vector<int64_t>& shape) {
  torch::jit::Module program = torch::jit::load(path);
  for (const nacelle::runtime::EngineSite& site : nacelle::runtime::FindEngines(program)) {
    std::cout << site.path << " " << site.engine()->record().name << " " << site.engine()->plan()->bytes().size()
              << "\n";
  }
  std::cout << program.forward({at::ones(shape)}).toTensor().sum().item<double>() << "\n";
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<int64_t> shape;
  for (int i = 2; i < argc; ++i) shape.push_back(std::stoll(argv[i]));
  try {
    if (argc > 1) {
      Run(argv[1], shape);
    } else {
      nacelle::runtime::EmbedEngine("no plan", {});
    }
  } catch (const nacelle::Error& error) {  // thrown by functions of Nacelle
    std::cerr << "kind " << static_cast<int>(error.kind()) << ": " << nacelle::runtime::FullMessage(error) << "\n";
    return 1;
  } catch (const torch::jit::JITException& error) {  // passed through torch
    std::cerr << error.getPythonClassName().value_or("?") << ": " << error.getOriginalMsg().value_or("?") << "\n";
    return 1;
  }
  return 0;
}
