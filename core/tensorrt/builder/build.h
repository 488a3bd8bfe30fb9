// Builds a plan from an ONNX model with TensorRT's builder.
//
//   BuildRequest request;
//   request.onnx = model;
//   const BuildResult result = Build(BuilderLibrary::Open("libnvinfer.so.10"), request);
//   Write(result.plan.bytes());
#ifndef NACELLE_CORE_TENSORRT_BUILDER_BUILD_H_
#define NACELLE_CORE_TENSORRT_BUILDER_BUILD_H_

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/tensorrt/builder/builder_library.h"
#include "core/tensorrt/builder/options.h"
#include "core/tensorrt/callbacks.h"
#include "core/tensorrt/handles.h"

namespace nacelle::tensorrt {

// The range that an optimization profile allows for an input: shapes, or values for a shape tensor, on whose values
// shapes depend.
struct InputRange {
  std::string input;
  std::vector<int64_t> min;
  std::vector<int64_t> opt;
  std::vector<int64_t> max;
};

struct BuildRequest {
  std::string_view onnx;                          // a serialized ModelProto; kept by the caller during the build
  std::string onnx_path;                          // the file beside which its external data lies; empty: it has none
  std::string name;                               // the engine's
  std::vector<std::vector<InputRange>> profiles;  // none: every input of the model has a fixed shape
  BuildOptions options;
  std::optional<std::string_view> timing_cache;  // of an earlier build, or empty; unset: none is kept
  BuildProgress* progress = nullptr;             // told if the release has a progress monitor (10.0 and later)
};

struct BuildResult {
  HostMemory plan;
  std::optional<HostMemory> timing_cache;
};

// Builds a plan. Any threads may call it at once: each call has a builder of its own. A build takes seconds to hours
// and uses the GPU that is current on the thread (TensorRT-RTX needs none).
//
// Throws InputError for options that Resolve refuses, a model that the parser cannot read, and a profile that
// contradicts the model; ExecutionError, with TensorRT's log, if the build fails or is given up.
BuildResult Build(const std::shared_ptr<const BuilderLibrary>& library, const BuildRequest& request);

}  // namespace nacelle::tensorrt

#endif  // NACELLE_CORE_TENSORRT_BUILDER_BUILD_H_
