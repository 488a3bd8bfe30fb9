#include "runtime/engine_methods.h"

#include <torch/custom_class.h>

#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "core/abi/plan_header.h"
#include "core/abi/record.h"
#include "core/utf8.h"
#include "runtime/engine.h"
#include "runtime/loaded_engine.h"
#include "runtime/scalar_type.h"
#include "runtime/tensor_info.h"
#include "runtime/torch_error.h"

namespace nacelle::runtime {
namespace {

using Self = c10::intrusive_ptr<Engine>;
using Shape = std::vector<int64_t>;
using Tensor = std::tuple<std::string, std::string, Shape, std::vector<std::vector<Shape>>>;

// Texts of records and plans may be any bytes, and Python's strings hold UTF-8 only: others are shown as \xNN.
std::vector<Tensor> Tensors(const std::vector<TensorInfo>& infos) {
  std::vector<Tensor> tensors;
  for (const TensorInfo& info : infos) {
    std::vector<std::vector<Shape>> profiles;
    for (const ShapeRange& range : info.profiles) profiles.push_back({range.min, range.opt, range.max});
    tensors.emplace_back(utf8::Valid(info.name), DtypeName(info.dtype), info.shape, std::move(profiles));
  }
  return tensors;
}

// Reads the strings where the unpickler has them: a vector would be one more copy of the plan.
Self FromList(const c10::List<std::string>& record) {
  std::vector<std::string_view> fields;
  for (size_t i = 0; i < record.size(); ++i) {
    const std::string& field = record[i];
    fields.emplace_back(field);
  }
  return c10::make_intrusive<Engine>(abi::Parse(std::span<const std::string_view>(fields)));
}

std::vector<std::string> Names(const std::vector<TensorInfo>& infos) {
  std::vector<std::string> names;
  for (const TensorInfo& info : infos) names.push_back(info.name);
  return names;
}

std::vector<std::string> Valid(std::vector<std::string> names) {
  for (std::string& name : names) name = utf8::Valid(name);
  return names;
}

}  // namespace

void RegisterEngineClass(torch::Library& library) {
  library.class_<Engine>("Engine")
      .def(torch::init([](std::vector<std::string> record) {
        return WithTorchErrors([&] { return c10::make_intrusive<Engine>(abi::Parse(std::move(record))); });
      }))
      .def_pickle(
          [](const Self& self) { return WithTorchErrors([&] { return abi::Write(self->CompleteRecord()); }); },
          [](const c10::List<std::string>& record) { return WithTorchErrors([&] { return FromList(record); }); })
      .def("__str__", [](const Self& self) { return utf8::Valid(self->Describe()); })
      .def("__repr__", [](const Self& self) { return utf8::Valid(self->Describe()); })
      .def("name", [](const Self& self) { return utf8::Valid(self->record().name); })
      .def("abi_version", [](const Self& self) { return static_cast<int64_t>(self->record().version); })
      .def("plan_release",
           [](const Self& self) { return WithTorchErrors([&] { return self->plan_header().Describe(); }); })
      .def("device", [](const Self& self) { return utf8::Valid(self->record().device.Describe()); })
      .def("input_names",
           [](const Self& self) {
             return WithTorchErrors([&] {
               const auto& recorded = self->record().input_names;
               return Valid(recorded.empty() ? Names(self->loaded().inputs()) : recorded);
             });
           })
      .def("output_names",
           [](const Self& self) {
             return WithTorchErrors([&] {
               const auto& recorded = self->record().output_names;
               return Valid(recorded.empty() ? Names(self->loaded().outputs()) : recorded);
             });
           })
      .def("profile_count",
           [](const Self& self) {
             return WithTorchErrors([&] { return static_cast<int64_t>(self->loaded().profile_count()); });
           })
      .def("inputs", [](const Self& self) { return WithTorchErrors([&] { return Tensors(self->loaded().inputs()); }); })
      .def("outputs",
           [](const Self& self) { return WithTorchErrors([&] { return Tensors(self->loaded().outputs()); }); })
      .def("layer_information",
           [](const Self& self) {
             return WithTorchErrors([&] { return utf8::Valid(self->loaded().LayerInformation()); });
           })
      .def("why_not_ready", [](const Self& self) { return utf8::Valid(self->why_not_ready()); });
}

}  // namespace nacelle::runtime
