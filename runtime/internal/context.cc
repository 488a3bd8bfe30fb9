#include "runtime/internal/context.h"

#include <ATen/ops/clone.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <span>
#include <utility>

#include "core/error.h"
#include "core/text.h"
#include "runtime/internal/tensor_memory.h"

namespace nacelle::runtime {
namespace {

using Strategy = tensorrt::ExecutionContextAllocationStrategy;

// Number of input-shape combinations whose output shapes a context remembers.
constexpr size_t kKnownShapes = 8;

}  // namespace

Context::Context(const EngineFacts& engine, const tensorrt::CudaEngine& plan, int optimization_profile)
    : engine_(engine),
      on_cpu_(engine.device.is_cpu()),
      shared_scratch_(engine.settings.shared_scratch && !on_cpu_),
      scratch_size_(shared_scratch_ ? plan.DeviceMemorySize() : 0),
      context_(plan.CreateExecutionContext(shared_scratch_ ? Strategy::kUSER_MANAGED : Strategy::kSTATIC)),
      stream_(engine.device, shared_scratch_ ? std::optional(SharedScratch::SideStream(engine.device)) : std::nullopt),
      outputs_(engine) {
  for (const TensorInfo& info : engine.inputs) {
    inputs_.push_back({info.name.c_str(), {}, nullptr, {}});
    host_inputs_ |= info.on_host;
  }
  if (optimization_profile != context_.OptimizationProfile()) ChooseOptimizationProfile(optimization_profile);
}

void Context::ChooseOptimizationProfile(int profile) {
  const tensorrt::MessageScope messages;
  const auto choose = [&](void* stream) { return context_.SetOptimizationProfile(profile, stream); };
  if (!(on_cpu_ ? choose(nullptr) : stream_.RunAlone(choose))) {
    ThrowExecutionError(
        engine_, Cat("optimization profile ", profile, " cannot be chosen for one more execution context"), messages);
  }
}

c10::List<at::Tensor> Context::Run(Call& call) {
  c10::List<at::Tensor> outputs;
  outputs.reserve(outputs_.all().size());
  Tensors copies;  // live until the work is enqueued
  // All memory is allocated before a side stream waits for the caller's: memory that torch reuses was then used by
  // nothing that the side stream does not wait for.
  call.BeginPhase("inputs");
  const Addresses input_addresses = PrepareInputs(call, copies);
  call.BeginPhase("shapes");
  SetShapes(call);
  call.BeginPhase("outputs");
  const Addresses output_addresses = outputs_.Make(call.inputs(), outputs);
  call.BeginPhase("stream");
  if (on_cpu_) {
    Bind(call, input_addresses, output_addresses);
    Enqueue(call, nullptr);
  } else {
    ContextStream::Section section(stream_, call.caller(), call.capturing());
    if (outputs_.sized_by_values() && section.on_side()) outputs_.WriteOn(section.stream());
    Bind(call, input_addresses, output_addresses);
    Enqueue(call, &section);
    section.Close();
  }
  if (outputs_.sized_by_values()) {
    const std::optional<c10::Stream> user = on_cpu_ ? std::nullopt : std::optional(call.caller().stream());
    const Output* const missing = outputs_.Take(user, outputs);
    if (missing != nullptr) call.Fail(Cat("the library gave no usable shape for output ", Quote(missing->info.name)));
  }
  return outputs;
}

void Context::ReportLayerTimes() {
  if (profiler_) return;
  profiler_.emplace(engine_.library->table(), layer_times_);
  context_.SetProfiler(&*profiler_);
}

bool Context::HasShapesOf(Inputs inputs) const {
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i]->sizes() != at::IntArrayRef(inputs_[i].sizes)) return false;
  }
  return shapes_set_;
}

