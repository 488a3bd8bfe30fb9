#include "reference/module_pickle.h"

#include <c10/core/Layout.h>
#include <c10/core/QScheme.h>
#include <c10/core/ScalarType.h>

#include <algorithm>
#include <limits>
#include <set>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/text.h"
#include "reference/pickle_bytes.h"
#include "reference/pickle_value.h"

namespace nacelle::reference {
namespace {

// Does the steps of torch's unpickler without making any objects.
class Follower : public PickleBytes {
 public:
  Follower(const ModulePickle& pickle, std::string class_name, const std::map<std::string, ValueType>& attributes)
      : PickleBytes(pickle.name, pickle.bytes),
        pickle_(pickle),
        class_name_(std::move(class_name)),
        attributes_(attributes) {}

  // Returns the value that the pickle holds.
  const Value& Run() {
    if (Byte() != 0x80 || Byte() != 2) Refuse("does not begin as a pickle of protocol 2");
    while (Step()) continue;
    if (!AtEnd()) Refuse("goes on after its end");
    if (stack_.size() != 1 || !marks_.empty()) Refuse("leaves other values beside its one value");
    return values_[stack_[0]];
  }

  const Value& part(const Value& value, size_t i) const { return values_[value.parts[i]]; }

 private:
  void Push(Value value) {
    if (value.depth > kMaxValueDepth) {
      Refuse(Cat("has values deeper than ", kMaxValueDepth, " inside one another"));
    }
    // A value heavier than the pickle's bytes repeats others.
    if (value.weight > size()) Refuse("repeats values inside one another");
    values_.push_back(std::move(value));
    stack_.push_back(static_cast<Index>(values_.size() - 1));
  }
  void PushKind(Kind kind, int64_t number = 0) {
    Value value;
    value.kind = kind;
    value.number = number;
    Push(std::move(value));
  }
  Value& Top(Kind kind) {
    if (stack_.empty() || (!marks_.empty() && marks_.back() >= stack_.size()))
      Refuse("takes a value that is not there");
    Value& value = values_[stack_.back()];
    if (value.kind != kind) Refuse(Cat("has ", NameOf(value.kind), " in the place of ", NameOf(kind)));
    return value;
  }
  Index Pop(Kind kind) {
    Top(kind);
    const Index index = stack_.back();
    stack_.pop_back();
    return index;
  }
  std::vector<Index> PopMarked() {
    if (marks_.empty()) Refuse("takes values that are not there");
    const std::vector<Index> taken(stack_.begin() + static_cast<ptrdiff_t>(marks_.back()), stack_.end());
    stack_.resize(marks_.back());
    marks_.pop_back();
    return taken;
  }

  // Puts `parts` into `value`.
  void Fill(Value& value, std::vector<Index> parts) {
    for (const Index part : parts) {
      Value& inner = values_[part];
      if (&inner == &value) Refuse("has a container that holds itself");
      if (inner.kind == Kind::kObject) Refuse("has an object inside another value");
      inner.placed = true;
      value.depth = std::max(value.depth, inner.depth + 1);
      value.weight += inner.weight;
    }
    if (value.depth > kMaxValueDepth) {
      Refuse(Cat("has values deeper than ", kMaxValueDepth, " inside one another"));
    }
    if (value.weight > size()) Refuse("repeats values inside one another");
    value.parts = std::move(parts);
    value.filled = true;
  }
  void PushTuple(std::vector<Index> parts) {
    Value tuple;
    tuple.kind = Kind::kTuple;
    Fill(tuple, std::move(parts));
    Push(std::move(tuple));
  }
  void PushTupleOf(size_t count) {
    const size_t floor = marks_.empty() ? 0 : marks_.back();
    if (stack_.size() < floor + count) Refuse("takes values that are not there");
    std::vector<Index> parts(stack_.end() - static_cast<ptrdiff_t>(count), stack_.end());
    stack_.resize(stack_.size() - count);
    PushTuple(std::move(parts));
  }
  // Fills the container on top. Each is filled once, before any other value has it, so that none can hold itself.
  void FillTop(Kind kind) {
    std::vector<Index> parts = PopMarked();
    Value& container = Top(kind);
    if (container.filled || container.placed) Refuse("fills a container twice");
    if (kind == Kind::kDict) CheckKeys(parts);
    Fill(container, std::move(parts));
  }
  void CheckKeys(const std::vector<Index>& parts) const {
    if (parts.size() % 2 != 0) Refuse("has a dict with a key and no value");
    for (size_t i = 0; i < parts.size(); i += 2) {
      const Kind kind = values_[parts[i]].kind;
      const bool plain = kind == Kind::kText || kind == Kind::kInt || kind == Kind::kBool || kind == Kind::kFloat ||
                         kind == Kind::kComplex || kind == Kind::kNone;
      if (!plain) Refuse(Cat("has ", NameOf(kind), " as a key of a dict"));
    }
  }

