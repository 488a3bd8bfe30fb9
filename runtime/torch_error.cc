#include "runtime/torch_error.h"

#include <torch/csrc/jit/runtime/jit_exception.h>

#include <string_view>

#include "core/text.h"

namespace nacelle::runtime {
namespace {

constexpr std::string_view kPackage = "torch_nacelle.";

}  // namespace

std::string Reference(std::string_view class_name) {
  std::string anchor(class_name);
  for (char& letter : anchor) {
    if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
  }
  return Cat("See ", kTroubleshooting, "#", anchor);
}

std::string FullMessage(const Error& error) { return Cat(error.what(), "\n", Reference(ErrorClassName(error.kind()))); }

void ThrowTorchError(const Error& error) {
  const std::string class_name = Cat(kPackage, ErrorClassName(error.kind()));
  const std::string message = FullMessage(error);
  throw torch::jit::JITException(message, class_name, message);
}

std::optional<ErrorKind> KindOfPythonClass(const std::string& python_class_name) {
  for (const ErrorKind kind : {ErrorKind::kRecord, ErrorKind::kDevice, ErrorKind::kPlan, ErrorKind::kLibrary,
                               ErrorKind::kInput, ErrorKind::kExecution}) {
    if (python_class_name == Cat(kPackage, ErrorClassName(kind))) return kind;
  }
  return std::nullopt;
}

}  // namespace nacelle::runtime
