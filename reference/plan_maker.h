// The functions that make plans, for a program that has opened libnacelle_reference.so. A program that links them has
// a second copy of the rules of plans.
//
//   const auto maker = reinterpret_cast<nacelle::reference::GetPlanMaker*>(dlsym(file,
//   nacelle::reference::kGetPlanMaker)); const std::string plan = maker()->build_plan(maker()->make_archive(module, 1),
//   options);
//
// The library and the program are of one build: the functions take and return C++ objects.
#ifndef NACELLE_REFERENCE_PLAN_MAKER_H_
#define NACELLE_REFERENCE_PLAN_MAKER_H_

#include <torch/csrc/jit/api/module.h>

#include <cstddef>
#include <string>

#include "reference/builder.h"

namespace nacelle::reference {

// Functions of the library. Each throws as its namesake does; calls may run at once as those of its namesake may.
struct PlanMaker {
  std::string (*make_archive)(const torch::jit::Module& module, size_t inputs);   // MakeArchive
  std::string (*build_plan)(std::string archive, const BuildOptions& options);    // BuildReferencePlan
  void (*check_keeps_no_state)(const torch::jit::Module& module, size_t inputs);  // CheckKeepsNoState
  std::string (*state_message)(const std::string& state);                         // StateMessage
};

using GetPlanMaker = const PlanMaker*() noexcept;

// The name of the library's function. Its number changes with PlanMaker, so that a library of another build lacks it.
inline constexpr const char* kGetPlanMaker = "nacelle_reference_plan_maker_1";

}  // namespace nacelle::reference

#endif  // NACELLE_REFERENCE_PLAN_MAKER_H_