  bool Step() {
    const uint8_t code = Byte();
    if (const std::optional<Kind> kind = KindOf(code); kind.has_value()) {
      PushKind(*kind, code == 0x88 ? 1 : 0);
      return true;
    }
    switch (code) {
      case '.':
        return false;
      case '(':
        marks_.push_back(stack_.size());
        break;
      case 'K':
        PushKind(Kind::kInt, Byte());
        break;
      case 'M':
        PushKind(Kind::kInt, Number<uint16_t>());
        break;
      case 'J':
        PushKind(Kind::kInt, Number<int32_t>());
        break;
      case 0x8a:
        if (Byte() != 8) Refuse("has an int of other than 8 bytes");
        PushKind(Kind::kInt, Number<int64_t>());
        break;
      case 'G':
        Take(sizeof(double));
        PushKind(Kind::kFloat);
        break;
      case 'X': {
        Value value;
        value.kind = Kind::kText;
        value.text = Take(Number<uint32_t>());
        Push(std::move(value));
        break;
      }
      case 't':
        PushTuple(PopMarked());
        break;
      case 0x85:
      case 0x86:
      case 0x87:
        PushTupleOf(code - 0x84u);
        break;
      case 'e':
        FillTop(Kind::kList);
        break;
      case 'u':
        FillTop(Kind::kDict);
        break;
      case 'q':
        Remember(Byte());
        break;
      case 'r':
        Remember(Number<uint32_t>());
        break;
      case 'h':
        Recall(Byte());
        break;
      case 'j':
        Recall(Number<uint32_t>());
        break;
      case 'c':
        Name();
        break;
      case 0x81:
        NewObject();
        break;
      case 'b':
        Build();
        break;
      case 'R':
        Call();
        break;
      case 'Q':
        Storage();
        break;
      default:
        Refuse(Cat("has the opcode ", int{code}, ", which torch does not write"));
    }
    return true;
  }

  // torch numbers the values that it remembers in turn.
  void Remember(size_t number) {
    if (stack_.empty() || number != memo_.size()) Refuse(Cat("remembers a value as number ", number, ", out of turn"));
    memo_.push_back(stack_.back());
  }
  void Recall(size_t number) {
    if (number >= memo_.size()) Refuse(Cat("recalls value ", number, " of ", memo_.size()));
    stack_.push_back(memo_[number]);
  }

  void Name() {
    const std::string module = Line();
    const std::string name = Line();
    const std::string full = Cat(module, " ", name);
    if (const auto global = FindGlobal(full); global.has_value()) {
      PushKind(Kind::kGlobal, static_cast<int64_t>(*global));
      return;
    }
    if (!class_name_.empty() && Cat(module, ".", name) == class_name_) {
      PushKind(Kind::kGlobal, static_cast<int64_t>(Global::kClass));
      return;
    }
    if (module == "torch") {
      for (int i = 0; i < static_cast<int>(c10::ScalarType::NumOptions); ++i) {
        const auto type = static_cast<c10::ScalarType>(i);
        if (type == c10::ScalarType::Undefined || name != Cat(c10::toString(type), "Storage")) continue;
        PushKind(Kind::kStorageType, i);
        return;
      }
      for (const c10::QScheme scheme :
           {c10::kPerTensorAffine, c10::kPerChannelAffine, c10::kPerChannelAffineFloatQParams}) {
        if (name != c10::toString(scheme)) continue;
        PushKind(Kind::kScheme, static_cast<int64_t>(scheme));
        return;
      }
    }
    Refuse(Cat("has the class or function ", Quote(Cat(module, ".", name)), "; wanted tensors and plain values alone"));
  }

