// What a build may be told, and which release can be told what.
#ifndef NACELLE_CORE_TENSORRT_BUILDER_OPTIONS_H_
#define NACELLE_CORE_TENSORRT_BUILDER_OPTIONS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/tensorrt/library.h"
#include "core/tensorrt/slot_table.h"

namespace nacelle::tensorrt {

// What is not set stays as TensorRT has it. Plain values.
struct BuildOptions {
  std::optional<bool> fp16;              // kernels may compute in float16 (8.5 to 10.x)
  std::optional<bool> bf16;              // … in bfloat16 (10.x)
  std::optional<bool> int8;              // … in int8 where the model has Q/DQ operators (8.5 to 10.x)
  std::optional<bool> tf32;              // float32 products may be rounded to TF32; TensorRT's default is true
  std::vector<std::string> fp32_layers;  // names, with * and ?, of layers that compute in float32 (8.5 to 10.x)
  std::optional<bool> strongly_typed;    // dtypes are those of the model, nothing else (10.0 and later; always from 11)
  std::optional<int64_t> workspace;      // bytes of scratch memory that a kernel may use
  std::optional<std::vector<std::string>>
      tactic_sources;                                 // cublas, cublas_lt, cudnn (to 10.x), edge_mask_convolutions,
                                                      // jit_convolutions; an empty list allows none
  std::optional<int32_t> optimization_level;          // 0 to 5 (8.6 and later)
  std::optional<int32_t> avg_timing_iterations;       // measurements of each kernel, 1 or more
  std::optional<std::string> hardware_compatibility;  // none, ampere_plus (8.6), same_compute_capability (10.9)
  std::optional<bool> version_compatible;             // the plan runs with later releases of its major one (8.6)
  std::optional<bool> exclude_lean_runtime;           // a version-compatible plan without its runtime inside (8.6)
  std::optional<bool> refittable;
  std::optional<bool> weight_stripped;             // a plan without weights, to be refitted (10.0 and later)
  std::optional<int32_t> max_aux_streams;          // 8.6 and later
  std::optional<std::string> profiling_verbosity;  // none, layer_names_only, detailed
};

// BuildOptions as the interface of one release takes them.
struct ResolvedOptions {
  uint32_t network_flags = 0;  // for createNetworkV2
  std::vector<Flag> set;       // builder flags to set …
  std::vector<Flag> clear;     // … and to clear
  std::optional<uint32_t> tactic_sources;
  // Whether TensorRT's core, too, is to do without cuBLAS and cuDNN: 8.5 and 8.6 have tactic sources for the rest only.
  bool without_external_tactics = false;
  std::optional<HardwareCompatibilityLevel> hardware_compatibility;
  std::optional<ProfilingVerbosity> profiling_verbosity;
};

// Throws InputError: an option that the library's release lacks, with the releases that have it; a value that no
// release has, with those there are; options that contradict each other.
ResolvedOptions Resolve(const BuildOptions& options, const Library& library);

}  // namespace nacelle::tensorrt

#endif  // NACELLE_CORE_TENSORRT_BUILDER_OPTIONS_H_
