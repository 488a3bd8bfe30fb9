#include "reference/network.h"

#include <ATen/EmptyTensor.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/_validate_sparse_coo_tensor_args.h>
#include <ATen/ops/from_blob.h>
#include <c10/core/DispatchKeySet.h>
#include <c10/core/InferenceMode.h>
#include <c10/core/impl/LocalDispatchKeySet.h>
#include <c10/util/Exception.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/ir/alias_analysis.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/ir/ir.h>
#include <torch/csrc/jit/passes/constant_propagation.h>
#include <torch/csrc/jit/passes/dead_code_elimination.h>
#include <torch/csrc/jit/passes/inliner.h>
#include <torch/csrc/jit/runtime/interpreter.h>
#include <torch/csrc/jit/serialization/import.h>
#include <torch/version.h>

#include <algorithm>
#include <cstring>
#include <exception>
#include <optional>
#include <utility>

#include "core/error.h"
#include "core/tensorrt/data_type.h"
#include "core/text.h"
#include "core/utf8.h"
#include "reference/fill.h"
#include "reference/forward_graph.h"
#include "reference/module_archive.h"
#include "reference/operators.h"

namespace nacelle::reference {

namespace jit = torch::jit;

namespace {

// Returns the message without torch's C++ backtrace, as UTF-8: it may repeat bytes of the plan.
std::string Message(const std::exception& error) {
  const auto* of_torch = dynamic_cast<const c10::Error*>(&error);
  return utf8::Valid(of_torch != nullptr ? of_torch->what_without_backtrace() : error.what());
}

bool IsLayer(const jit::Node& node) {
  switch (node.kind()) {
    case c10::prim::Constant:
    case c10::prim::ListConstruct:
    case c10::prim::ListUnpack:
    case c10::prim::TupleConstruct:
    case c10::prim::TupleUnpack:
    case c10::prim::GetAttr:
      return false;
    default:
      return true;
  }
}

std::vector<Layer> FindLayers(const jit::Graph& graph) {
  std::vector<Layer> layers;
  for (const jit::Node* node : graph.nodes()) {
    if (!IsLayer(*node)) continue;
    Layer layer;
    layer.type = node->kind().toQualString();
    layer.name = Cat(layer.type, ":", layers.size());
    for (const jit::Value* input : node->inputs()) {
      if (input->type()->isSubtypeOf(*c10::TensorType::get())) layer.inputs.push_back(input->debugName());
    }
    for (const jit::Value* output : node->outputs()) layer.outputs.push_back(output->debugName());
    layers.push_back(std::move(layer));
  }
  return layers;
}

at::Tensor TensorAt(const TensorView& view, size_t index) {
  const tensorrt::DataTypeInfo* const type = tensorrt::FindDataType(view.dtype);
  if (type == nullptr) throw ExecutionError(Cat("input ", index, " has a dtype that torch lacks"));
  const c10::TensorOptions options(static_cast<c10::ScalarType>(type->torch_type));
  return at::from_blob(view.data, c10::IntArrayRef(view.shape.data(), view.shape.size()), options);
}

// A tensor that the module owns, with the number of writes to it until the module was loaded.
struct Owned {
  at::Tensor tensor;
  int64_t version;
};

void AddTensors(const c10::IValue& value, std::vector<Owned>& owned) {
  value.visit([&owned](const c10::IValue& part) {
    if (part.isTensor() && part.toTensor().defined()) owned.push_back({part.toTensor(), part.toTensor()._version()});
    return false;
  });
}

void AddConstants(const jit::Block& block, std::vector<Owned>& owned) {
  for (const jit::Node* node : block.nodes()) {
    if (node->kind() == c10::prim::Constant) AddTensors(*jit::toIValue(node->output()), owned);
    for (const jit::Block* inner : node->blocks()) AddConstants(*inner, owned);
  }
}

// Throws if the indices of a sparse tensor are outside of it.
void CheckSparse(const at::Tensor& tensor) {
  if (!tensor.is_sparse()) return;
  at::_validate_sparse_coo_tensor_args(tensor._indices(), tensor._values(), tensor.sizes());
}

bool IsPlainList(const c10::Type& type) {
  const auto* const list = type.castRaw<c10::ListType>();
  if (list == nullptr) return false;
  const c10::TypeKind element = list->getElementType()->kind();
  return element == c10::TypeKind::IntType || element == c10::TypeKind::FloatType || element == c10::TypeKind::BoolType;
}

// True if operators only read the list.
bool IsOnlyRead(const jit::Value& list) {
  return std::ranges::all_of(list.uses(), [](const jit::Use& use) {
    const c10::FunctionSchema* const schema = use.user->kind().is_aten() ? use.user->maybeSchema() : nullptr;
    if (schema == nullptr || use.offset >= schema->arguments().size()) return false;
    return schema->arguments()[use.offset].alias_info() == nullptr &&
           std::ranges::none_of(use.user->outputs(), [](const jit::Value* output) {
             return output->type()->kind() == c10::TypeKind::ListType && !IsPlainList(*output->type());
           });
  });
}

// Makes constants of the lists of numbers in forward, so that runs do not make them anew. Loading computes nothing
// else: the builder has folded all other constants.
void FoldLists(jit::Graph& graph) {
  ForEachNode(*graph.block(), [&graph](jit::Node& node) {
    if (node.kind() != c10::prim::ListConstruct || !IsPlainList(*node.output()->type()) ||
        !IsOnlyRead(*node.output())) {
      return;
    }
    const auto list = jit::runNodeIfInputsAreConstant(&node);
    if (!list.has_value()) return;
    const jit::WithInsertPoint at_node(&node);
    node.output()->replaceAllUsesWith(graph.insertConstant(list->at(0)));
    node.destroy();
  });
}

int64_t Volume(std::span<const int64_t> shape) {
  int64_t volume = 1;
  for (const int64_t extent : shape) volume *= extent;
  return volume;
}

}  // namespace

struct Network::State {
  jit::Module module;
  jit::Code code;
  bool takes_module = false;  // forward reads attributes of the module, which then is its first argument
  size_t inputs = 0;
  size_t outputs = 0;
  std::vector<bool> writes_input;  // by input: forward writes to it, so it gets a copy of the caller's memory
  std::vector<Layer> layers;
  std::vector<Owned> owned;  // constants and attributes

