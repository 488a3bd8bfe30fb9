#include "core/tensorrt/builder/build.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <span>
#include <utility>

#include "core/error.h"
#include "core/tensorrt/builder/layer_precision.h"
#include "core/tensorrt/builder/onnx_parser.h"
#include "core/tensorrt/dims.h"
#include "core/tensorrt/library_object.h"
#include "core/tensorrt/messages.h"
#include "core/text.h"

namespace nacelle::tensorrt {
namespace {

using ObjectPointer = std::shared_ptr<const LibraryObject>;

// An input of the network.
struct NetworkInput {
  std::string name;
  Dims shape;
  bool decides_shapes;
};

// Remembers that a build was cancelled: TensorRT reports that like any failure.
class Cancellable final : public BuildProgress {
 public:
  explicit Cancellable(BuildProgress& target) : target_(target) {}

  void PhaseStarted(const char* phase, const char* parent, int32_t steps) override {
    target_.PhaseStarted(phase, parent, steps);
  }
  bool StepDone(const char* phase, int32_t step) override {
    if (!target_.StepDone(phase, step)) cancelled_ = true;
    return !cancelled_;
  }
  void PhaseDone(const char* phase) override { target_.PhaseDone(phase); }

  bool cancelled() const { return cancelled_; }

 private:
  BuildProgress& target_;
  std::atomic<bool> cancelled_ = false;
};

// The objects of one build, in the order in which they are made; they are destroyed in reverse.
class Session {
 public:
  Session(const std::shared_ptr<const BuilderLibrary>& library, const BuildRequest& request)
      : library_(library),
        request_(request),
        speaker_(library->library()->Describe()),
        options_(Resolve(request.options, *library->library())),
        builder_(Own(nullptr, Method::kIBuilder_delete, library->CreateBuilderObject(), "gives no builder")),
        network_(Own(builder_, Method::kINetworkDefinition_delete,
                     builder_->Call<void*(uint32_t)>(Method::kBuilder_createNetworkV2, options_.network_flags),
                     "gives no network")),
        config_(Own(builder_, Method::kIBuilderConfig_delete,
                    builder_->Call<void*()>(Method::kBuilder_createBuilderConfig), "gives no builder configuration")),
        parser_(library, network_->interface_object()) {}

  BuildResult Run() {
    parser_.Parse(request_.onnx, request_.onnx_path);
    if (!request_.name.empty()) {
      network_->Call<void(const char*)>(Method::kNetworkDefinition_setName, request_.name.c_str());
    }
    Configure();
    if (const auto* const layers = request_.options.Get<std::vector<std::string>>("fp32_layers")) {
      KeepInFloat32(network_->implementation(), network_->table(), *layers);
    }
    AddProfiles();
    const ObjectPointer cache = UseTimingCache();
    HostMemory plan = BuildPlan();
    return {std::move(plan), cache == nullptr ? std::nullopt : TimingCache()};
  }

 private:
  // Owns an object of the library; throws if it is null.
  ObjectPointer Own(ObjectPointer parent, Method deleter, void* made, std::string_view failure) const {
    if (made != nullptr)
      return std::make_shared<const LibraryObject>(library_->library(), std::move(parent), made, deleter);
    throw ExecutionError(Cat(speaker_, " ", failure, messages_.ErrorSuffix(speaker_)));
  }

