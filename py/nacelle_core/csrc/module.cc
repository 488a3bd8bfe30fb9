// nacelle_core._core: core/ for Python. The Python beside it is the interface; nothing here is.
#include <pybind11/pybind11.h>

#include "py/nacelle_core/csrc/bindings.h"

PYBIND11_MODULE(_core, m) {
  nacelle::python::BindErrors(m);
  nacelle::python::BindRecords(m);
  nacelle::python::BindPlans(m);
  nacelle::python::BindTexts(m);
  nacelle::python::BindMachine(m);
}
