// The order of an engine's inputs, or of its outputs, if its record lists no names: version 3 never does, and later
// versions may have both lists empty.
//
// A name's number is the run of decimal digits after its last '.' or '_', which must reach to its end: 2 in "x.2" and
// in "a_7.2", 0 in "input_0". That is how Torch-TensorRT reads names from release 2.13 on. Older releases take the
// digits right after the first '.', or, in a name without '.', right after the first '_'. Their rule is used if names
// do not carry numbers by the new one: "image_1_left" has the number 1.
//
// Pure functions: calls may run at once on any thread.
#ifndef NACELLE_CORE_RECORD_BINDING_ORDER_H_
#define NACELLE_CORE_RECORD_BINDING_ORDER_H_

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace nacelle::record {

// For the names of a plan's inputs (or outputs) in the plan's own order: the indices of them in the order in which the
// engine takes (or gives) tensors. Ascending by number if, by one of the two rules, every name carries a number and no
// two are equal; otherwise the plan's own order, 0, 1, 2 …
std::vector<size_t> OrderByNumber(std::span<const std::string> names);

// True if every reader takes a plan with these names in this order whatever the plan's own order is: fewer than two
// names, or each carries a number and the numbers ascend by every rule by which the names are numbered. Such names need
// no list in a record.
bool OrderFollowsNames(std::span<const std::string> names);

}  // namespace nacelle::record

#endif  // NACELLE_CORE_RECORD_BINDING_ORDER_H_
