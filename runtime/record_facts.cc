#include "runtime/record_facts.h"

#include <algorithm>
#include <string>
#include <vector>

#include "runtime/aliases.h"
#include "runtime/infer_shapes.h"
#include "runtime/loaded_engine.h"
#include "runtime/tensor_info.h"

namespace nacelle::runtime {
namespace {

using abi::Field;

bool IsHardwareCompatible(const tensorrt::CudaEngine& plan) {
  return plan.Has(tensorrt::Method::kCudaEngine_getHardwareCompatibilityLevel) &&
         plan.HardwareCompatibility() == tensorrt::HardwareCompatibilityLevel::kAMPERE_PLUS;
}

}  // namespace

void AddKnownFields(abi::Record& record, const LoadedEngine& engine) {
  const auto lacks = [&](Field field) { return record.version < abi::InfoOf(field).since; };
  const tensorrt::CudaEngine& plan = engine.engine();
  if (lacks(Field::kInputNames)) {
    record.input_names = NamesOf(engine.inputs());
    record.output_names = NamesOf(engine.outputs());
  }
  if (lacks(Field::kHardwareCompatible)) record.hardware_compatible |= IsHardwareCompatible(plan);
  if (lacks(Field::kRequiresOutputAllocator)) {
    const std::vector<bool> dependent = FindDataDependent(plan, engine.device(), engine.inputs(), engine.outputs());
    record.requires_output_allocator = std::ranges::find(dependent, true) != dependent.end();
  }
  if (lacks(Field::kAliasedIo)) record.aliased_io = PlanAliases(plan, engine.outputs());
}

void RemoveNeedlessNames(abi::Record& record, const LoadedEngine& engine) {
  using tensorrt::TensorIOMode;
  if (record.input_names == NamesWithoutRecord(engine.engine(), TensorIOMode::kINPUT)) record.input_names.clear();
  if (record.output_names == NamesWithoutRecord(engine.engine(), TensorIOMode::kOUTPUT)) record.output_names.clear();
}

}  // namespace nacelle::runtime
