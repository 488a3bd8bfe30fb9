// The plan of the reference engine: a TorchScript module with the names, dtypes and shapes that TensorRT's interface
// asks for. docs/reference/reference_engine.md describes the bytes field by field.
//
// Knows no torch. Everything here is pure: calls may run at once on any thread.
#ifndef NACELLE_REFERENCE_PLAN_H_
#define NACELLE_REFERENCE_PLAN_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/tensorrt/slot_tables.h"

namespace nacelle::reference {

// The format that WritePlan writes, and the only one that ReadPlan reads so far.
inline constexpr uint32_t kPlanFormatVersion = 1;
// A tensor has at most as many dimensions as TensorRT's Dims has room for.
inline constexpr size_t kMaxRank = 8;
inline constexpr int kMaxProfiles = 1024;
inline constexpr size_t kMaxNameBytes = 4096;

// The shapes that one optimization profile allows for an input; all three have the input's rank, and
// 0 <= min <= opt <= max in every dimension.
struct ShapeRange {
  std::vector<int64_t> min;
  std::vector<int64_t> opt;
  std::vector<int64_t> max;

  friend bool operator==(const ShapeRange&, const ShapeRange&) = default;
};

struct TensorSpec {
  std::string name;
  tensorrt::DataType dtype = tensorrt::DataType::kFLOAT;
  std::vector<int64_t> shape;        // extents; -1: known when the engine runs
  std::vector<ShapeRange> profiles;  // of an input with a -1 in its shape: one per profile; else empty
  bool data_dependent = false;       // of an output: its shape follows from the inputs' values, not their shapes alone

  bool dynamic() const;  // a -1 in its shape

  friend bool operator==(const TensorSpec&, const TensorSpec&) = default;
};

struct Plan {
  std::string name;                 // of the engine; may be empty
  int profile_count = 1;            // 1 to kMaxProfiles
  std::vector<TensorSpec> inputs;   // in the order of the module's forward
  std::vector<TensorSpec> outputs;  // in the order that forward returns them
  std::string module;               // the bytes of a TorchScript archive

  friend bool operator==(const Plan&, const Plan&) = default;
};

// Throws PlanError, naming the field, what it holds and what it may hold, where `plan` breaks a rule of the format:
// names that are empty, repeat or hold a zero byte; a dtype that torch lacks; ranks, extents, profiles out of range.
void CheckPlan(const Plan& plan);

// The part of it that is about the inputs, for a plan whose outputs are not known yet.
void CheckInputs(const std::vector<TensorSpec>& inputs, int profile_count);

// The bytes of `plan`; the same plan gives the same bytes. Throws what CheckPlan throws.
std::string WritePlan(const Plan& plan);

// The plan that `bytes` hold: ReadPlan(WritePlan(p)) == p. Reads nothing outside `bytes`, whatever they hold. Throws
// PlanError that names the field, its offset, what was found and what was wanted.
Plan ReadPlan(std::string_view bytes);

}  // namespace nacelle::reference

#endif  // NACELLE_REFERENCE_PLAN_H_