  void Configure() {
    for (const Flag flag : options_.set) {
      config_->Call<void(int32_t)>(Method::kBuilderConfig_setFlag, config_->table().bit(flag));
    }
    for (const Flag flag : options_.clear) {
      config_->Call<void(int32_t)>(Method::kBuilderConfig_clearFlag, config_->table().bit(flag));
    }
    if (options_.tactic_sources &&
        !config_->Call<bool(uint32_t)>(Method::kBuilderConfig_setTacticSources, *options_.tactic_sources)) {
      throw InputError(Cat(speaker_, " does not accept build option tactic_sources", messages_.ErrorSuffix(speaker_)));
    }
    if (options_.without_external_tactics) {
      constexpr Flag kFeature = Flag::kPreviewFeature_DISABLE_EXTERNAL_TACTIC_SOURCES_FOR_CORE_0805;
      config_->Call<void(int32_t, bool)>(Method::kBuilderConfig_setPreviewFeature, config_->table().bit(kFeature),
                                         true);
    }
    if (options_.hardware_compatibility) {
      config_->Call<void(HardwareCompatibilityLevel)>(Method::kBuilderConfig_setHardwareCompatibilityLevel,
                                                      *options_.hardware_compatibility);
    }
    if (options_.profiling_verbosity) {
      config_->Call<void(ProfilingVerbosity)>(Method::kBuilderConfig_setProfilingVerbosity,
                                              *options_.profiling_verbosity);
    }
    if (const int64_t* const bytes = request_.options.Get<int64_t>("workspace")) {
      config_->Call<void(MemoryPoolType, size_t)>(Method::kBuilderConfig_setMemoryPoolLimit, MemoryPoolType::kWORKSPACE,
                                                  static_cast<size_t>(*bytes));
    }
    SetNumber("optimization_level", Method::kBuilderConfig_setBuilderOptimizationLevel);
    SetNumber("avg_timing_iterations", Method::kBuilderConfig_setAvgTimingIterations);
    SetNumber("max_aux_streams", Method::kBuilderConfig_setMaxAuxStreams);
  }

  // Gives an option's number, if there is one, to the method that takes it.
  void SetNumber(OptionName<int64_t> option, Method setter) const {
    const int64_t* const number = request_.options.Get<int64_t>(option);
    if (number != nullptr) config_->Call<void(int32_t)>(setter, static_cast<int32_t>(*number));
  }

  template <typename R>
  R CallTensor(void* tensor, Method method) const {
    return CallSlot<R>(tensor, network_->table().slot(method));
  }

  Dims ShapeOf(void* tensor) const {
    constexpr Method kMethod = Method::kTensor_getDimensions;
    if (network_->table().dims64) return FromWire(CallTensor<Dims64>(tensor, kMethod));
    return FromWire(CallTensor<Dims32>(tensor, kMethod));
  }

  std::vector<NetworkInput> Inputs() const {
    std::vector<NetworkInput> inputs;
    const int32_t count = network_->Call<int32_t()>(Method::kNetworkDefinition_getNbInputs);
    for (int32_t i = 0; i < count; ++i) {
      // The network owns its tensors.
      void* const tensor = ImplementationOf(network_->Call<void*(int32_t)>(Method::kNetworkDefinition_getInput, i));
      inputs.push_back({CallTensor<const char*>(tensor, Method::kTensor_getName), ShapeOf(tensor),
                        CallTensor<bool>(tensor, Method::kTensor_isShapeTensor)});
    }
    return inputs;
  }

  void AddProfiles() {
    const std::vector<NetworkInput> inputs = Inputs();
    CheckNames(inputs);
    if (request_.profiles.empty()) return CheckFixed(inputs);
    for (size_t i = 0; i < request_.profiles.size(); ++i) AddProfile(i, inputs);
  }

  void CheckNames(const std::vector<NetworkInput>& inputs) const {
    std::vector<std::string> names;
    std::ranges::transform(inputs, std::back_inserter(names), &NetworkInput::name);
    for (const auto& profile : request_.profiles) {
      for (const InputRange& range : profile) {
        if (std::ranges::find(names, range.input) != names.end()) continue;
        throw InputError(Cat("an optimization profile has a range for input ", Quote(range.input),
                             ", which the model does not have; its inputs are: ", Join(names, ", ")));
      }
    }
  }

  static bool IsDynamic(const NetworkInput& input) {
    return input.decides_shapes || std::ranges::find(input.shape.extents(), -1) != input.shape.extents().end();
  }

  static std::string_view Remedy(const NetworkInput& input) {
    return input.decides_shapes ? "shapes depend on its values, so give its min, opt and max values"
                                : "give its min, opt and max shape";
  }

  static void CheckFixed(const std::vector<NetworkInput>& inputs) {
    for (const NetworkInput& input : inputs) {
      if (!IsDynamic(input)) continue;
      throw InputError(Cat("input ", Quote(input.name), " has the shape ", ToString(input.shape),
                           " in the model and needs a range: ", Remedy(input)));
    }
  }

