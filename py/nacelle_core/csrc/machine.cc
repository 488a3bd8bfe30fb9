#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "core/device/cuda_driver.h"
#include "core/device/device.h"
#include "core/tensorrt/discover.h"
#include "core/tensorrt/library.h"
#include "py/csrc/without_gil.h"
#include "py/nacelle_core/csrc/bindings.h"

namespace nacelle::python {
namespace {

namespace py = pybind11;
using device::CudaDriver;

struct Gpu {
  device::Device device;
  size_t memory = 0;
};

struct Driver {
  int version = 0;
  std::vector<Gpu> gpus;
  std::string problem;
};

Driver Look() {
  CudaDriver& driver = CudaDriver::Process();
  Driver found{driver.driver_version(), {}, driver.why_not()};
  for (const device::Device& device : driver.Devices().devices) {
    found.gpus.push_back({device, driver.MemoryOf(device.id)});
  }
  return found;
}

std::vector<tensorrt::Opened> Libraries(std::vector<std::string> package_folders) {
  tensorrt::SetPackageFolders(std::move(package_folders));
  return tensorrt::OpenAll();
}

py::str Kind(const tensorrt::Opened& self) {
  return tensorrt::ToString(self.library != nullptr ? self.library->kind() : self.candidate.kind);
}

std::string Release(const tensorrt::Opened& self) {
  return self.library != nullptr ? self.library->release().ToString() : "";
}

}  // namespace

void BindMachine(py::module_& m) {
  py::class_<Gpu>(m, "Gpu")
      .def_property_readonly("number", [](const Gpu& self) { return self.device.id; })
      .def_property_readonly("name", [](const Gpu& self) { return ToStr(self.device.name); })
      .def_property_readonly("compute_capability",
                             [](const Gpu& self) { return std::pair(self.device.major, self.device.minor); })
      .def_readonly("memory", &Gpu::memory);
  py::class_<Driver>(m, "Driver")
      .def_readonly("version", &Driver::version)
      .def_readonly("gpus", &Driver::gpus)
      .def_property_readonly("problem", [](const Driver& self) { return ToStr(self.problem); });
  py::class_<tensorrt::Opened>(m, "Library")
      .def_property_readonly("path", [](const tensorrt::Opened& self) { return ToStr(self.candidate.path); })
      .def_property_readonly("source", [](const tensorrt::Opened& self) { return ToStr(self.candidate.source); })
      .def_property_readonly("kind", &Kind)
      .def_property_readonly("release", &Release)
      .def_property_readonly("problem", [](const tensorrt::Opened& self) { return ToStr(self.problem); });
  m.def("cuda_driver", &Look, py::call_guard<WithoutGil>());
  m.def("tensorrt_libraries", &Libraries, py::arg("package_folders"), py::call_guard<WithoutGil>());
}

}  // namespace nacelle::python
