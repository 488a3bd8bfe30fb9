// The plan of the reference engine: a TorchScript module, with the names, dtypes and shapes of its tensors.
//
//   "nref" │ format version │ size │ checksum │ number of profiles │ name │ inputs │ outputs │ module
//
// docs/reference/reference_engine.md describes the bytes field by field. Knows nothing of torch. Pure functions: calls
// may run at once on any thread.
#ifndef NACELLE_REFERENCE_PLAN_H_
#define NACELLE_REFERENCE_PLAN_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/tensorrt/slot_tables.h"

namespace nacelle::reference {

// The format version that WritePlan writes and ReadPlan reads.
inline constexpr uint32_t kPlanFormatVersion = 1;
inline constexpr size_t kMaxRank = 8;  // TensorRT's Dims has no room for more
inline constexpr int kMaxProfiles = 1024;
inline constexpr size_t kMaxTensors = 4096;  // inputs, and outputs
inline constexpr size_t kMaxNameBytes = 4096;

// The shapes that an optimization profile allows for an input. All three have the input's rank, and in every dimension
// 0 <= min <= opt <= max.
struct ShapeRange {
  std::vector<int64_t> min;
  std::vector<int64_t> opt;
  std::vector<int64_t> max;

  friend bool operator==(const ShapeRange&, const ShapeRange&) = default;
};

// An input or output.
struct TensorSpec {
  std::string name;
  tensorrt::DataType dtype = tensorrt::DataType::kFLOAT;
  std::vector<int64_t> shape;        // extents; -1: known when the engine runs
  std::vector<ShapeRange> profiles;  // one per profile for an input with a -1 in its shape; else empty
  bool data_dependent = false;       // true for an output whose shape depends on the inputs' values

  bool dynamic() const;  // true if its shape has a -1

  friend bool operator==(const TensorSpec&, const TensorSpec&) = default;
};

// A parsed plan: a plain value that owns all it holds.
struct Plan {
  std::string name;                 // the engine's; may be empty
  int profile_count = 1;            // 1 to kMaxProfiles
  std::vector<TensorSpec> inputs;   // in the order of the module's forward
  std::vector<TensorSpec> outputs;  // in the order in which forward returns them
  std::string module;               // the bytes of a TorchScript archive

  friend bool operator==(const Plan&, const Plan&) = default;
};

// Checks the rules of the format: names that are not empty, not repeated and without zero bytes; dtypes that torch has;
// ranks, extents and profiles in range. Throws PlanError with the field, its value and the values that it may have.
void CheckPlan(const Plan& plan);

// Checks the rules that concern inputs, for a plan whose outputs are not known yet.
void CheckInputs(const std::vector<TensorSpec>& inputs, int profile_count);

// Returns the bytes of `plan`; the same plan gives the same bytes. Throws as CheckPlan does.
std::string WritePlan(const Plan& plan);

// Reads a plan up to its module from `start`, the first bytes of a plan of `size` bytes: Plan::module is empty, and the
// checksum is not looked at. Throws as ReadPlan does, also if `start` ends before the module.
Plan ReadDescription(std::string_view start, size_t size);

// Returns the plan in `bytes`: ReadPlan(WritePlan(p)) == p. Reads nothing outside `bytes`, whatever they hold. Throws
// PlanError with the field, its offset, its value and the wanted one.
Plan ReadPlan(std::string_view bytes);

}  // namespace nacelle::reference

#endif  // NACELLE_REFERENCE_PLAN_H_
