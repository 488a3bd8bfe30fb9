#include <pybind11/pybind11.h>
#include <pybind11/stl.h>
#include <torch/csrc/jit/api/object.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/text.h"
#include "py/csrc/bindings.h"
#include "py/csrc/engine_of.h"
#include "py/csrc/without_gil.h"
#include "runtime/engine.h"
#include "runtime/internal/infer_shapes.h"
#include "runtime/internal/loaded_engine.h"
#include "runtime/internal/output_shapes.h"
#include "runtime/tensor_info.h"

namespace nacelle::python {
namespace {

namespace py = pybind11;
using runtime::Engine;
using torch::jit::Object;
using Shapes = std::vector<std::vector<int64_t>>;

// The number of the engine's plan, which no other plan of this process has or had.
uint64_t PlanId(const Object& object) {
  const auto engine = EngineOf(object);
  const WithoutGil released;
  return engine->loaded()->plan().id();
}

// The inputs that are read on the host: their places among the inputs, and for each profile their least, best and
// largest values.
std::vector<std::pair<size_t, std::vector<Shapes>>> HostInputs(const Object& object) {
  const auto engine = EngineOf(object);
  const WithoutGil released;
  const auto loaded = engine->loaded();
  const runtime::EngineFacts& facts = loaded->facts();
  std::vector<std::pair<size_t, std::vector<Shapes>>> found;
  for (size_t i = 0; i < facts.inputs.size(); ++i) {
    if (!facts.inputs[i].on_host) continue;
    std::vector<Shapes> profiles;
    for (int profile = 0; profile < facts.optimization_profile_count; ++profile) {
      runtime::HostValueRange range = runtime::HostValueRangeOf(loaded->engine(), facts.inputs[i], profile);
      profiles.push_back({std::move(range.min), std::move(range.opt), std::move(range.max)});
    }
    found.emplace_back(i, std::move(profiles));
  }
  return found;
}

// The outputs' shapes at each point (the inputs' shapes, and the values of those that are read on the host), and the
// most elements of each output; None if it is not known. Without `profile` there is one point, in the optimization
// profile that allows it, and a refusal is an error.
std::tuple<std::vector<std::optional<Shapes>>, std::vector<std::optional<int64_t>>> InferShapes(
    const Object& object, std::optional<int> profile, const std::vector<std::pair<Shapes, Shapes>>& points) {
  const auto engine = EngineOf(object);
  const WithoutGil released;
  const auto loaded = engine->loaded();
  const runtime::EngineFacts& facts = loaded->facts();
  std::vector<runtime::ShapePoint> asked;
  for (const auto& [shapes, values] : points) {
    if (shapes.size() != facts.inputs.size()) {
      throw InputError(Cat("a point has ", shapes.size(), " shapes; wanted ", facts.inputs.size()));
    }
    asked.push_back({shapes, values});
  }
  if (!profile) return {{runtime::OutputShapes(loaded, asked.at(0).input_shapes)}, {}};
  const auto plan = loaded->PlanForShapes();
  runtime::InferredShapes inferred =
      runtime::InferShapesAtPoints(plan->engine(), facts.device, facts.inputs, facts.outputs, *profile, asked);
  std::vector<std::optional<int64_t>> elements;
  for (size_t i = 0; i < inferred.max_bytes.size(); ++i) {
    const int64_t bytes = inferred.max_bytes[i];
    const auto item = static_cast<int64_t>(c10::elementSize(facts.outputs[i].dtype));
    elements.push_back(bytes < 0 ? std::nullopt : std::optional(bytes / item));
  }
  return {std::move(inferred.shapes), std::move(elements)};
}

}  // namespace

void BindShapes(py::module_& m) {
  m.def("plan_id", &PlanId, py::arg("engine"));
  m.def("host_inputs", &HostInputs, py::arg("engine"));
  m.def("infer_shapes", &InferShapes, py::arg("engine"), py::arg("profile"), py::arg("points"));
}

}  // namespace nacelle::python
