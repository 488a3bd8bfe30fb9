#include <pybind11/pybind11.h>
#include <pybind11/stl.h>
#include <torch/csrc/jit/api/module.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/record/record.h"
#include "py/csrc/bindings.h"
#include "py/csrc/conversion.h"
#include "py/csrc/without_gil.h"
#include "runtime/engine.h"

namespace nacelle::python {
namespace {

namespace py = pybind11;
using runtime::Engine;
using Fields = std::vector<std::string>;

std::vector<py::bytes> Bytes(const Fields& fields) { return {fields.begin(), fields.end()}; }

// A plan of a file. Python reads it into the memory that it gets, so that there is one copy.
struct PlanReader {
  size_t size = 0;
  py::function read_into;

  std::string Read() const {
    std::string plan(size, '\0');
    read_into(py::memoryview::from_memory(plan.data(), static_cast<py::ssize_t>(size)));
    return plan;
  }
};

// The record with its whole plan, of which it has the beginning.
record::Record WithPlan(record::Record record, const PlanReader& plan) {
  record.plan = plan.Read();
  return record;
}

// The fields of the converted record. `fields` and the result have the beginning of the plan.
std::vector<py::bytes> ConvertRecord(const std::string& path, Fields fields, int version,
                                     const std::vector<std::string>& drop, const std::optional<std::string>& platform,
                                     size_t plan_size, py::function read_into) {
  const Conversion conversion(version, drop, platform);
  const PlanReader plan{plan_size, std::move(read_into)};
  record::Record record = record::Parse(std::move(fields));
  c10::intrusive_ptr<Engine> engine;
  const auto make_engine = [&]() -> Engine* {
    const py::gil_scoped_acquire acquired;
    const runtime::InspectOnly inspect;
    engine = c10::make_intrusive<Engine>(WithPlan(record, plan));
    return engine.get();
  };
  Fields converted;
  {
    const WithoutGil released;
    converted = record::Write(conversion.Apply(path, record, make_engine));
  }
  return Bytes(converted);
}

// A module whose attribute `engine` is the engine of a record, set up as it is when a program is loaded.
torch::jit::Module EngineModule(Fields fields, size_t plan_size, py::function read_into) {
  record::Record record = WithPlan(record::Parse(std::move(fields)), {plan_size, std::move(read_into)});
  const WithoutGil released;
  torch::jit::Module module("__torch__.EngineHolder");
  const c10::TypePtr type = c10::getCustomClassType<c10::intrusive_ptr<Engine>>();
  module.register_attribute("engine", type, c10::IValue(c10::make_intrusive<Engine>(std::move(record))));
  return module;
}

}  // namespace

void BindRecords(py::module_& m) {
  m.def("convert_record", &ConvertRecord, py::arg("path"), py::arg("fields"), py::arg("abi_version"), py::arg("drop"),
        py::arg("platform"), py::arg("plan_size"), py::arg("read_into"));
  m.def("engine_module", &EngineModule, py::arg("fields"), py::arg("plan_size"), py::arg("read_into"));
}

}  // namespace nacelle::python
