// Values of a module's pickle, as far as they are looked at.
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
  // What the pickle names, which is called, or built.
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
  int64_t number =
      0;  // of an int or a bool; size of a storage in elements; first extent of a tensor; Global and others
  std::string text;
  std::vector<Index> parts;
  size_t depth = 1;
  size_t weight = 1;           // values in it, each counted as often as it is met
  bool placed = false;         // in another value
  bool filled = false;         // a list or dict that got its parts
  std::vector<int64_t> sizes;  // of a tensor
};

// "a tuple", for a message.
const char* NameOf(Kind kind);

// The kind of value that an opcode without arguments pushes: an empty container, None, a bool.
std::optional<Kind> KindOf(uint8_t opcode);

// The function or class that a pickle calls "module name"; nullopt for one that torch does not write.
std::optional<Global> FindGlobal(const std::string& name);

// True if `value`, whose parts are among `values`, has the type.
bool Fits(const std::vector<Value>& values, const Value& value, const ValueType& type);

// True if a tensor of these extents and strides, none of them negative, has its elements among the `elements` of its
// memory.
bool StaysInside(int64_t elements, int64_t offset, const std::vector<int64_t>& sizes,
                 const std::vector<int64_t>& strides);

}  // namespace nacelle::reference

#endif  // NACELLE_REFERENCE_PICKLE_VALUE_H_
