#include "reference/probe.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "core/error.h"
#include "core/text.h"

namespace nacelle::reference {
namespace {

// One set of input shapes to try.
struct Point {
  std::string name;  // "the minimum of profile 0"
  std::vector<Shape> shapes;
  bool required = true;  // true if a profile names these shapes, so that the module must run there
};

struct OutputType {
  std::optional<tensorrt::DataType> dtype;
  std::string dtype_name;
  Shape shape;
};

std::vector<Shape> ShapesAt(const std::vector<TensorSpec>& inputs, size_t profile,
                            int64_t (*choose)(const ShapeRange&, size_t)) {
  std::vector<Shape> shapes;
  for (const TensorSpec& input : inputs) {
    shapes.push_back(input.shape);
    if (!input.dynamic()) continue;
    for (size_t i = 0; i < input.shape.size(); ++i) shapes.back()[i] = choose(input.profiles[profile], i);
  }
  return shapes;
}

// Returns the shapes to try; the optimum of the first profile comes first.
std::vector<Point> Points(const std::vector<TensorSpec>& inputs, int profile_count) {
  if (std::ranges::none_of(inputs, &TensorSpec::dynamic)) {
    return {{"the shapes given", ShapesAt(inputs, 0, nullptr)}};
  }
  const auto min = [](const ShapeRange& range, size_t i) { return range.min[i]; };
  const auto opt = [](const ShapeRange& range, size_t i) { return range.opt[i]; };
  const auto max = [](const ShapeRange& range, size_t i) { return range.max[i]; };
  const auto next = [](const ShapeRange& range, size_t i) { return std::min(range.min[i] + 1, range.max[i]); };
  const auto middle = [](const ShapeRange& range, size_t i) {
    return range.min[i] + (range.max[i] - range.min[i]) / 2;
  };
  std::vector<Point> points;
  for (size_t p = 0; p < static_cast<size_t>(profile_count); ++p) {
    points.push_back({Cat("the optimum of profile ", p), ShapesAt(inputs, p, opt)});
    points.push_back({Cat("the minimum of profile ", p), ShapesAt(inputs, p, min)});
    points.push_back({Cat("the maximum of profile ", p), ShapesAt(inputs, p, max)});
    points.push_back({Cat("a shape within profile ", p), ShapesAt(inputs, p, next), /*required=*/false});
    points.push_back({Cat("a shape within profile ", p), ShapesAt(inputs, p, middle), /*required=*/false});
  }
  return points;
}

class Prober {
 public:
  Prober(const Network& network, const std::vector<TensorSpec>& inputs, const ValueSets& values)
      : workspace_(network), inputs_(inputs), values_(values) {}

  // Returns the outputs at `point`, on the first kind of values that the module accepts.
  std::vector<OutputType> Run(const Point& point) {
    std::string first_error;
    for (const Fill fill : {Fill::kZeros, Fill::kOnes, Fill::kMixed}) {
      try {
        return RunOn(point, fill);
      } catch (const ExecutionError& error) {
        if (first_error.empty()) first_error = error.what();
      }
    }
    std::vector<std::string> shapes;
    for (size_t i = 0; i < inputs_.size(); ++i) {
      shapes.push_back(Cat(Quote(inputs_[i].name), " ", ShapeText(point.shapes[i])));
    }
    throw InputError(Cat("the module cannot be run at ", point.name, " (", Join(shapes, ", "), "): ", first_error));
  }

  // Returns the number of sets of given values.
  size_t sets() const { return values_.size(); }

  // Returns the outputs at `point` on one kind of values and one set of given ones. Throws ExecutionError.
  std::vector<OutputType> RunOn(const Point& point, Fill fill, size_t set = 0) {
    std::vector<TensorType> types;
    for (size_t i = 0; i < inputs_.size(); ++i) types.push_back({inputs_[i].dtype, point.shapes[i]});
    workspace_.RunOn(types, fill, set < values_.size() ? values_[set] : std::vector<std::vector<int64_t>>());
    // A write would change the caller's tensors; an engine does not write to its inputs.
    if (const auto written = workspace_.written_input()) {
      throw InputError(Cat("forward changes its input ", Quote(inputs_[*written].name),
                           " in place; an engine only reads its inputs: let forward clone it first, and return the new "
                           "value if the caller needs it"));
    }
    std::vector<OutputType> outputs;
    for (size_t i = 0; i < workspace_.outputs(); ++i) {
      const auto shape = workspace_.shape(i);
      outputs.push_back({workspace_.dtype(i), workspace_.dtype_name(i), Shape(shape.begin(), shape.end())});
    }
    workspace_.Release();
    return outputs;
  }

