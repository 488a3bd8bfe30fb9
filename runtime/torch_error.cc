#include "runtime/torch_error.h"

#include <torch/csrc/jit/runtime/jit_exception.h>

#include <string_view>

#include "core/text.h"

namespace nacelle::runtime {
namespace {

constexpr std::string_view kPackage = "torch_nacelle.";

}  // namespace

void ThrowTorchError(const Error& error) {
  const std::string class_name = Cat(kPackage, ErrorClassName(error.kind()));
  throw torch::jit::JITException(error.what(), class_name, error.what());
}

std::optional<ErrorKind> KindOfPythonClass(const std::string& python_class_name) {
  for (const ErrorKind kind : {ErrorKind::kAbi, ErrorKind::kDevice, ErrorKind::kPlan, ErrorKind::kLibrary,
                               ErrorKind::kInput, ErrorKind::kExecution}) {
    if (python_class_name == Cat(kPackage, ErrorClassName(kind))) return kind;
  }
  return std::nullopt;
}

}  // namespace nacelle::runtime
