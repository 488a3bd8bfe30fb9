// The TorchScript source of a module's archive, checked before torch reads it.
#ifndef NACELLE_RUNTIME_REFERENCE_MODULE_SOURCE_H_
#define NACELLE_RUNTIME_REFERENCE_MODULE_SOURCE_H_

#include <cstddef>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "runtime/reference/value_type.h"

namespace nacelle::reference {

// Expressions, and blocks of statements, are at most so deep inside one another. torch reads them recursively.
inline constexpr size_t kMaxExpressionDepth = 64;
inline constexpr size_t kMaxBlockDepth = 200;

// A file of source, and what it may refer to.
struct ModuleSource {
  std::string name;   // "code/__torch__.py", for messages
  std::string space;  // of its classes: "__torch__"
  std::string_view text;
};

// The module's class, as its source says.
struct ModuleClass {
  bool has_forward = false;
  std::map<std::string, ValueType> attributes;
  size_t constants = 0;  // CONSTANTS.c0 to this one less are used
};

// The full names of the named tuples that `source` has, by the lines that begin a class.
std::set<std::string> NamedTuples(const ModuleSource& source);

// Reads source that torch writes for a module: the class `class_name` (in this file or none), with attributes and one
// method, forward; beside it named tuples. Throws PlanError, with the line, for anything else: other classes, methods,
// functions or base classes, statements that a graph does not have, operators that `why_refused` says something of (by
// the name, "aten::save"), nesting without bounds, texts and tuples that grow without bounds. `tuples`: those of all
// files.
ModuleClass CheckModuleSource(const ModuleSource& source, const std::string& class_name,
                              const std::set<std::string>& tuples,
                              const std::function<std::string(const std::string&)>& why_refused);

}  // namespace nacelle::reference

#endif  // NACELLE_RUNTIME_REFERENCE_MODULE_SOURCE_H_
