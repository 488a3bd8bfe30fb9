// The order of an engine's inputs and outputs if its record lists no names. Records of version 3 never list them;
// later ones may leave the lists empty.
//
// The order then comes from the numbers in the names. By Torch-TensorRT's rule since release 2.13, a name's number is
// the run of decimal digits that follows its last '.' or '_' and ends the name: 2 in "x.2" and in "a_7.2", 0 in
// "input_0". By the rule of older releases it is the digits right after the first '.', or, in a name without '.', right
// after the first '_': 1 in "image_1_left". The old rule applies if the names carry no numbers by the new one.
//
// Pure functions: calls may run at once on any thread.
#ifndef NACELLE_CORE_RECORD_BINDING_ORDER_H_
#define NACELLE_CORE_RECORD_BINDING_ORDER_H_

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace nacelle::record {

// Returns the indices of `names`, a plan's inputs or outputs in its own order, in the order in which the engine takes
// or gives tensors. They ascend by number if, by one of the two rules, every name carries a number and no two are
// equal; otherwise they are in the plan's own order, 0, 1, 2 …
std::vector<size_t> OrderByNumber(std::span<const std::string> names);

// True if every reader takes these names in this order, whatever the plan's own order is. A record then needs no list
// of them. True for fewer than two names, and if the names' numbers ascend by each rule that numbers all of them.
bool OrderFollowsNames(std::span<const std::string> names);

}  // namespace nacelle::record

#endif  // NACELLE_CORE_RECORD_BINDING_ORDER_H_
