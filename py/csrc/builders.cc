#include <pybind11/functional.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <array>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/text.h"
#include "py/csrc/bindings.h"
#include "py/csrc/without_gil.h"
#include "runtime/build_engine.h"

namespace nacelle::python {
namespace {

namespace py = pybind11;
using runtime::BuilderReport;
using tensorrt::BuildOptions;
using tensorrt::OptionType;
using tensorrt::OptionValue;
using Shape = std::vector<int64_t>;
using Profile = std::map<std::string, std::array<Shape, 3>>;

// A value of Python as one that an option of this type may take; nullopt for others.
std::optional<OptionValue> ToValue(OptionType type, const py::handle& value) {
  if (py::isinstance<py::bool_>(value)) return value.cast<bool>();
  if (py::isinstance<py::str>(value)) return value.cast<std::string>();
  if (py::isinstance<py::int_>(value)) {
    int overflow = 0;
    const int64_t number = PyLong_AsLongLongAndOverflow(value.ptr(), &overflow);
    return overflow == 0 ? std::optional<OptionValue>(number) : std::nullopt;
  }
  const bool path = type == OptionType::kPath || type == OptionType::kCacheFolder;
  if (path && py::hasattr(value, "__fspath__")) return std::string(py::str(value));
  if (!py::isinstance<py::list>(value) && !py::isinstance<py::tuple>(value) && !PyAnySet_Check(value.ptr())) {
    return std::nullopt;
  }
  std::vector<std::string> names;
  for (const py::handle& name : value) {
    if (!py::isinstance<py::str>(name)) return std::nullopt;
    names.push_back(name.cast<std::string>());
  }
  return names;
}

BuildOptions ToOptions(const py::dict& values) {
  BuildOptions options;
  for (const auto& [key, value] : values) {
    const auto name = key.cast<std::string>();
    const OptionType type = tensorrt::FindBuildOption(name).type;
    options.Set(name, ToValue(type, value), std::string(py::repr(value)));
  }
  return options;
}

void CheckOptions(const py::dict& values) { ToOptions(values).CheckTogether(); }

std::vector<std::vector<tensorrt::InputRange>> ToProfiles(const std::vector<Profile>& profiles) {
  std::vector<std::vector<tensorrt::InputRange>> all;
  for (const Profile& profile : profiles) {
    std::vector<tensorrt::InputRange>& ranges = all.emplace_back();
    for (const auto& [name, shapes] : profile) ranges.push_back({name, shapes[0], shapes[1], shapes[2]});
  }
  return all;
}

// Tells a Python function (phase, parent, steps done, steps) how far a build is. What it raises gives the build up, and
// is raised again when the build has ended.
class ToPython final : public tensorrt::BuildProgress {
 public:
  explicit ToPython(py::function report) : report_(std::move(report)) {}

  void PhaseStarted(const char* phase, const char* parent, int32_t steps) override {
    const Phase started{parent == nullptr ? "" : parent, steps};
    {
      const std::lock_guard lock(mutex_);
      phases_[phase] = started;
    }
    Report(phase, started, 0);
  }

  bool StepDone(const char* phase, int32_t step) override {
    Phase known;
    {
      const std::lock_guard lock(mutex_);
      known = phases_[phase];
    }
    return Report(phase, known, step + 1);
  }

  void PhaseDone(const char* phase) override {
    Phase known;
    {
      const std::lock_guard lock(mutex_);
      known = phases_[phase];
      phases_.erase(phase);
    }
    Report(phase, known, known.steps);
  }

  // Raises the error of a callback again. Requires the GIL.
  void Rethrow() {
    if (raised_) throw py::error_already_set(*raised_);
  }

 private:
  struct Phase {
    std::string parent;
    int32_t steps = 0;
  };

  bool Report(const char* phase, const Phase& known, int32_t done) {
    const py::gil_scoped_acquire gil;
    if (raised_) return false;
    try {
      return report_(phase, known.parent, done, known.steps).cast<bool>();
    } catch (const py::error_already_set& error) {
      raised_ = error;
    } catch (const py::cast_error&) {
      // A function that returns nothing does not want to stop.
      return true;
    }
    return false;
  }

  const py::function report_;
  std::mutex mutex_;
  std::map<std::string, Phase> phases_;
  std::optional<py::error_already_set> raised_;  // with the GIL held
};

py::object BytesOrNone(const std::optional<std::string>& bytes) {
  return bytes ? py::object(py::bytes(*bytes)) : py::object(py::none());
}

py::tuple BuildTensorRt(const std::string& library, const std::string& parser, const py::bytes& onnx,
                        const std::string& onnx_path, const std::string& name, const std::vector<Profile>& profiles,
                        const py::dict& options, const std::optional<py::bytes>& timing_cache,
                        const std::optional<py::function>& progress) {
  tensorrt::BuildRequest request;
  request.onnx = std::string_view(onnx);
  request.onnx_path = onnx_path;
  request.name = name;
  request.profiles = ToProfiles(profiles);
  request.options = ToOptions(options);
  if (timing_cache) request.timing_cache = std::string_view(*timing_cache);
  std::optional<ToPython> reports;
  if (progress) reports.emplace(*progress);
  request.progress = reports ? &*reports : nullptr;
  runtime::BuiltEngine built;
  try {
    const WithoutGil released;
    built = runtime::BuildEngine(library, parser, request);
  } catch (const Error&) {
    if (reports) reports->Rethrow();
    throw;
  }
  return py::make_tuple(py::bytes(built.plan), BytesOrNone(built.timing_cache));
}

}  // namespace

void BindBuilders(py::module_& m) {
  py::class_<BuilderReport>(m, "BuilderInfo")
      .def_readonly("path", &BuilderReport::path)
      .def_readonly("parser", &BuilderReport::parser)
      .def_readonly("kind", &BuilderReport::kind)
      .def_readonly("release", &BuilderReport::release)
      .def_readonly("description", &BuilderReport::description)
      .def_readonly("onnx_opset", &BuilderReport::onnx_opset)
      .def_readonly("problem", &BuilderReport::problem);
  m.def("builders", &runtime::ListBuilders, py::arg("path"), py::call_guard<WithoutGil>());
  m.def("check_build_options", &CheckOptions, py::arg("options"));
  m.def("build_tensorrt", &BuildTensorRt, py::arg("library"), py::arg("parser"), py::arg("onnx"), py::arg("onnx_path"),
        py::arg("name"), py::arg("profiles"), py::arg("options"), py::arg("timing_cache"), py::arg("progress"));
}

}  // namespace nacelle::python
