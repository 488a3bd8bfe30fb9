#include "runtime/internal/context_outputs.h"

#include <utility>

#include "runtime/internal/tensor_memory.h"

namespace nacelle::runtime {
namespace {

// Returns the input as the output that shares its memory. Its version counter tells autograd and compiled code that it
// has changed.
const at::Tensor& Written(const at::Tensor& input) {
  if (!input.is_inference()) input.unsafeGetTensorImpl()->bump_version();
  return input;
}

// True if the output is allocated on the engine's device before the engine runs.
bool MayBeInBlock(const ContextOutputs::Output& output) {
  return output.memory == nullptr && !output.info.aliased_input && !output.info.on_host;
}

}  // namespace

ContextOutputs::ContextOutputs(const EngineFacts& engine) : engine_(engine) {
  for (const TensorInfo& info : engine.outputs) {
    const c10::Device device = info.on_host ? c10::Device(at::kCPU) : engine.device;
    outputs_.push_back({info, EmptyTensors(info.dtype, device), {}, 0, nullptr, nullptr});
    on_host_ |= info.on_host;
  }
}

void ContextOutputs::SizeByValues(Output& output) {
  const auto options = at::TensorOptions().dtype(output.info.dtype).device(engine_.device);
  output.memory = std::make_unique<TorchMemory>(engine_.library->table(), options);
  sized_by_values_ = true;
}

void ContextOutputs::SizesChanged() {
  if (!engine_.settings.pack_outputs) return;
  block_size_ = 0;
  size_t count = 0;
  for (Output& output : outputs_) {
    if (!MayBeInBlock(output)) continue;
    ++count;
    output.offset = block_size_;
    block_size_ += (output.tensors.Bytes(output.sizes) + kAlignment - 1) / kAlignment * kAlignment;
  }
  if (count < 2) block_size_ = 0;  // one output gains nothing from a block
}

Addresses ContextOutputs::Make(c10::ArrayRef<const at::Tensor*> inputs, c10::List<at::Tensor>& made) {
  Addresses addresses;
  c10::Storage block;
  for (Output& output : outputs_) {
    if (output.memory != nullptr) {
      output.memory->Reset(std::nullopt);
      addresses.push_back(nullptr);
      made.push_back(at::Tensor());
      continue;
    }
    at::Tensor tensor = MakeOne(output, inputs, block);
    addresses.push_back(AddressOf(tensor));
    made.push_back(std::move(tensor));
  }
  return addresses;
}

at::Tensor ContextOutputs::MakeOne(const Output& output, c10::ArrayRef<const at::Tensor*> inputs,
                                   c10::Storage& block) const {
  if (output.info.aliased_input) return Written(*inputs[*output.info.aliased_input]);
  if (block_size_ == 0 || !MayBeInBlock(output)) return output.tensors.Make(output.sizes);
  if (!block) block = output.tensors.MakeBlock(block_size_);
  return output.tensors.MakeIn(block, output.offset, output.sizes);
}

void ContextOutputs::WriteOn(const c10::Stream& side) {
  for (Output& output : outputs_) {
    if (output.memory != nullptr) output.memory->Reset(side);
  }
}

const ContextOutputs::Output* ContextOutputs::Take(const std::optional<c10::Stream>& user,
                                                   c10::List<at::Tensor>& made) {
  for (size_t i = 0; i < outputs_.size(); ++i) {
    if (outputs_[i].memory == nullptr) continue;
    at::Tensor output = outputs_[i].memory->Take(user);
    if (!output.defined()) return &outputs_[i];
    made.set(i, std::move(output));
  }
  return nullptr;
}

}  // namespace nacelle::runtime
