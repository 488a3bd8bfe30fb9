#include "runtime/settings.h"

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>
#include <torch/csrc/jit/api/module.h>

#include <string>

#include "core/error.h"
#include "core/text.h"
#include "py/csrc/bindings.h"
#include "py/csrc/without_gil.h"
#include "runtime/engine.h"
#include "runtime/program.h"

namespace nacelle::python {
namespace {

namespace py = pybind11;
using runtime::EngineSite;
using runtime::Settings;

// The value of a setting, or InputError that says what it takes.
template <typename T>
T As(const std::string& name, const py::handle& value, const char* wanted) {
  try {
    return value.cast<T>();
  } catch (const py::cast_error&) {
    throw InputError(Cat("setting ", name, " is ", std::string(py::repr(value)), "; wanted ", wanted));
  }
}

constexpr const char* kNumber = "a whole number";
constexpr const char* kTruth = "True or False";

// The settings with those that `changes` names.
Settings Changed(Settings settings, const py::dict& changes) {
  for (const auto& [key, value] : changes) {
    const auto name = key.cast<std::string>();
    if (name == "max_contexts") {
      settings.max_contexts = As<int>(name, value, kNumber);
    } else if (name == "plan_copies") {
      settings.plan_copies = As<int>(name, value, kNumber);
    } else if (name == "optimization_profile") {
      settings.optimization_profile = As<std::optional<int>>(name, value, "a whole number or None");
    } else if (name == "move_inputs") {
      settings.move_inputs = As<bool>(name, value, kTruth);
    } else if (name == "convert_inputs") {
      settings.convert_inputs = As<bool>(name, value, kTruth);
    } else if (name == "pack_outputs") {
      settings.pack_outputs = As<bool>(name, value, kTruth);
    } else if (name == "shared_scratch") {
      settings.shared_scratch = As<bool>(name, value, kTruth);
    } else if (name == "nvtx") {
      settings.nvtx = As<bool>(name, value, kTruth);
    } else {
      throw InputError(Cat("there is no setting ", Quote(name),
                           "; there are max_contexts, plan_copies, optimization_profile, move_inputs, convert_inputs, "
                           "pack_outputs, shared_scratch and nvtx"));
    }
  }
  return settings;
}

void Configure(const torch::jit::Module& module, const std::optional<std::string>& path, const py::dict& changes) {
  for (const EngineSite& site : runtime::FindEngines(module, path)) {
    const auto engine = site.engine();
    const Settings settings = Changed(engine->settings(), changes);
    const WithoutGil released;
    engine->Configure(settings);
  }
}

void MoveEngines(const torch::jit::Module& module, const std::string& device) {
  const WithoutGil released;
  runtime::MoveEngines(module, c10::Device(device));
}

}  // namespace

void BindSettings(py::module_& m) {
  m.def("configure_engines", &Configure, py::arg("module"), py::arg("path"), py::arg("changes"));
  m.def("move_engines", &MoveEngines, py::arg("module"), py::arg("device"));
}

}  // namespace nacelle::python
