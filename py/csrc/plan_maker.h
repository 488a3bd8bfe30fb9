// The makers of the reference engine's plans, from its library.
#ifndef NACELLE_PY_CSRC_PLAN_MAKER_H_
#define NACELLE_PY_CSRC_PLAN_MAKER_H_

#include "reference/plan_maker.h"

namespace nacelle::python {

// Returns the functions of this build's libnacelle_reference.so, which the first call opens
// (FindReferenceLibrary of runtime/internal/reference_library.h).
// Throws LibraryError if there is no such library, or if it is of another build. Any thread.
const reference::PlanMaker& PlanMaker();

}  // namespace nacelle::python

#endif  // NACELLE_PY_CSRC_PLAN_MAKER_H_
