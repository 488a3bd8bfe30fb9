// A fake TensorRT: an engine with one input and two outputs, on the CPU, with enough functions to see every call of the
// binding arrive in its slot.
//
//     x (float, [-1, 3]) ──▶ twice (float, [-1, 3])      doubled
//                        └─▶ rows (int32, [-1])          the row numbers, data-dependent shape: wants an allocator
//
// A plan is the text "fake plan"; others are refused with two log messages. Profile p has rows 1, 4, 8 (times p + 1)
// as min, opt, max.
#include FAKE_HEADER

#include <algorithm>
#include <cstring>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace fake {
namespace {

constexpr Severity kError = 1;
constexpr Severity kWarning = 2;
constexpr Severity kVerbose = 4;
constexpr ErrorCode kInvalidState = 9;

std::mutex events_mutex;
std::string events;

// Notes something that a test asks for with fake_events().
void Note(const std::string& event) {
  const std::lock_guard lock(events_mutex);
  events += (events.empty() ? "" : " ") + event;
}

[[maybe_unused]] std::string Describe(const IVersionedInterface& callback) {
  const InterfaceInfo info = callback.getInterfaceInfo();
  return std::string(info.kind) + "/" + std::to_string(info.major) + "." + std::to_string(info.minor) + "/" +
         std::to_string(callback.getAPILanguage());
}
[[maybe_unused]] std::string Describe(const Unversioned&) { return "unversioned"; }
#if FAKE_INTERFACES < 10
std::string Describe(const IOutputAllocator& allocator) {
  return "version/" + std::to_string(allocator.getInterfaceVersion());
}
#endif

Dims MakeDims(std::initializer_list<int64_t> extents) {
  Dims dims = {static_cast<int32_t>(extents.size()), {}};
  std::transform(extents.begin(), extents.end(), dims.d, [](int64_t e) { return static_cast<Extent>(e); });
  return dims;
}
Dims NoDims() { return {-1, {}}; }

bool Is(const char* name, const char* other) { return std::strcmp(name, other) == 0; }

class HostMemory final : public IHostMemory, public VHostMemory {
 public:
  HostMemory() : IHostMemory(this) {}
  ~HostMemory() override { Note("~memory"); }
  void* data() const override { return const_cast<char*>(text_.data()); }
  size_t size() const override { return text_.size(); }
  DataType type() const override { return 2; }

 private:
  std::string text_ = "fake plan";
};

class Inspector final : public IEngineInspector, public VEngineInspector {
 public:
  Inspector() : IEngineInspector(this) {}
  ~Inspector() override { Note("~inspector"); }
  bool setExecutionContext(const IExecutionContext* context) override {
    text_ = context == nullptr ? "no context" : "with context";
    return true;
  }
  const char* getLayerInformation(int32_t index, LayerInformationFormat) const override {
    return index == 0 ? "double" : nullptr;
  }
  const char* getEngineInformation(LayerInformationFormat format) const override {
    return format == 1 ? text_.c_str() : "one line";
  }

 private:
  std::string text_ = "no context";
};

class Context final : public IExecutionContext, public VExecutionContext {
 public:
  explicit Context(ILogger& logger, bool own_memory) : IExecutionContext(this), logger_(logger), ready_(own_memory) {}
  ~Context() override { Note("~context"); }

  void setProfiler(IProfiler* profiler) override {
    profiler_ = profiler;
    if (profiler != nullptr) Note(Describe(*profiler));
  }
  void setName(const char* name) override { name_ = name; }
  const char* getName() const override { return name_.c_str(); }
  void setDeviceMemory(void* memory) override {
    ready_ = memory != nullptr;
    Note("setDeviceMemory");
  }
  void setDeviceMemoryV2(void* memory, int64_t size) {
    ready_ = memory != nullptr && size >= 4096;
    Note("setDeviceMemoryV2");
  }
  bool setOptimizationProfileAsync(int32_t profile, void* stream) override {
    if (profile < 0 || profile > 1 || stream == nullptr) return false;
    profile_ = profile;
    return true;
  }
  int32_t getOptimizationProfile() const override { return profile_; }
  bool allInputDimensionsSpecified() const override { return rows_ >= 0; }
  void setErrorRecorder(IErrorRecorder* recorder) override {
    if (recorder_ != nullptr) recorder_->decRefCount();
    recorder_ = recorder;
    if (recorder_ == nullptr) return;
    recorder_->incRefCount();
    Note(Describe(*recorder_));
  }
  void setEnqueueEmitsProfile(bool emits) override { emits_profile_ = emits; }
  bool reportToProfiler() const override {
    if (profiler_ == nullptr) return false;
    profiler_->reportLayerTime("double", 0.5F);
    return true;
  }

