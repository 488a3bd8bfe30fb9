// How an error of Nacelle travels through torch.
//
// torch's interpreter turns every exception of an operator into a plain std::runtime_error, except a JITException,
// whose Python class name and original message it keeps. So that is what the operator and the class throw: eager
// calls, TorchScript and C++ then see the same class name and the same words.
#ifndef NACELLE_RUNTIME_TORCH_ERROR_H_
#define NACELLE_RUNTIME_TORCH_ERROR_H_

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "core/error.h"
#include "runtime/export.h"

namespace nacelle::runtime {

// The page that says of each class of errors what it means and what to do: a path in the source tree, or a URL.
inline constexpr std::string_view kTroubleshooting = "docs/troubleshooting.md";

// Where that page tells of the class of this name: "See docs/troubleshooting.md#planerror".
NACELLE_API std::string Reference(std::string_view class_name);

// The message with the reference as its last line. Errors get it where they leave for torch or for Python, and not
// before, since one message may quote another. For programs that call functions of this library, and print what they
// throw.
NACELLE_API std::string FullMessage(const Error& error);

// Throws `error` as a torch::jit::JITException: getPythonClassName() is "torch_nacelle.InputError" and so on, what()
// and getOriginalMsg() are the full message. Where TorchScript carried it, what() also tells the way to the operator.
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
