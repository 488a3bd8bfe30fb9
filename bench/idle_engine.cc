// The reference engine with a run that does nothing: libidle_engine.so is libnacelle_reference.so with another function
// in the slot of enqueueV3. Plans, names, shapes and addresses are read and checked as ever; outputs are not written.
// The cost of a call of such an engine is this project's own share of any call.
#include "core/tensorrt/slot_table.h"
#include "reference/execution_context.h"
#include "reference/interface_object.h"
#include "reference/presented.h"

namespace nacelle::reference {
namespace {

bool DoNothing(void* /*context*/, void* /*stream*/) noexcept { return true; }

// Runs when the library is loaded, before anything calls it.
const bool replaced = [] {
  const tensorrt::SlotTable* const table = PresentedTable();
  if (table == nullptr) return false;  // stderr has the reason; creating a runtime repeats it
  // The table is made at run time, in memory that may be written to.
  const auto methods = const_cast<const void**>(MethodsOf<ExecutionContext>(*table));
  methods[table->slot(tensorrt::Method::kExecutionContext_enqueueV3)] = reinterpret_cast<const void*>(&DoNothing);
  return true;
}();

}  // namespace
}  // namespace nacelle::reference