  bool setInputShape(const char* name, const Dims& shape) override {
    const int64_t most = 8 * (profile_ + 1);
    if (!Is(name, "x") || shape.nbDims != 2 || shape.d[0] < 1 || shape.d[0] > most || shape.d[1] != 3) {
      logger_.log(kError, ("shape out of range for " + std::string(name) + "\n").c_str());
      return false;
    }
    rows_ = shape.d[0];
    return true;
  }
  Dims getTensorShape(const char* name) const override {
    if (Is(name, "x") || Is(name, "twice")) return MakeDims({rows_, 3});
    return Is(name, "rows") ? MakeDims({-1}) : NoDims();
  }
  Dims getTensorStrides(const char* name) const override { return Is(name, "x") ? MakeDims({3, 1}) : NoDims(); }
  bool setTensorAddress(const char* name, void* data) override {
    if (!Is(name, "x") && !Is(name, "twice") && !Is(name, "rows")) return false;
    address_[name] = data;
    return true;
  }
  bool setInputTensorAddress(const char* name, const void* data) override {
    if (!Is(name, "x")) return false;
    address_[name] = const_cast<void*>(data);
    return true;
  }
  int32_t inferShapes(int32_t most, const char** names) override {
    if (rows_ >= 0) return 0;
    if (most > 0) names[0] = "x";
    return 1;
  }
  bool setInputConsumedEvent(void* event) override { return event != nullptr; }
  void* getOutputTensorAddress(const char* name) const override {
    const auto found = address_.find(name);
    return found == address_.end() ? nullptr : found->second;
  }
  bool setOutputAllocator(const char* name, IOutputAllocator* allocator) override {
    if (!Is(name, "rows")) return false;
    allocator_ = allocator;
    if (allocator != nullptr) Note(Describe(*allocator));
    return true;
  }
  int64_t getMaxOutputSize(const char* name) const override { return Is(name, "twice") ? rows_ * 12 : -1; }
  bool enqueueV3(void* stream) override {
    if (!ready_) return Fail("no device memory");
    if (stream == nullptr) return Fail("no stream");
    if (rows_ < 0 || address_["x"] == nullptr || address_["twice"] == nullptr) return Fail("x or twice is not set");
    const float* const x = static_cast<const float*>(address_["x"]);
    std::transform(x, x + rows_ * 3, static_cast<float*>(address_["twice"]), [](float v) { return 2 * v; });
    if (profiler_ != nullptr && emits_profile_) reportToProfiler();
    return allocator_ == nullptr || WriteRows(stream);
  }
  bool setNvtxVerbosity(ProfilingVerbosity verbosity) override { return verbosity == 2; }
  void setAuxStreams(void** streams, int32_t count) {
    Note("setAuxStreams/" + std::to_string(count) + (count > 0 && streams[0] != nullptr ? "/set" : ""));
  }
  bool setCommunicator(void* communicator) { return communicator != nullptr; }

 private:
  bool Fail(const char* why) {
    logger_.log(kError, why);
    if (recorder_ != nullptr) recorder_->reportError(kInvalidState, why);
    return false;
  }

