#include "runtime/internal/infer_shapes.h"

#include <c10/core/DeviceGuard.h>
#include <c10/util/accumulate.h>

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "core/error.h"
#include "core/tensorrt/dims.h"
#include "core/tensorrt/messages.h"
#include "core/text.h"

namespace nacelle::runtime {
namespace {

using Shapes = std::vector<std::vector<int64_t>>;

bool IsDynamic(const std::vector<int64_t>& shape) {
  return std::ranges::any_of(shape, [](int64_t extent) { return extent < 0; });
}

bool HasHostValues(const tensorrt::CudaEngine& plan, const TensorInfo& input) {
  const bool is_integer = input.dtype == at::kInt || input.dtype == at::kLong;
  return is_integer && plan.IsShapeInferenceIo(input.name.c_str());
}

// Returns the elements of an input of `shape` that is read on the host; zeros if it has no values.
std::vector<std::byte> HostBytes(const TensorInfo& input, const std::vector<int64_t>& shape,
                                 const std::vector<int64_t>& values) {
  const size_t item = c10::elementSize(input.dtype);
  const auto count = static_cast<size_t>(c10::multiply_integers(shape));
  std::vector<std::byte> bytes(std::max<size_t>(count * item, 1));
  for (size_t i = 0; i < std::min(values.size(), count); ++i) {
    std::memcpy(bytes.data() + i * item, &values[i], item);  // the low bytes come first
  }
  return bytes;
}

// Asks a context of a plan for output shapes.
class Asker {
 public:
  Asker(const tensorrt::CudaEngine& plan, const std::vector<TensorInfo>& inputs, const std::vector<TensorInfo>& outputs)
      : plan_(plan),
        inputs_(inputs),
        outputs_(outputs),
        context_(plan.CreateExecutionContext(tensorrt::ExecutionContextAllocationStrategy::kUSER_MANAGED)) {}

  bool ChooseProfile(int profile) {
    profile_ = profile;
    return context_.OptimizationProfile() == profile || context_.SetOptimizationProfile(profile, nullptr);
  }

  std::optional<Shapes> At(const Shapes& input_shapes, const Shapes& host_values) {
    on_host_.clear();
    on_host_.reserve(inputs_.size());
    for (size_t i = 0; i < inputs_.size(); ++i) {
      const TensorInfo& input = inputs_[i];
      const char* const name = input.name.c_str();
      if (!context_.SetInputShape(name, tensorrt::Dims(std::span<const int64_t>(input_shapes[i])))) return std::nullopt;
      if (!input.on_host) continue;
      const size_t index = on_host_.size();
      const bool given = index < host_values.size() && !host_values[index].empty();
      on_host_.push_back(
          HostBytes(input, input_shapes[i], given ? host_values[index] : HostValueRangeOf(plan_, input, profile_).opt));
      if (!context_.SetInputTensorAddress(name, on_host_.back().data())) return std::nullopt;
    }
    if (context_.InferShapes() < 0) return std::nullopt;
    Shapes shapes;
    for (const TensorInfo& output : outputs_) {
      const tensorrt::Dims shape = context_.TensorShape(output.name.c_str());
      if (!shape.valid()) return std::nullopt;
      shapes.emplace_back(shape.extents().begin(), shape.extents().end());
    }
    return shapes;
  }

  std::vector<int64_t> MaxBytes() const {
    std::vector<int64_t> bytes;
    for (const TensorInfo& output : outputs_) bytes.push_back(context_.MaxOutputBytes(output.name.c_str()));
    return bytes;
  }

 private:
  const tensorrt::CudaEngine& plan_;
  const std::vector<TensorInfo>& inputs_;
  const std::vector<TensorInfo>& outputs_;
  int profile_ = 0;
  std::vector<std::vector<std::byte>> on_host_;  // outlives the context
  tensorrt::ExecutionContext context_;
};

// Makes the device the current one; does nothing for the CPU.
std::optional<c10::DeviceGuard> GuardFor(at::Device device) {
  return device.is_cpu() ? std::nullopt : std::optional<c10::DeviceGuard>(std::in_place, device);
}

}  // namespace

HostValueRange HostValueRangeOf(const tensorrt::CudaEngine& plan, const TensorInfo& input, int profile) {
  if (!HasHostValues(plan, input)) return {};
  using Selector = tensorrt::OptProfileSelector;
  const auto values = [&](Selector selector) {
    return plan.ProfileTensorValues(input.name.c_str(), profile, selector);
  };
  return {values(Selector::kMIN), values(Selector::kOPT), values(Selector::kMAX)};
}

std::optional<Shapes> InferShapes(const tensorrt::CudaEngine& plan, at::Device device,
                                  const std::vector<TensorInfo>& inputs, const std::vector<TensorInfo>& outputs,
                                  int profile, const Shapes& input_shapes) {
  const auto guard = GuardFor(device);
  Asker asker(plan, inputs, outputs);
  return asker.ChooseProfile(profile) ? asker.At(input_shapes, {}) : std::nullopt;
}

InferredShapes InferShapesAtPoints(const tensorrt::CudaEngine& plan, at::Device device,
                                   const std::vector<TensorInfo>& inputs, const std::vector<TensorInfo>& outputs,
                                   int profile, std::span<const ShapePoint> points) {
  const auto guard = GuardFor(device);
  const tensorrt::MessageScope messages;
  Asker asker(plan, inputs, outputs);
  if (!asker.ChooseProfile(profile)) {
    throw ExecutionError(Cat("optimization profile ", profile,
                             " cannot be chosen for the execution context that is asked for shapes",
                             messages.ErrorSuffix(plan.library()->Describe())));
  }
  InferredShapes inferred;
  for (const ShapePoint& point : points) {
    inferred.shapes.push_back(asker.At(point.input_shapes, point.host_values));
    if (inferred.shapes.back() && inferred.max_bytes.empty()) inferred.max_bytes = asker.MaxBytes();
  }
  if (inferred.max_bytes.empty()) inferred.max_bytes.assign(outputs.size(), -1);
  return inferred;
}

std::vector<bool> FindDataDependent(const tensorrt::CudaEngine& plan, at::Device device,
                                    const std::vector<TensorInfo>& inputs, const std::vector<TensorInfo>& outputs) {
  std::vector<bool> dependent(outputs.size(), false);
  if (std::ranges::none_of(outputs, IsDynamic, &TensorInfo::shape)) return dependent;
  Shapes optimum;
  for (const TensorInfo& input : inputs) optimum.push_back(input.optimization_profiles.front().opt);
  const std::optional<Shapes> shapes = InferShapes(plan, device, inputs, outputs, 0, optimum);
  if (!shapes) return dependent;
  for (size_t i = 0; i < outputs.size(); ++i) dependent[i] = IsDynamic((*shapes)[i]);
  return dependent;
}

}  // namespace nacelle::runtime
