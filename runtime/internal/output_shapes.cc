#include "runtime/internal/output_shapes.h"

#include <algorithm>
#include <functional>
#include <string>

#include "core/error.h"
#include "core/text.h"
#include "runtime/internal/infer_shapes.h"
#include "runtime/internal/read_tensor_info.h"
#include "runtime/tensor_info.h"

namespace nacelle::runtime {
namespace {

using Shape = std::vector<int64_t>;

// Returns the first optimization profile that allows the shapes.
int OptimizationProfileFor(const EngineFacts& engine, const std::vector<Shape>& shapes) {
  const std::vector<TensorInfo>& inputs = engine.inputs;
  if (shapes.size() != inputs.size()) {
    throw InputError(Cat("infer_outputs has ", shapes.size(), " shapes; engine ", Quote(engine.name), " takes ",
                         inputs.size(), " inputs: ", Join(NamesOf(inputs), ", ")));
  }
  const auto allows = [](const ShapeRange& range, const Shape& shape) {
    return std::ranges::equal(shape, range.min, std::ranges::greater_equal()) &&
           std::ranges::equal(shape, range.max, std::ranges::less_equal());
  };
  for (int profile = 0; profile < engine.optimization_profile_count; ++profile) {
    bool fits = true;
    for (size_t i = 0; i < inputs.size(); ++i) fits &= allows(inputs[i].optimization_profiles[profile], shapes[i]);
    if (fits) return profile;
  }
  std::vector<std::string> found;
  std::vector<std::string> wanted;
  for (const Shape& shape : shapes) found.push_back(ShapeText(shape));
  for (const TensorInfo& input : inputs) wanted.push_back(Describe(input));
  throw InputError(Cat("infer_outputs has the shapes ", Join(found, ", "), ", which no optimization profile of engine ",
                       Quote(engine.name), " allows; it takes ", Join(wanted, "; ")));
}

}  // namespace

std::vector<Shape> OutputShapes(const LoadedEngine& loaded, const std::vector<Shape>& input_shapes) {
  const EngineFacts& engine = loaded.facts();
  const int profile = OptimizationProfileFor(engine, input_shapes);
  const auto plan = loaded.PlanForShapes();
  auto shapes = InferShapes(plan->engine(), engine.device, engine.inputs, engine.outputs, profile, input_shapes);
  if (!shapes) {
    throw ExecutionError(
        Cat("engine ", Quote(engine.name), ": its plan reports no shapes of outputs for these inputs"));
  }
  return *std::move(shapes);
}

}  // namespace nacelle::runtime
