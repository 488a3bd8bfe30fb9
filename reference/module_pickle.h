// Checks the values of a module's archive before torch makes them.
#ifndef NACELLE_REFERENCE_MODULE_PICKLE_H_
#define NACELLE_REFERENCE_MODULE_PICKLE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "reference/value_type.h"

namespace nacelle::reference {

// Maximum depth of values inside one another.
inline constexpr size_t kMaxValueDepth = 64;

// A pickle of a module's archive, with the sizes of the records that it refers to.
struct ModulePickle {
  std::string name;  // "data.pkl", for messages
  std::string_view bytes;
  // Returns the bytes of the record that holds a tensor's memory, by its key in the pickle; nullopt: there is none.
  std::function<std::optional<size_t>(const std::string& key)> record_size;
};

// Reads data.pkl as torch's unpickler would, and throws PlanError for anything that torch does not write for a module
// of the class `class_name` with these attributes: another class, other globals, values of another type than the
// attribute's, tensors that reach beyond their memory, containers that hold themselves.
void CheckModuleValues(const ModulePickle& pickle, const std::string& class_name,
                       const std::map<std::string, ValueType>& attributes);

// Reads constants.pkl in the same way: a tuple of tensors and plain values. Returns their number.
size_t CheckConstants(const ModulePickle& pickle);

}  // namespace nacelle::reference

#endif  // NACELLE_REFERENCE_MODULE_PICKLE_H_
