#include "runtime/internal/aliases.h"

#include <algorithm>
#include <cstddef>

#include "core/error.h"
#include "core/text.h"
#include "runtime/internal/infer_shapes.h"
#include "runtime/tensor_info.h"

namespace nacelle::runtime {
namespace {

using Tensors = std::vector<TensorInfo>;

// Returns the name of the input whose memory the plan itself gives an output; null if there is none.
const char* StatedByPlan(const tensorrt::CudaEngine& plan, const TensorInfo& output) {
  if (!plan.Has(tensorrt::Method::kCudaEngine_getAliasedInputTensor)) return nullptr;
  return plan.AliasedInput(output.name.c_str());
}

void Bind(Tensors& inputs, TensorInfo& input, TensorInfo& output) {
  input.written = true;
  output.aliased_input = static_cast<size_t>(&input - inputs.data());
}

// Begins an error about an alias of the record.
std::string Which(const record::AliasedIo& alias) {
  return Cat("its record binds output ", Quote(alias.output), " to the memory of input ", Quote(alias.input),
             " (aliased_io of the kind ", Quote(alias.kind), ")");
}

TensorInfo& Find(Tensors& tensors, const std::string& name, const char* what, const record::AliasedIo& alias) {
  const auto found = std::ranges::find(tensors, name, &TensorInfo::name);
  if (found != tensors.end()) return *found;
  std::vector<std::string> names;
  for (const TensorInfo& tensor : tensors) names.push_back(tensor.name);
  throw PlanError(Cat(Which(alias), ", and its plan has no ", what, " ", Quote(name), "; it has ", Join(names, ", "),
                      "; the record and the plan do not belong together"));
}

void CheckKind(const record::AliasedIo& alias) {
  if (std::ranges::find(record::kAliasKinds, alias.kind) != record::kAliasKinds.end()) return;
  throw RecordError(
      Cat(Which(alias), ", and that kind of alias is not known; known are ", Join(record::kAliasKinds, ", "),
          ". Update Nacelle, or convert the program with drop=[\"aliased_io\"] if the plan needs no alias"));
}

bool ShapesCanAgree(const TensorInfo& output, const TensorInfo& input) {
  return std::ranges::equal(output.shape, input.shape, [](int64_t a, int64_t b) { return a < 0 || b < 0 || a == b; });
}

// Returns the reason that the two can never share memory; empty if they can.
std::string WhyNot(const TensorInfo& output, const TensorInfo& input) {
  if (input.on_host) return "that input is read on the host, and no output can share its memory there";
  if (output.on_host) return "that output is written on the host, and cannot share an input's memory there";
  if (output.dtype != input.dtype) {
    return Cat("the output has dtype ", DtypeName(output.dtype), ", the input ", DtypeName(input.dtype));
  }
  if (!ShapesCanAgree(output, input)) {
    return Cat("the output has the shape ", ShapeText(output.shape), ", the input ", ShapeText(input.shape));
  }
  return "";
}

void ReadAlias(const tensorrt::CudaEngine& plan, const record::AliasedIo& alias, Tensors& inputs, Tensors& outputs) {
  CheckKind(alias);
  TensorInfo& output = Find(outputs, alias.output, "output", alias);
  TensorInfo& input = Find(inputs, alias.input, "input", alias);
  const char* const stated = StatedByPlan(plan, output);
  if (stated != nullptr && stated != alias.input) {
    throw PlanError(Cat(Which(alias), ", and its plan binds that output to input ", Quote(stated),
                        "; the record and the plan do not belong together"));
  }
  const auto index = static_cast<size_t>(&input - inputs.data());
  const auto other = std::ranges::find_if(
      outputs, [&](const TensorInfo& bound) { return &bound != &output && bound.aliased_input == index; });
  if (other != outputs.end()) {
    throw PlanError(Cat(Which(alias), ", and output ", Quote(other->name), " is bound to the same input: one of the ",
                        "two would overwrite the other"));
  }
  const std::string why_not = WhyNot(output, input);
  if (!why_not.empty()) throw PlanError(Cat(Which(alias), ", which cannot be: ", why_not));
  Bind(inputs, input, output);
}

void CheckShapesFollowFromShapes(const tensorrt::CudaEngine& plan, const record::Record& record, at::Device device,
                                 const Tensors& inputs, const Tensors& outputs) {
  const std::vector<bool> dependent = FindDataDependent(plan, device, inputs, outputs);
  for (const record::AliasedIo& alias : record.aliased_io) {
    const auto output = std::ranges::find(outputs, alias.output, &TensorInfo::name);
    if (!dependent[static_cast<size_t>(output - outputs.begin())]) continue;
    throw PlanError(Cat(Which(alias),
                        ", which cannot be: the shape of that output follows from values, so it is not "
                        "known before the engine has run"));
  }
}

}  // namespace

void ReadAliases(const tensorrt::CudaEngine& plan, const record::Record& record, at::Device device, Tensors& inputs,
                 Tensors& outputs) {
  for (TensorInfo& output : outputs) {
    const char* const name = StatedByPlan(plan, output);
    if (name == nullptr) continue;
    const auto input = std::ranges::find(inputs, name, &TensorInfo::name);
    if (input != inputs.end()) Bind(inputs, *input, output);
  }
  if (record.aliased_io.empty()) return;
  for (const record::AliasedIo& alias : record.aliased_io) ReadAlias(plan, alias, inputs, outputs);
  CheckShapesFollowFromShapes(plan, record, device, inputs, outputs);
}

std::vector<record::AliasedIo> PlanAliases(const tensorrt::CudaEngine& plan, const Tensors& outputs) {
  std::vector<record::AliasedIo> aliases;
  for (const TensorInfo& output : outputs) {
    const char* const input = StatedByPlan(plan, output);
    if (input != nullptr) aliases.push_back({output.name, input, std::string(record::kAliasKinds.front())});
  }
  return aliases;
}

}  // namespace nacelle::runtime
