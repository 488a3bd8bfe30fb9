#include "runtime/data_dependent.h"

#include <c10/core/DeviceGuard.h>
#include <c10/util/accumulate.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <optional>
#include <span>

#include "core/tensorrt/dims.h"

namespace nacelle::runtime {
namespace {

bool IsDynamic(std::span<const int64_t> extents) {
  return std::ranges::any_of(extents, [](int64_t extent) { return extent < 0; });
}

// The values of an input that is read on the host, as the first profile has them at its optimum; zeros if it has none.
std::vector<std::byte> HostValues(const tensorrt::CudaEngine& plan, const TensorInfo& input) {
  const size_t item = c10::elementSize(input.dtype);
  const auto count = static_cast<size_t>(c10::multiply_integers(input.profiles.front().opt));
  std::vector<std::byte> bytes(std::max<size_t>(count * item, 1));
  const bool is_integer = input.dtype == at::kInt || input.dtype == at::kLong;
  if (!is_integer || !plan.IsShapeInferenceIo(input.name.c_str())) return bytes;
  const std::vector<int64_t> values =
      plan.ProfileTensorValues(input.name.c_str(), 0, tensorrt::OptProfileSelector::kOPT);
  for (size_t i = 0; i < std::min(values.size(), count); ++i) {
    std::memcpy(bytes.data() + i * item, &values[i], item);  // the low bytes come first
  }
  return bytes;
}

}  // namespace

std::vector<bool> FindDataDependent(const tensorrt::CudaEngine& plan, at::Device device,
                                    const std::vector<TensorInfo>& inputs, const std::vector<TensorInfo>& outputs) {
  std::vector<bool> dependent(outputs.size(), false);
  if (std::ranges::none_of(outputs, [](const TensorInfo& output) { return IsDynamic(output.shape); })) return dependent;
  std::optional<c10::DeviceGuard> guard;
  if (!device.is_cpu()) guard.emplace(device);
  std::vector<std::vector<std::byte>> on_host;  // outlives the context
  tensorrt::ExecutionContext context =
      plan.CreateExecutionContext(tensorrt::ExecutionContextAllocationStrategy::kUSER_MANAGED);
  for (const TensorInfo& input : inputs) {
    const char* const name = input.name.c_str();
    if (!context.SetInputShape(name, tensorrt::Dims(std::span<const int64_t>(input.profiles.front().opt)))) {
      return dependent;
    }
    if (!input.on_host) continue;
    on_host.push_back(HostValues(plan, input));
    if (!context.SetInputTensorAddress(name, on_host.back().data())) return dependent;
  }
  for (size_t i = 0; i < outputs.size(); ++i) {
    const tensorrt::Dims shape = context.TensorShape(outputs[i].name.c_str());
    dependent[i] = shape.valid() && IsDynamic(shape.extents());
  }
  return dependent;
}

}  // namespace nacelle::runtime
