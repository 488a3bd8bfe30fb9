// Types of values in a module's source: "List[Tensor]", "Optional[int]".
#ifndef NACELLE_REFERENCE_VALUE_TYPE_H_
#define NACELLE_REFERENCE_VALUE_TYPE_H_

#include <cstddef>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace nacelle::reference {

// A type as TorchScript writes it: a name, and the types in brackets after it.
struct ValueType {
  std::string name;
  std::vector<ValueType> arguments;
};

// Maximum depth of types inside one another. torch reads them recursively.
inline constexpr size_t kMaxTypeDepth = 32;

// Reads the type at the start of `text` and removes it from there. `tuples` has the full names of the module's named
// tuples. Throws PlanError for another name than that of a plain type, a container or a named tuple.
ValueType ReadType(std::string_view& text, const std::set<std::string>& tuples);

// Reads a text that is one type and nothing else.
ValueType ParseType(std::string_view text, const std::set<std::string>& tuples);

}  // namespace nacelle::reference

#endif  // NACELLE_REFERENCE_VALUE_TYPE_H_
