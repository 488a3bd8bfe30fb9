#include <pybind11/pybind11.h>

#include <exception>

#include "core/error.h"
#include "py/nacelle_core/csrc/bindings.h"

namespace nacelle::python {
namespace {

namespace py = pybind11;

void Translate(std::exception_ptr pointer) {
  if (!pointer) return;
  try {
    std::rethrow_exception(pointer);
  } catch (const Error& error) {
    const py::object type = py::module_::import("nacelle_core.errors").attr(ErrorClassName(error.kind()));
    PyErr_SetObject(type.ptr(), ToStr(error.what()).ptr());
  }
}

}  // namespace

void BindErrors(py::module_&) {
  // Local to this module: torch_nacelle._C gives the same errors classes of its own.
  py::register_local_exception_translator(&Translate);
}

}  // namespace nacelle::python
