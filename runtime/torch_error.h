// How an error of Nacelle travels through torch.
//
// torch's interpreter turns every exception of an operator into a plain std::runtime_error, except a JITException,
// whose Python class name and original message it keeps. So that is what the operator and the class throw: eager
// calls, TorchScript and C++ then see the same class name and the same words.
#ifndef NACELLE_RUNTIME_TORCH_ERROR_H_
#define NACELLE_RUNTIME_TORCH_ERROR_H_

#include <optional>
#include <string>
#include <utility>

#include "core/error.h"
#include "runtime/export.h"

namespace nacelle::runtime {

// Throws `error` as a torch::jit::JITException: getPythonClassName() is "torch_nacelle.InputError" and so on, what()
// and getOriginalMsg() are the message. Where TorchScript carried it, what() also tells the way to the operator.
[[noreturn]] NACELLE_API void ThrowTorchError(const Error& error);

// Runs `body`; an Error of Nacelle that it throws becomes a JITException, anything else passes unchanged.
template <typename Body>
decltype(auto) WithTorchErrors(Body&& body) {
  try {
    return std::forward<Body>(body)();
  } catch (const Error& error) {
    ThrowTorchError(error);
  }
}

// The kind of error that a JITException's Python class name stands for; nullopt where it is not one of ours.
NACELLE_API std::optional<ErrorKind> KindOfPythonClass(const std::string& python_class_name);

}  // namespace nacelle::runtime

#endif  // NACELLE_RUNTIME_TORCH_ERROR_H_
