// The table of build options: one row for each, from which everything about an option is made.
//
// From a row come the check of a value, the error messages, Python's BuildOptions, the command line's flags and the
// table in the documentation. To add an option, add a row, call TensorRT for it in build.cc (an option that is no more
// than a builder flag needs no call), and write what is made from the rows anew:
//
//   bazel run //core/tensorrt/builder:update_build_options
//
// Everything here is constant data; the functions may be called from any thread.
#ifndef NACELLE_CORE_TENSORRT_BUILDER_OPTION_TABLE_H_
#define NACELLE_CORE_TENSORRT_BUILDER_OPTION_TABLE_H_

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/release.h"
#include "core/tensorrt/slot_table.h"

namespace nacelle::tensorrt {

using OptionValue = std::variant<bool, int64_t, std::string, std::vector<std::string>>;

// The values that an option takes. In OptionValue: bool, int64_t, a string or a list.
enum class OptionType : uint8_t {
  kSwitch,      // bool; false is the same as leaving the option out
  kToggle,      // bool; both values differ from leaving the option out
  kNumber,      // int64_t, from min to max
  kBytes,       // int64_t, min or more
  kChoice,      // string: one of the choices
  kChoices,     // list: any of the choices, or none
  kNames,       // list: one name or more
  kPath,        // string: a file or folder
  kCacheFolder  // bool, or string: a folder
};

enum class OptionReader : uint8_t {
  kTensorRt,  // read here
  kPython,    // read by the Python package before TensorRT is called
  kCaches,    // the same, for the reference engine too
};

// The part of TensorRT's interface that an option needs. Nothing: every release has the option.
using OptionNeeds = std::variant<std::monostate, Flag, Method, Release>;

struct OptionChoice {
  const char* name;
  int32_t value = 0;  // TensorRT's number for it, if the option is an enum there
  OptionNeeds needs = {};
};

struct BuildOption {
  const char* name;
  OptionType type;
  const char* help;        // one line, for Python's docstring, the command line and the documentation
  OptionNeeds needs = {};  // a builder flag is set if the option is given, and cleared if a kToggle is false
  int64_t min = 0;
  int64_t max = std::numeric_limits<int32_t>::max();
  std::span<const OptionChoice> choices = {};
  bool precision = false;  // true if it lets the builder choose dtypes: not for strongly typed networks
  OptionReader reader = OptionReader::kTensorRt;
};

inline constexpr OptionChoice kTacticSources[] = {
    {"cublas", 0, Flag::kTacticSource_CUBLAS},
    {"cublas_lt", 0, Flag::kTacticSource_CUBLAS_LT},
    {"cudnn", 0, Flag::kTacticSource_CUDNN},
    {"edge_mask_convolutions", 0, Flag::kTacticSource_EDGE_MASK_CONVOLUTIONS},
    {"jit_convolutions", 0, Flag::kTacticSource_JIT_CONVOLUTIONS},
};

inline constexpr OptionChoice kHardwareCompatibility[] = {
    {"none", static_cast<int32_t>(HardwareCompatibilityLevel::kNONE), {}},
    {"ampere_plus", static_cast<int32_t>(HardwareCompatibilityLevel::kAMPERE_PLUS),
     Method::kBuilderConfig_setHardwareCompatibilityLevel},
    {"same_compute_capability", static_cast<int32_t>(HardwareCompatibilityLevel::kSAME_COMPUTE_CAPABILITY),
     Release{10, 9, 0, 0}},
};

inline constexpr OptionChoice kProfilingVerbosity[] = {
    {"none", static_cast<int32_t>(ProfilingVerbosity::kNONE), {}},
    {"layer_names_only", static_cast<int32_t>(ProfilingVerbosity::kLAYER_NAMES_ONLY), {}},
    {"detailed", static_cast<int32_t>(ProfilingVerbosity::kDETAILED), {}},
};

inline constexpr BuildOption kBuildOptions[] = {
    {.name = "fp16",
     .type = OptionType::kSwitch,
     .help = "Layers may compute in float16.",
     .needs = Flag::kBuilderFlag_FP16,
     .precision = true},
    {.name = "bf16",
     .type = OptionType::kSwitch,
     .help = "Layers may compute in bfloat16.",
     .needs = Flag::kBuilderFlag_BF16,
     .precision = true},
    {.name = "int8",
     .type = OptionType::kSwitch,
     .help = "Layers may compute in int8, with scales from QuantizeLinear and DequantizeLinear in the model.",
     .needs = Flag::kBuilderFlag_INT8,
     .precision = true},
    {.name = "fp32_layers",
     .type = OptionType::kNames,
     .help = "Names of layers that compute in float32 all the same, with * for any characters and ? for one.",
     .needs = Flag::kBuilderFlag_OBEY_PRECISION_CONSTRAINTS,
     .precision = true},
    {.name = "tf32",
     .type = OptionType::kToggle,
     .help = "Layers in float32 may compute in TF32; TensorRT's default is True.",
     .needs = Flag::kBuilderFlag_TF32},
    {.name = "strongly_typed",
     .type = OptionType::kSwitch,
     .help = "Layers compute in the dtypes that the model says; always so from TensorRT 11 on and in TensorRT-RTX.",
     .needs = Flag::kNetworkDefinitionCreationFlag_STRONGLY_TYPED},
    {.name = "workspace",
     .type = OptionType::kBytes,
     .help = "Bytes of scratch memory that a layer may use, at most.",
     .min = 1},
    {.name = "tactic_sources",
     .type = OptionType::kChoices,
     .help = "Sources that kernels may come from, or an empty list for none.",
     .choices = kTacticSources},
    {.name = "optimization_level",
     .type = OptionType::kNumber,
     .help = "0 builds fastest, 5 looks longest for the fastest engine; TensorRT's default is 3.",
     .needs = Method::kBuilderConfig_setBuilderOptimizationLevel,
     .max = 5},
    {.name = "avg_timing_iterations",
     .type = OptionType::kNumber,
     .help = "Measurements of each kernel, whose mean counts; 1 builds fastest; the default of TensorRT 8.5 is 8.",
     .min = 1},
    {.name = "hardware_compatibility",
     .type = OptionType::kChoice,
     .help = "GPUs that can run the engine beside those like the one that it is built on.",
     .choices = kHardwareCompatibility},
    {.name = "version_compatible",
     .type = OptionType::kSwitch,
     .help = "Later releases of the same major release can run the engine.",
     .needs = Flag::kBuilderFlag_VERSION_COMPATIBLE},
    {.name = "exclude_lean_runtime",
     .type = OptionType::kSwitch,
     .help = "A version-compatible plan leaves out the runtime that it would bring.",
     .needs = Flag::kBuilderFlag_EXCLUDE_LEAN_RUNTIME},
    {.name = "refittable",
     .type = OptionType::kSwitch,
     .help = "Weights can be replaced without a new build.",
     .needs = Flag::kBuilderFlag_REFIT},
    {.name = "weight_stripped",
     .type = OptionType::kSwitch,
     .help = "The plan leaves out weights, which must be refitted.",
     .needs = Flag::kBuilderFlag_STRIP_PLAN},
    {.name = "max_aux_streams",
     .type = OptionType::kNumber,
     .help = "Streams that the engine may use beside the caller's, at most.",
     .needs = Method::kBuilderConfig_setMaxAuxStreams},
    {.name = "profiling_verbosity",
     .type = OptionType::kChoice,
     .help = "Detail of the engine's own account of its layers.",
     .choices = kProfilingVerbosity},
    {.name = "fold_constants",
     .type = OptionType::kToggle,
     .help = "Constant parts of the model are computed first, by onnxruntime; by default only if the model cannot be "
             "built as it is.",
     .reader = OptionReader::kPython},
    {.name = "library",
     .type = OptionType::kPath,
     .help = "The builder: a TensorRT library's file, or a folder with one; the default is the first that is found.",
     .reader = OptionReader::kPython},
    {.name = "timing_cache",
     .type = OptionType::kCacheFolder,
     .help = "Measured times are kept on disk for later builds, in the user's cache or in the folder given.",
     .reader = OptionReader::kCaches},
    {.name = "engine_cache",
     .type = OptionType::kCacheFolder,
     .help = "Engines are kept on disk and not built again, in the user's cache or in the folder given.",
     .reader = OptionReader::kCaches},
    {.name = "engine_cache_size",
     .type = OptionType::kBytes,
     .help = "Bytes that the engine cache may hold; least recently used engines go first; the default is 4 GiB.",
     .min = 1,
     .reader = OptionReader::kCaches},
};

// The option of this name. Throws InputError that lists the names there are.
const BuildOption& FindBuildOption(std::string_view name);

// True if the option takes the value.
bool Accepts(const BuildOption& option, const OptionValue& value);

// The message for a value that the option does not take: "build option workspace is -1; wanted a number of bytes of 1
// or more". `found` is the value as its language writes it.
std::string Refusal(const BuildOption& option, std::string_view found);

// True if a release has what an option or a choice needs.
bool Has(const SlotTable& table, const OptionNeeds& needs);

// The releases that have it, of those that can build: "TensorRT 8.5 to 10", "TensorRT 8.6 and later"; "" for all.
std::string ReleasesWith(const OptionNeeds& needs);

}  // namespace nacelle::tensorrt

#endif  // NACELLE_CORE_TENSORRT_BUILDER_OPTION_TABLE_H_
