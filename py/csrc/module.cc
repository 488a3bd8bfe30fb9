// torch_nacelle._C: what TorchBind cannot do. Plans and records as bytes, modules made in C++, errors with their
// classes. The Python above it is the public interface; nothing here is.
#include <pybind11/pybind11.h>

#include "py/csrc/bindings.h"
#include "runtime/registration.h"

PYBIND11_MODULE(_C, m) {
  nacelle::python::BindErrors(m);
  nacelle::runtime::Register();
  nacelle::python::BindPrograms(m);
  nacelle::python::BindEngines(m);
  nacelle::python::BindExecute(m);
  nacelle::python::BindRecords(m);
  nacelle::python::BindPlans(m);
  nacelle::python::BindBuilders(m);
  nacelle::python::BindSettings(m);
  nacelle::python::BindShapes(m);
  nacelle::python::BindMachine(m);
  nacelle::python::BindLog(m);
  nacelle::python::BindTiming(m);
}
