#include "runtime/timing.h"

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>
#include <torch/csrc/jit/api/module.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "py/csrc/bindings.h"
#include "runtime/engine.h"
#include "runtime/program.h"

namespace nacelle::python {
namespace {

namespace py = pybind11;
using runtime::CallTimes;
using runtime::Engine;

// An engine whose calls are timed.
struct TimedEngine {
  std::string path;
  c10::intrusive_ptr<Engine> engine;
  std::shared_ptr<runtime::Timing> timing;
};

// Starts to time all engines of the module, or the one at `path`; none of them if one is timed already.
std::vector<TimedEngine> Start(const torch::jit::Module& module, const std::optional<std::string>& path) {
  std::vector<TimedEngine> started;
  try {
    for (const runtime::EngineSite& site : runtime::FindEngines(module, path)) {
      const auto same = [&](const TimedEngine& other) { return other.engine == site.engine(); };
      if (std::any_of(started.begin(), started.end(), same)) continue;
      started.push_back({site.path, site.engine(), site.engine()->StartTiming()});
    }
  } catch (...) {
    for (const TimedEngine& item : started) item.engine->StopTiming();
    throw;
  }
  return started;
}

// (thread, [(phase, start ns, end ns)], [(layer, ms)]) of each call.
using Phase = std::tuple<std::string, int64_t, int64_t>;
using Layer = std::tuple<std::string, double>;
using Call = std::tuple<uint64_t, std::vector<Phase>, std::vector<Layer>>;

std::vector<Call> Stop(const TimedEngine& timed) {
  timed.engine->StopTiming();
  std::vector<Call> calls;
  for (const CallTimes& times : timed.timing->Calls()) {
    std::vector<Phase> phases;
    std::vector<Layer> layers;
    for (const CallTimes::Phase& phase : times.phases) phases.emplace_back(phase.name, phase.start, phase.end);
    for (const CallTimes::Layer& layer : times.layers) layers.emplace_back(layer.name, layer.milliseconds);
    calls.emplace_back(times.thread, std::move(phases), std::move(layers));
  }
  return calls;
}

}  // namespace

void BindTiming(py::module_& m) {
  py::class_<TimedEngine>(m, "TimedEngine").def_readonly("path", &TimedEngine::path).def("stop", &Stop);
  m.def("start_timing", &Start, py::arg("module"), py::arg("path"));
}

}  // namespace nacelle::python
