#include "reference/execution_context.h"

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "core/text.h"
#include "reference/configs.h"

namespace nacelle::reference {

using tensorrt::ErrorCode;

ExecutionContext::ExecutionContext(InterfaceObject* engine, std::shared_ptr<LoadedPlan> plan, const Reporter& reporter,
                                   int32_t strategy, bool scratch_by_caller)
    : InterfaceObject(MethodsOf<ExecutionContext>(reporter.table()), reporter),
      engine_(engine),
      plan_(std::move(plan)),
      workspace_(plan_->network()),
      inputs_(plan_->inputs().size()),
      outputs_(plan_->outputs().size()),
      scratch_by_caller_(scratch_by_caller),
      strategy_(strategy) {
  for (size_t i = 0; i < inputs_.size(); ++i) {
    const TensorSpec& spec = plan_->inputs()[i];
    inputs_[i] = {spec.shape, !spec.dynamic()};
    views_.push_back({spec.dtype, inputs_[i].shape, nullptr});
  }
  if (plan_->TakeProfile(0)) {
    profile_ = 0;
  } else {
    this->reporter().Log(tensorrt::Severity::kWARNING,
                         "this context has no optimization profile: in this release, profile 0 belongs to the context "
                         "that took it first; set another with setOptimizationProfileAsync");
  }
}

ExecutionContext::~ExecutionContext() {
  if (profile_ >= 0) plan_->GiveBackProfile(profile_);
}

bool ExecutionContext::Refuse(const char* method, const std::string& message, ErrorCode code) {
  reporter().Fail(code, Cat("IExecutionContext::", method, ": ", message));
  return false;
}

const Tensor* ExecutionContext::FindOrRefuse(const char* method, const char* name) {
  const Tensor* tensor = plan_->Find(name);
  if (tensor != nullptr) return tensor;
  Refuse(method, plan_->WhyNotFound(name));
  return nullptr;
}

const Tensor* ExecutionContext::FindOutput(const char* method, const char* name) {
  const Tensor* tensor = FindOrRefuse(method, name);
  if (tensor == nullptr || !tensor->is_input) return tensor;
  Refuse(method, Cat(Describe(*tensor), " is no output"));
  return nullptr;
}

// Addresses.

bool ExecutionContext::SetTensorAddress(const char* name, void* address) {
  const Tensor* tensor = FindOrRefuse("setTensorAddress", name);
  if (tensor == nullptr) return false;
  (tensor->is_input ? views_[tensor->index].data : outputs_[tensor->index].address) = address;
  return true;
}

bool ExecutionContext::SetInputTensorAddress(const char* name, const void* address) {
  const Tensor* tensor = FindOrRefuse("setInputTensorAddress", name);
  if (tensor == nullptr) return false;
  if (!tensor->is_input) return Refuse("setInputTensorAddress", Cat(Describe(*tensor), " is no input"));
  views_[tensor->index].data = const_cast<void*>(address);  // only read: see Workspace::Run
  return true;
}

bool ExecutionContext::SetOutputTensorAddress(const char* name, void* address) {
  const Tensor* tensor = FindOutput("setOutputTensorAddress", name);
  if (tensor == nullptr) return false;
  outputs_[tensor->index].address = address;
  return true;
}

const void* ExecutionContext::GetTensorAddress(const char* name) {
  const Tensor* tensor = FindOrRefuse("getTensorAddress", name);
  if (tensor == nullptr) return nullptr;
  return tensor->is_input ? views_[tensor->index].data : outputs_[tensor->index].address;
}

void* ExecutionContext::GetOutputTensorAddress(const char* name) {
  const Tensor* tensor = FindOutput("getOutputTensorAddress", name);
  return tensor == nullptr ? nullptr : outputs_[tensor->index].address;
}

bool ExecutionContext::SetOutputAllocator(const char* name, void* allocator) {
  const Tensor* tensor = FindOutput("setOutputAllocator", name);
  if (tensor == nullptr) return false;
  outputs_[tensor->index].allocator = allocator;
  return true;
}

void* ExecutionContext::GetOutputAllocator(const char* name) {
  const Tensor* tensor = FindOutput("getOutputAllocator", name);
  return tensor == nullptr ? nullptr : outputs_[tensor->index].allocator;
}

void ExecutionContext::SetDeviceMemory(void* memory) { SetDeviceMemoryV2(memory, kScratchBytes); }

void ExecutionContext::SetDeviceMemoryV2(void* memory, int64_t bytes) {
  if (!scratch_by_caller_) {
    Refuse("setDeviceMemory", "this context was not created without device memory", ErrorCode::kINVALID_STATE);
    return;
  }
  scratch_ = memory;
  scratch_bytes_ = bytes;
}

int64_t ExecutionContext::UpdateDeviceMemorySizeForShapes() { return kScratchBytes; }

// Runs.

bool ExecutionContext::CheckReady(const char* method) {
  if (profile_ < 0) {
    return Refuse(method, "no optimization profile is set (a profile has to be 0 or more)", ErrorCode::kINVALID_STATE);
  }
  for (size_t i = 0; i < inputs_.size(); ++i) {
    if (inputs_[i].specified && views_[i].data != nullptr) continue;
    return Refuse(method,
                  Cat("input ", Quote(plan_->inputs()[i].name), " has no ",
                      inputs_[i].specified ? "address; call setTensorAddress" : "shape; call setInputShape"),
                  ErrorCode::kINVALID_STATE);
  }
  for (size_t i = 0; i < outputs_.size(); ++i) {
    const TensorSpec& spec = plan_->outputs()[i];
    if (outputs_[i].allocator != nullptr || (outputs_[i].address != nullptr && !spec.data_dependent)) continue;
    return Refuse(
        method,
        Cat("output ", Quote(spec.name),
            spec.data_dependent ? " has a shape that follows from values, and no allocator; call setOutputAllocator"
                                : " has neither address nor allocator; call setTensorAddress"),
        ErrorCode::kINVALID_STATE);
  }
  if (scratch_by_caller_ && (scratch_ == nullptr || scratch_bytes_ < kScratchBytes)) {
    return Refuse(method,
                  Cat("the context was created without device memory and has ",
                      scratch_ == nullptr ? 0 : scratch_bytes_, " bytes; call setDeviceMemory with ", kScratchBytes),
                  ErrorCode::kINVALID_STATE);
  }
  return Resolve(method);
}

// Returns the reason why an output of the last run contradicts the plan; empty if it does not.
std::string ExecutionContext::CheckOutput(size_t output) const {
  const TensorSpec& spec = plan_->outputs()[output];
  if (workspace_.dtype(output) != spec.dtype) {
    return Cat("the module gave output ", Quote(spec.name), " the dtype ", workspace_.dtype_name(output),
               "; the plan says ", tensorrt::FindDataType(spec.dtype)->name);
  }
  const auto shape = workspace_.shape(output);
  if (spec.data_dependent) return plan_->CheckOutputShape(output, shape);
  const Shape& expected = (*resolved_)[output];
  if (std::ranges::equal(shape, expected)) return "";
  return Cat("the module gave output ", Quote(spec.name), " the shape ", ShapeText(shape), "; inferred was ",
             ShapeText(expected), "; build the plan with this output as data-dependent");
}

bool ExecutionContext::Deliver(const char* method, size_t output, void* stream) {
  const Output& to = outputs_[output];
  if (to.allocator == nullptr) {
    workspace_.Copy(output, to.address);
    return true;
  }
  const char* const name = plan_->outputs()[output].name.c_str();
  const size_t bytes = workspace_.bytes(output);
  void* const memory = ReallocateOutput(table(), to.allocator, name, to.address, bytes, stream);
  if (memory == nullptr && bytes > 0) {
    return Refuse(method, Cat("the allocator of output ", Quote(name), " gave no memory for ", bytes, " bytes"),
                  ErrorCode::kFAILED_ALLOCATION);
  }
  NotifyShape(table(), to.allocator, name, workspace_.shape(output));
  workspace_.Copy(output, memory);
  return true;
}

// True if an output's address lies in the memory of an input.
bool ExecutionContext::WritesToInput() const {
  for (const Output& output : outputs_) {
    const auto address = reinterpret_cast<uintptr_t>(output.address);
    for (const TensorView& input : views_) {
      const auto begin = reinterpret_cast<uintptr_t>(input.data);
      if (address >= begin && address - begin < input.bytes()) return true;
    }
  }
  return false;
}

bool ExecutionContext::Enqueue(const char* method, void* stream) {
  using Clock = std::chrono::steady_clock;
  if (!CheckReady(method)) return false;
  const Clock::time_point start = profiler_ == nullptr ? Clock::time_point() : Clock::now();
  std::string problem;
  bool delivered = true;
  try {
    workspace_.Run(views_);
    for (size_t i = 0; i < outputs_.size() && problem.empty(); ++i) problem = CheckOutput(i);
    if (problem.empty() && WritesToInput()) workspace_.CopyFromInputs(views_);
    for (size_t i = 0; i < outputs_.size() && problem.empty() && delivered; ++i) delivered = Deliver(method, i, stream);
  } catch (const ExecutionError& error) {
    problem = error.what();
  }
  workspace_.Release();
  if (!problem.empty()) return Refuse(method, problem, ErrorCode::kFAILED_EXECUTION);
  if (delivered && profiler_ != nullptr) {
    Report(std::chrono::duration<float, std::milli>(Clock::now() - start).count());
  }
  return delivered;
}

bool ExecutionContext::EnqueueV3(void* stream) { return Enqueue("enqueueV3", stream); }

bool ExecutionContext::ExecuteV2(void* const* addresses) {
  if (addresses == nullptr) return Refuse("executeV2", "no array of addresses");
  if (profile_ < 0) return Refuse("executeV2", "no optimization profile is set", ErrorCode::kINVALID_STATE);
  const auto tensors = plan_->tensors();
  // In 8.x the array has a place for each tensor of each optimization profile.
  const size_t first = table().release.major < 10 ? static_cast<size_t>(profile_) * tensors.size() : 0;
  for (size_t i = 0; i < tensors.size(); ++i) {
    void* const address = addresses[first + i];
    (tensors[i].is_input ? views_[tensors[i].index].data : outputs_[tensors[i].index].address) = address;
  }
  return Enqueue("executeV2", nullptr);
}

// Profiling.

void ExecutionContext::Report(float milliseconds) {
  if (emits_profile_) {
    ReportLayerTime(table(), profiler_, "forward", milliseconds);
  } else {
    unreported_milliseconds_ = milliseconds;
  }
}

void ExecutionContext::SetProfiler(void* profiler) { profiler_ = profiler; }
void* ExecutionContext::GetProfiler() { return profiler_; }
void ExecutionContext::SetEnqueueEmitsProfile(bool emits) { emits_profile_ = emits; }
bool ExecutionContext::GetEnqueueEmitsProfile() { return emits_profile_; }

bool ExecutionContext::ReportToProfiler() {
  if (profiler_ == nullptr || !unreported_milliseconds_.has_value()) {
    return Refuse(
        "reportToProfiler",
        profiler_ == nullptr ? "no profiler is set" : "no run is left to report; setEnqueueEmitsProfile(false) first",
        ErrorCode::kINVALID_STATE);
  }
  ReportLayerTime(table(), profiler_, "forward", *unreported_milliseconds_);
  unreported_milliseconds_.reset();
  return true;
}

// Settings that are stored and returned, without effect.

void* ExecutionContext::GetEngine() { return engine_; }
void ExecutionContext::SetName(const char* name) { name_ = name == nullptr ? "" : name; }
const char* ExecutionContext::GetName() { return name_.c_str(); }
void ExecutionContext::SetDebugSync(bool sync) { debug_sync_ = sync; }
bool ExecutionContext::GetDebugSync() { return debug_sync_; }
bool ExecutionContext::SetInputConsumedEvent(void* event) {
  input_consumed_ = event;
  return true;
}
void* ExecutionContext::GetInputConsumedEvent() { return input_consumed_; }
bool ExecutionContext::SetTemporaryStorageAllocator(void* allocator) {
  storage_allocator_ = allocator;
  return true;
}
void* ExecutionContext::GetTemporaryStorageAllocator() { return storage_allocator_; }
void ExecutionContext::SetPersistentCacheLimit(uint64_t bytes) { cache_limit_ = bytes; }
uint64_t ExecutionContext::GetPersistentCacheLimit() { return cache_limit_; }
bool ExecutionContext::SetNvtxVerbosity(int32_t verbosity) {
  nvtx_verbosity_ = verbosity;
  return true;
}
int32_t ExecutionContext::GetNvtxVerbosity() { return nvtx_verbosity_; }
void ExecutionContext::SetAuxStreams(void** /*streams*/, int32_t /*count*/) {}
bool ExecutionContext::SetDebugListener(void* listener) {
  debug_listener_ = listener;
  return true;
}
void* ExecutionContext::GetDebugListener() { return debug_listener_; }
bool ExecutionContext::GetDebugState(const char* /*name*/) { return false; }
bool ExecutionContext::GetUnfusedTensorsDebugState() { return false; }
void* ExecutionContext::GetRuntimeConfig() {
  auto config = std::make_unique<RuntimeConfig>(reporter());
  config->SetStrategy(strategy_);
  return config.release();
}

}  // namespace nacelle::reference