  // Runs forward on `stack`, which holds the inputs alone, and moves the outputs to `results`.
  void Run(jit::Stack& stack, std::vector<at::Tensor>& results) const;
  void Take(c10::IValue value, std::vector<at::Tensor>& results) const;
};

void Network::State::Take(c10::IValue value, std::vector<at::Tensor>& results) const {
  results.clear();
  if (value.isTensor()) {
    results.push_back(std::move(value).toTensor());
  } else if (value.isTensorList()) {
    const auto list = value.toTensorList();
    for (size_t i = 0; i < list.size(); ++i) results.push_back(list.get(i));
  } else if (value.isTuple()) {
    for (const c10::IValue& element : value.toTupleRef().elements()) {
      if (!element.isTensor()) {
        throw ExecutionError(
            Cat("output ", results.size(), " of the module is ", element.tagKind(), "; wanted a tensor"));
      }
      results.push_back(element.toTensor());
    }
  } else {
    throw ExecutionError(
        Cat("the module returned ", value.tagKind(), "; wanted a tensor, or a tuple or list of tensors"));
  }
  if (outputs != kAnyNumber && results.size() != outputs) {
    throw ExecutionError(Cat("the module returned ", results.size(), " tensors; wanted ", outputs));
  }
  for (size_t i = 0; i < results.size(); ++i) {
    const at::Tensor& result = results[i];
    if (!result.defined()) throw ExecutionError(Cat("output ", i, " of the module is undefined; wanted a tensor"));
    if (!result.device().is_cpu() || result.layout() != at::kStrided) {
      throw ExecutionError(Cat("output ", i, " of the module is on ", result.device().str(), " with layout ",
                               result.layout(), "; wanted a dense tensor on the CPU"));
    }
  }
}

void Network::State::Run(jit::Stack& stack, std::vector<at::Tensor>& results) const {
  try {
    jit::InterpreterState(code).run(stack);
  } catch (const std::exception& error) {
    throw ExecutionError(Cat("the module failed: ", Message(error)));
  }
  if (stack.empty()) throw ExecutionError("the module returned nothing");
  c10::IValue value = std::move(stack.back());
  stack.clear();
  Take(std::move(value), results);
}

Network::Network(std::unique_ptr<State> state) : state_(std::move(state)) {}
Network::~Network() = default;

size_t TensorView::bytes() const {
  return static_cast<size_t>(Volume(shape)) * static_cast<size_t>(tensorrt::FindDataType(dtype)->bytes);
}

const std::vector<Layer>& Network::layers() const { return state_->layers; }

bool Network::StateChanged() const {
  return std::ranges::any_of(state_->owned,
                             [](const Owned& owned) { return owned.tensor._version() != owned.version; });
}

std::unique_ptr<Network> Network::Load(std::string_view archive, size_t inputs, size_t outputs) {
  auto state = std::make_unique<State>();
  state->inputs = inputs;
  state->outputs = outputs;
  const c10::InferenceMode counts_writes(false);  // tensors made in inference mode do not count writes
  try {
    const auto reader = std::make_shared<ArchiveBytes>(archive);
    CheckModuleArchive(reader);
    state->module = jit::load(reader, c10::Device(c10::kCPU), /*load_debug_files=*/false);
    state->module.eval();
    auto graph = state->module.get_method("forward").graph()->copy();
    jit::Inline(*graph);
    FoldLists(*graph);
    jit::EliminateDeadCode(graph);
    if (const std::string refused = FindRefusedOperator(*graph); !refused.empty()) {
      throw PlanError(Cat("forward has the operator ", refused));
    }
    if (graph->inputs().size() != inputs + 1) {
      throw PlanError(Cat("forward takes ", graph->inputs().size() - 1, " inputs; the plan lists ", inputs));
    }
    const jit::AliasDb aliases(graph);
    for (size_t i = 0; i < inputs; ++i) state->writes_input.push_back(aliases.hasWriters(graph->inputs()[i + 1]));
    state->layers = FindLayers(*graph);
    state->takes_module = graph->inputs()[0]->hasUses();
    if (!state->takes_module) graph->eraseInput(0);
    AddConstants(*graph->block(), state->owned);
    AddTensors(state->module._ivalue(), state->owned);
    for (const Owned& owned : state->owned) CheckSparse(owned.tensor);
    state->code = jit::Code(graph, "forward");
  } catch (const PlanError& error) {
    throw PlanError(Cat("reference plan: ", error.what()));
  } catch (const std::exception& error) {
    throw PlanError(
        Cat("reference plan: module is not one that torch ", TORCH_VERSION, " can run here: ", Message(error)));
  }
  return std::unique_ptr<Network>(new Network(std::move(state)));
}

struct Workspace::State {
  explicit State(const Network::State& state) : network(state) {}

