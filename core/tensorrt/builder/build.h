// From an ONNX model to a plan, with TensorRT's builder.
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

// What a profile allows for an input: shapes, or for an input whose values decide about shapes (a shape tensor),
// values.
struct InputRange {
  std::string input;
  std::vector<int64_t> min;
  std::vector<int64_t> opt;
  std::vector<int64_t> max;
};

struct BuildRequest {
  std::string_view onnx;                          // a serialized ModelProto; kept by the caller during the build
  std::string onnx_path;                          // where its external data lies beside; empty: it has none
  std::string name;                               // the engine's
  std::vector<std::vector<InputRange>> profiles;  // none: every input of the model has a fixed shape
  BuildOptions options;
  std::optional<std::string_view> timing_cache;  // what an earlier build measured, maybe nothing; unset: none is kept
  BuildProgress* progress = nullptr;             // told where the release has a progress monitor (10.0 and later)
};

struct BuildResult {
  HostMemory plan;
  std::optional<HostMemory> timing_cache;
};

// Any thread, several at once; each call has a builder of its own. A build takes seconds to hours and uses the GPU that
// is current on the thread (TensorRT-RTX needs none).
// Throws InputError: what Resolve refuses, a model that the parser cannot read, a profile that contradicts the model;
// ExecutionError: the build failed or was given up, with what TensorRT logged.
BuildResult Build(const std::shared_ptr<const BuilderLibrary>& library, const BuildRequest& request);

}  // namespace nacelle::tensorrt

#endif  // NACELLE_CORE_TENSORRT_BUILDER_BUILD_H_
