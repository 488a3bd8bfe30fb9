// The search for state: what forward would keep from one call to the next.
#ifndef NACELLE_REFERENCE_STATE_H_
#define NACELLE_REFERENCE_STATE_H_

#include "reference/forward_graph.h"

namespace nacelle::reference {

// Throws StateError, with the attribute's path, if forward assigns to an attribute, or writes to memory that may be
// that of an attribute or of a constant: through views, containers, branches and loops, in the branches that eval mode
// leaves. What forward itself makes may be written to. Writes to the input tensors are found when the module is tried
// (ProbeOutputs).
//
// Operators say by their schemas what they write to and what their results are views of. A schema may say less than
// is true, which Network::StateChanged finds in a run.
void CheckKeepsNoState(const ForwardGraph& forward);

}  // namespace nacelle::reference

#endif  // NACELLE_REFERENCE_STATE_H_
