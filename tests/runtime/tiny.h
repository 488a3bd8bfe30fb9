// Tiny engines made in code, for tests of the runtime.
#ifndef NACELLE_TESTS_RUNTIME_TINY_H_
#define NACELLE_TESTS_RUNTIME_TINY_H_

#include <ATen/core/Tensor.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/runtime/jit_exception.h>

#include <string>
#include <vector>

#include "core/tensorrt/slot_tables.h"
#include "reference/plan.h"

namespace nacelle::runtime::testing {

// A plan of the reference engine for a module with this TorchScript forward.
std::string MakePlan(const std::string& forward, const std::vector<reference::TensorSpec>& inputs,
                     const std::vector<std::string>& output_names = {});

// An input of a fixed shape.
reference::TensorSpec Fixed(std::string name, std::vector<int64_t> shape,
                            tensorrt::DataType dtype = tensorrt::DataType::kFLOAT);

// An input whose first dimension may be `min` to `max`.
reference::TensorSpec Batched(std::string name, std::vector<int64_t> shape, int64_t min, int64_t max);

// y = 2 x + 1 for x of shape [1 to 4, 3].
std::string AffinePlan();

// x of shape [1 to 4, 3] -> x + 1, and the sum of each row.
std::string TwoOutputsPlan();

// The module with the plan as its engine, made without further options.
torch::jit::Module Embedded(std::string plan, const std::string& name = "tiny");

// The parts of a JITException of Nacelle's.
struct TorchFailure {
  std::string class_name;
  std::string message;
};

// Returns the failure of `body`; an empty one if it throws no JITException.
template <typename Body>
TorchFailure FailureOf(const Body& body) {
  try {
    body();
  } catch (const torch::jit::JITException& error) {
    return {error.getPythonClassName().value_or(""), error.getOriginalMsg().value_or("")};
  }
  return {};
}

}  // namespace nacelle::runtime::testing

#endif  // NACELLE_TESTS_RUNTIME_TINY_H_
