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
#include "runtime/internal/loaded_engine.h"
#include "runtime/internal/tensor_memory.h"

namespace nacelle::runtime {
namespace {

using Strategy = tensorrt::ExecutionContextAllocationStrategy;

// Of how many shapes a context remembers what follows from them.
constexpr size_t kKnownShapes = 8;

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
      outputs_(engine) {
  for (const TensorInfo& info : engine.inputs()) {
    inputs_.push_back({info.name.c_str(), {}, nullptr, {}});
    host_inputs_ |= info.on_host;
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
  outputs.reserve(outputs_.all().size());
  Tensors kept;  // copies of inputs, until the work is enqueued
  // All memory is asked for before a side stream waits for the caller's: what torch gives again was then used by
  // nothing that the side stream does not wait for.
  BeginPhase("inputs");
  const Addresses input_addresses = PrepareInputs(inputs, kept);
  BeginPhase("shapes");
  SetShapes(inputs);
  BeginPhase("outputs");
  const Addresses output_addresses = outputs_.Make(inputs, outputs);
  BeginPhase("stream");
  if (on_cpu_) {
    Bind(input_addresses, output_addresses);
    Enqueue(nullptr, false);
  } else {
    ContextStream::Section section(stream_, caller, capturing);
    if (outputs_.sized_by_values() && section.on_side()) outputs_.WriteOn(section.stream());
    Bind(input_addresses, output_addresses);
    Enqueue(&section, capturing);
    section.Close();
  }
  if (outputs_.sized_by_values()) {
    const Output* const missing = outputs_.Take(on_cpu_ ? std::nullopt : std::optional(caller.stream()), outputs);
    if (missing != nullptr) Fail(Cat("no usable shape came for output ", Quote(missing->info.name)));
  }
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

Addresses Context::PrepareInputs(Inputs inputs, Tensors& kept) {
  Addresses addresses;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const at::Tensor* tensor = inputs[i];
    if (engine_.inputs()[i].on_host) {
      addresses.push_back(const_cast<void*>(ReadOnHost(inputs_[i], *tensor)));
      continue;
    }
    if (engine_.inputs()[i].written) {
      addresses.push_back(AddressToWrite(*tensor));  // CheckInputs allowed it as it is
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
  CheckSharedShapes();
  outputs_.SizesChanged();
  shapes_set_ = true;
}

// An output that is written where an input lies must be of the input's shape.
void Context::CheckSharedShapes() const {
  for (const Output& output : outputs_.all()) {
    if (!output.info.aliased_input) continue;
    const size_t index = *output.info.aliased_input;
    const Input& input = inputs_[index];
    if (input.sizes == output.sizes) continue;
    throw InputError(Cat("input ", Quote(input.name), " (number ", index, ") of engine ", Quote(engine_.name()),
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

void Context::ReadShapes() {
  for (Output& output : outputs_.all()) ReadShape(output);
  if (host_inputs_ || outputs_.sized_by_values()) return;  // shapes follow from values too
  KnownShapes known;
  for (const Input& input : inputs_) known.inputs.push_back(input.sizes);
  for (const Output& output : outputs_.all()) known.outputs.push_back(output.sizes);
  if (known_shapes_.size() < kKnownShapes) {
    known_shapes_.push_back(std::move(known));
  } else {
    known_shapes_[next_known_++ % kKnownShapes] = std::move(known);
  }
}

void Context::ReadShape(Output& output) {
  const char* const name = output.info.name.c_str();
  const tensorrt::Dims dims = context_.TensorShape(name);
  if (!dims.valid()) Fail(Cat("the shape of output ", Quote(name), " cannot be told"));
  const std::span<const int64_t> extents = dims.extents();
  output.sizes.assign(extents.begin(), extents.end());
  const bool depends_on_values = std::ranges::any_of(extents, [](int64_t extent) { return extent < 0; });
  if (!depends_on_values || output.memory != nullptr) return;
  if (output.info.aliased_input) {
    Fail(Cat("output ", Quote(name), " shares the memory of an input, and its shape follows from values"));
  }
  outputs_.SizeByValues(output);
  if (!context_.SetOutputAllocator(name, &output.memory->allocator())) {
    Fail(Cat("the allocator of output ", Quote(name), ", whose shape depends on values, was refused"));
  }
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
    Output& output = outputs_.all()[i];
    if (outputs[i] == output.address || output.memory != nullptr) continue;
    if (!context_.SetTensorAddress(output.info.name.c_str(), outputs[i])) {
      Fail(Cat("the address of output ", Quote(output.info.name), " was refused"));
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
  if (outputs_.on_host() && !on_cpu_) section->stream().synchronize();
}

bool Context::EnqueueWithScratch(const ContextStream::Section& section, bool capturing) {
  if (capturing) {
    // A graph is replayed at any time, on any stream.
    graph_scratch_ =
        at::empty({std::max<int64_t>(scratch_size_, 1)}, at::TensorOptions().dtype(at::kByte).device(engine_.device()));
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
