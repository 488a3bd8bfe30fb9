#include "runtime/build_engine.h"

#include <utility>

#include "core/tensorrt/builder/builder_library.h"

namespace nacelle::runtime {

std::vector<BuilderReport> ListBuilders(const std::string& place) {
  std::vector<BuilderReport> reports;
  for (const tensorrt::FoundBuilder& found : tensorrt::FindBuilders(place)) {
    BuilderReport report;
    report.path = found.path;
    report.parser = found.parser_path;
    report.kind = tensorrt::ToString(found.kind);
    report.problem = found.problem;
    if (found.library != nullptr) {
      report.release = found.library->library()->release().ToString();
      report.description = found.library->library()->Describe();
      report.onnx_opset = found.library->OnnxOpset();
    }
    reports.push_back(std::move(report));
  }
  return reports;
}

BuiltEngine BuildEngine(const std::string& path, const std::string& parser, const tensorrt::BuildRequest& request) {
  const tensorrt::BuildResult result = tensorrt::Build(tensorrt::BuilderLibrary::Open(path, parser), request);
  BuiltEngine built{std::string(result.plan.bytes()), std::nullopt};
  if (result.timing_cache) built.timing_cache = std::string(result.timing_cache->bytes());
  return built;
}

}  // namespace nacelle::runtime
