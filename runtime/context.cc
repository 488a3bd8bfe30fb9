#include "runtime/context.h"

#include <ATen/ops/clone.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <span>
#include <utility>

#include "core/error.h"
#include "core/text.h"
#include "runtime/loaded_engine.h"

namespace nacelle::runtime {
namespace {

using Strategy = tensorrt::ExecutionContextAllocationStrategy;

// What TensorRT asks of the addresses it is given; torch's own allocations have it, slices of them may not.
constexpr uintptr_t kAlignment = 256;

// Of how many shapes a context remembers what follows from them.
constexpr size_t kKnownShapes = 8;

// The address of a tensor without elements: TensorRT takes null for "not set", and reads nothing from it.
alignas(kAlignment) char no_elements[kAlignment];

void* AddressOf(const at::Tensor& tensor) {
  void* const address = tensor.numel() == 0 ? nullptr : const_cast<void*>(tensor.const_data_ptr());
  return address == nullptr ? no_elements : address;
}

// What memory holds is not what the tensor means: strides, or a sign or a zero that torch applies lazily.
bool NeedsCopy(const at::Tensor& tensor) {
  constexpr c10::DispatchKeySet kLazy({c10::DispatchKey::Negative, c10::DispatchKey::ZeroTensor});
  return !tensor.is_contiguous() || tensor.key_set().has_any(kLazy);
}

// On the CPU the reference engine reads with torch, which needs no alignment.
bool Misaligned(const void* address, bool on_cpu) {
  return !on_cpu && reinterpret_cast<uintptr_t>(address) % kAlignment != 0;
}

}  // namespace

Context::Context(const LoadedEngine& engine, const tensorrt::CudaEngine& plan, int profile)
    : engine_(engine),
      on_cpu_(engine.device().is_cpu()),
      shared_scratch_(engine.settings().shared_scratch && !on_cpu_),
      scratch_size_(shared_scratch_ ? plan.DeviceMemorySize() : 0),
      context_(plan.CreateExecutionContext(shared_scratch_ ? Strategy::kUSER_MANAGED : Strategy::kSTATIC)),
      stream_(engine.device(),
              shared_scratch_ ? std::optional(SharedScratch::SideStream(engine.device())) : std::nullopt),
      nvtx_(engine.settings().nvtx),
      pack_outputs_(engine.settings().pack_outputs) {
  for (const TensorInfo& info : engine.inputs()) {
    inputs_.push_back({info.name.c_str(), {}, nullptr, {}});
    host_inputs_ |= info.on_host;
  }
  for (const TensorInfo& info : engine.outputs()) {
    const c10::Device where = info.on_host ? c10::Device(at::kCPU) : engine.device();
    outputs_.push_back({info.name.c_str(), EmptyTensors(info.dtype, where), {}, 0, nullptr, nullptr});
    host_outputs_ |= info.on_host;
  }
  if (profile != context_.OptimizationProfile()) ChooseProfile(profile);
}

void Context::Fail(const std::string& what) const {
  throw ExecutionError(Cat("engine ", Quote(engine_.name()), ": ", what, ".",
                           messages_ == nullptr ? "" : messages_->Said(engine_.library_description())));
}

void Context::ChooseProfile(int profile) {
  const tensorrt::MessageScope messages;
  messages_ = &messages;
  const auto choose = [&](void* stream) { return context_.SetOptimizationProfile(profile, stream); };
  if (!(on_cpu_ ? choose(nullptr) : stream_.RunAlone(choose))) {
    Fail(Cat("optimization profile ", profile, " cannot be chosen for one more execution context"));
  }
  messages_ = nullptr;
}

c10::List<at::Tensor> Context::Run(Inputs inputs, const CallerStream& caller, bool capturing) {
  const tensorrt::MessageScope messages;
  messages_ = &messages;
  NvtxRange phase(nullptr);
  phase_ = &phase;
  c10::List<at::Tensor> outputs;
  outputs.reserve(outputs_.size());
  Tensors kept;  // copies of inputs, until the work is enqueued
  // All memory is asked for before a side stream waits for the caller's: what torch gives again was then used by
  // nothing that the side stream does not wait for.
  BeginPhase("inputs");
  const Addresses input_addresses = PrepareInputs(inputs, kept);
  BeginPhase("shapes");
  SetShapes(inputs);
  BeginPhase("outputs");
  const Addresses output_addresses = MakeOutputs(inputs, outputs);
  BeginPhase("stream");
  if (on_cpu_) {
    Bind(input_addresses, output_addresses);
    Enqueue(nullptr, false);
  } else {
    const ContextStream::Section section(stream_, caller, capturing);
    if (memory_outputs_) {
      for (Output& output : outputs_) {
        if (output.memory != nullptr && section.on_side()) output.memory->Reset(section.stream());
      }
    }
    Bind(input_addresses, output_addresses);
    Enqueue(&section, capturing);
  }
  if (memory_outputs_) TakeOutputs(caller, outputs);
  messages_ = nullptr;
  return outputs;
}

c10::List<at::Tensor> Context::RunRecorded(Inputs inputs, const CallerStream& caller, CallRecorder& recorder) {
  if (!profiler_) {
    profiler_.emplace(engine_.library().table(), layer_times_);
    context_.SetProfiler(&*profiler_);
  }
  layer_times_.target = &recorder;
  recorder_ = &recorder;
  c10::List<at::Tensor> outputs = Run(inputs, caller, false);
  recorder_ = nullptr;
  layer_times_.target = nullptr;
  return outputs;
}

void Context::TellPhase(const char* name) {
  if (recorder_ != nullptr) recorder_->Begin(name);
  if (nvtx_) phase_->Next(name);
}

bool Context::HasShapesOf(Inputs inputs) const {
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i]->sizes() != at::IntArrayRef(inputs_[i].sizes)) return false;
  }
  return shapes_set_;
}