  bool WriteRows([[maybe_unused]] void* stream) {
    const size_t size = static_cast<size_t>(rows_) * sizeof(int32_t);
#if FAKE_INTERFACES < 10
    void* const memory = allocator_->reallocateOutput("rows", nullptr, size, 256);
#else
    void* const memory = allocator_->reallocateOutputAsync("rows", nullptr, size, 256, stream);
#endif
    if (memory == nullptr) return Fail("no memory for rows");
    for (int32_t i = 0; i < rows_; ++i) static_cast<int32_t*>(memory)[i] = i;
    allocator_->notifyShape("rows", MakeDims({rows_}));
    return true;
  }

  ILogger& logger_;
  bool ready_;
  IProfiler* profiler_ = nullptr;
  IErrorRecorder* recorder_ = nullptr;
  IOutputAllocator* allocator_ = nullptr;
  std::string name_;
  std::map<std::string, void*> address_;
  int64_t rows_ = -1;
  int32_t profile_ = 0;
  bool emits_profile_ = true;
};

// Members that the release's interface has override it; the others are there and not called.
class Engine final : public ICudaEngine, public VCudaEngine {
 public:
  explicit Engine(ILogger& logger) : ICudaEngine(this), logger_(logger) {}
  ~Engine() override { Note("~engine"); }

  int32_t getNbLayers() const override { return 1; }
  IHostMemory* serialize() const override { return new HostMemory; }
  IExecutionContext* createExecutionContext() { return new Context(logger_, true); }
  IExecutionContext* createExecutionContext(ExecutionContextAllocationStrategy strategy) {
    if (strategy < 0 || strategy > 2) return nullptr;
    if (strategy == 1) Note("onProfileChange");
    return new Context(logger_, strategy != 2);
  }
  IExecutionContext* createExecutionContextWithoutDeviceMemory() { return new Context(logger_, false); }
  size_t getDeviceMemorySize() const { return 4096; }
  int64_t getDeviceMemorySizeV2() const { return 4096; }
  bool isRefittable() const override { return true; }
  const char* getName() const override { return "fake engine"; }
  int32_t getNbOptimizationProfiles() const override { return 2; }
  EngineCapability getEngineCapability() const override { return 2; }
  void setErrorRecorder(IErrorRecorder* recorder) override { Note(Describe(*recorder)); }
  ProfilingVerbosity getProfilingVerbosity() const override { return 2; }
  IEngineInspector* createEngineInspector() const override { return new Inspector; }

  Dims getTensorShape(const char* name) const override {
    if (Is(name, "shape")) return MakeDims({2});
    if (Is(name, "x") || Is(name, "twice")) return MakeDims({-1, 3});
    return Is(name, "rows") ? MakeDims({-1}) : NoDims();
  }
  DataType getTensorDataType(const char* name) const override { return Is(name, "rows") ? 3 : 0; }
  TensorLocation getTensorLocation(const char* name) const override { return Is(name, "shape") ? 1 : 0; }
  bool isShapeInferenceIO(const char* name) const override { return Is(name, "shape"); }
  TensorIOMode getTensorIOMode(const char* name) const override {
    if (Is(name, "x")) return 1;
    return Is(name, "twice") || Is(name, "rows") ? 2 : 0;
  }
  int32_t getTensorBytesPerComponent(const char*) const override { return 4; }
  int32_t getTensorComponentsPerElement(const char*) const override { return -1; }
  TensorFormat getTensorFormat(const char*) const override { return 8; }
  const char* getTensorFormatDesc(const char*) const override { return "row major"; }
  int32_t getTensorVectorizedDim(const char*) const override { return -1; }
  int32_t getTensorBytesPerComponentV2(const char*, int32_t profile) const { return 4 + profile; }
  int32_t getTensorComponentsPerElementV2(const char*, int32_t profile) const { return 1 + profile; }
  TensorFormat getTensorFormatV2(const char*, int32_t profile) const { return 8 + profile; }
  const char* getTensorFormatDescV2(const char*, int32_t) const { return "row major, by profile"; }
  int32_t getTensorVectorizedDimV2(const char*, int32_t profile) const { return 1 + profile; }