  void AddProfile(size_t index, const std::vector<NetworkInput>& inputs) const {
    void* const profile = builder_->Call<void*()>(Method::kBuilder_createOptimizationProfile);
    if (profile == nullptr)
      throw ExecutionError(Cat(speaker_, " creates no optimization profile", messages_.ErrorSuffix(speaker_)));
    // The builder owns its profiles.
    void* const implementation = ImplementationOf(profile);
    for (const NetworkInput& input : inputs) {
      const auto& ranges = request_.profiles[index];
      const auto range = std::ranges::find(ranges, input.name, &InputRange::input);
      if (range != ranges.end()) {
        CheckRange(index, input, *range);
        SetRange(implementation, index, input, *range);
      } else if (IsDynamic(input)) {
        throw InputError(Cat("optimization profile ", index, " has no range for input ", Quote(input.name),
                             ", whose shape is ", ToString(input.shape), " in the model: ", Remedy(input)));
      }
    }
    if (config_->Call<int32_t(const void*)>(Method::kBuilderConfig_addOptimizationProfile, profile) < 0) {
      throw InputError(Cat(speaker_, " does not accept optimization profile ", index, messages_.ErrorSuffix(speaker_)));
    }
  }

  static void CheckRange(size_t index, const NetworkInput& input, const InputRange& range) {
    const std::array<std::pair<const char*, const std::vector<int64_t>*>, 3> shapes = {
        {{"min", &range.min}, {"opt", &range.opt}, {"max", &range.max}}};
    for (const auto& [which, shape] : shapes) {
      const std::string prefix = Cat("optimization profile ", index, ": the ", which, " of ", Quote(input.name),
                                     " is [", Join(*shape, ", "), "]");
      if (shape->size() != range.min.size() || shape->size() > Dims::kMax) {
        throw InputError(Cat(prefix, "; wanted the length of its min, and at most ", Dims::kMax));
      }
      if (input.decides_shapes) continue;
      const std::span<const int64_t> known = input.shape.extents();
      if (shape->size() != known.size()) {
        throw InputError(Cat(prefix, " of rank ", shape->size(), "; the model has ", ToString(input.shape)));
      }
      for (size_t d = 0; d < known.size(); ++d) {
        if (known[d] >= 0 && (*shape)[d] != known[d]) {
          throw InputError(
              Cat(prefix, "; the model has ", ToString(input.shape), ": extent ", d, " is ", known[d], " there"));
        }
      }
    }
    for (size_t d = 0; d < range.min.size(); ++d) {
      if (range.min[d] <= range.opt[d] && range.opt[d] <= range.max[d]) continue;
      throw InputError(Cat("optimization profile ", index, ": extent ", d, " of ", Quote(input.name), " is ",
                           range.min[d], ", ", range.opt[d], ", ", range.max[d],
                           " in min, opt and max; wanted min <= opt <= max"));
    }
  }

  void SetRange(void* profile, size_t index, const NetworkInput& input, const InputRange& range) const {
    const std::array<std::pair<OptProfileSelector, const std::vector<int64_t>*>, 3> parts = {
        {{OptProfileSelector::kMIN, &range.min},
         {OptProfileSelector::kOPT, &range.opt},
         {OptProfileSelector::kMAX, &range.max}}};
    for (const auto& [which, values] : parts) {
      const bool set = input.decides_shapes ? SetValues(profile, input.name.c_str(), which, *values)
                                            : SetShape(profile, input.name.c_str(), which, Dims(*values));
      if (set) continue;
      throw InputError(Cat(speaker_, " does not accept [", Join(*values, ", "), "] for ", Quote(input.name),
                           " in optimization profile ", index, messages_.ErrorSuffix(speaker_)));
    }
  }

  template <typename R, typename... Args>
  R CallProfile(void* profile, Method method, Args... args) const {
    return CallSlot<R, Args...>(profile, builder_->table().slot(method), args...);
  }

