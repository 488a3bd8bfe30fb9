// Finds state of a module: values that its forward would keep from one call to the next.
#ifndef NACELLE_REFERENCE_STATE_H_
#define NACELLE_REFERENCE_STATE_H_

#include "reference/forward_graph.h"

namespace nacelle::reference {

// Throws StateError, with the attribute's path, if forward assigns to an attribute, or writes to memory that may belong
// to an attribute or a constant. Follows views, containers, branches and loops, but only branches that eval mode can
// take. forward may write to values that it makes itself. ProbeOutputs finds writes to the input tensors.
//
// The schemas of operators tell what they write to and what their results are views of. If a schema leaves something
// out, Network::StateChanged finds it in a run.
void CheckKeepsNoState(const ForwardGraph& forward);

}  // namespace nacelle::reference

#endif  // NACELLE_REFERENCE_STATE_H_
