#include "runtime/context.h"

#include <ATen/EmptyTensor.h>
#include <ATen/ops/clone.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <span>
#include <utility>

#include "core/error.h"
#include "core/tensorrt/messages.h"
#include "core/text.h"
#include "runtime/loaded_engine.h"

namespace nacelle::runtime {
namespace {

// The address of a tensor without elements: TensorRT takes null for "not set", and reads nothing from it.
alignas(256) char no_elements[256];

void* AddressOf(const at::Tensor& tensor) {
  void* const address = tensor.numel() == 0 ? nullptr : const_cast<void*>(tensor.const_data_ptr());
  return address == nullptr ? no_elements : address;
}

// What memory holds is not what the tensor means: strides, or a sign or a zero that torch applies lazily.
bool NeedsCopy(const at::Tensor& tensor) {
  constexpr c10::DispatchKeySet kLazy({c10::DispatchKey::Negative, c10::DispatchKey::ZeroTensor});
  return !tensor.is_contiguous() || tensor.key_set().has_any(kLazy);
}

}  // namespace

Context::Context(const LoadedEngine& engine, int profile)
    : engine_(engine),
      on_cpu_(engine.device().is_cpu()),
      context_(engine.engine().CreateExecutionContext()),
      input_sizes_(engine.inputs().size()) {
  for (const TensorInfo& info : engine.outputs()) {
    const auto options = at::TensorOptions().dtype(info.dtype).device(engine.device());
    outputs_.push_back({info.name.c_str(), options, {}, nullptr});
  }
  if (profile != context_.OptimizationProfile()) OnStream([&](void* stream) { ChooseProfile(profile, stream); });
}

template <typename Work>
void Context::OnStream(const Work& work) {
  if (on_cpu_) {
    work(nullptr);
  } else {
    const CallStream stream(engine_.device(), side_stream_);
    work(stream.native());
  }
}

void Context::Fail(const std::string& what, const tensorrt::MessageScope& messages) const {
  throw ExecutionError(
      Cat("engine ", Quote(engine_.name()), ": ", what, ".", messages.Said(engine_.library_description())));
}

void Context::ChooseProfile(int profile, void* stream) {
  const tensorrt::MessageScope messages;
  if (!context_.SetOptimizationProfile(profile, stream)) {
    Fail(Cat("optimization profile ", profile, " cannot be chosen for one more execution context"), messages);
  }
}

c10::List<at::Tensor> Context::Run(c10::ArrayRef<const at::Tensor*> inputs) {
  c10::List<at::Tensor> outputs;
  outputs.reserve(outputs_.size());
  c10::SmallVector<at::Tensor, 4> kept;  // copies of inputs, until the work is enqueued
  const tensorrt::MessageScope messages;
  OnStream([&](void* stream) {
    SetShapes(inputs, messages);
    BindInputs(inputs, kept, messages);
    for (Output& output : outputs_) outputs.push_back(BindOutput(output, messages));
    if (!context_.Enqueue(stream)) Fail("it failed while it ran", messages);
  });
  for (size_t i = 0; i < outputs_.size(); ++i) {
    if (outputs_[i].memory == nullptr) continue;
    at::Tensor output = outputs_[i].memory->Take();
    if (!output.defined()) Fail(Cat("no usable shape came for output ", Quote(outputs_[i].name)), messages);
    outputs.set(i, std::move(output));
  }
  return outputs;
}

void Context::SetShapes(c10::ArrayRef<const at::Tensor*> inputs, const tensorrt::MessageScope& messages) {
  bool changed = !shapes_set_;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const at::IntArrayRef sizes = inputs[i]->sizes();
    if (shapes_set_ && sizes == at::IntArrayRef(input_sizes_[i])) continue;
    changed = true;
    const std::string& name = engine_.inputs()[i].name;
    if (!context_.SetInputShape(name.c_str(), tensorrt::Dims(std::span(sizes.data(), sizes.size())))) {
      Fail(Cat("the shape ", ShapeText(sizes.data(), sizes.size()), " of input ", Quote(name), " was refused"),
           messages);
    }
    input_sizes_[i].assign(sizes.begin(), sizes.end());
  }
  if (!changed) return;
  for (Output& output : outputs_) ReadShape(output, messages);
  shapes_set_ = true;
}

void Context::ReadShape(Output& output, const tensorrt::MessageScope& messages) {
  const tensorrt::Dims dims = context_.TensorShape(output.name);
  if (!dims.valid()) Fail(Cat("the shape of output ", Quote(output.name), " cannot be told"), messages);
  const std::span<const int64_t> extents = dims.extents();
  output.sizes.assign(extents.begin(), extents.end());
  const bool depends_on_values = std::ranges::any_of(extents, [](int64_t extent) { return extent < 0; });
  if (!depends_on_values || output.memory != nullptr) return;
  output.memory = std::make_unique<TorchMemory>(engine_.library().table(), output.options);
  if (!context_.SetOutputAllocator(output.name, &output.memory->allocator())) {
    Fail(Cat("the allocator of output ", Quote(output.name), ", whose shape depends on values, was refused"), messages);
  }
}

void Context::BindInputs(c10::ArrayRef<const at::Tensor*> inputs, c10::SmallVectorImpl<at::Tensor>& kept,
                         const tensorrt::MessageScope& messages) {
  for (size_t i = 0; i < inputs.size(); ++i) {
    const at::Tensor* tensor = inputs[i];
    if (NeedsCopy(*tensor)) {
      kept.push_back(at::clone(*tensor, at::MemoryFormat::Contiguous));
      tensor = &kept.back();
    }
    const std::string& name = engine_.inputs()[i].name;
    if (!context_.SetInputTensorAddress(name.c_str(), AddressOf(*tensor))) {
      Fail(Cat("the address of input ", Quote(name), " was refused"), messages);
    }
  }
}

at::Tensor Context::BindOutput(Output& output, const tensorrt::MessageScope& messages) {
  if (output.memory != nullptr) {
    output.memory->Reset();
    return {};
  }
  at::Tensor tensor = on_cpu_ ? at::detail::empty_cpu(output.sizes, output.options.dtype().toScalarType())
                              : at::empty(output.sizes, output.options);
  if (!context_.SetTensorAddress(output.name, AddressOf(tensor))) {
    Fail(Cat("the address of output ", Quote(output.name), " was refused"), messages);
  }
  return tensor;
}

}  // namespace nacelle::runtime
