// The order of an engine's inputs, or of its outputs, where its record lists no names: version 3 never does, and
// later versions may have both lists empty.
//
// A name's number is the run of decimal digits right after its first '.', or, where it has no '.', right after its
// first '_': 2 in "x.2", 0 in "input_0". Pure functions: calls may run at once on any thread.
#ifndef NACELLE_CORE_ABI_BINDING_ORDER_H_
#define NACELLE_CORE_ABI_BINDING_ORDER_H_

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace nacelle::abi {

// For the names of a plan's inputs (or outputs) in the plan's own order: the indices of them in the order in which
// the engine takes (or gives) tensors. Ascending by number where every name carries one and no two are equal;
// otherwise the plan's own order, 0, 1, 2 …
std::vector<size_t> OrderByNumber(std::span<const std::string> names);

// Whether a plan with these names would be read in this order whatever its own order is: fewer than two names, or
// each carries a number and the numbers ascend. Such names need no list in a record.
bool OrderFollowsNames(std::span<const std::string> names);

}  // namespace nacelle::abi

#endif  // NACELLE_CORE_ABI_BINDING_ORDER_H_
