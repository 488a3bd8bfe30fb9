#include "reference/plan_maker.h"

#include "reference/archive.h"
#include "reference/forward_graph.h"
#include "reference/state.h"

namespace nacelle::reference {
namespace {

void CheckModuleKeepsNoState(const torch::jit::Module& module, size_t inputs) {
  CheckKeepsNoState(MakeForwardGraph(module, inputs));
}

constexpr PlanMaker kPlanMaker = {&MakeArchive, &BuildReferencePlan, &CheckModuleKeepsNoState, &StateMessage};

}  // namespace
}  // namespace nacelle::reference

extern "C" __attribute__((visibility("default"))) const nacelle::reference::PlanMaker*
nacelle_reference_plan_maker_1() noexcept {
  return &nacelle::reference::kPlanMaker;
}