  Dims getProfileShape(const char* name, int32_t profile, OptProfileSelector selector) const override {
    constexpr int64_t kRows[] = {1, 4, 8};
    if (!Is(name, "x") || profile < 0 || profile > 1 || selector < 0 || selector > 2) return NoDims();
    return MakeDims({kRows[selector] * (profile + 1), 3});
  }
  int32_t getBindingIndex(const char* name) const { return Is(name, "shape") ? 7 : -1; }
  const int32_t* getProfileShapeValues(int32_t profile, int32_t binding, OptProfileSelector selector) const {
    return profile == 1 && binding == 7 && selector == 2 ? values32_ : nullptr;
  }
  const int32_t* getProfileTensorValues(const char* name, int32_t profile, OptProfileSelector selector) const {
    return profile == 1 && Is(name, "shape") && selector == 2 ? values32_ : nullptr;
  }
  const int64_t* getProfileTensorValuesV2(const char* name, int32_t profile, OptProfileSelector selector) const {
    return profile == 1 && Is(name, "shape") && selector == 2 ? values64_ : nullptr;
  }
  int32_t getNbIOTensors() const override { return 3; }
  const char* getIOTensorName(int32_t index) const override {
    constexpr const char* kNames[] = {"x", "twice", "rows"};
    return index < 0 || index > 2 ? nullptr : kNames[index];
  }
  HardwareCompatibilityLevel getHardwareCompatibilityLevel() const { return 1; }
  int32_t getNbAuxStreams() const { return 5; }
  const char* getAliasedInputTensor(const char* name) const { return Is(name, "twice") ? "x" : nullptr; }

 private:
  ILogger& logger_;
  int32_t values32_[2] = {5, 6};
  int64_t values64_[2] = {5, 6};
};

class Runtime final : public IRuntime, public VRuntime {
 public:
  explicit Runtime(ILogger& logger) : IRuntime(this), logger_(logger) { Note(Describe(logger)); }
  ~Runtime() override { Note("~runtime"); }

  ICudaEngine* deserializeCudaEngine(const void* data, size_t size) { return Deserialize(data, size); }
  ICudaEngine* deserializeCudaEngine(const void* data, size_t size, void* plugin_factory) {
    if (plugin_factory != nullptr) return nullptr;
    return Deserialize(data, size);
  }
  void setDLACore(int32_t core) override { core_ = core; }
  int32_t getNbDLACores() const override { return 40 + core_; }
  void setErrorRecorder(IErrorRecorder* recorder) override { Note(Describe(*recorder)); }
  bool setMaxThreads(int32_t threads) override { return threads > 0; }
  void setTemporaryDirectory(const char* path) { Note("setTemporaryDirectory/" + std::string(path)); }
  void setEngineHostCodeAllowed(bool allowed) { host_code_ = allowed; }
  bool getEngineHostCodeAllowed() const { return host_code_; }

 private:
  ICudaEngine* Deserialize(const void* data, size_t size) {
    logger_.log(kVerbose, "reading a plan");
    if (std::string(static_cast<const char*>(data), size) == "fake plan") return new Engine(logger_);
    logger_.log(kWarning, "this looks wrong");
    logger_.log(kError, "not a fake plan");
    return nullptr;
  }

  ILogger& logger_;
  int32_t core_ = 0;
  bool host_code_ = false;
};

}  // namespace
}  // namespace fake

extern "C" {

__attribute__((visibility("default"))) int32_t getInferLibVersion() { return FAKE_VERSION; }

#if FAKE_INTERFACES >= 10
__attribute__((visibility("default"))) int32_t getInferLibBuildVersion() { return 77; }
#endif

__attribute__((visibility("default"))) void* createInferRuntime_INTERNAL(void* logger, int32_t version) {
  auto& fake_logger = *static_cast<fake::ILogger*>(logger);
  if (version != FAKE_VERSION) {
    fake_logger.log(fake::kError, "wrong version number");
    return nullptr;
  }
  return static_cast<fake::IRuntime*>(new fake::Runtime(fake_logger));
}

// The events since the last call, in order.
__attribute__((visibility("default"))) const char* fake_events() {
  static std::string taken;
  const std::lock_guard lock(fake::events_mutex);
  taken.swap(fake::events);
  fake::events.clear();
  return taken.c_str();
}

}  // extern "C"
