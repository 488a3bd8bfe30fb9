#include <pybind11/pybind11.h>

#include <cstddef>
#include <string_view>

#include "core/text.h"
#include "py/nacelle_core/csrc/bindings.h"

namespace nacelle::python {

namespace py = pybind11;

py::str ToStr(std::string_view text) {
  PyObject* const made = PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), "backslashreplace");
  if (made == nullptr) throw py::error_already_set();
  return py::reinterpret_steal<py::str>(made);
}

void BindTexts(py::module_& m) {
  m.def(
      "quote", [](const py::bytes& text, size_t limit) { return Quote(std::string_view(text), limit); },
      py::arg("text"), py::arg("limit") = 80);
  m.def("printable", [](const py::bytes& text) { return Printable(std::string_view(text)); }, py::arg("text"));
}

}  // namespace nacelle::python