Addresses Context::PrepareInputs(Call& call, Tensors& copies) {
  const Inputs inputs = call.inputs();
  Addresses addresses;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const at::Tensor* tensor = inputs[i];
    if (engine_.inputs[i].on_host) {
      addresses.push_back(const_cast<void*>(ReadOnHost(call, inputs_[i], *tensor)));
      continue;
    }
    if (engine_.inputs[i].written) {
      addresses.push_back(AddressToWrite(*tensor));  // CheckInputs allowed it as it is
      continue;
    }
    if (NeedsCopy(*tensor) || Misaligned(tensor->const_data_ptr(), on_cpu_)) {
      copies.push_back(at::clone(*tensor, at::MemoryFormat::Contiguous));
      tensor = &copies.back();
    }
    addresses.push_back(AddressOf(*tensor));
  }
  return addresses;
}

// Returns the address of a shape tensor's values on the host. TensorRT computes shapes from the values, so new values
// are new shapes.
const void* Context::ReadOnHost(Call& call, Input& input, const at::Tensor& tensor) {
  at::Tensor values = tensor.cpu();
  if (NeedsCopy(values)) values = at::clone(values, at::MemoryFormat::Contiguous);
  const size_t size = values.nbytes();
  if (input.on_host.size() != size || std::memcmp(input.on_host.data(), values.const_data_ptr(), size) != 0) {
    input.on_host.resize(size);
    if (size != 0) std::memcpy(input.on_host.data(), values.const_data_ptr(), size);
    shapes_set_ = false;
  }
  const void* const address = size == 0 ? NoElements() : input.on_host.data();
  if (address != input.address) {
    // TensorRT needs the address before it computes shapes, not only before the engine runs.
    if (!context_.SetInputTensorAddress(input.name, address)) {
      call.Fail(Cat("the address of input ", Quote(input.name), ", which is read on the host, was refused"));
    }
    input.address = address;
  }
  return address;
}

void Context::SetShapes(Call& call) {
  const Inputs inputs = call.inputs();
  bool changed = !shapes_set_;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const at::IntArrayRef sizes = inputs[i]->sizes();
    Input& input = inputs_[i];
    if (shapes_set_ && sizes == at::IntArrayRef(input.sizes)) continue;
    changed = true;
    if (!context_.SetInputShape(input.name, tensorrt::Dims(std::span(sizes.data(), sizes.size())))) {
      call.Fail(
          Cat("the shape ", ShapeText(sizes.data(), sizes.size()), " of input ", Quote(input.name), " was refused"));
    }
    input.sizes.assign(sizes.begin(), sizes.end());
  }
  if (!changed) return;
  if (!RecallShapes()) ReadShapes(call);
  CheckSharedShapes();
  outputs_.SizesChanged();
  shapes_set_ = true;
}

// An output that shares the memory of an input must have the input's shape.
void Context::CheckSharedShapes() const {
  for (const Output& output : outputs_.all()) {
    if (!output.info.aliased_input) continue;
    const size_t index = *output.info.aliased_input;
    const Input& input = inputs_[index];
    if (input.sizes == output.sizes) continue;
    throw InputError(Cat("input ", Quote(input.name), " (number ", index, ") of engine ", Quote(engine_.name),
                         " has the shape ", ShapeText(input.sizes.data(), input.sizes.size()), ", and output ",
                         Quote(output.info.name), ", which is written to its memory, gets the shape ",
                         ShapeText(output.sizes.data(), output.sizes.size()),
                         " from these inputs; give inputs for which the two shapes are equal"));
  }
}

bool Context::RecallShapes() {
  const auto same = [&](const KnownShapes& known) {
    return std::ranges::equal(known.inputs, inputs_, {}, {}, &Input::sizes);
  };
  const auto known = std::ranges::find_if(known_shapes_, same);
  if (known == known_shapes_.end()) return false;
  for (size_t i = 0; i < known->outputs.size(); ++i) outputs_.all()[i].sizes = known->outputs[i];
  return true;
}