Context::Addresses Context::PrepareInputs(Inputs inputs, Tensors& kept) {
  Addresses addresses;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const at::Tensor* tensor = inputs[i];
    if (engine_.inputs()[i].on_host) {
      addresses.push_back(const_cast<void*>(ReadOnHost(inputs_[i], *tensor)));
      continue;
    }
    if (NeedsCopy(*tensor) || Misaligned(tensor->const_data_ptr(), on_cpu_)) {
      kept.push_back(at::clone(*tensor, at::MemoryFormat::Contiguous));
      tensor = &kept.back();
    }
    addresses.push_back(AddressOf(*tensor));
  }
  return addresses;
}

// Where the values of a shape tensor are on the host. TensorRT computes shapes from them, so new ones are new shapes.
const void* Context::ReadOnHost(Input& input, const at::Tensor& tensor) {
  const at::Tensor values = tensor.cpu().contiguous();
  const size_t size = values.nbytes();
  if (input.on_host.size() != size || std::memcmp(input.on_host.data(), values.const_data_ptr(), size) != 0) {
    input.on_host.resize(size);
    if (size != 0) std::memcpy(input.on_host.data(), values.const_data_ptr(), size);
    shapes_set_ = false;
  }
  const void* const address = size == 0 ? static_cast<const void*>(no_elements) : input.on_host.data();
  if (address != input.address) {
    // Before shapes are asked for, not only before the engine runs.
    if (!context_.SetInputTensorAddress(input.name, address)) {
      Fail(Cat("the address of input ", Quote(input.name), ", which is read on the host, was refused"));
    }
    input.address = address;
  }
  return address;
}

void Context::SetShapes(Inputs inputs) {
  bool changed = !shapes_set_;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const at::IntArrayRef sizes = inputs[i]->sizes();
    Input& input = inputs_[i];
    if (shapes_set_ && sizes == at::IntArrayRef(input.sizes)) continue;
    changed = true;
    if (!context_.SetInputShape(input.name, tensorrt::Dims(std::span(sizes.data(), sizes.size())))) {
      Fail(Cat("the shape ", ShapeText(sizes.data(), sizes.size()), " of input ", Quote(input.name), " was refused"));
    }
    input.sizes.assign(sizes.begin(), sizes.end());
  }
  if (!changed) return;
  if (!RecallShapes()) ReadShapes();
  if (pack_outputs_) LayOutBlock();
  shapes_set_ = true;
}

bool Context::RecallShapes() {
  const auto same = [&](const KnownShapes& known) {
    return std::ranges::equal(known.inputs, inputs_, {}, {}, &Input::sizes);
  };
  const auto known = std::ranges::find_if(known_shapes_, same);
  if (known == known_shapes_.end()) return false;
  for (size_t i = 0; i < outputs_.size(); ++i) outputs_[i].sizes = known->outputs[i];
  return true;
}

void Context::ReadShapes() {
  for (size_t i = 0; i < outputs_.size(); ++i) ReadShape(i);
  if (host_inputs_ || memory_outputs_) return;  // shapes follow from values too
  KnownShapes known;
  for (const Input& input : inputs_) known.inputs.push_back(input.sizes);
  for (const Output& output : outputs_) known.outputs.push_back(output.sizes);
  if (known_shapes_.size() < kKnownShapes) {
    known_shapes_.push_back(std::move(known));
  } else {
    known_shapes_[next_known_++ % kKnownShapes] = std::move(known);
  }
}

void Context::ReadShape(size_t index) {
  Output& output = outputs_[index];
  const tensorrt::Dims dims = context_.TensorShape(output.name);
  if (!dims.valid()) Fail(Cat("the shape of output ", Quote(output.name), " cannot be told"));
  const std::span<const int64_t> extents = dims.extents();
  output.sizes.assign(extents.begin(), extents.end());
  const bool depends_on_values = std::ranges::any_of(extents, [](int64_t extent) { return extent < 0; });
  if (!depends_on_values || output.memory != nullptr) return;
  output.memory = std::make_unique<TorchMemory>(
      engine_.library().table(), at::TensorOptions().dtype(engine_.outputs()[index].dtype).device(engine_.device()));
  memory_outputs_ = true;
  if (!context_.SetOutputAllocator(output.name, &output.memory->allocator())) {
    Fail(Cat("the allocator of output ", Quote(output.name), ", whose shape depends on values, was refused"));
  }
}