  bool SetShape(void* profile, const char* input, OptProfileSelector which, const Dims& shape) const {
    constexpr Method kMethod = Method::kOptimizationProfile_setDimensions;
    if (builder_->table().dims64) {
      const Dims64 wire = ToWire<Dims64>(shape);
      return CallProfile<bool, const char*, OptProfileSelector, const Dims64&>(profile, kMethod, input, which, wire);
    }
    if (!FitsDims32(shape)) return false;
    return CallProfile<bool, const char*, OptProfileSelector, Dims32>(profile, kMethod, input, which,
                                                                      ToWire<Dims32>(shape));
  }

  bool SetValues(void* profile, const char* input, OptProfileSelector which, const std::vector<int64_t>& values) const {
    const auto count = static_cast<int32_t>(values.size());
    if (builder_->table().has(Method::kOptimizationProfile_setShapeValuesV2)) {
      return CallProfile<bool, const char*, OptProfileSelector, const int64_t*, int32_t>(
          profile, Method::kOptimizationProfile_setShapeValuesV2, input, which, values.data(), count);
    }
    if (!FitsDims32(Dims(values))) return false;
    const std::vector<int32_t> narrow(values.begin(), values.end());
    return CallProfile<bool, const char*, OptProfileSelector, const int32_t*, int32_t>(
        profile, Method::kOptimizationProfile_setShapeValues, input, which, narrow.data(), count);
  }

  // Returns the cache; null if none is to be kept. If the library refuses the given one, as one of another device or
  // release, it gets an empty one.
  ObjectPointer UseTimingCache() const {
    if (!request_.timing_cache) return nullptr;
    for (const std::string_view bytes : {*request_.timing_cache, std::string_view()}) {
      void* const made = config_->Call<void*(const void*, size_t)>(Method::kBuilderConfig_createTimingCache,
                                                                   bytes.data(), bytes.size());
      if (made == nullptr) continue;
      ObjectPointer cache = Own(config_, Method::kNoCopy_delete, made, "");
      const bool set = config_->Call<bool(const void*, bool)>(Method::kBuilderConfig_setTimingCache, made, false);
      if (set) return cache;
    }
    return nullptr;
  }

  std::optional<HostMemory> TimingCache() const {
    // The configuration owns it, and it holds what this build has measured.
    void* const cache = const_cast<void*>(config_->Call<const void*()>(Method::kBuilderConfig_getTimingCache));
    if (cache == nullptr) return std::nullopt;
    void* const bytes = CallSlot<void*>(ImplementationOf(cache), config_->table().slot(Method::kTimingCache_serialize));
    if (bytes == nullptr) return std::nullopt;
    return HostMemory(Own(nullptr, Method::kIHostMemory_delete, bytes, ""));
  }

  HostMemory BuildPlan() {
    std::optional<Cancellable> progress;
    std::optional<ProgressMonitor> monitor;
    if (request_.progress != nullptr && config_->table().has(Method::kBuilderConfig_setProgressMonitor)) {
      progress.emplace(*request_.progress);
      monitor.emplace(config_->table(), *progress);
      config_->Call<void(void*)>(Method::kBuilderConfig_setProgressMonitor, monitor->object());
    }
    void* const plan = builder_->Call<void*(void*, void*)>(Method::kBuilder_buildSerializedNetwork,
                                                           network_->interface_object(), config_->interface_object());
    if (monitor) config_->Call<void(void*)>(Method::kBuilderConfig_setProgressMonitor, nullptr);
    if (plan == nullptr && progress && progress->cancelled()) throw ExecutionError("the build was cancelled");
    return HostMemory(Own(nullptr, Method::kIHostMemory_delete, plan, "could not build the engine"));
  }

  const std::shared_ptr<const BuilderLibrary> library_;
  const BuildRequest& request_;
  const std::string speaker_;
  const MessageScope messages_;
  const ResolvedOptions options_;
  const ObjectPointer builder_;
  const ObjectPointer network_;
  const ObjectPointer config_;
  OnnxParser parser_;
};

}  // namespace

BuildResult Build(const std::shared_ptr<const BuilderLibrary>& library, const BuildRequest& request) {
  return Session(library, request).Run();
}

}  // namespace nacelle::tensorrt
