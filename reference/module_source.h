// Checks the TorchScript source of a module's archive before torch reads it.
#ifndef NACELLE_REFERENCE_MODULE_SOURCE_H_
#define NACELLE_REFERENCE_MODULE_SOURCE_H_

#include <cstddef>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "reference/value_type.h"

namespace nacelle::reference {

// Maximum depth of expressions, and of blocks of statements, inside one another. torch reads them recursively.
inline constexpr size_t kMaxExpressionDepth = 64;
inline constexpr size_t kMaxBlockDepth = 200;

// A source file of the archive.
struct ModuleSource {
  std::string name;   // "code/__torch__.py", for messages
  std::string space;  // the namespace of its classes: "__torch__"
  std::string_view text;
};

// The module's class, as its source defines it.
struct ModuleClass {
  bool has_forward = false;
  std::map<std::string, ValueType> attributes;
  size_t constants = 0;  // one more than the largest N of the CONSTANTS.cN in use
};

// Returns the full names of the named tuples that `source` defines, by the lines that begin a class.
std::set<std::string> NamedTuples(const ModuleSource& source);

// Reads source that torch writes for a module: the class `class_name` (in this file or none), with attributes and one
// method, forward; beside it named tuples. `tuples` has the named tuples of all files.
//
// Throws PlanError, with the line, for anything else: other classes, methods, functions or base classes, statements
// that a graph does not have, operators for which `why_refused` returns a reason (by name: "aten::save"), nesting
// without bounds, texts and tuples that grow without bounds.
ModuleClass CheckModuleSource(const ModuleSource& source, const std::string& class_name,
                              const std::set<std::string>& tuples,
                              const std::function<std::string(const std::string&)>& why_refused);

}  // namespace nacelle::reference

#endif  // NACELLE_REFERENCE_MODULE_SOURCE_H_