  void NewObject() {
    if (!values_[Pop(Kind::kTuple)].parts.empty()) Refuse("makes an object with arguments");
    if (Top(Kind::kGlobal).number != static_cast<int64_t>(Global::kClass)) Refuse("makes an object of no class");
  }

  void Build() {
    const Index state = Pop(Kind::kDict);
    const Index object = Pop(Kind::kGlobal);
    if (values_[object].number != static_cast<int64_t>(Global::kClass)) Refuse("builds a value that is no object");
    const std::vector<Index>& parts = values_[state].parts;
    std::set<std::string> given;
    for (size_t i = 0; i < parts.size(); i += 2) {
      const Value& key = values_[parts[i]];
      if (key.kind != Kind::kText) Refuse(Cat("has ", NameOf(key.kind), " as the name of an attribute"));
      const auto attribute = attributes_.find(key.text);
      if (attribute == attributes_.end() || !given.insert(key.text).second) {
        Refuse(Cat("has the attribute ", Quote(key.text), ", which its class does not have, or twice"));
      }
      CheckType(values_[parts[i + 1]], attribute->second, Cat("attribute ", Quote(key.text)));
    }
    if (given.size() != attributes_.size()) {
      Refuse(Cat("has ", given.size(), " attributes; its class has ", attributes_.size()));
    }
    PushKind(Kind::kObject);
  }

  // Reads a tensor's memory: ("storage", dtype, key, device, elements).
  void Storage() {
    const Value& tuple = values_[Pop(Kind::kTuple)];
    if (tuple.parts.size() != 5) Refuse("has a tensor's memory with other than five fields");
    const Value& tag = Part(tuple, 0, Kind::kText);
    const Value& type = Part(tuple, 1, Kind::kStorageType);
    const Value& key = Part(tuple, 2, Kind::kText);
    const Value& device = Part(tuple, 3, Kind::kText);
    const int64_t count = Part(tuple, 4, Kind::kInt).number;
    if (tag.text != "storage") Refuse(Cat("has a reference to ", Quote(tag.text), "; wanted \"storage\""));
    if (device.text != "cpu") Refuse(Cat("has a tensor on ", Quote(device.text), "; wanted \"cpu\""));
    if (key.text.empty() || key.text.find_first_not_of("0123456789") != std::string::npos) {
      Refuse(Cat("has the name ", Quote(key.text), " for a tensor's memory; wanted a number"));
    }
    const auto itemsize = static_cast<int64_t>(c10::elementSize(static_cast<c10::ScalarType>(type.number)));
    if (count < 0 || count > std::numeric_limits<int64_t>::max() / itemsize) {
      Refuse(Cat("has a tensor's memory of ", count, " elements"));
    }
    const std::optional<size_t> size = count == 0 ? 0 : pickle_.record_size(key.text);
    if (!size.has_value() || *size != static_cast<size_t>(count * itemsize)) {
      Refuse(Cat("has a tensor's memory of ", count * itemsize, " bytes; its record ", key.text, " has ",
                 size.has_value() ? Cat(*size) : "no bytes, since there is none"));
    }
    PushKind(Kind::kStorage, count);
  }

  const Value& Part(const Value& tuple, size_t i, Kind kind) const {
    const Value& value = values_[tuple.parts[i]];
    if (value.kind != kind) Refuse(Cat("has ", NameOf(value.kind), " in the place of ", NameOf(kind)));
    return value;
  }

  std::vector<int64_t> Extents(const Value& tuple) const {
    std::vector<int64_t> extents;
    for (size_t i = 0; i < tuple.parts.size(); ++i) {
      extents.push_back(Part(tuple, i, Kind::kInt).number);
      if (extents.back() < 0) Refuse(Cat("has a tensor with the extent or stride ", extents.back()));
    }
    return extents;
  }

