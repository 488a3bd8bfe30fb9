// Values of a module's pickle, with the facts about them that are checked.
#ifndef NACELLE_REFERENCE_PICKLE_VALUE_H_
#define NACELLE_REFERENCE_PICKLE_VALUE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "reference/value_type.h"

namespace nacelle::reference {

enum class Kind {
  kNone,
  kBool,
  kInt,
  kFloat,
  kComplex,
  kText,
  kDevice,
  kTuple,
  kList,
  kDict,  // parts: key, value, key, value …
  kStorage,
  kTensor,
  kHooks,
  kObject,
  // Names in the pickle, which it calls or builds.
  kGlobal,
  kStorageType,
  kScheme,
};

enum class Global {
  kIntList,
  kFloatList,
  kBoolList,
  kTensorList,
  kTypeTag,
  kTensor,
  kQuantizedTensor,
  kSparseTensor,
  kOrderedDict,
  kComplex,
  kDevice,
  kClass,
};

using Index = uint32_t;

struct Value {
  Kind kind = Kind::kNone;
  int64_t number = 0;  // of an int, bool, kGlobal, kStorageType or kScheme; the elements of a storage
  std::string text;
  std::vector<Index> parts;
  size_t depth = 1;
  size_t weight = 1;           // the values in it, each counted as often as it occurs
  bool placed = false;         // true if it is in another value
  bool filled = false;         // true for a list or dict that has its parts
  std::vector<int64_t> sizes;  // a tensor's extents
};

// Names the kind in a message: "a tuple".
const char* NameOf(Kind kind);

// Returns the kind of value that an opcode without arguments pushes: an empty container, None, a bool.
std::optional<Kind> KindOf(uint8_t opcode);

// Returns the function or class that a pickle calls "module name"; nullopt for one that torch does not write.
std::optional<Global> FindGlobal(const std::string& name);

// True if `value`, whose parts are indices of `values`, has the type.
bool Fits(const std::vector<Value>& values, const Value& value, const ValueType& type);

// True if all elements of a tensor of these extents and strides, none negative, lie in its memory of `elements`.
bool StaysInside(int64_t elements, int64_t offset, const std::vector<int64_t>& sizes,
                 const std::vector<int64_t>& strides);

}  // namespace nacelle::reference

#endif  // NACELLE_REFERENCE_PICKLE_VALUE_H_
