#include <pybind11/pybind11.h>
#include <pybind11/stl.h>
#include <torch/csrc/jit/api/module.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/device/cuda_driver.h"
#include "core/device/device.h"
#include "core/error.h"
#include "core/record/record.h"
#include "core/tensorrt/data_type.h"
#include "core/text.h"
#include "py/csrc/bindings.h"
#include "py/csrc/plan_maker.h"
#include "py/csrc/without_gil.h"
#include "reference/forward_graph.h"
#include "runtime/embed.h"

namespace nacelle::python {
namespace {

namespace py = pybind11;
using Names = std::vector<std::string>;
using Shape = std::vector<int64_t>;
// name, dtype, shape with -1 for dynamic dimensions, [min, opt, max] for each profile
using InputTuple = std::tuple<std::string, std::string, Shape, std::vector<std::array<Shape, 3>>>;

c10::Device TorchDevice(const std::string& text) {
  try {
    return c10::Device(text);
  } catch (const c10::Error&) {
    throw InputError(Cat("there is no device ", Quote(text), "; give cpu, cuda, cuda:1, or the text of a record"));
  }
}

// "cpu", "cuda", "cuda:1", or a record's own text, `0%9%0%0%NVIDIA H100`.
device::Device ParseDevice(const std::string& text) {
  if (text.find('%') != std::string::npos) return device::Device::Parse(text);
  const c10::Device wanted = TorchDevice(text);
  if (wanted.is_cpu()) return device::Device::Cpu();
  if (!wanted.is_cuda()) throw InputError(Cat("an engine runs on the CPU or on CUDA devices, found ", Quote(text)));
  const device::Inventory here = device::CudaDriver::Process().Devices();
  const int id = wanted.has_index() ? wanted.index() : here.current.value_or(0);
  const auto found = std::ranges::find(here.devices, id, &device::Device::id);
  if (found != here.devices.end()) return *found;
  throw DeviceError(Cat("there is no ", text,
                        " here: ", here.devices.empty() ? here.why_none : Cat(here.devices.size(), " GPUs were found"),
                        "; for a GPU elsewhere give its record text, such as 0%9%0%0%NVIDIA H100 80GB HBM3"));
}

std::optional<runtime::Returns> ParseReturns(const std::optional<std::string>& text) {
  if (!text) return std::nullopt;
  if (*text == "tensor") return runtime::Returns::kTensor;
  if (*text == "tuple") return runtime::Returns::kTuple;
  if (*text == "list") return runtime::Returns::kList;
  throw InputError(Cat("forward cannot return ", Quote(*text), "; wanted tensor, tuple or list"));
}

}  // namespace

std::optional<record::TargetPlatform> ParsePlatform(const std::optional<std::string>& name,
                                                    std::optional<int> version) {
  if (!name) return std::nullopt;
  const int since = record::InfoOf(record::Field::kTargetPlatform).since;
  if (version && *version < since) {
    throw RecordError(Cat("records of version ", *version, " keep no platform, and ", Quote(*name),
                          " is given; take abi_version=", since, " or later, or leave the platform out"));
  }
  try {
    return record::TargetPlatformFromName(*name);
  } catch (const RecordError& error) {
    throw InputError(error.what());
  }
}

namespace {

torch::jit::Module Embed(std::string plan, std::string name, std::optional<Names> input_names,
                         std::optional<Names> output_names, const std::optional<std::string>& device,
                         std::optional<int> abi_version, bool hardware_compatible,
                         const std::optional<std::string>& platform, const std::optional<std::string>& returns) {
  const WithoutGil released;
  runtime::EmbedOptions options;
  options.name = std::move(name);
  options.input_names = std::move(input_names);
  options.output_names = std::move(output_names);
  if (device) options.device = ParseDevice(*device);
  options.abi_version = abi_version;
  options.hardware_compatible = hardware_compatible;
  options.platform = ParsePlatform(platform, abi_version);
  options.returns = ParseReturns(returns);
  return runtime::EmbedEngine(std::move(plan), options);
}

reference::TensorSpec ToSpec(const InputTuple& input) {
  const auto& [name, dtype, shape, profiles] = input;
  const auto type = tensorrt::FindDataType(dtype);
  if (type == nullptr) throw InputError(Cat("input ", Quote(name), ": TensorRT has no dtype ", dtype));
  reference::TensorSpec spec{
      .name = name, .dtype = type->type, .shape = shape, .profiles = {}, .data_dependent = false};
  for (const auto& [min, opt, max] : profiles) spec.profiles.push_back({min, opt, max});
  return spec;
}

py::bytes ReferenceArchive(const torch::jit::Module& module, size_t inputs) {
  std::string archive;
  {
    const WithoutGil released;
    archive = PlanMaker().make_archive(module, inputs);
  }
  return py::bytes(archive);
}

py::bytes BuildReference(std::string archive, const std::string& name, const std::vector<InputTuple>& inputs,
                         const Names& output_names, const std::set<std::string>& data_dependent,
                         const std::vector<std::map<std::string, Shape>>& values) {
  reference::BuildOptions options;
  options.name = name;
  for (const InputTuple& input : inputs) options.inputs.push_back(ToSpec(input));
  options.output_names = output_names;
  options.data_dependent = data_dependent;
  options.values = values;
  std::string plan;
  {
    const WithoutGil released;
    plan = PlanMaker().build_plan(std::move(archive), options);
  }
  return py::bytes(plan);
}

// The part of BuildReference that other builders need too. Whatever else is wrong with forward is theirs to say.
void RefuseState(const torch::jit::Module& module, size_t inputs) {
  const WithoutGil released;
  try {
    PlanMaker().check_keeps_no_state(module, inputs);
  } catch (const reference::StateError&) {
    throw;
  } catch (const InputError&) {
  }
}

}  // namespace

void BindPlans(py::module_& m) {
  m.def("embed", &Embed, py::arg("plan"), py::arg("name"), py::arg("input_names"), py::arg("output_names"),
        py::arg("device"), py::arg("abi_version"), py::arg("hardware_compatible"), py::arg("platform"),
        py::arg("returns") = std::nullopt);
  m.def("reference_archive", &ReferenceArchive, py::arg("module"), py::arg("inputs"));
  m.def("build_reference", &BuildReference, py::arg("archive"), py::arg("name"), py::arg("inputs"),
        py::arg("output_names"), py::arg("data_dependent"), py::arg("values"));
  m.def("refuse_state", &RefuseState, py::arg("module"), py::arg("inputs"));
  m.def("state_message", [](const std::string& what) { return PlanMaker().state_message(what); }, py::arg("what"));
}

}  // namespace nacelle::python
