#include "runtime/internal/engine_methods.h"

#include <ATen/ops/empty.h>
#include <torch/custom_class.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/plan/plan_header.h"
#include "core/record/record.h"
#include "core/text.h"
#include "core/utf8.h"
#include "runtime/engine.h"
#include "runtime/internal/loaded_engine.h"
#include "runtime/internal/output_shapes.h"
#include "runtime/internal/read_tensor_info.h"
#include "runtime/internal/write_file.h"
#include "runtime/tensor_info.h"
#include "runtime/torch_error.h"

namespace nacelle::runtime {
namespace {

using Self = c10::intrusive_ptr<Engine>;
using Shape = std::vector<int64_t>;
using Tensor = std::tuple<std::string, std::string, Shape, std::vector<std::vector<Shape>>>;

// Converts for TorchScript. Names in records and plans may be any bytes, and Python's strings hold UTF-8 only: others
// are shown as \xNN.
std::vector<Tensor> Tensors(const std::vector<TensorInfo>& infos) {
  std::vector<Tensor> tensors;
  for (const TensorInfo& info : infos) {
    std::vector<std::vector<Shape>> profiles;
    for (const ShapeRange& range : info.optimization_profiles) profiles.push_back({range.min, range.opt, range.max});
    tensors.emplace_back(utf8::Valid(info.name), DtypeName(info.dtype), info.shape, std::move(profiles));
  }
  return tensors;
}

at::Tensor PlanTensor(const Engine& engine) {
  const auto plan = engine.plan();
  const std::string_view bytes = plan->bytes();
  at::Tensor tensor = at::empty({static_cast<int64_t>(bytes.size())}, at::kByte);
  std::memcpy(tensor.mutable_data_ptr(), bytes.data(), bytes.size());
  return tensor;
}

// Returns tensors of the dtypes and shapes that the engine would return; their elements are not set.
std::vector<at::Tensor> InferOutputs(const LoadedEngine& loaded, const std::vector<Shape>& input_shapes) {
  const EngineFacts& engine = loaded.facts();
  const std::vector<Shape> shapes = OutputShapes(loaded, input_shapes);
  std::vector<at::Tensor> outputs;
  for (size_t i = 0; i < shapes.size(); ++i) {
    const TensorInfo& output = engine.outputs[i];
    if (std::ranges::any_of(shapes[i], [](int64_t extent) { return extent < 0; })) {
      throw InputError(Cat("engine ", Quote(engine.name), ": the shape of output ", Quote(output.name),
                           " follows from values, so it is known only when the engine has run"));
    }
    outputs.push_back(at::empty(shapes[i], output.dtype));
  }
  return outputs;
}

// Sets the engine up for one optimization profile, or for all with nullopt; does nothing if it is set up so already.
void ChooseOptimizationProfile(Engine& engine, std::optional<int> profile) {
  Settings settings = engine.settings();
  if (settings.optimization_profile == profile) return;
  settings.optimization_profile = profile;
  engine.Configure(settings);
}

// Makes an Engine from the unpickler's strings without copying them: a vector would be one more copy of the plan.
Self FromList(const c10::List<std::string>& record) {
  std::vector<std::string_view> fields;
  for (size_t i = 0; i < record.size(); ++i) {
    const std::string& field = record[i];
    fields.emplace_back(field);
  }
  return c10::make_intrusive<Engine>(record::Parse(std::span<const std::string_view>(fields)));
}

// Adds the accessors that Torch-TensorRT's Python code calls on engines, under its names and with its meaning.
void AddPeerMethods(torch::class_<Engine>& engine) {
  engine.def("get_serialized_metadata", [](const Self& self) { return self->record().metadata; })
      .def("serialize_metadata_only",
           [](const Self& self) { return WithTorchErrors([&] { return record::WriteWithoutPlan(self->record()); }); })
      .def("serialized_engine_tensor", [](const Self& self) { return PlanTensor(*self); })
      .def("get_engine_layer_info",
           [](const Self& self) {
             return WithTorchErrors([&] { return utf8::Valid(self->loaded()->LayerInformation()); });
           })
      .def("dump_engine_layer_info",
           [](const Self& self) {
             const std::string text = WithTorchErrors([&] { return self->loaded()->LayerInformation(); });
             std::fprintf(stdout, "%s\n", text.c_str());
             std::fflush(stdout);
           })
      .def("dump_engine_layer_info_to_file",
           [](const Self& self, const std::string& path) {
             WithTorchErrors([&] { WriteFile(path, self->loaded()->LayerInformation()); });
           })
      .def("infer_outputs",
           [](const Self& self, const std::vector<Shape>& input_shapes) {
             return WithTorchErrors([&] { return InferOutputs(self->loaded(), input_shapes); });
           })
      .def("set_active_profile",
           [](const Self& self, int64_t profile) {
             WithTorchErrors([&] { ChooseOptimizationProfile(*self, static_cast<int>(profile)); });
           })
      .def_property("num_optimization_profiles",
                    [](const Self& self) {
                      return WithTorchErrors(
                          [&] { return static_cast<int64_t>(self->loaded()->facts().optimization_profile_count); });
                    })
      .def_property("requires_native_multidevice",
                    [](const Self& self) { return self->record().requires_native_multi_device; })
      .def_property(
          "_active_profile_index",
          [](const Self& self) { return static_cast<int64_t>(self->settings().optimization_profile.value_or(0)); })
      .def_property(
          "_auto_select_profiles", [](const Self& self) { return !self->settings().optimization_profile.has_value(); },
          [](const Self& self, bool automatic) {
            const std::optional<int> chosen = self->settings().optimization_profile;
            WithTorchErrors([&] {
              ChooseOptimizationProfile(*self, automatic ? std::nullopt : std::optional(chosen.value_or(0)));
            });
          });
}

std::vector<std::string> Valid(std::vector<std::string> names) {
  for (std::string& name : names) name = utf8::Valid(name);
  return names;
}

std::atomic<bool (*)()>& Exports() {
  static std::atomic<bool (*)()> exports(+[] { return false; });
  return exports;
}

// Python compares engines when it looks for one among others, and expects an answer for whatever else is there.
bool IsSame(const Self& engine, const c10::IValue& other) {
  const bool is_engine = other.isObject() && other.type()->isSubtypeOf(*c10::getCustomClassType<Self>());
  return is_engine && other.toCustomClass<Engine>() == engine;
}

}  // namespace

void SetExports(bool (*exports)()) { Exports() = exports; }

void RegisterEngineClass(torch::Library& library) {
  auto engine = library.class_<Engine>("Engine");
  engine
      .def(torch::init([](std::vector<std::string> record) {
        return WithTorchErrors(
            [&] { return c10::make_intrusive<Engine>(record::Parse(std::move(record), record::PlanForm::kAny)); });
      }))
      .def_pickle(
          [](const Self& self) { return WithTorchErrors([&] { return record::Write(self->CompleteRecord()); }); },
          [](const c10::List<std::string>& record) { return WithTorchErrors([&] { return FromList(record); }); })
      .def("__obj_flatten__",
           [](const Self& self) {
             return WithTorchErrors(
                 [&] { return std::make_tuple(std::make_tuple(std::string("identity"), self->identity())); });
           })
      .def("tracing_mode", [](const Self& /*self*/) { return std::string(Exports().load()() ? "real" : "fake"); })
      .def("__eq__", [](const Self& self, const c10::IValue& other) { return IsSame(self, other); })
      .def("__ne__", [](const Self& self, const c10::IValue& other) { return !IsSame(self, other); })
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
               return Valid(recorded.empty() ? NamesOf(self->inputs()) : recorded);
             });
           })
      .def("output_names",
           [](const Self& self) {
             return WithTorchErrors([&] {
               const auto& recorded = self->record().output_names;
               return Valid(recorded.empty() ? NamesOf(self->outputs()) : recorded);
             });
           })
      .def("optimization_profile_count",
           [](const Self& self) {
             return WithTorchErrors(
                 [&] { return static_cast<int64_t>(self->loaded()->facts().optimization_profile_count); });
           })
      .def("inputs", [](const Self& self) { return WithTorchErrors([&] { return Tensors(self->inputs()); }); })
      .def("outputs", [](const Self& self) { return WithTorchErrors([&] { return Tensors(self->outputs()); }); })
      .def("layer_information",
           [](const Self& self) {
             return WithTorchErrors([&] { return utf8::Valid(self->loaded()->LayerInformation()); });
           })
      .def("why_not_ready", [](const Self& self) { return utf8::Valid(self->why_not_ready()); });
  AddPeerMethods(engine);
}

}  // namespace nacelle::runtime
