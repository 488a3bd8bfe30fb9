#include "runtime/internal/record_facts.h"

#include <algorithm>
#include <string>
#include <vector>

#include "runtime/internal/aliases.h"
#include "runtime/internal/infer_shapes.h"
#include "runtime/internal/loaded_engine.h"
#include "runtime/internal/read_tensor_info.h"

namespace nacelle::runtime {
namespace {

using record::Field;

bool IsHardwareCompatible(const tensorrt::CudaEngine& plan) {
  return plan.Has(tensorrt::Method::kCudaEngine_getHardwareCompatibilityLevel) &&
         plan.HardwareCompatibility() == tensorrt::HardwareCompatibilityLevel::kAMPERE_PLUS;
}

}  // namespace

void AddKnownFields(record::Record& record, const LoadedEngine& engine) {
  const auto lacks = [&](Field field) { return record.version < record::InfoOf(field).since; };
  const tensorrt::CudaEngine& plan = engine.engine();
  if (lacks(Field::kInputNames)) {
    record.input_names = NamesOf(engine.facts().inputs);
    record.output_names = NamesOf(engine.facts().outputs);
  }
  if (lacks(Field::kHardwareCompatible)) record.hardware_compatible |= IsHardwareCompatible(plan);
  if (lacks(Field::kRequiresOutputAllocator)) {
    const std::vector<bool> dependent =
        FindDataDependent(plan, engine.facts().device, engine.facts().inputs, engine.facts().outputs);
    record.requires_output_allocator = std::ranges::find(dependent, true) != dependent.end();
  }
  if (lacks(Field::kAliasedIo)) record.aliased_io = PlanAliases(plan, engine.facts().outputs);
}

void RemoveNeedlessNames(record::Record& record, const LoadedEngine& engine) {
  using tensorrt::TensorIOMode;
  if (record.input_names == NamesWithoutRecord(engine.engine(), TensorIOMode::kINPUT)) record.input_names.clear();
  if (record.output_names == NamesWithoutRecord(engine.engine(), TensorIOMode::kOUTPUT)) record.output_names.clear();
}

}  // namespace nacelle::runtime
