// Building engines with the TensorRT that is here.
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
  std::string release;      // "8.5.3.1"; empty where it could not be opened
  std::string description;  // "TensorRT 8.5.3.1"; empty where it could not be opened
  int32_t onnx_opset = 0;   // a version of ONNX's operator set that its parser reads
  std::string problem;      // why it cannot build; empty where it can
};

// The builders of this machine, best first; with a `place`, a file or a folder, those there. Opens each: takes a while,
// and memory. Any thread.
NACELLE_API std::vector<BuilderReport> ListBuilders(const std::string& place = "");

struct BuiltEngine {
  std::string plan;
  std::optional<std::string> timing_cache;
};

// tensorrt::Build with the library at `path` and the parser at `parser` (empty: the one beside it). See there.
NACELLE_API BuiltEngine BuildEngine(const std::string& path, const std::string& parser,
                                    const tensorrt::BuildRequest& request);

}  // namespace nacelle::runtime

#endif  // NACELLE_RUNTIME_BUILD_ENGINE_H_
