#include "runtime/registration.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/custom_class.h>
#include <torch/library.h>
#include <torch/version.h>
#include <torch_built.h>

#include <cstdio>
#include <mutex>
#include <string>

#include "core/error.h"
#include "core/fork.h"
#include "core/text.h"
#include "runtime/engine.h"
#include "runtime/execute.h"
#include "runtime/internal/check_autograd.h"
#include "runtime/internal/engine_methods.h"
#include "runtime/internal/record_operators.h"
#include "runtime/torch_error.h"

// The headers are those of the torch that the build recorded, which the wheel then requires.
static_assert(TORCH_VERSION_MAJOR == NACELLE_TORCH_MAJOR && TORCH_VERSION_MINOR == NACELLE_TORCH_MINOR &&
              TORCH_VERSION_PATCH == NACELLE_TORCH_PATCH);

namespace nacelle::runtime {
namespace {

constexpr const char* kClassName = "__torch__.torch.classes.tensorrt.Engine";

// Given to torch as the place of our registrations, so that torch's own message about a second one names both sides.
constexpr const char* kOwner =
    "torch-nacelle (it registers the class and operators that Torch-TensorRT registers too: one process can load only "
    "one of the two libraries)";

// Keys of what takes part in a call above the engine: Python's modes and subclasses of tensors (FakeTensorMode,
// DTensor), functionalization, and the transforms of torch.func.
constexpr c10::DispatchKeySet kTakesPart({c10::DispatchKey::Python, c10::DispatchKey::Functionalize,
                                          c10::DispatchKey::FuncTorchDynamicLayerBackMode});

void ExecuteOnStack(torch::jit::Stack* stack) {
  const size_t size = stack->size();
  c10::List<at::Tensor> outputs =
      WithTorchErrors([&] { return ExecuteValues((*stack)[size - 2].toListRef(), (*stack)[size - 1]); });
  torch::jit::drop(*stack, 2);
  stack->emplace_back(std::move(outputs));
}

void ExecuteEngine(const c10::OperatorHandle& /*op*/, torch::jit::Stack* stack) { ExecuteOnStack(stack); }

// Runs above ExecuteEngine for tensors that autograd may follow, and executes the engine itself if nothing else takes
// part in the call, so that a plain call is dispatched once.
void ExecuteEngineAboveAutograd(const c10::OperatorHandle& op, c10::DispatchKeySet keys, torch::jit::Stack* stack) {
  const size_t size = stack->size();
  for (const c10::IValue& input : (*stack)[size - 2].toListRef()) {
    if (HasAutogradState(input.toTensor())) [[unlikely]] {
      WithTorchErrors([&] { CheckAutograd((*stack)[size - 2].toListRef(), (*stack)[size - 1], keys); });
      break;
    }
  }
  if (keys.has_any(kTakesPart) || keys.has_backend(c10::BackendComponent::MetaBit)) [[unlikely]] {
    op.redispatchBoxed(keys & c10::after_autograd_keyset, stack);
    return;
  }
  ExecuteOnStack(stack);
}

void RegisterOperator(torch::Library& library) {
  library.def("execute_engine(Tensor[] input_tensors, __torch__.torch.classes.tensorrt.Engine engine) -> Tensor[]");
  // Not as a catch-all: torch takes a catch-all for a composition of other operators, and refuses a fake kernel for it.
  library.impl("execute_engine", torch::dispatch(c10::DispatchKey::CompositeExplicitAutograd,
                                                 torch::CppFunction::makeFromBoxedFunction<&ExecuteEngine>()));
  library.impl("execute_engine",
               torch::dispatch(c10::DispatchKey::Autograd,
                               torch::CppFunction::makeFromBoxedFunction<&ExecuteEngineAboveAutograd>()));
  // Autocast changes nothing of an engine. In a call torch passes over these keys if an operator does not name them.
  // While it traces, torch refuses such an operator.
  for (const c10::DispatchKey key : {c10::DispatchKey::AutocastCPU, c10::DispatchKey::AutocastCUDA}) {
    library.impl("execute_engine", torch::dispatch(key, torch::CppFunction::makeFallthrough()));
  }
}

// Returns the names that another library has registered; empty if all are free.
std::string TakenNames() {
  std::string taken;
  if (torch::getCustomClass(kClassName) != nullptr) taken += " torch.classes.tensorrt.Engine";
  for (const char* op : {"tensorrt::execute_engine", "trt::execute_engine"}) {
    if (c10::Dispatcher::singleton().findSchema({op, ""})) taken += Cat(" ", op);
  }
  return taken;
}

void RegisterOnce() {
  const std::string taken = TakenNames();
  if (!taken.empty()) {
    throw LibraryError(Cat(
        "torch-nacelle cannot register its class and operators: another library of this process, Torch-TensorRT "
        "most likely, holds",
        taken, "; load only one of torch-nacelle and Torch-TensorRT in a process (each runs the other's programs)"));
  }
  try {
    // Never destroyed: torch's registries may outlive this library's static objects.
    static auto* tensorrt = new torch::Library(torch::Library::DEF, "tensorrt", std::nullopt, kOwner, 0);
    static auto* trt = new torch::Library(torch::Library::DEF, "trt", std::nullopt, kOwner, 0);
    RegisterEngineClass(*tensorrt);
    RegisterOperator(*tensorrt);
    RegisterRecordOperators(*tensorrt);
    RegisterOperator(*trt);
  } catch (const c10::Error& error) {
    throw LibraryError(
        Cat("torch-nacelle cannot register its class and operators beside another library's "
            "(Torch-TensorRT?); torch says: ",
            error.what_without_backtrace()));
  }
}

std::string& Problem() {
  static auto* problem = new std::string;
  return *problem;
}

// Loading the library is enough for a plain C++ program. An exception would end the process here, so a problem is
// printed, and thrown again by Register.
const bool registered_at_load = [] {
  try {
    Register();
    return true;
  } catch (const Error& error) {
    std::fprintf(stderr, "torch-nacelle: %s\n", FullMessage(error).c_str());
    return false;
  }
}();

}  // namespace

void Register() {
  static std::once_flag once;
  std::call_once(once, [] {
    ForkGeneration();  // forks count from here on
    try {
      RegisterOnce();
    } catch (const Error& error) {
      Problem() = error.what();
    }
  });
  if (!Problem().empty()) throw LibraryError(Problem());
}

}  // namespace nacelle::runtime
