#include "examples/cpp/engines.h"

#include "runtime/engine.h"
#include "runtime/tensor_info.h"

namespace nacelle::examples {

void PrintEngines(std::ostream& out, const std::vector<runtime::EngineSite>& engines) {
  out << engines.size() << (engines.size() == 1 ? " engine\n" : " engines\n");
  for (const runtime::EngineSite& site : engines) out << site.path << ":\n" << site.engine()->Describe() << "\n";
}

std::vector<InputSpec> InputsOfEngine(const std::vector<runtime::EngineSite>& engines) {
  if (engines.size() != 1) return {};
  std::vector<InputSpec> specs;
  for (const runtime::TensorInfo& info : engines[0].engine()->inputs()) {
    InputSpec& spec = specs.emplace_back();
    spec.dtype = info.dtype;
    spec.shape = info.optimization_profiles.empty() ? info.shape : info.optimization_profiles[0].opt;
  }
  return specs;
}

}  // namespace nacelle::examples
