#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "core/device/cuda_driver.h"
#include "py/csrc/bindings.h"
#include "runtime/engine.h"
#include "runtime/engine_host_code.h"
#include "runtime/tensorrt_libraries.h"

namespace nacelle::python {

namespace py = pybind11;
void BindMachine(py::module_& m) {
  m.def("set_package_folders", &runtime::SetPackageFolders, py::arg("folders"));
  m.def("forked_text", &device::ForkedText);
  m.def("keep_plans_in_memory", &runtime::KeepPlansInMemory, py::arg("keep"));
  m.def("allow_engine_host_code", &runtime::AllowEngineHostCode, py::arg("allowed"));
}

}  // namespace nacelle::python
