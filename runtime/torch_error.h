// Carries errors of Nacelle through torch.
//
//   try {
//     module.forward(inputs);
//   } catch (const torch::jit::JITException& error) {
//     if (KindOfPythonClass(error.getPythonClassName().value_or("")) == ErrorKind::kInput) …
//   }
//
// torch's interpreter turns every exception of an operator into a plain std::runtime_error, except a JITException,
// whose Python class name and original message it keeps. The operator and the class therefore throw JITExceptions:
// eager calls, TorchScript and C++ then see the same class name and the same words.
#ifndef NACELLE_RUNTIME_TORCH_ERROR_H_
#define NACELLE_RUNTIME_TORCH_ERROR_H_

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "core/error.h"
#include "runtime/export.h"

namespace nacelle::runtime {

// The page that explains each class of errors and its remedies: a path in the source tree, or a URL.
inline constexpr std::string_view kTroubleshooting = "docs/troubleshooting.md";

// Returns the reference to that page for an error class: "See docs/troubleshooting.md#planerror".
NACELLE_API std::string Reference(std::string_view class_name);

// Returns the message with the reference as its last line. Errors get that line when they leave for torch or Python,
// not before, since one message may quote another. For programs that call this library's functions and print their
// errors.
NACELLE_API std::string FullMessage(const Error& error);

// Throws `error` as a torch::jit::JITException: getPythonClassName() is "torch_nacelle.InputError" and so on, what()
// and getOriginalMsg() are the full message. If TorchScript carried it, what() also has the calls that led to the
// operator.
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

// Returns the kind of error that a JITException's Python class name stands for; nullopt if it is not one of Nacelle's.
NACELLE_API std::optional<ErrorKind> KindOfPythonClass(const std::string& python_class_name);

}  // namespace nacelle::runtime

#endif  // NACELLE_RUNTIME_TORCH_ERROR_H_
