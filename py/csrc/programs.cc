#include <pybind11/pybind11.h>
#include <pybind11/stl.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/serialization/export.h>
#include <torch/csrc/jit/serialization/import.h>

#include <cerrno>
#include <cstdio>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "core/plan/plan_header.h"
#include "core/record/record.h"
#include "py/csrc/bindings.h"
#include "py/csrc/conversion.h"
#include "py/csrc/without_gil.h"
#include "runtime/engine.h"
#include "runtime/internal/loaded_engine.h"
#include "runtime/internal/record_facts.h"
#include "runtime/program.h"
#include "runtime/warm_up.h"

namespace nacelle::python {
namespace {

namespace py = pybind11;
using runtime::Engine;
using runtime::EngineSite;

// An engine of a program, as Python sees it.
struct SiteView {
  std::string path;
  c10::intrusive_ptr<Engine> engine;
};

std::vector<SiteView> Find(const torch::jit::Module& module) {
  std::vector<SiteView> views;
  for (const EngineSite& site : runtime::FindEngines(module)) views.push_back({site.path, site.engine()});
  return views;
}

// The fields of an engine's record, with the beginning of the plan alone.
std::vector<py::bytes> Fields(const SiteView& site) {
  record::Record record = site.engine->record();
  record.plan = site.engine->plan()->bytes().substr(0, plan::kPlanStart);
  const std::vector<std::string> fields = record::Write(std::move(record));
  return {fields.begin(), fields.end()};
}

// The device that an engine runs on; sets it up.
std::string Device(const SiteView& site) {
  const WithoutGil released;
  return site.engine->loaded()->facts().device.str();
}

void ConvertEngines(const torch::jit::Module& module, int version, const std::vector<std::string>& drop,
                    const std::optional<std::string>& platform) {
  const Conversion conversion(version, drop, platform);
  const WithoutGil released;
  const runtime::InspectOnly inspect;
  runtime::ReplaceEngines(module, [&](const EngineSite& site) {
    const c10::intrusive_ptr<Engine> engine = site.engine();
    return c10::make_intrusive<Engine>(
        conversion.Apply(site.path, engine->CompleteRecord(), [&] { return engine.get(); }));
  });
}

void WarmUp(const torch::jit::Module& module) {
  const WithoutGil released;
  runtime::WarmUp(module);
}

using Part = std::variant<torch::jit::Module, torch::jit::Object>;

// A module that holds modules and engines under names, which may have dots: what looks for engines in it looks into all
// of them, and gives the paths as their holder has them. They are shared, not copied: what changes or moves the engines
// of this module does it to them.
torch::jit::Module Join(const std::vector<std::pair<std::string, Part>>& parts) {
  torch::jit::Module joint("__torch__.Programs");
  for (const auto& [name, part] : parts) {
    if (const auto* module = std::get_if<torch::jit::Module>(&part)) {
      joint.register_module(name, *module);
    } else {
      const torch::jit::Object& engine = std::get<torch::jit::Object>(part);
      joint.register_attribute(name, engine.type(), engine._ivalue());
    }
  }
  return joint;
}

// Loads a program without setting up its engines. `device` as torch.jit.load's map_location; empty: as saved.
template <typename Source>
torch::jit::Module Load(Source&& source, const std::string& device, py::dict extra_files) {
  torch::jit::ExtraFilesMap files;
  for (const auto& item : extra_files) files[item.first.cast<std::string>()] = "";
  torch::jit::Module module = [&] {
    const WithoutGil released;
    const runtime::InspectOnly inspect;
    const auto where = device.empty() ? std::nullopt : std::optional(c10::Device(device));
    return torch::jit::load(source, where, files);
  }();
  for (const auto& [name, content] : files) extra_files[py::str(name)] = py::bytes(content);
  return module;
}

torch::jit::Module LoadFile(const std::string& path, const std::string& device, py::dict extra_files) {
  return Load(path, device, std::move(extra_files));
}

torch::jit::Module LoadBytes(const py::bytes& content, const std::string& device, py::dict extra_files) {
  return Load(std::istringstream(content.cast<std::string>()), device, std::move(extra_files));
}

// A file that torch writes into. It takes what cannot be written, too, and keeps the reason: torch's writer ends the
// process if its last bytes cannot be written.
class Sink {
 public:
  explicit Sink(const std::string& path) : file_(std::fopen(path.c_str(), "wb")) {
    if (file_ == nullptr) error_ = errno;
  }
  Sink(const Sink&) = delete;
  Sink& operator=(const Sink&) = delete;
  ~Sink() { Close(); }

  size_t Write(const void* data, size_t size) {
    if (error_ == 0 && std::fwrite(data, 1, size, file_) != size) error_ = errno;
    return size;
  }

  // 0, or why not all is written.
  int Close() {
    if (file_ != nullptr && std::fclose(file_) != 0 && error_ == 0) error_ = errno;
    file_ = nullptr;
    return error_;
  }

 private:
  std::FILE* file_;
  int error_ = 0;
};

void Save(const torch::jit::Module& module, const std::string& path, const py::dict& extra_files) {
  torch::jit::ExtraFilesMap files;
  for (const auto& item : extra_files) files[item.first.cast<std::string>()] = item.second.cast<std::string>();
  int error = 0;
  {
    const WithoutGil released;
    Sink sink(path);
    torch::jit::ExportModule(module, [&sink](const void* data, size_t size) { return sink.Write(data, size); }, files);
    error = sink.Close();
  }
  if (error == 0) return;
  errno = error;
  PyErr_SetFromErrnoWithFilename(PyExc_OSError, path.c_str());
  throw py::error_already_set();
}

}  // namespace

void BindPrograms(py::module_& m) {
  py::class_<SiteView>(m, "EngineSite")
      .def_readonly("path", &SiteView::path)
      .def_property_readonly("fields", &Fields)
      .def_property_readonly("plan",
                             [](const SiteView& self) { return py::bytes(std::string(self.engine->plan()->bytes())); })
      .def_property_readonly("plan_size", [](const SiteView& self) { return self.engine->plan()->bytes().size(); })
      .def_property_readonly("plan_release", [](const SiteView& self) { return self.engine->plan_header().Describe(); })
      .def("device", &Device);
  m.def("find_engines", &Find, py::arg("module"));
  m.def("warm_up", &WarmUp, py::arg("module"));
  m.def("join", &Join, py::arg("parts"));
  m.def("convert_engines", &ConvertEngines, py::arg("module"), py::arg("abi_version"), py::arg("drop"),
        py::arg("platform"));
  m.def("load", &LoadFile, py::arg("path"), py::arg("device"), py::arg("extra_files"));
  m.def("load_bytes", &LoadBytes, py::arg("content"), py::arg("device"), py::arg("extra_files"));
  m.def("save", &Save, py::arg("module"), py::arg("path"), py::arg("extra_files"));
}

}  // namespace nacelle::python
