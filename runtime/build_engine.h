// Builds engines with a TensorRT library of this machine.
#ifndef NACELLE_RUNTIME_BUILD_ENGINE_H_
#define NACELLE_RUNTIME_BUILD_ENGINE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/tensorrt/builder/build.h"
#include "runtime/export.h"

namespace nacelle::runtime {

// A TensorRT library that may build engines.
struct BuilderReport {
  std::string path;
  std::string parser;       // its ONNX parser's library
  std::string kind;         // "full", "TensorRT-RTX"
  std::string release;      // "8.5.3.1"; empty if it could not be opened
  std::string description;  // "TensorRT 8.5.3.1"; empty if it could not be opened
  int32_t onnx_opset = 0;   // the version of ONNX's operator set that its parser reads
  std::string problem;      // the reason that it cannot build; empty if it can
};

// Lists the builders of this machine, best first; with a `place`, a file or a folder, those there. Opens each of them,
// which takes time and memory. Any thread.
NACELLE_API std::vector<BuilderReport> ListBuilders(const std::string& place = "");

struct BuiltEngine {
  std::string plan;
  std::optional<std::string> timing_cache;
};

// Builds an engine with the library at `path` and the parser at `parser` (empty: the one beside the library). See
// tensorrt::Build.
NACELLE_API BuiltEngine BuildEngine(const std::string& path, const std::string& parser,
                                    const tensorrt::BuildRequest& request);

}  // namespace nacelle::runtime

#endif  // NACELLE_RUNTIME_BUILD_ENGINE_H_
