// The values of a module's archive, checked before torch makes them.
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

// Values hold one another at most so deep.
inline constexpr size_t kMaxValueDepth = 64;

// A pickle of a module's archive, and what it may hold.
struct ModulePickle {
  std::string name;  // "data.pkl", for messages
  std::string_view bytes;
  // Size of the record that holds a tensor's memory, by the key that the pickle has for it; nullopt: there is none.
  std::function<std::optional<size_t>(const std::string& key)> record_size;
};

// Follows torch's unpickler over data.pkl, and throws PlanError for anything that torch does not write for a module of
// the class `class_name` with these attributes: another class, other globals, values of another type than the
// attribute's, tensors that reach beyond the memory that they have, containers that hold themselves.
void CheckModuleValues(const ModulePickle& pickle, const std::string& class_name,
                       const std::map<std::string, ValueType>& attributes);

// The same for constants.pkl: a tuple of tensors and plain values. Returns how many.
size_t CheckConstants(const ModulePickle& pickle);

}  // namespace nacelle::reference

#endif  // NACELLE_REFERENCE_MODULE_PICKLE_H_