 private:
  Workspace workspace_;
  const std::vector<TensorSpec>& inputs_;
  const ValueSets& values_;
};

std::vector<TensorSpec> FirstGuess(const std::vector<OutputType>& types, const std::vector<std::string>& names,
                                   const std::set<std::string>& data_dependent) {
  if (!names.empty() && names.size() != types.size()) {
    throw InputError(Cat("the module returns ", types.size(), " tensors; ", names.size(),
                         " output names were given: ", Join(names, ", ")));
  }
  std::vector<TensorSpec> outputs;
  std::vector<std::string> known;
  for (size_t i = 0; i < types.size(); ++i) {
    TensorSpec output;
    output.name = names.empty() ? Cat("output_", i) : names[i];
    if (!types[i].dtype.has_value()) {
      throw InputError(Cat("output ", Quote(output.name), " is ", types[i].dtype_name,
                           ", which TensorRT lacks; cast it in the module"));
    }
    output.dtype = *types[i].dtype;
    output.shape = types[i].shape;
    output.data_dependent = data_dependent.contains(output.name);
    known.push_back(output.name);
    outputs.push_back(std::move(output));
  }
  for (const std::string& name : data_dependent) {
    if (std::ranges::find(known, name) != known.end()) continue;
    throw InputError(Cat("no output has the name ", Quote(name), ", which is to be data-dependent; the outputs are ",
                         Join(known, ", ")));
  }
  return outputs;
}

// Makes extents dynamic that differ from `types`. Element [i] of the result is true if output i had such an extent.
std::vector<bool> Merge(const std::vector<OutputType>& types, const std::string& place,
                        std::vector<TensorSpec>& outputs) {
  if (types.size() != outputs.size()) {
    throw InputError(Cat("the module returns ", outputs.size(), " tensors, and ", types.size(), " for ", place));
  }
  std::vector<bool> differs(outputs.size(), false);
  for (size_t i = 0; i < outputs.size(); ++i) {
    TensorSpec& output = outputs[i];
    if (types[i].dtype != output.dtype || types[i].shape.size() != output.shape.size()) {
      throw InputError(Cat("output ", Quote(output.name), " is not always of one dtype and rank: for ", place,
                           " it is ", types[i].dtype_name, " ", ShapeText(types[i].shape), ", and had ",
                           output.shape.size(), " dimensions before"));
    }
    for (size_t d = 0; d < output.shape.size(); ++d) {
      if (types[i].shape[d] == output.shape[d]) continue;
      output.shape[d] = -1;
      differs[i] = true;
    }
  }
  return differs;
}

void MarkDifferingOutputs(const std::vector<OutputType>& types, std::vector<TensorSpec>& outputs) {
  const std::vector<bool> differs = Merge(types, "other values", outputs);
  for (size_t i = 0; i < outputs.size(); ++i) outputs[i].data_dependent = outputs[i].data_dependent || differs[i];
}

// Marks outputs whose shape depends on values: runs at one point on other values show them.
void FindDataDependent(Prober& prober, const Point& point, std::vector<TensorSpec>& outputs) {
  for (const Fill fill : {Fill::kZeros, Fill::kOnes, Fill::kMixed}) {
    try {
      MarkDifferingOutputs(prober.RunOn(point, fill), outputs);
    } catch (const ExecutionError&) {
      // Not every module takes every value; it ran on one kind at least.
    }
  }
}

// Marks them by the given sets of values too, each set at the first point whose shapes it goes with.
void TryGivenValues(Prober& prober, const std::vector<Point>& points, std::vector<TensorSpec>& outputs) {
  for (size_t set = 1; set < prober.sets(); ++set) {
    for (const Point& point : points) {
      if (!point.required) continue;
      try {
        MarkDifferingOutputs(prober.RunOn(point, Fill::kOnes, set), outputs);
        break;
      } catch (const ExecutionError&) {
        // These values do not go with these shapes.
      }
    }
  }
}

}  // namespace

std::vector<TensorSpec> ProbeOutputs(const Network& network, const std::vector<TensorSpec>& inputs, int profile_count,
                                     const std::vector<std::string>& names, const std::set<std::string>& data_dependent,
                                     const ValueSets& values) {
  Prober prober(network, inputs, values);
  const std::vector<Point> points = Points(inputs, profile_count);
  std::vector<TensorSpec> outputs = FirstGuess(prober.Run(points[0]), names, data_dependent);
  if (outputs.empty()) throw InputError("the module returns no tensors; an engine has at least one output");
  FindDataDependent(prober, points[0], outputs);
  TryGivenValues(prober, points, outputs);
  for (size_t i = 1; i < points.size(); ++i) {
    try {
      Merge(prober.Run(points[i]), points[i].name, outputs);
    } catch (const InputError&) {
      if (points[i].required && values.empty()) throw;
    }
  }
  for (TensorSpec& output : outputs) {
    // Shapes are inferred on made-up values before a run. A module whose shapes depend on values may refuse those.
    if (!values.empty() && output.dynamic()) output.data_dependent = true;
    // The tried values may not show every extent that varies.
    if (!values.empty() && data_dependent.contains(output.name)) std::ranges::fill(output.shape, -1);
    // Declared to depend on values, but the tried values did not show in which extent: the first, as with nonzero.
    if (output.data_dependent && !output.dynamic() && !output.shape.empty()) output.shape[0] = -1;
  }
  return outputs;
}

}  // namespace nacelle::reference
