#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "core/plan/plan_header.h"
#include "core/tensorrt/data_type.h"
#include "py/nacelle_core/csrc/bindings.h"
#include "reference/plan.h"

namespace nacelle::python {
namespace {

namespace py = pybind11;
using plan::PlanHeader;
using plan::PlanKind;

std::string ReleaseOf(const PlanHeader& header) {
  return header.kind == PlanKind::kReference ? std::to_string(header.release.major) : header.release.ToString();
}

PlanHeader Parse(const py::bytes& start, size_t size) { return plan::ParsePlanHeader(std::string_view(start), size); }

// (name, dtype, shape, profiles); a profile is (min, opt, max).
py::list Tensors(const std::vector<reference::TensorSpec>& tensors) {
  py::list made;
  for (const reference::TensorSpec& tensor : tensors) {
    py::list profiles;
    for (const reference::ShapeRange& range : tensor.profiles) {
      profiles.append(py::make_tuple(range.min, range.opt, range.max));
    }
    const std::string_view dtype = tensorrt::FindDataType(tensor.dtype)->name;
    made.append(py::make_tuple(ToStr(tensor.name), dtype, tensor.shape, profiles));
  }
  return made;
}

// (name, number of optimization profiles, inputs, outputs).
py::tuple DescribeReferencePlan(const py::bytes& start, size_t size) {
  const reference::Plan plan = reference::ReadDescription(std::string_view(start), size);
  return py::make_tuple(ToStr(plan.name), plan.profile_count, Tensors(plan.inputs), Tensors(plan.outputs));
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
  m.def("describe_reference_plan", &DescribeReferencePlan, py::arg("start"), py::arg("size"));
}

}  // namespace nacelle::python
