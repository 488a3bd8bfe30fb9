// The first bytes of a plan: the product that built it, and the release.
//
//   const plan::PlanHeader header = plan::ParsePlanHeader(bytes);
//   header.Describe();  // "TensorRT 8.5.3.1"
//   if (const std::string reason = header.WhyItCannotRun(); !reason.empty()) throw PlanError(reason);
//
// Pure functions: calls may run at once on any thread.
#ifndef NACELLE_CORE_PLAN_PLAN_HEADER_H_
#define NACELLE_CORE_PLAN_PLAN_HEADER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/release.h"

namespace nacelle::plan {

enum class PlanKind : uint8_t {
  kTensorRT,     // magic "ftrt" (8.6 and later) or "ptrt" (7.1 to 8.5)
  kTensorRTRtx,  // magic "vtrt"
  kReference,    // magic "nref": the engine that runs on a CPU
};

// "TensorRT", "TensorRT-RTX", "reference engine".
std::string_view PlanKindName(PlanKind kind);

struct PlanHeader {
  PlanKind kind = PlanKind::kTensorRT;
  // The release that built the plan. A reference plan has its format version as the major number, and 0 as the others.
  Release release;

  // "TensorRT 8.5.3.1", "reference engine, plan format 1"; with the reason in parentheses if it can never run here.
  std::string Describe() const;

  // Returns the reason why no library that Nacelle can call runs the plan, whatever is installed, with the remedy;
  // empty if one may. A plan of TensorRT before 8.6 runs on its own release alone; later ones may run on later
  // libraries of their major release.
  std::string WhyItCannotRun() const;

  friend bool operator==(const PlanHeader&, const PlanHeader&) = default;
};

// True if the bytes begin with the magic of a plan of a known kind.
bool HasPlanMagic(std::string_view bytes);

// Reads the header and nothing behind it. Throws PlanError, with the first bytes and the known kinds, for a plan that
// is too short, has an unknown magic or (reference plans) an impossible format version.
PlanHeader ParsePlanHeader(std::string_view plan);

// Reads the header from `start`: the first kPlanStart bytes of a plan of `size` bytes, or all of a shorter one.
inline constexpr size_t kPlanStart = 64;
PlanHeader ParsePlanHeader(std::string_view start, size_t size);

}  // namespace nacelle::plan

#endif  // NACELLE_CORE_PLAN_PLAN_HEADER_H_
