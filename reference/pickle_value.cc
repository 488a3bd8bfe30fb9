#include "reference/pickle_value.h"

#include <algorithm>
#include <limits>
#include <map>

namespace nacelle::reference {

const char* NameOf(Kind kind) {
  switch (kind) {
    case Kind::kNone:
      return "None";
    case Kind::kBool:
      return "a bool";
    case Kind::kInt:
      return "an int";
    case Kind::kFloat:
      return "a float";
    case Kind::kComplex:
      return "a complex number";
    case Kind::kText:
      return "a text";
    case Kind::kDevice:
      return "a device";
    case Kind::kTuple:
      return "a tuple";
    case Kind::kList:
      return "a list";
    case Kind::kDict:
      return "a dict";
    case Kind::kStorage:
      return "a tensor's memory";
    case Kind::kTensor:
      return "a tensor";
    case Kind::kHooks:
      return "a tensor's hooks";
    case Kind::kObject:
      return "an object";
    default:
      return "a name";
  }
}

std::optional<Kind> KindOf(uint8_t opcode) {
  switch (opcode) {
    case ']':
      return Kind::kList;
    case '}':
      return Kind::kDict;
    case ')':
      return Kind::kTuple;
    case 'N':
      return Kind::kNone;
    case 0x88:
    case 0x89:
      return Kind::kBool;
    default:
      return std::nullopt;
  }
}

std::optional<Global> FindGlobal(const std::string& name) {
  static const auto* const globals = new std::map<std::string, Global>{
      {"torch.jit._pickle build_intlist", Global::kIntList},
      {"torch.jit._pickle build_doublelist", Global::kFloatList},
      {"torch.jit._pickle build_boollist", Global::kBoolList},
      {"torch.jit._pickle build_tensorlist", Global::kTensorList},
      {"torch.jit._pickle restore_type_tag", Global::kTypeTag},
      {"torch._utils _rebuild_tensor_v2", Global::kTensor},
      {"torch._utils _rebuild_qtensor", Global::kQuantizedTensor},
      {"torch._utils _rebuild_sparse_tensor", Global::kSparseTensor},
      {"collections OrderedDict", Global::kOrderedDict},
      {"builtins complex", Global::kComplex},
      {"torch device", Global::kDevice},
  };
  const auto it = globals->find(name);
  return it == globals->end() ? std::nullopt : std::optional(it->second);
}

bool Fits(const std::vector<Value>& values, const Value& value, const ValueType& type) {
  const auto all = [&](size_t first, size_t step, const ValueType& inner) {
    for (size_t i = first; i < value.parts.size(); i += step) {
      if (!Fits(values, values[value.parts[i]], inner)) return false;
    }
    return true;
  };
  const auto& arguments = type.arguments;
  if (type.name == "Tensor") return value.kind == Kind::kTensor;
  if (type.name == "int") return value.kind == Kind::kInt;
  if (type.name == "float") return value.kind == Kind::kFloat;
  if (type.name == "bool") return value.kind == Kind::kBool;
  if (type.name == "str") return value.kind == Kind::kText;
  if (type.name == "complex") return value.kind == Kind::kComplex;
  if (type.name == "Device") return value.kind == Kind::kDevice;
  if (type.name == "None" || type.name == "NoneType") return value.kind == Kind::kNone;
  if (type.name == "number") {
    return value.kind == Kind::kInt || value.kind == Kind::kFloat || value.kind == Kind::kComplex;
  }
  if (type.name == "List") return value.kind == Kind::kList && arguments.size() == 1 && all(0, 1, arguments[0]);
  if (type.name == "Dict") {
    return value.kind == Kind::kDict && arguments.size() == 2 && all(0, 2, arguments[0]) && all(1, 2, arguments[1]);
  }
  if (type.name == "Optional") {
    return arguments.size() == 1 && (value.kind == Kind::kNone || Fits(values, value, arguments[0]));
  }
  if (type.name == "Tuple") {
    if (value.kind != Kind::kTuple || value.parts.size() != arguments.size()) return false;
    for (size_t i = 0; i < arguments.size(); ++i) {
      if (!Fits(values, values[value.parts[i]], arguments[i])) return false;
    }
    return true;
  }
  return false;
}

bool StaysInside(int64_t elements, int64_t offset, const std::vector<int64_t>& sizes,
                 const std::vector<int64_t>& strides) {
  if (offset < 0 || offset > elements) return false;
  __extension__ using Wide = __int128;
  constexpr Wide kMax = std::numeric_limits<int64_t>::max() / 16;  // an element has at most 16 bytes
  Wide last = offset, volume = 1;
  for (size_t i = 0; i < sizes.size(); ++i) {
    // An extent of 0 counts as 1: torch multiplies the others all the same.
    volume *= std::max<int64_t>(sizes[i], 1);
    last += static_cast<Wide>(std::max<int64_t>(sizes[i], 1) - 1) * strides[i];
    if (volume > kMax || last > kMax) return false;
  }
  const bool empty = std::ranges::find(sizes, 0) != sizes.end();
  return empty || last < elements;
}

}  // namespace nacelle::reference