void Context::ReadShapes(Call& call) {
  for (Output& output : outputs_.all()) ReadShape(call, output);
  if (host_inputs_ || outputs_.sized_by_values()) return;  // shapes depend on values too
  KnownShapes known;
  for (const Input& input : inputs_) known.inputs.push_back(input.sizes);
  for (const Output& output : outputs_.all()) known.outputs.push_back(output.sizes);
  if (known_shapes_.size() < kKnownShapes) {
    known_shapes_.push_back(std::move(known));
  } else {
    known_shapes_[next_known_++ % kKnownShapes] = std::move(known);
  }
}

void Context::ReadShape(Call& call, Output& output) {
  const char* const name = output.info.name.c_str();
  const tensorrt::Dims dims = context_.TensorShape(name);
  if (!dims.valid()) call.Fail(Cat("the shape of output ", Quote(name), " cannot be told"));
  const std::span<const int64_t> extents = dims.extents();
  output.sizes.assign(extents.begin(), extents.end());
  const bool depends_on_values = std::ranges::any_of(extents, [](int64_t extent) { return extent < 0; });
  if (!depends_on_values || output.memory != nullptr) return;
  if (output.info.aliased_input) {
    call.Fail(Cat("output ", Quote(name), " shares the memory of an input, and its shape follows from values"));
  }
  outputs_.SizeByValues(output);
  if (!context_.SetOutputAllocator(name, &output.memory->allocator())) {
    call.Fail(Cat("the allocator of output ", Quote(name), ", whose shape depends on values, was refused"));
  }
}

void Context::Bind(Call& call, const Addresses& inputs, const Addresses& outputs) {
  call.BeginPhase("addresses");
  for (size_t i = 0; i < inputs.size(); ++i) {
    Input& input = inputs_[i];
    if (inputs[i] == input.address) continue;
    if (!context_.SetInputTensorAddress(input.name, inputs[i])) {
      call.Fail(Cat("the address of input ", Quote(input.name), " was refused"));
    }
    input.address = inputs[i];
  }
  for (size_t i = 0; i < outputs.size(); ++i) {
    Output& output = outputs_.all()[i];
    if (outputs[i] == output.address || output.memory != nullptr) continue;
    if (!context_.SetTensorAddress(output.info.name.c_str(), outputs[i])) {
      call.Fail(Cat("the address of output ", Quote(output.info.name), " was refused"));
    }
    output.address = outputs[i];
  }
}

void Context::Enqueue(Call& call, const ContextStream::Section* section) {
  call.BeginPhase("enqueue");
  const bool ran = shared_scratch_ ? EnqueueWithSharedScratch(call, *section)
                                   : context_.Enqueue(on_cpu_ ? nullptr : section->native());
  if (!ran) {
    call.Fail(call.capturing()
                  ? "it failed while a CUDA graph was captured; call it with these shapes before the capture"
                  : "it failed while it ran");
  }
  call.BeginPhase("results");
  if (outputs_.on_host() && !on_cpu_) section->stream().synchronize();
}

bool Context::EnqueueWithSharedScratch(Call& call, const ContextStream::Section& section) {
  if (call.capturing()) {
    // A graph may be replayed at any time, on any stream, so it gets scratch memory of its own.
    graph_scratch_ =
        at::empty({std::max<int64_t>(scratch_size_, 1)}, at::TensorOptions().dtype(at::kByte).device(engine_.device));
    context_.SetDeviceMemory(graph_scratch_.data_ptr(), scratch_size_);
    scratch_ = nullptr;
    return context_.Enqueue(section.native());
  }
  if (scratch_stream_ != section.stream()) {
    shared_buffer_ = &SharedScratch::For(section.stream());
    scratch_stream_ = section.stream();
  }
  const SharedScratch::Use use(*shared_buffer_, section.stream(), scratch_size_);
  if (use.memory() != scratch_) {
    context_.SetDeviceMemory(use.memory(), use.size());
    graph_scratch_.reset();
  }
  scratch_ = use.memory();
  return context_.Enqueue(section.native());
}

}  // namespace nacelle::runtime
