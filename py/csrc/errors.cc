#include <pybind11/pybind11.h>
#include <torch/csrc/jit/runtime/jit_exception.h>

#include <string>

#include "core/error.h"
#include "py/csrc/bindings.h"
#include "reference/forward_graph.h"
#include "runtime/torch_error.h"

namespace nacelle::python {
namespace {

namespace py = pybind11;

constexpr const char* kErrors = "torch_nacelle.errors";

// Sets the Python error: an instance of `class_name` of `module` with `message`; the class itself sees to the last
// line. `trace`, if any, is what TorchScript tells of the way to the operator; it goes into the attribute
// torchscript_trace.
void SetError(const char* module, const char* class_name, const std::string& message, const std::string& trace) {
  const py::object type = py::module_::import(module).attr(class_name);
  const py::object error = type(message);
  error.attr("torchscript_trace") = trace;
  PyErr_SetObject(type.ptr(), error.ptr());
}

void Translate(std::exception_ptr pointer) {
  if (!pointer) return;
  try {
    std::rethrow_exception(pointer);
  } catch (const reference::StateError& error) {
    SetError("torch_nacelle._models.state", "StateError", error.what(), "");
  } catch (const Error& error) {
    SetError(kErrors, ErrorClassName(error.kind()), error.what(), "");
  } catch (const torch::jit::JITException& error) {
    const auto kind = runtime::KindOfPythonClass(error.getPythonClassName().value_or(""));
    if (!kind) throw;  // another library's: the next translator's
    const std::string message = error.getOriginalMsg().value_or(error.what());
    const std::string text = error.what();
    SetError(kErrors, ErrorClassName(*kind), message, text.find("TorchScript") == std::string::npos ? "" : text);
  }
}

}  // namespace

void BindErrors(py::module_& m) {
  py::register_exception_translator(&Translate);
  m.def("reference", &runtime::Reference, py::arg("class_name"));
}

}  // namespace nacelle::python
