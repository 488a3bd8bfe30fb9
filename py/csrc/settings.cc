#include "runtime/settings.h"

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>
#include <torch/csrc/jit/api/module.h>

#include <functional>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/text.h"
#include "py/csrc/bindings.h"
#include "py/csrc/without_gil.h"
#include "runtime/program.h"

namespace nacelle::python {
namespace {

namespace py = pybind11;
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

// Reads the settings that `changes` names into a function that changes them, which needs no Python.
std::function<void(Settings&)> ChangesOf(const py::dict& changes) {
  std::vector<std::function<void(Settings&)>> all;
  for (const auto& [key, value] : changes) {
    const auto name = key.cast<std::string>();
    const auto add = [&](auto Settings::* setting, const char* wanted) {
      using T = std::remove_reference_t<decltype(std::declval<Settings>().*setting)>;
      all.emplace_back([setting, read = As<T>(name, value, wanted)](Settings& settings) { settings.*setting = read; });
    };
    if (name == "max_contexts") {
      add(&Settings::max_contexts, kNumber);
    } else if (name == "plan_copies") {
      add(&Settings::plan_copies, kNumber);
    } else if (name == "optimization_profile") {
      add(&Settings::optimization_profile, "a whole number or None");
    } else if (name == "move_inputs") {
      add(&Settings::move_inputs, kTruth);
    } else if (name == "convert_inputs") {
      add(&Settings::convert_inputs, kTruth);
    } else if (name == "pack_outputs") {
      add(&Settings::pack_outputs, kTruth);
    } else if (name == "shared_scratch") {
      add(&Settings::shared_scratch, kTruth);
    } else if (name == "nvtx") {
      add(&Settings::nvtx, kTruth);
    } else {
      throw InputError(Cat("there is no setting ", Quote(name),
                           "; there are max_contexts, plan_copies, optimization_profile, move_inputs, convert_inputs, "
                           "pack_outputs, shared_scratch and nvtx"));
    }
  }
  return [all = std::move(all)](Settings& settings) {
    for (const auto& change : all) change(settings);
  };
}

void ConfigureEngines(const torch::jit::Module& module, const std::optional<std::string>& path,
                      const py::dict& changes) {
  const std::function<void(Settings&)> change = ChangesOf(changes);
  const WithoutGil released;
  runtime::ConfigureEngines(module, change, path);
}

void MoveEngines(const torch::jit::Module& module, const std::string& device) {
  const WithoutGil released;
  runtime::MoveEngines(module, c10::Device(device));
}

}  // namespace

void BindSettings(py::module_& m) {
  m.def("configure_engines", &ConfigureEngines, py::arg("module"), py::arg("path"), py::arg("changes"));
  m.def("move_engines", &MoveEngines, py::arg("module"), py::arg("device"));
}

}  // namespace nacelle::python