  void Call() {
    const Index arguments_index = Pop(Kind::kTuple);
    const Index function_index = Pop(Kind::kGlobal);
    const Value& arguments = values_[arguments_index];
    const auto function = static_cast<Global>(values_[function_index].number);
    switch (function) {
      case Global::kIntList:
        return List(arguments, Kind::kInt);
      case Global::kFloatList:
        return List(arguments, Kind::kFloat);
      case Global::kBoolList:
        return List(arguments, Kind::kBool);
      case Global::kTensorList:
        return List(arguments, Kind::kTensor);
      case Global::kTypeTag:
        return TypeTag(arguments);
      case Global::kTensor:
        return Tensor(arguments, false);
      case Global::kQuantizedTensor:
        return Tensor(arguments, true);
      case Global::kSparseTensor:
        return SparseTensor(arguments);
      case Global::kOrderedDict:
        CheckCount(arguments, 0, 0);
        return PushKind(Kind::kHooks);
      case Global::kComplex:
        CheckCount(arguments, 2, 2);
        Part(arguments, 0, Kind::kFloat);
        Part(arguments, 1, Kind::kFloat);
        return PushKind(Kind::kComplex);
      case Global::kDevice:
        CheckCount(arguments, 1, 1);
        Part(arguments, 0, Kind::kText);
        return PushKind(Kind::kDevice);
      case Global::kClass:
        Refuse("calls its class");
    }
  }

  void CheckCount(const Value& arguments, size_t min, size_t max) const {
    if (arguments.parts.size() < min || arguments.parts.size() > max) {
      Refuse(Cat("has a call with ", arguments.parts.size(), " arguments"));
    }
  }

  void List(const Value& arguments, Kind element) {
    CheckCount(arguments, 1, 1);
    const Value& list = Part(arguments, 0, Kind::kList);
    for (const Index part : list.parts) {
      if (values_[part].kind != element) Refuse(Cat("has ", NameOf(values_[part].kind), " in a list of another type"));
    }
    stack_.push_back(arguments.parts[0]);
  }

  void TypeTag(const Value& arguments) {
    CheckCount(arguments, 2, 2);
    const Index value = arguments.parts[0];
    CheckType(values_[value], ParseType(Part(arguments, 1, Kind::kText).text, {}), "a value");
    stack_.push_back(value);
  }

  void Tensor(const Value& arguments, bool quantized) {
    quantized ? CheckCount(arguments, 7, 7) : CheckCount(arguments, 6, 7);
    const int64_t elements = Part(arguments, 0, Kind::kStorage).number;
    const int64_t offset = Part(arguments, 1, Kind::kInt).number;
    const std::vector<int64_t> sizes = Extents(Part(arguments, 2, Kind::kTuple));
    const std::vector<int64_t> strides = Extents(Part(arguments, 3, Kind::kTuple));
    const size_t after = quantized ? 5 : 4;
    if (sizes.size() != strides.size()) Refuse("has a tensor with more strides than extents, or fewer");
    if (Part(arguments, after, Kind::kBool).number != 0) Refuse("has a tensor with gradients");
    Part(arguments, after + 1, Kind::kHooks);
    if (quantized) CheckScheme(Part(arguments, 4, Kind::kTuple), sizes);
    if (!quantized && arguments.parts.size() == 7) CheckMetadata(Part(arguments, 6, Kind::kDict));
    CheckReach(elements, offset, sizes, strides);
    Value tensor;
    tensor.kind = Kind::kTensor;
    tensor.sizes = sizes;
    Push(std::move(tensor));
  }

  void CheckReach(int64_t elements, int64_t offset, const std::vector<int64_t>& sizes,
                  const std::vector<int64_t>& strides) const {
    if (!StaysInside(elements, offset, sizes, strides)) {
      Refuse(Cat("has a tensor that reaches beyond its memory of ", elements, " elements: offset ", offset,
                 ", extents [", Join(sizes, ", "), "], strides [", Join(strides, ", "), "]"));
    }
  }

