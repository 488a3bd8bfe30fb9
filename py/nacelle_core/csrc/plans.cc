#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstddef>
#include <string>
#include <string_view>

#include "core/plan/plan_header.h"
#include "core/tensorrt/data_type.h"
#include "py/nacelle_core/csrc/bindings.h"

namespace nacelle::python {
namespace {

namespace py = pybind11;
using plan::PlanHeader;
using plan::PlanKind;

std::string ReleaseOf(const PlanHeader& header) {
  return header.kind == PlanKind::kReference ? std::to_string(header.release.major) : header.release.ToString();
}

PlanHeader Parse(const py::bytes& start, size_t size) { return plan::ParsePlanHeader(std::string_view(start), size); }

// The names of data types by TensorRT's numbers.
py::dict DataTypes() {
  py::dict names;
  for (const tensorrt::DataTypeInfo& info : tensorrt::kDataTypes) {
    names[py::int_(static_cast<int>(info.type))] = py::str(info.name);
  }
  return names;
}

}  // namespace

void BindPlans(py::module_& m) {
  py::class_<PlanHeader>(m, "PlanHeader")
      .def_static("parse", &Parse, py::arg("start"), py::arg("size"))
      .def_property_readonly("kind", [](const PlanHeader& self) { return plan::PlanKindName(self.kind); })
      .def_property_readonly("release", &ReleaseOf)
      .def_property_readonly("description", &PlanHeader::Describe);
  m.def(
      "has_plan_magic", [](const py::bytes& start) { return plan::HasPlanMagic(std::string_view(start)); },
      py::arg("start"));
  m.attr("PLAN_START") = plan::kPlanStart;
  m.attr("DATA_TYPES") = DataTypes();
}

}  // namespace nacelle::python
