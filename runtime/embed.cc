#include "runtime/embed.h"

#include <torch/csrc/jit/api/compilation_unit.h>
#include <torch/csrc/jit/ir/ir.h>

#include <algorithm>
#include <cctype>
#include <memory>
#include <optional>
#include <utility>

#include "core/device/cuda_driver.h"
#include "core/error.h"
#include "core/plan/plan_header.h"
#include "core/record/binding_order.h"
#include "core/stored_bytes.h"
#include "core/text.h"
#include "runtime/engine.h"
#include "runtime/internal/loaded_engine.h"
#include "runtime/internal/read_tensor_info.h"
#include "runtime/internal/record_facts.h"
#include "runtime/tensor_info.h"

namespace nacelle::runtime {
namespace {

using Names = std::vector<std::string>;

void CheckIdentifier(const std::string& name) {
  const auto is_word = [](unsigned char c) { return std::isalnum(c) != 0 || c == '_'; };
  const bool starts_well = !name.empty() && std::isdigit(static_cast<unsigned char>(name[0])) == 0;
  if (!starts_well || !std::ranges::all_of(name, is_word)) {
    throw InputError(Cat("the engine's name is ", Quote(name),
                         "; wanted an identifier, since TorchScript names a class and an "
                         "attribute after it: use letters, digits and '_', not a digit first"));
  }
}

device::Device DefaultDevice(const plan::PlanHeader& header) {
  if (header.kind == plan::PlanKind::kReference) return device::Device::Cpu();
  device::Inventory here = device::CudaDriver::Process().Devices();
  if (here.devices.empty()) {
    const std::string why_nowhere = header.WhyItCannotRun();
    if (!why_nowhere.empty()) throw PlanError(why_nowhere);
    throw DeviceError(Cat("the plan (", header.Describe(),
                          ") was built for a GPU, and none is here to take as its "
                          "device: ",
                          here.why_none, "; name the device that it was built for"));
  }
  const auto current =
      std::ranges::find_if(here.devices, [&](const device::Device& gpu) { return gpu.id == here.current; });
  return current == here.devices.end() ? here.devices.front() : *current;
}

// Throws unless `given` is the plan's names in some order.
void CheckNames(const char* kind, const Names& given, const Names& in_plan) {
  if (std::ranges::is_permutation(given, in_plan)) return;
  throw InputError(Cat(kind, "_names lists ", Join(given, ", "), "; wanted each ", kind,
                       " of the plan once: ", Join(in_plan, ", ")));
}

// Throws unless readers of a version 3 record, which keeps no names, take the tensors in the order of `given`.
void CheckOrderIsKept(const char* what, const Names& given, const Names* plans) {
  if (plans != nullptr ? given == *plans : record::OrderFollowsNames(given)) return;
  throw RecordError(
      Cat("a record of version 3 keeps no ", what, " names, and without them the order would ",
          plans != nullptr ? Cat("be ", Join(*plans, ", ")) : std::string("be the plan's own, unknown here"), ", not ",
          Join(given, ", "), "; take abi_version=4 or later to keep it"));
}

// Returns the names to build forward with, checked against the plan's names if these are known.
Names ChooseNames(const char* what, const std::optional<Names>& given, const Names* plans,
                  const std::string& why_unknown) {
  if (!given) {
    if (plans != nullptr) return *plans;
    throw InputError(
        Cat("the plan's ", what, "s cannot be told on this machine (", why_unknown, "): give ", what, "_names"));
  }
  if (plans != nullptr) CheckNames(what, *given, *plans);
  return *given;
}

// True if readers of a record without names take the tensors in this order. A plan of the reference engine keeps the
// order of its module; TensorRT may list tensors in an order of its own.
bool OrderNeedsNoNames(const std::optional<Names>& given, const Names* plans, plan::PlanKind kind) {
  if (!given) return true;
  if (kind == plan::PlanKind::kReference && plans != nullptr) return *given == *plans;
  return record::OrderFollowsNames(*given);
}

// Returns the oldest version that keeps all options.
int OldestVersion(const EmbedOptions& options, bool needs_names) {
  int version = record::kDefaultVersion;
  const auto need = [&](record::Field field) { version = std::max(version, record::InfoOf(field).since); };
  if (needs_names) need(record::Field::kInputNames);
  if (options.hardware_compatible) need(record::Field::kHardwareCompatible);
  if (options.platform) need(record::Field::kTargetPlatform);
  return version;
}

// Returns the fields that an older record may lack: the plan has them, and no option asks for them.
record::FieldSet Unasked(const EmbedOptions& options) {
  record::FieldSet fields = {record::Field::kRequiresOutputAllocator, record::Field::kAliasedIo};
  if (!options.hardware_compatible) fields.insert(record::Field::kHardwareCompatible);
  if (!options.platform) fields.insert(record::Field::kTargetPlatform);
  return fields;
}

// Adds the value that forward returns, from the list that execute_engine returned.
torch::jit::Value* AddResult(torch::jit::Graph& graph, torch::jit::Value* list, size_t output_count, Returns returns) {
  if (returns == Returns::kList) return list;
  torch::jit::Node* unpack = graph.insertNode(graph.createListUnpack(list, output_count));
  if (returns == Returns::kTensor) return unpack->output(0);
  return graph.insertNode(graph.createTuple(unpack->outputs()))->output();
}

torch::jit::Module BuildModule(const c10::intrusive_ptr<Engine>& engine, size_t input_count, size_t output_count,
                               Returns returns) {
  using torch::jit::Node;
  using torch::jit::Value;
  const std::string& name = engine->record().name;
  const std::string attribute = name + "_trt_engine";
  auto unit = std::make_shared<torch::jit::CompilationUnit>();
  torch::jit::Module module(c10::QualifiedName(Cat("__torch__.", name, "_trt")), unit);
  const c10::TypePtr engine_type = c10::getCustomClassType<c10::intrusive_ptr<Engine>>();
  module.register_attribute(attribute, engine_type, c10::IValue(engine));

  auto graph = std::make_shared<torch::jit::Graph>();
  Value* self = graph->addInput("self_1");
  self->setType(module.type());
  std::vector<Value*> inputs;
  std::vector<c10::Argument> arguments = {c10::Argument("self", module.type())};
  for (size_t i = 0; i < input_count; ++i) {
    const std::string input = Cat("input_", i);
    inputs.push_back(graph->addInput(input));
    inputs.back()->setType(c10::TensorType::get());
    arguments.emplace_back(input, c10::TensorType::get());
  }
  Value* attribute_value = graph->insertGetAttr(self, attribute);
  Value* list = graph->insertNode(graph->createList(c10::TensorType::get(), inputs))->output();
  Node* call = graph->insertNode(
      graph->create(c10::Symbol::fromQualString("tensorrt::execute_engine"), {list, attribute_value}, 1));
  call->output()->setType(c10::ListType::ofTensors());
  Value* result = AddResult(*graph, call->output(), output_count, returns);
  graph->registerOutput(result);

  auto* forward = unit->create_function(c10::QualifiedName(*module.type()->name(), "forward"), graph);
  forward->setSchema(c10::FunctionSchema("forward", "", std::move(arguments), {c10::Argument("", result->type())}));
  module.type()->addMethod(forward);
  return module;
}

}  // namespace

torch::jit::Module EmbedEngine(std::string plan, const EmbedOptions& options) {
  CheckIdentifier(options.name);
  const plan::PlanHeader header = plan::ParsePlanHeader(plan);
  const auto bytes = std::make_shared<const StoredBytes>(std::move(plan));
  record::Record record;
  record.version = record::kDefaultVersion;
  record.name = options.name;
  record.device = options.device ? *options.device : DefaultDevice(header);
  record.hardware_compatible = options.hardware_compatible;

  // The record has no names yet, so the tensors come in the plan's order.
  std::unique_ptr<LoadedEngine> loaded;
  std::optional<Error> failure;
  std::optional<Names> plan_inputs;
  std::optional<Names> plan_outputs;
  try {
    loaded = LoadedEngine::FromRecord(record, bytes, {});
    plan_inputs = NamesOf(loaded->facts().inputs);
    plan_outputs = NamesOf(loaded->facts().outputs);
  } catch (const Error& error) {
    failure = CannotRun(record.name, error);
  }
  const std::string why_unknown = failure ? failure->what() : "";
  const auto pointer = [](const std::optional<Names>& names) { return names ? &*names : nullptr; };
  const Names* const known_inputs = pointer(plan_inputs);
  const Names* const known_outputs = pointer(plan_outputs);
  const Names inputs = ChooseNames("input", options.input_names, known_inputs, why_unknown);
  const Names outputs = ChooseNames("output", options.output_names, known_outputs, why_unknown);
  if (outputs.empty()) throw InputError(Cat("engine ", Quote(options.name), " has no outputs"));
  const Returns returns = options.returns.value_or(outputs.size() == 1 ? Returns::kTensor : Returns::kTuple);
  if (returns == Returns::kTensor && outputs.size() > 1) {
    throw InputError(Cat("engine ", Quote(options.name), " has ", outputs.size(),
                         " outputs; wanted one, since forward is to return a tensor"));
  }
  const bool needs_names = !OrderNeedsNoNames(options.input_names, known_inputs, header.kind) ||
                           !OrderNeedsNoNames(options.output_names, known_outputs, header.kind);
  const int version = options.abi_version.value_or(OldestVersion(options, needs_names));
  if (version < record::InfoOf(record::Field::kInputNames).since) {
    CheckOrderIsKept("input", inputs, known_inputs);
    CheckOrderIsKept("output", outputs, known_outputs);
  }
  if (version != record::kDefaultVersion || options.hardware_compatible || options.platform) {
    if (loaded != nullptr) AddKnownFields(record, *loaded);
    record.plan = bytes->bytes();  // Convert looks at its header
    record.target_platform = options.platform.value_or(record::AssumedPlatform(record.plan));
    record.input_names = inputs;
    record.output_names = outputs;
    record.version = record::kNewestVersion;
    record = record::Convert(std::move(record), version, Unasked(options));
    if (loaded != nullptr) loaded = loaded->WithRecord(record);
  }
  const auto engine = c10::make_intrusive<Engine>(std::move(record), bytes, std::move(loaded), std::move(failure));
  return BuildModule(engine, inputs.size(), outputs.size(), returns);
}

}  // namespace nacelle::runtime