// Whether an output is memory on the engine's device that is asked for before the call.
bool Context::InBlock(size_t output) const {
  const TensorInfo& info = engine_.outputs()[output];
  return outputs_[output].memory == nullptr && !info.aliased_input && !info.on_host;
}

void Context::LayOutBlock() {
  block_size_ = 0;
  size_t count = 0;
  for (size_t i = 0; i < outputs_.size(); ++i) {
    if (!InBlock(i)) continue;
    ++count;
    outputs_[i].offset = block_size_;
    block_size_ += (outputs_[i].tensors.Bytes(outputs_[i].sizes) + kAlignment - 1) / kAlignment * kAlignment;
  }
  if (count < 2) block_size_ = 0;  // nothing is saved
}

Context::Addresses Context::MakeOutputs(Inputs inputs, c10::List<at::Tensor>& outputs) {
  Addresses addresses;
  c10::Storage block;
  for (size_t i = 0; i < outputs_.size(); ++i) {
    Output& output = outputs_[i];
    if (output.memory != nullptr) {
      output.memory->Reset(std::nullopt);
      addresses.push_back(nullptr);
      outputs.push_back(at::Tensor());
      continue;
    }
    const std::optional<size_t> alias = engine_.outputs()[i].aliased_input;
    at::Tensor tensor;
    if (alias) {
      tensor = *inputs[*alias];
    } else if (block_size_ != 0 && InBlock(i)) {
      if (!block) block = output.tensors.MakeBlock(block_size_);
      tensor = output.tensors.MakeIn(block, output.offset, output.sizes);
    } else {
      tensor = output.tensors.Make(output.sizes);
    }
    addresses.push_back(AddressOf(tensor));
    outputs.push_back(std::move(tensor));
  }
  return addresses;
}

void Context::Bind(const Addresses& inputs, const Addresses& outputs) {
  BeginPhase("addresses");
  for (size_t i = 0; i < inputs.size(); ++i) {
    Input& input = inputs_[i];
    if (inputs[i] == input.address) continue;
    if (!context_.SetInputTensorAddress(input.name, inputs[i])) {
      Fail(Cat("the address of input ", Quote(input.name), " was refused"));
    }
    input.address = inputs[i];
  }
  for (size_t i = 0; i < outputs.size(); ++i) {
    Output& output = outputs_[i];
    if (outputs[i] == output.address || output.memory != nullptr) continue;
    if (!context_.SetTensorAddress(output.name, outputs[i])) {
      Fail(Cat("the address of output ", Quote(output.name), " was refused"));
    }
    output.address = outputs[i];
  }
}

void Context::Enqueue(const ContextStream::Section* section, bool capturing) {
  BeginPhase("enqueue");
  const bool ran = shared_scratch_ ? EnqueueWithScratch(*section, capturing)
                                   : context_.Enqueue(on_cpu_ ? nullptr : section->native());
  if (!ran) {
    Fail(capturing ? "it failed while a CUDA graph was captured; call it with these shapes before the capture"
                   : "it failed while it ran");
  }
  BeginPhase("results");
  if (host_outputs_ && !on_cpu_) section->stream().synchronize();
}

bool Context::EnqueueWithScratch(const ContextStream::Section& section, bool capturing) {
  if (capturing) {
    // A graph is replayed at any time, on any stream.
    graph_scratch_ =
        at::empty({std::max<int64_t>(scratch_size_, 1)}, at::TensorOptions().dtype(at::kByte).device(engine_.device()));
    context_.SetDeviceMemory(graph_scratch_.data_ptr(), scratch_size_);
    return context_.Enqueue(section.native());
  }
  if (scratch_stream_ != section.stream()) {
    shared_buffer_ = &SharedScratch::For(section.stream());
    scratch_stream_ = section.stream();
  }
  const SharedScratch::Use use(*shared_buffer_, section.stream(), scratch_size_);
  if (use.memory() != scratch_) context_.SetDeviceMemory(use.memory(), use.size());
  scratch_ = use.memory();
  return context_.Enqueue(section.native());
}

void Context::TakeOutputs(const CallerStream& caller, c10::List<at::Tensor>& outputs) {
  for (size_t i = 0; i < outputs_.size(); ++i) {
    if (outputs_[i].memory == nullptr) continue;
    at::Tensor output = outputs_[i].memory->Take(on_cpu_ ? std::nullopt : std::optional(caller.stream()));
    if (!output.defined()) Fail(Cat("no usable shape came for output ", Quote(outputs_[i].name)));
    outputs.set(i, std::move(output));
  }
}

}  // namespace nacelle::runtime