  const Network::State& network;
  jit::Stack stack;
  std::vector<at::Tensor> results;
  std::optional<size_t> written_input;

  // Runs forward on the inputs that `add_inputs` pushes to the stack.
  template <typename AddInputs>
  void Run(AddInputs add_inputs) {
    const c10::InferenceMode inference_mode;
    const c10::impl::ExcludeDispatchKeyGuard no_autocast(c10::autocast_dispatch_keyset);
    stack.clear();
    if (network.takes_module) stack.emplace_back(network.module._ivalue());
    add_inputs();
    network.Run(stack, results);
  }
};

Workspace::Workspace(const Network& network) : state_(std::make_unique<State>(*network.state_)) {
  state_->stack.reserve(network.state_->inputs + 1);
  state_->results.reserve(network.state_->outputs);
}

Workspace::~Workspace() = default;

void Workspace::Run(std::span<const TensorView> inputs) {
  state_->Run([&] {
    for (size_t i = 0; i < inputs.size(); ++i) {
      at::Tensor tensor = TensorAt(inputs[i], i);
      if (state_->network.writes_input[i]) tensor = tensor.clone();
      state_->stack.emplace_back(std::move(tensor));
    }
  });
}

std::span<const int64_t> Workspace::shape(size_t output) const {
  const c10::IntArrayRef sizes = state_->results.at(output).sizes();
  return {sizes.data(), sizes.size()};
}

std::optional<tensorrt::DataType> Workspace::dtype(size_t output) const {
  const auto* info = tensorrt::FindTorchType(static_cast<int8_t>(state_->results.at(output).scalar_type()));
  return info == nullptr ? std::nullopt : std::optional(info->type);
}

std::string Workspace::dtype_name(size_t output) const {
  const c10::ScalarType type = state_->results.at(output).scalar_type();
  const auto* info = tensorrt::FindTorchType(static_cast<int8_t>(type));
  return info == nullptr ? c10::toString(type) : info->name;
}

size_t Workspace::bytes(size_t output) const { return state_->results.at(output).nbytes(); }

void Workspace::Copy(size_t output, void* to) const {
  // Above this size torch's copy, which uses all its threads, is quicker in spite of the cost of a call.
  constexpr size_t kSmall = size_t{1} << 18;
  const at::Tensor& result = state_->results.at(output);
  const size_t bytes = result.nbytes();
  if (bytes == 0) return;
  if (bytes <= kSmall && result.is_contiguous() && !result.is_neg()) {
    std::memcpy(to, result.const_data_ptr(), bytes);
    return;
  }
  const c10::InferenceMode inference_mode;
  try {
    at::from_blob(to, result.sizes(), result.options()).copy_(result);
  } catch (const std::exception& error) {
    throw ExecutionError(Cat("output ", output, " could not be copied: ", Message(error)));
  }
}

void Workspace::CopyFromInputs(std::span<const TensorView> inputs) {
  const c10::InferenceMode inference_mode;
  for (at::Tensor& result : state_->results) {
    if (!result.has_storage()) continue;
    const void* const memory = result.storage().data();
    const bool is_view = std::ranges::any_of(inputs, [&](const TensorView& input) { return input.data == memory; });
    if (is_view) result = result.clone(at::MemoryFormat::Contiguous);
  }
}

void Workspace::Release() { state_->results.clear(); }

size_t Workspace::outputs() const { return state_->results.size(); }

void Workspace::RunOn(std::span<const TensorType> inputs, Fill fill, std::span<const std::vector<int64_t>> values) {
  std::vector<std::vector<char>> memory;
  std::vector<at::Tensor> tensors;
  const c10::InferenceMode counts_writes(false);  // tensors made in inference mode do not count writes
  for (size_t i = 0; i < inputs.size(); ++i) {
    const TensorType& input = inputs[i];
    const bool given = i < values.size() && !values[i].empty();
    memory.push_back(given ? Bytes(input.dtype, values[i]) : Filled(input.dtype, Volume(input.shape), fill));
    tensors.push_back(TensorAt({input.dtype, input.shape, memory.back().data()}, i));
  }
  state_->Run([&] { state_->stack.insert(state_->stack.end(), tensors.begin(), tensors.end()); });
  const auto written = std::ranges::find_if(tensors, [](const at::Tensor& tensor) { return tensor._version() != 0; });
  state_->written_input.reset();
  if (written != tensors.end()) state_->written_input = static_cast<size_t>(written - tensors.begin());
}

std::optional<size_t> Workspace::written_input() const { return state_->written_input; }

std::vector<Shape> Network::InferShapes(std::span<const TensorType> inputs) const {
  Workspace workspace(*this);
  try {
    workspace.RunOn(inputs, Fill::kZeros);
  } catch (const ExecutionError&) {
    workspace.RunOn(inputs, Fill::kOnes);
  }
  std::vector<Shape> shapes;
  for (size_t i = 0; i < workspace.outputs(); ++i) {
    const auto shape = workspace.shape(i);
    shapes.emplace_back(shape.begin(), shape.end());
  }
  return shapes;
}

}  // namespace nacelle::reference
