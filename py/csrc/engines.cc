#include <pybind11/pybind11.h>
#include <pybind11/stl.h>
#include <torch/csrc/jit/api/object.h>

#include <string>
#include <utility>
#include <vector>

#include "core/record/record.h"
#include "py/csrc/bindings.h"
#include "py/csrc/engine_of.h"
#include "py/csrc/without_gil.h"
#include "runtime/engine.h"
#include "runtime/internal/engine_methods.h"
#include "runtime/internal/loaded_engine.h"
#include "runtime/tensor_info.h"

namespace nacelle::python {
namespace {

namespace py = pybind11;
using runtime::Engine;
using torch::jit::Object;

Object ObjectOf(c10::intrusive_ptr<Engine> engine) { return {c10::IValue(std::move(engine)).toObject()}; }

Object CopyEngine(const Object& object) {
  const WithoutGil released;
  return ObjectOf(EngineOf(object)->Copy());
}

std::vector<py::bytes> EngineRecord(const Object& object) {
  const std::vector<std::string> fields = record::Write(EngineOf(object)->CompleteRecord());
  return {fields.begin(), fields.end()};
}

Object EngineFromRecord(std::vector<std::string> fields) {
  const WithoutGil released;
  return ObjectOf(c10::make_intrusive<Engine>(record::Parse(std::move(fields))));
}

// The device that the engine runs on.
std::string EngineDevice(const Object& object) { return EngineOf(object)->loaded()->facts().device.str(); }

// The names of the inputs that calls write to.
std::vector<std::string> WrittenInputs(const Object& object) {
  std::vector<std::string> names;
  for (const runtime::TensorInfo& input : EngineOf(object)->inputs()) {
    if (input.written) names.push_back(input.name);
  }
  return names;
}

bool TorchExports() {
  const py::gil_scoped_acquire acquired;
  return py::module_::import("torch.compiler").attr("is_exporting")().cast<bool>();
}

}  // namespace

void BindEngines(py::module_& m) {
  m.def("copy_engine", &CopyEngine, py::arg("engine"));
  m.def("engine_record", &EngineRecord, py::arg("engine"));
  m.def("engine_from_record", &EngineFromRecord, py::arg("fields"));
  m.def("engine_device", &EngineDevice, py::arg("engine"));
  m.def("written_inputs", &WrittenInputs, py::arg("engine"));
  runtime::SetExports(&TorchExports);
}

}  // namespace nacelle::python