  void CheckScheme(const Value& parameters, const std::vector<int64_t>& sizes) const {
    if (parameters.parts.empty()) Refuse("has a quantized tensor without a scheme");
    const auto scheme = static_cast<c10::QScheme>(Part(parameters, 0, Kind::kScheme).number);
    if (scheme == c10::kPerTensorAffine) {
      CheckCount(parameters, 3, 3);
      Part(parameters, 1, Kind::kFloat);
      Part(parameters, 2, Kind::kInt);
      return;
    }
    CheckCount(parameters, 4, 4);
    const int64_t axis = Part(parameters, 3, Kind::kInt).number;
    const bool valid = axis >= 0 && axis < static_cast<int64_t>(sizes.size());
    for (const size_t i : {size_t{1}, size_t{2}}) {
      const std::vector<int64_t>& extents = Part(parameters, i, Kind::kTensor).sizes;
      if (!valid || extents != std::vector<int64_t>{sizes[static_cast<size_t>(axis)]}) {
        Refuse("has a quantized tensor whose scales do not fit its extents");
      }
    }
  }

  void CheckMetadata(const Value& metadata) const {
    for (size_t i = 0; i < metadata.parts.size(); i += 2) {
      const std::string& key = Part(metadata, i, Kind::kText).text;
      Part(metadata, i + 1, Kind::kBool);
      if (key != "conj" && key != "neg") Refuse(Cat("has a tensor with ", Quote(key), " set"));
    }
  }

  // Reads (layout, extents, gradients, indices, values). torch checks the indices when the network is loaded.
  void SparseTensor(const Value& arguments) {
    CheckCount(arguments, 5, 6);
    if (Part(arguments, 0, Kind::kInt).number != static_cast<int64_t>(c10::Layout::Sparse)) {
      Refuse("has a sparse tensor of another layout than COO");
    }
    const std::vector<int64_t> sizes = Extents(Part(arguments, 1, Kind::kTuple));
    if (Part(arguments, 2, Kind::kBool).number != 0) Refuse("has a tensor with gradients");
    const std::vector<int64_t>& indices = Part(arguments, 3, Kind::kTensor).sizes;
    const std::vector<int64_t>& values = Part(arguments, 4, Kind::kTensor).sizes;
    if (arguments.parts.size() == 6 && values_[arguments.parts[5]].kind != Kind::kHooks) {
      Part(arguments, 5, Kind::kBool);
    }
    // The extents are those of the indexed dimensions, then those of the values.
    if (indices.size() != 2 || values.empty() || values[0] != indices[1] || indices[0] < 0 ||
        sizes.size() != static_cast<size_t>(indices[0]) + values.size() - 1 ||
        !std::equal(values.begin() + 1, values.end(), sizes.begin() + indices[0])) {
      Refuse("has a sparse tensor whose parts do not fit together");
    }
    Value tensor;
    tensor.kind = Kind::kTensor;
    tensor.sizes = sizes;
    Push(std::move(tensor));
  }

  void CheckType(const Value& value, const ValueType& type, const std::string& place) const {
    if (!Fits(values_, value, type)) {
      Refuse(Cat("has ", NameOf(value.kind), " as ", place, ", whose type is ", type.name));
    }
  }

  const ModulePickle& pickle_;
  const std::string class_name_;  // full; empty: no class is allowed
  const std::map<std::string, ValueType>& attributes_;
  std::vector<Value> values_;
  std::vector<Index> stack_;
  std::vector<size_t> marks_;
  std::vector<Index> memo_;
};

}  // namespace

void CheckModuleValues(const ModulePickle& pickle, const std::string& class_name,
                       const std::map<std::string, ValueType>& attributes) {
  Follower follower(pickle, class_name, attributes);
  const Value& value = follower.Run();
  if (value.kind != Kind::kObject) follower.Refuse(Cat("holds ", NameOf(value.kind), "; wanted the module"));
}

size_t CheckConstants(const ModulePickle& pickle) {
  const std::map<std::string, ValueType> none;
  Follower follower(pickle, "", none);
  const Value& value = follower.Run();
  if (value.kind != Kind::kTuple) follower.Refuse(Cat("holds ", NameOf(value.kind), "; wanted a tuple of constants"));
  for (size_t i = 0; i < value.parts.size(); ++i) {
    const Kind kind = follower.part(value, i).kind;
    if (kind == Kind::kGlobal || kind == Kind::kStorage || kind == Kind::kHooks || kind == Kind::kObject) {
      follower.Refuse(Cat("has ", NameOf(kind), " as a constant"));
    }
  }
  return value.parts.size();
}

}  // namespace nacelle::reference
