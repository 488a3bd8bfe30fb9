#include "core/tensorrt/builder/options.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <string_view>
#include <utility>

#include "core/error.h"
#include "core/tensorrt/builder/parser_slots.h"
#include "core/text.h"

namespace nacelle::tensorrt {
namespace {

// "10.0.0.6 to 10.16.0.72": the known releases that can build and for which `has` holds, which are one range for all
// that is asked here.
template <typename F>
std::string ReleasesWith(const F& has) {
  const std::span<const SlotTable> tables = SlotTables();
  const auto builds_and_has = [&has](const SlotTable& table) {
    return ParserSlotsOf(table.release.major).has_value() && has(table);
  };
  const auto first = std::ranges::find_if(tables, builds_and_has);
  const auto last = std::find_if(tables.rbegin(), tables.rend(), builds_and_has);
  if (first == tables.end()) return "no release that is known";
  const Release& from = first->release;
  const Release& to = last->release;
  if (&*last == &tables.back()) return Cat("TensorRT ", from.ToString(), " and later");
  return Cat("TensorRT ", from.ToString(), " to ", to.ToString());
}

// One option against one release.
class Checker {
 public:
  explicit Checker(const Library& library) : library_(library), table_(library.table()) {}

  void Need(std::string_view option, Flag flag) const {
    if (table_.bit(flag) >= 0) return;
    Refuse(option, ReleasesWith([flag](const SlotTable& table) { return table.bit(flag) >= 0; }));
  }

  void Need(std::string_view option, Method method) const {
    if (table_.has(method)) return;
    Refuse(option, ReleasesWith([method](const SlotTable& table) { return table.has(method); }));
  }

  void NeedRelease(std::string_view option, const Release& since) const {
    if (table_.release >= since) return;
    Refuse(option, ReleasesWith([&since](const SlotTable& table) { return table.release >= since; }));
  }

  // A precision that the builder may choose: gone in 11, where the model alone decides.
  void NeedPrecision(std::string_view option, Flag flag) const {
    if (table_.bit(flag) >= 0 || table_.release.major < 11) return Need(option, flag);
    throw InputError(Cat(
        "The option ", option, " is not for ", library_.Describe(),
        ", whose engines have the dtypes of "
        "the model. Convert the model (model.half(), model.bfloat16(), or Q/DQ operators for int8) and "
        "leave ",
        option, " out. ", ReleasesWith([flag](const SlotTable& table) { return table.bit(flag) >= 0; }), " have it."));
  }

 private:
  [[noreturn]] void Refuse(std::string_view option, const std::string& releases) const {
    throw InputError(Cat("The option ", option, " is not there in ", library_.Describe(), ": ", releases,
                         " have it. Leave it out, or build with one of those."));
  }

