#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/device/device.h"
#include "core/record/base64.h"
#include "core/record/record.h"
#include "py/csrc/without_gil.h"
#include "py/nacelle_core/csrc/bindings.h"

namespace nacelle::python {
namespace {

namespace py = pybind11;
using record::Record;

constexpr size_t kLong = 1 << 16;  // bytes that take long enough to let other threads run

// Runs `work` on `size` bytes of immutable memory.
template <typename Work>
py::bytes Convert(size_t size, Work&& work) {
  if (size < kLong) return py::bytes(work());
  std::string made;
  {
    const WithoutGil released;
    made = work();
  }
  return py::bytes(made);
}

py::bytes Encode(const py::bytes& content) {
  const std::string_view view(content);
  return Convert(view.size(), [&] { return record::Base64Encode(view); });
}

py::bytes Decode(const py::bytes& part, size_t start, size_t size) {
  const std::string_view view(part);
  return Convert(view.size(), [&] { return record::Base64DecodePart(view, start, size); });
}

Record Parse(const std::vector<py::bytes>& fields, bool with_plan) {
  const std::vector<std::string> texts(fields.begin(), fields.end());
  return record::Parse(texts, with_plan ? record::PlanForm::kOfVersion : record::PlanForm::kElsewhere);
}

std::vector<py::bytes> Fields(const Record& self) {
  const std::vector<std::string> fields = record::Write(self);
  return {fields.begin(), fields.end()};
}

Record Make(int version, const py::bytes& name, const py::bytes& device, const py::bytes& plan,
            bool hardware_compatible) {
  Record made;
  made.version = version;
  made.name = name;
  made.device = device::Device::Parse(std::string_view(device));
  made.plan = plan;
  made.hardware_compatible = hardware_compatible;
  return made;
}

py::list ToList(const std::vector<std::string>& texts) {
  py::list list;
  for (const std::string& text : texts) list.append(ToStr(text));
  return list;
}

py::dict Flags(const Record& self) {
  py::list aliases;
  for (const record::AliasedIo& alias : self.aliased_io) {
    aliases.append(py::make_tuple(ToStr(alias.output), ToStr(alias.input), ToStr(alias.kind)));
  }
  py::dict flags;
  flags["hardware_compatible"] = self.hardware_compatible;
  flags["target_platform"] = record::TargetPlatformName(self.target_platform);
  flags["requires_output_allocator"] = self.requires_output_allocator;
  flags["dynamic_resource_allocation"] = self.resource_allocation == record::ResourceAllocation::kDynamic;
  flags["requires_native_multi_device"] = self.requires_native_multi_device;
  flags["aliased_io"] = aliases;
  return flags;
}

}  // namespace

void BindRecords(py::module_& m) {
  py::class_<Record>(m, "Record")
      .def(py::init(&Make), py::kw_only(), py::arg("version"), py::arg("name"), py::arg("device"), py::arg("plan"),
           py::arg("hardware_compatible") = false)
      .def_static("parse", &Parse, py::arg("fields"), py::kw_only(), py::arg("with_plan") = true)
      .def("fields", &Fields)
      .def_readonly("version", &Record::version)
      .def_property_readonly("encoded", [](const Record& self) { return record::HoldsBase64(self.version); })
      .def_property_readonly("name", [](const Record& self) { return ToStr(self.name); })
      .def_property_readonly("device", [](const Record& self) { return ToStr(self.device.ToString()); })
      .def_property_readonly("device_description", [](const Record& self) { return self.device.Describe(); })
      .def_property(
          "plan", [](const Record& self) { return py::bytes(self.plan); },
          [](Record& self, const py::bytes& plan) { self.plan = plan; })
      .def_property_readonly("input_names", [](const Record& self) { return ToList(self.input_names); })
      .def_property_readonly("output_names", [](const Record& self) { return ToList(self.output_names); })
      .def_property_readonly("flags", &Flags)
      .def_property(
          "metadata", [](const Record& self) { return py::bytes(self.metadata); },
          [](Record& self, const py::bytes& metadata) { self.metadata = metadata; })
      .def("__eq__", [](const Record& self, const Record& other) { return self == other; })
      .def("__eq__", [](const Record&, const py::object&) { return false; });
  m.def(
      "record_version",
      [](const py::bytes& text, size_t field_count) {
        return record::ReadVersion(std::string_view(text), field_count);
      },
      py::arg("text"), py::arg("field_count"));
  m.def("holds_base64", &record::HoldsBase64, py::arg("version"));
  m.def("encode_base64", &Encode, py::arg("content"));
  m.def("decode_base64", &Decode, py::arg("part"), py::arg("start"), py::arg("size"));
  m.attr("DEFAULT_ABI_VERSION") = record::kDefaultVersion;
  m.attr("ENGINE_FIELD") = record::IndexOf(record::Field::kEngine);
  m.attr("CPU_DEVICE") = device::Device::Cpu().ToString();
}

}  // namespace nacelle::python
