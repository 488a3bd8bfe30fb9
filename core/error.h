// The errors that Nacelle throws: one class per part that can be wrong.
//
// Each message names what was found, what was wanted and what to do next. core/ throws these; runtime/ carries them
// through torch's interpreter with the class kept. They may be thrown on any thread.
//
//   try {
//     engine.Run(inputs);
//   } catch (const nacelle::InputError& error) {  // the caller's fault: wrong shapes, dtypes, names
//     Refuse(error.what());
//   } catch (const nacelle::Error& error) {  // everything else
//     std::cerr << nacelle::ErrorClassName(error.kind()) << ": " << error.what() << '\n';
//   }
#ifndef NACELLE_CORE_ERROR_H_
#define NACELLE_CORE_ERROR_H_

#include <stdexcept>
#include <string>

namespace nacelle {

enum class ErrorKind {
  kRecord,     // a record: its version, a field, a conversion
  kDevice,     // a device: none can run an engine, or the driver failed
  kPlan,       // a plan's bytes: unknown, damaged, refused by the library that should run it
  kLibrary,    // a TensorRT library: missing, of an unknown release, without a function that is needed
  kInput,      // an argument of the caller's: tensors, names, options
  kExecution,  // a failure of the library while it ran an engine
};

// The name of the class that carries `kind`, the same in C++ and in Python: "RecordError", "InputError" …
const char* ErrorClassName(ErrorKind kind);

// Base of all errors. Immutable; what() is the whole message, one or more lines of UTF-8 without a final newline. The
// message may hold text of a file: each of its lines passes Printable of core/text.h.
class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message);
  ErrorKind kind() const { return kind_; }

 private:
  ErrorKind kind_;
};

template <ErrorKind Kind>
class ErrorOf : public Error {
 public:
  explicit ErrorOf(const std::string& message) : Error(Kind, message) {}
};

using RecordError = ErrorOf<ErrorKind::kRecord>;
using DeviceError = ErrorOf<ErrorKind::kDevice>;
using PlanError = ErrorOf<ErrorKind::kPlan>;
using LibraryError = ErrorOf<ErrorKind::kLibrary>;
using InputError = ErrorOf<ErrorKind::kInput>;
using ExecutionError = ErrorOf<ErrorKind::kExecution>;

}  // namespace nacelle

#endif  // NACELLE_CORE_ERROR_H_