  const Library& library_;
  const SlotTable& table_;
};

template <typename T, size_t N>
T OneOf(std::string_view option, const std::string& value, const std::array<std::pair<std::string_view, T>, N>& known) {
  for (const auto& [name, meaning] : known) {
    if (name == value) return meaning;
  }
  std::vector<std::string_view> names;
  std::ranges::transform(known, std::back_inserter(names), &std::pair<std::string_view, T>::first);
  throw InputError(Cat("The option ", option, " is ", Quote(value), "; it may be ", Join(names, ", "), "."));
}

constexpr std::array<std::pair<std::string_view, Flag>, 5> kTacticSources = {{
    {"cublas", Flag::kTacticSource_CUBLAS},
    {"cublas_lt", Flag::kTacticSource_CUBLAS_LT},
    {"cudnn", Flag::kTacticSource_CUDNN},
    {"edge_mask_convolutions", Flag::kTacticSource_EDGE_MASK_CONVOLUTIONS},
    {"jit_convolutions", Flag::kTacticSource_JIT_CONVOLUTIONS},
}};

constexpr std::array<std::pair<std::string_view, HardwareCompatibilityLevel>, 3> kCompatibility = {{
    {"none", HardwareCompatibilityLevel::kNONE},
    {"ampere_plus", HardwareCompatibilityLevel::kAMPERE_PLUS},
    {"same_compute_capability", HardwareCompatibilityLevel::kSAME_COMPUTE_CAPABILITY},
}};
constexpr Release kSameComputeCapability = {10, 9, 0, 0};

constexpr std::array<std::pair<std::string_view, ProfilingVerbosity>, 3> kVerbosity = {{
    {"none", ProfilingVerbosity::kNONE},
    {"layer_names_only", ProfilingVerbosity::kLAYER_NAMES_ONLY},
    {"detailed", ProfilingVerbosity::kDETAILED},
}};

void ResolveFlags(const BuildOptions& options, const Checker& check, ResolvedOptions* resolved) {
  const auto precision = [&](std::string_view name, const std::optional<bool>& value, Flag flag) {
    if (!value) return;
    check.NeedPrecision(name, flag);
    (*value ? resolved->set : resolved->clear).push_back(flag);
  };
  const auto flag = [&](std::string_view name, const std::optional<bool>& value, Flag bit) {
    // What a release does not have need not be switched off.
    if (!value || (!*value && bit != Flag::kBuilderFlag_TF32)) return;
    check.Need(name, bit);
    (*value ? resolved->set : resolved->clear).push_back(bit);
  };
  precision("fp16", options.fp16, Flag::kBuilderFlag_FP16);
  precision("bf16", options.bf16, Flag::kBuilderFlag_BF16);
  precision("int8", options.int8, Flag::kBuilderFlag_INT8);
  if (!options.fp32_layers.empty()) {
    constexpr Flag kObey = Flag::kBuilderFlag_OBEY_PRECISION_CONSTRAINTS;
    check.NeedPrecision("fp32_layers", kObey);
    resolved->set.push_back(kObey);
  }
  flag("tf32", options.tf32, Flag::kBuilderFlag_TF32);
  flag("version_compatible", options.version_compatible, Flag::kBuilderFlag_VERSION_COMPATIBLE);
  flag("exclude_lean_runtime", options.exclude_lean_runtime, Flag::kBuilderFlag_EXCLUDE_LEAN_RUNTIME);
  flag("refittable", options.refittable, Flag::kBuilderFlag_REFIT);
  flag("weight_stripped", options.weight_stripped, Flag::kBuilderFlag_STRIP_PLAN);
}

void ResolveNetworkFlags(const BuildOptions& options, const Library& library, const Checker& check,
                         ResolvedOptions* resolved) {
  const SlotTable& table = library.table();
  constexpr Flag kTyped = Flag::kNetworkDefinitionCreationFlag_STRONGLY_TYPED;
  constexpr Flag kExplicitBatch = Flag::kNetworkDefinitionCreationFlag_EXPLICIT_BATCH;
  const auto add = [&](Flag flag) { resolved->network_flags |= 1u << table.bit(flag); };
  if (table.bit(kExplicitBatch) >= 0) add(kExplicitBatch);
  const bool always = table.release.major >= 11;
  if (options.strongly_typed == false && always) {
    throw InputError(Cat("The option strongly_typed cannot be false: engines of ", library.Describe(),
                         " always have the dtypes of the model."));
  }
  if (options.strongly_typed.value_or(always)) {
    check.Need("strongly_typed", kTyped);
    add(kTyped);
  }
  for (const auto& [name, asked] : {std::pair("fp16", options.fp16.value_or(false)),
                                    {"bf16", options.bf16.value_or(false)},
                                    {"int8", options.int8.value_or(false)},
                                    {"fp32_layers", !options.fp32_layers.empty()}}) {
    if (options.strongly_typed.value_or(false) && asked) {
      throw InputError(Cat("The options strongly_typed and ", name,
                           " contradict each other: a strongly typed engine "
                           "has the dtypes of the model. Leave one of them out."));
    }
  }
}

void CheckNumbers(const BuildOptions& options, const Checker& check) {
  if (options.workspace && *options.workspace <= 0) {
    throw InputError(Cat("The option workspace is ", *options.workspace, "; it is a number of bytes, above 0."));
  }
  if (options.optimization_level) {
    check.Need("optimization_level", Method::kBuilderConfig_setBuilderOptimizationLevel);
    if (*options.optimization_level < 0 || *options.optimization_level > 5) {
      throw InputError(Cat("The option optimization_level is ", *options.optimization_level, "; it may be 0 to 5."));
    }
  }
  if (options.avg_timing_iterations && *options.avg_timing_iterations < 1) {
    throw InputError(
        Cat("The option avg_timing_iterations is ", *options.avg_timing_iterations, "; it may be 1 or more."));
  }
  if (options.max_aux_streams) {
    check.Need("max_aux_streams", Method::kBuilderConfig_setMaxAuxStreams);
    if (*options.max_aux_streams < 0) {
      throw InputError(Cat("The option max_aux_streams is ", *options.max_aux_streams, "; it may be 0 or more."));
    }
  }
}

// The kernels of TensorRT's own.
bool IsInternal(const std::string& source) {
  return source == "edge_mask_convolutions" || source == "jit_convolutions";
}

uint32_t TacticSources(const std::vector<std::string>& names, const Checker& check, const SlotTable& table) {
  uint32_t sources = 0;
  for (const std::string& name : names) {
    const Flag source = OneOf("tactic_sources", name, kTacticSources);
    check.Need(Cat("tactic_sources with ", name), source);
    sources |= 1u << table.bit(source);
  }
  return sources;
}

}  // namespace

ResolvedOptions Resolve(const BuildOptions& options, const Library& library) {
  const Checker check(library);
  ResolvedOptions resolved;
  ResolveNetworkFlags(options, library, check, &resolved);
  ResolveFlags(options, check, &resolved);
  CheckNumbers(options, check);
  if (options.tactic_sources) {
    resolved.tactic_sources = TacticSources(*options.tactic_sources, check, library.table());
    resolved.without_external_tactics =
        std::ranges::all_of(*options.tactic_sources, IsInternal) &&
        library.table().bit(Flag::kPreviewFeature_DISABLE_EXTERNAL_TACTIC_SOURCES_FOR_CORE_0805) >= 0;
  }
  if (options.hardware_compatibility) {
    const auto level = OneOf("hardware_compatibility", *options.hardware_compatibility, kCompatibility);
    if (level != HardwareCompatibilityLevel::kNONE) {
      check.Need("hardware_compatibility", Method::kBuilderConfig_setHardwareCompatibilityLevel);
      if (level == HardwareCompatibilityLevel::kSAME_COMPUTE_CAPABILITY) {
        check.NeedRelease("hardware_compatibility with same_compute_capability", kSameComputeCapability);
      }
      resolved.hardware_compatibility = level;
    }
  }
  if (options.profiling_verbosity) {
    resolved.profiling_verbosity = OneOf("profiling_verbosity", *options.profiling_verbosity, kVerbosity);
  }
  if (options.exclude_lean_runtime.value_or(false) && !options.version_compatible.value_or(false)) {
    throw InputError("The option exclude_lean_runtime is for plans that are built with version_compatible.");
  }
  return resolved;
}

}  // namespace nacelle::tensorrt
