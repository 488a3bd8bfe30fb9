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
#include <vector>

#include "core/record/record.h"
#include "py/csrc/bindings.h"
#include "py/csrc/conversion.h"
#include "py/csrc/without_gil.h"
#include "runtime/engine.h"
#include "runtime/internal/record_facts.h"
#include "runtime/program.h"

namespace nacelle::python {
namespace {

namespace py = pybind11;
using runtime::Engine;
using runtime::EngineSite;

// An engine of a program, as Python sees it.
struct SiteView {
  std::string path;
  c10::intrusive_ptr<Engine> engine;

  const record::Record& record() const { return engine->record(); }
};

std::vector<SiteView> Find(const torch::jit::Module& module) {
  std::vector<SiteView> views;
  for (const EngineSite& site : runtime::FindEngines(module)) views.push_back({site.path, site.engine()});
  return views;
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

// An engine by the fields of its record, of which the plan's may hold the beginning of the plan alone.
SiteView FromFields(std::string path, std::vector<std::string> fields) {
  const runtime::InspectOnly inspect;
  return {std::move(path), c10::make_intrusive<Engine>(record::Parse(std::move(fields)))};
}

// A module that holds others under names, which may have dots: what looks for engines in it looks into all of them, and
// gives the paths as the holder of these modules has them. The parts are shared, not copied.
torch::jit::Module Join(const std::vector<std::pair<std::string, torch::jit::Module>>& parts) {
  torch::jit::Module joint("__torch__.Programs");
  for (const auto& [name, part] : parts) joint.register_module(name, part);
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
// process where its last bytes cannot be written.
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

// A record's text for Python, whose strings hold no bytes that are not UTF-8: these are shown as \xNN.
py::str Text(const std::string& text) {
  PyObject* const made = PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), "backslashreplace");
  if (made == nullptr) throw py::error_already_set();
  return py::reinterpret_steal<py::str>(made);
}

py::list Texts(const std::vector<std::string>& texts) {
  py::list list;
  for (const std::string& text : texts) list.append(Text(text));
  return list;
}

py::list Aliases(const record::Record& record) {
  py::list aliases;
  for (const record::AliasedIo& alias : record.aliased_io) {
    aliases.append(py::make_tuple(Text(alias.output), Text(alias.input), Text(alias.kind)));
  }
  return aliases;
}

}  // namespace

void BindPrograms(py::module_& m) {
  py::class_<SiteView>(m, "EngineSite")
      .def_readonly("path", &SiteView::path)
      .def_property_readonly("abi_version", [](const SiteView& self) { return self.record().version; })
      .def_property_readonly("name", [](const SiteView& self) { return Text(self.record().name); })
      .def_property_readonly("device", [](const SiteView& self) { return Text(self.record().device.ToString()); })
      .def_property_readonly("device_description", [](const SiteView& self) { return self.record().device.Describe(); })
      .def_property_readonly("plan",
                             [](const SiteView& self) { return py::bytes(std::string(self.engine->plan()->bytes())); })
      .def_property_readonly("plan_size", [](const SiteView& self) { return self.engine->plan()->bytes().size(); })
      .def_property_readonly("plan_release", [](const SiteView& self) { return self.engine->plan_header().Describe(); })
      .def_property_readonly("input_names", [](const SiteView& self) { return Texts(self.record().input_names); })
      .def_property_readonly("output_names", [](const SiteView& self) { return Texts(self.record().output_names); })
      .def_property_readonly("hardware_compatible",
                             [](const SiteView& self) { return self.record().hardware_compatible; })
      .def_property_readonly("metadata", [](const SiteView& self) { return Text(self.record().metadata); })
      .def_property_readonly(
          "target_platform",
          [](const SiteView& self) { return std::string(record::TargetPlatformName(self.record().target_platform)); })
      .def_property_readonly("requires_output_allocator",
                             [](const SiteView& self) { return self.record().requires_output_allocator; })
      .def_property_readonly("dynamic_resource_allocation",
                             [](const SiteView& self) {
                               return self.record().resource_allocation == record::ResourceAllocation::kDynamic;
                             })
      .def_property_readonly("requires_native_multi_device",
                             [](const SiteView& self) { return self.record().requires_native_multi_device; })
      .def_property_readonly("aliased_io", [](const SiteView& self) { return Aliases(self.record()); });
  m.def("find_engines", &Find, py::arg("module"));
  m.def("site_from_fields", &FromFields, py::arg("path"), py::arg("fields"));
  m.def("join", &Join, py::arg("parts"));
  m.def("convert_engines", &ConvertEngines, py::arg("module"), py::arg("abi_version"), py::arg("drop"),
        py::arg("platform"));
  m.def("load", &LoadFile, py::arg("path"), py::arg("device"), py::arg("extra_files"));
  m.def("load_bytes", &LoadBytes, py::arg("content"), py::arg("device"), py::arg("extra_files"));
  m.def("save", &Save, py::arg("module"), py::arg("path"), py::arg("extra_files"));
  m.attr("DEFAULT_ABI_VERSION") = record::kDefaultVersion;
}

}  // namespace nacelle::python
