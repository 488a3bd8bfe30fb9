#include "runtime/internal/infer_shapes.h"

#include <c10/core/DeviceGuard.h>
#include <c10/util/accumulate.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <span>

#include "core/tensorrt/dims.h"

namespace nacelle::runtime {
namespace {

using Shapes = std::vector<std::vector<int64_t>>;

bool IsDynamic(const std::vector<int64_t>& shape) {
  return std::ranges::any_of(shape, [](int64_t extent) { return extent < 0; });
}

// Returns the values of an input that is read on the host at the optimum of optimization profile `profile`; zeros if it
// has none.
std::vector<std::byte> HostValues(const tensorrt::CudaEngine& plan, const TensorInfo& input, int profile,
                                  const std::vector<int64_t>& shape) {
  const size_t item = c10::elementSize(input.dtype);
  const auto count = static_cast<size_t>(c10::multiply_integers(shape));
  std::vector<std::byte> bytes(std::max<size_t>(count * item, 1));
  const bool is_integer = input.dtype == at::kInt || input.dtype == at::kLong;
  if (!is_integer || !plan.IsShapeInferenceIo(input.name.c_str())) return bytes;
  const std::vector<int64_t> values =
      plan.ProfileTensorValues(input.name.c_str(), profile, tensorrt::OptProfileSelector::kOPT);
  for (size_t i = 0; i < std::min(values.size(), count); ++i) {
    std::memcpy(bytes.data() + i * item, &values[i], item);  // the low bytes come first
  }
  return bytes;
}

}  // namespace

std::optional<Shapes> InferShapes(const tensorrt::CudaEngine& plan, at::Device device,
                                  const std::vector<TensorInfo>& inputs, const std::vector<TensorInfo>& outputs,
                                  int profile, const Shapes& input_shapes) {
  std::optional<c10::DeviceGuard> guard;
  if (!device.is_cpu()) guard.emplace(device);
  std::vector<std::vector<std::byte>> on_host;  // outlives the context
  tensorrt::ExecutionContext context =
      plan.CreateExecutionContext(tensorrt::ExecutionContextAllocationStrategy::kUSER_MANAGED);
  if (context.OptimizationProfile() != profile && !context.SetOptimizationProfile(profile, nullptr)) {
    return std::nullopt;
  }
  for (size_t i = 0; i < inputs.size(); ++i) {
    const char* const name = inputs[i].name.c_str();
    if (!context.SetInputShape(name, tensorrt::Dims(std::span<const int64_t>(input_shapes[i])))) return std::nullopt;
    if (!inputs[i].on_host) continue;
    on_host.push_back(HostValues(plan, inputs[i], profile, input_shapes[i]));
    if (!context.SetInputTensorAddress(name, on_host.back().data())) return std::nullopt;
  }
  Shapes shapes;
  for (const TensorInfo& output : outputs) {
    const tensorrt::Dims shape = context.TensorShape(output.name.c_str());
    if (!shape.valid()) return std::nullopt;
    shapes.emplace_back(shape.extents().begin(), shape.extents().end());
  }
  return shapes;
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
