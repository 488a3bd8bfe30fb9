#include "reference/module_source.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/text.h"
#include "reference/source_cursor.h"

namespace nacelle::reference {
namespace {

// Maximum weight of a value beyond the source's bytes: the bytes of a text, or the values in a tuple or list, each
// counted as often as it occurs.
constexpr size_t kMaxWeight = size_t{1} << 20;
// Maximum size of tuples and lists whose parts are known one by one.
constexpr size_t kMaxKnownParts = 64;

// The known facts about an expression's value.
struct Known {
  size_t weight = 1;  // bytes of a text; parts of a tuple
  bool is_text = false;
  std::shared_ptr<const std::vector<Known>> parts;  // the parts of a tuple or list that is written out
};

class SourceReader : private SourceCursor {
 public:
  SourceReader(const ModuleSource& source, const std::string& class_name, const std::set<std::string>& tuples,
               const std::function<std::string(const std::string&)>& why_refused)
      : SourceCursor(source.name, source.text, tuples),
        source_(source),
        class_name_(class_name),
        tuples_(tuples),
        why_refused_(why_refused) {}

  ModuleClass Run() {
    while (!AtEnd()) {
      if (SkipEmptyLine()) continue;
      Class();
    }
    return std::move(result_);
  }

 private:
  // Classes.

  void Class() {
    Expect("class ");
    const std::string name = Word();
    const std::string full = Cat(source_.space, ".", name);
    if (Accept("(NamedTuple):\n")) return NamedTuple();
    if (full != class_name_ || has_class_) {
      Refuse(Cat("found the class ", Quote(full), "; wanted ", Quote(class_name_), " alone, and named tuples"));
    }
    if (!Accept("(Module):\n")) Refuse(Cat("found the class ", Quote(full), " of another kind; wanted a Module"));
    has_class_ = true;
    while (AcceptLine(2)) Member();
    if (!result_.has_forward) Refuse("found no method forward");
  }

  void NamedTuple() {
    while (AcceptLine(2)) {
      const std::string name = Word();
      if (name == "def") Refuse(Cat("found the method ", Quote(FirstOf(Rest())), " of a named tuple; wanted fields"));
      Expect(" : ");
      Type();
      EndLine();
    }
  }

  void Member() {
    const std::string name = Word();
    if (name == "def") return Forward();
    if (name == "__parameters__" || name == "__buffers__") {
      Expect(" = [");
      while (Peek() == '"') {
        TakeText();
        Accept(", ");
      }
      Expect("]");
    } else {
      if (name.starts_with("__")) Refuse(Cat("found ", Quote(name), "; wanted attributes and forward"));
      Expect(" : ");
      if (!result_.attributes.emplace(name, Type()).second) Refuse(Cat("found the attribute ", Quote(name), " twice"));
    }
    EndLine();
  }

  void Forward() {
    Expect(" ");
    const std::string name = Word();
    if (name != "forward" || result_.has_forward)
      Refuse(Cat("found the method ", Quote(name), "; wanted forward alone"));
    result_.has_forward = true;
    Expect("(");
    self_ = NewName();
    if (Accept(": ")) Expect(class_name_);
    while (Accept(",")) {
      SpacesAndLines();
      variables_[NewName()] = {};
      Expect(": ");
      Type();
    }
    Expect(") -> ");
    Type();
    Expect(":\n");
    Block(4);
  }

  void SpacesAndLines() {
    while (Peek() == ' ' || Peek() == '\n') MoveTo(offset() + 1);
  }

  // Statements.

  void Block(size_t indent) {
    if (indent / 2 > kMaxBlockDepth + 1) Refuse(Cat("found blocks more than ", kMaxBlockDepth, " deep"));
    if (!AcceptLine(indent)) Refuse("found an empty block");
    do {
      Statement(indent);
    } while (AcceptLine(indent));
  }

  void Statement(size_t indent) {
    if (AcceptWord("pass")) return EndLine();
    if (AcceptWord("return")) {
      Expect(" ");
      Expression(0);
      return EndLine();
    }
    if (AcceptWord("if")) {
      Expect(" ");
      Expression(0);
      Expect(":\n");
      Block(indent + 2);
      if (!AcceptLine(indent)) Refuse("found an if without else");
      Expect("else:\n");
      return Block(indent + 2);
    }
    if (AcceptWord("while")) {
      Expect(" ");
      Expression(0);
      Expect(":\n");
      return Block(indent + 2);
    }
    if (AcceptWord("for")) {
      Expect(" ");
      variables_[NewName()] = {};
      Expect(" in range(");
      Expression(0);
      Expect("):\n");
      return Block(indent + 2);
    }
    for (const char* const word : {"def", "class", "with", "import", "from", "del", "raise", "assert", "elif", "try"}) {
      if (PeekWord() == word) Refuse(Cat("found ", Quote(FirstOf(Rest())), "; forward has no such statement"));
    }
    if (std::optional<std::vector<std::string>> names = Targets()) {
      Assign(*names);
    } else {
      Expression(0);
    }
    EndLine();
  }

  std::string NewName() {
    std::string name = Word();
    CheckName(name);
    return name;
  }
  void CheckName(const std::string& name) const {
    bool taken = name == self_;
    for (const char* const other : {"torch", "ops", "CONSTANTS", "True", "False", "None", "inf", "nan", "__torch__"}) {
      taken = taken || name == other;
    }
    if (taken) Refuse(Cat("found an assignment to ", Quote(name)));
  }

  // Takes the names before " = ", with their types. Returns nullopt, and takes nothing, if the line is an expression.
  //   a = …     a: int = …     a, b = …     a, b, = …
  std::optional<std::vector<std::string>> Targets() {
    const size_t start = offset();
    std::vector<std::string> names;
    unpacks_ = false;
    while (InWord(Peek()) && !IsDigit(Peek())) {
      names.push_back(std::string(PeekWord()));
      MoveTo(offset() + names.back().size());
      if (Accept(": ") || Accept(" : ")) Type();
      if (Accept(" = ")) break;
      if (Accept(", = ")) {
        unpacks_ = true;
        break;
      }
      if (!Accept(", ")) {
        MoveTo(start);
        return std::nullopt;
      }
    }
    if (names.empty() || !text().substr(0, offset()).ends_with(" = ")) {
      MoveTo(start);
      return std::nullopt;
    }
    for (const std::string& name : names) CheckName(name);
    return names;
  }

  void Assign(const std::vector<std::string>& names) {
    std::vector<Known> values = {Expression(0)};
    while (Accept(", ")) values.push_back(Expression(0));
    // `a, b = f(x)` unpacks the outputs of an operator, `a, b, = x` a tuple.
    if (values.size() == 1 && (unpacks_ || names.size() > 1)) {
      const std::shared_ptr<const std::vector<Known>> parts = values[0].parts;
      for (size_t i = 0; i < names.size(); ++i) {
        Set(names[i], parts != nullptr && parts->size() == names.size() ? (*parts)[i] : values[0]);
      }
      return;
    }
    if (values.size() != names.size()) Refuse(Cat("found ", values.size(), " values for ", names.size(), " names"));
    for (size_t i = 0; i < names.size(); ++i) Set(names[i], values[i]);
  }

  // Sets a name; one that is set in several places has the heaviest of the values.
  void Set(const std::string& name, const Known& value) {
    const auto [place, added] = variables_.try_emplace(name, value);
    if (added) return;
    Known& known = place->second;
    known.parts = nullptr;
    known.weight = std::max(known.weight, value.weight);
    known.is_text = known.is_text || value.is_text;
  }

  // Expressions.

  Known Expression(size_t depth) {
    if (depth > kMaxExpressionDepth) Refuse(Cat("found an expression more than ", kMaxExpressionDepth, " deep"));
    Known known = Primary(depth);
    for (size_t after = 0; Peek() == '['; ++after) {
      if (after + depth > kMaxExpressionDepth) Refuse(Cat("found more than ", kMaxExpressionDepth, " indices"));
      known = Subscript(std::move(known), depth);
    }
    return known;
  }

  Known Subscript(Known known, size_t depth) {
    Expect("[");
    const size_t start = offset();
    Expression(depth + 1);
    const std::string_view index = text().substr(start, offset() - start);
    if (Accept(":")) {
      Expression(depth + 1);
      Expect("]");
      known.parts = nullptr;
      return known;
    }
    Expect("]");
    if (known.parts == nullptr) return known;
    const std::vector<Known>& parts = *known.parts;
    if (index.size() == 1 && IsDigit(index[0]) && static_cast<size_t>(index[0] - '0') < parts.size()) {
      return parts[static_cast<size_t>(index[0] - '0')];
    }
    known.parts = nullptr;
    return known;
  }

  Known Primary(size_t depth) {
    const char c = Peek();
    if (c == '(') return Parenthesis(depth);
    if (c == '[') return List(depth, "[", "]");
    if (c == '{') return Dict(depth);
    if (c == '"') return {TakeText(), true, nullptr};
    if (c == '-' || c == '+' || c == '.' || IsDigit(c)) {
      TakeNumber();
      return {};
    }
    return Named(depth);
  }

  Known Whole(std::vector<Known> parts) {
    Known known;
    for (const Known& part : parts) known.weight += part.weight;
    if (known.weight > kMaxWeight + text().size()) Refuse("found values that repeat one another more than 2^20 times");
    if (parts.size() > kMaxKnownParts) return known;
    known.parts = std::make_shared<const std::vector<Known>>(std::move(parts));
    return known;
  }

  Known Parenthesis(size_t depth) {
    Expect("(");
    std::vector<Known> parts;
    bool tuple = Peek() == ')';
    while (Peek() != ')') {
      parts.push_back(Expression(depth + 1));
      if (!Accept(",")) break;
      tuple = true;
      Spaces();
    }
    Expect(")");
    return tuple ? Whole(std::move(parts)) : parts[0];
  }

  Known List(size_t depth, std::string_view open, std::string_view close) {
    Expect(open);
    std::vector<Known> parts;
    while (!Rest().starts_with(close)) {
      parts.push_back(Expression(depth + 1));
      if (!Accept(",")) break;
      Spaces();
    }
    Expect(close);
    return Whole(std::move(parts));
  }

  Known Dict(size_t depth) {
    Expect("{");
    std::vector<Known> parts;
    while (Peek() != '}') {
      parts.push_back(Expression(depth + 1));
      Expect(": ");
      parts.push_back(Expression(depth + 1));
      if (!Accept(",")) break;
      Spaces();
    }
    Expect("}");
    Known known = Whole(std::move(parts));
    known.parts = nullptr;
    return known;
  }

  Known Named(size_t depth) {
    const std::string name = Word();
    if (name == "torch") {
      Expect(".");
      return Operator("aten", depth);
    }
    if (name == "ops") {
      Expect(".");
      const std::string space = Word();
      Expect(".");
      return Operator(space, depth);
    }
    if (name == "__torch__") return MakeTuple(depth);
    if (name == "CONSTANTS") return Constant();
    if (name == self_) return Attribute();
    if (name == "True" || name == "False" || name == "None" || name == "inf" || name == "nan" || name == "infj" ||
        name == "nanj") {
      return {};
    }
    if (Peek() == '(') return Function(name, depth);
    const auto variable = variables_.find(name);
    if (variable == variables_.end()) Refuse(Cat("found ", Quote(name), ", which nothing before it sets"));
    if (Accept(".tolist()")) return {};
    if (Peek() == '.') Refuse(Cat("found ", Quote(Cat(name, FirstOf(Rest()))), "; wanted no attribute"));
    return variable->second;
  }

  Known Operator(const std::string& space, size_t depth) {
    const std::string name = Word();
    if (Peek() != '(') Refuse(Cat("found ", Quote(Cat(space, "::", name, FirstOf(Rest()))), "; wanted a call"));
    const std::string full = Cat(space, "::", name);
    if (const std::string why = why_refused_(full); !why.empty()) {
      Refuse(Cat("forward calls ", full, ", ", why, "; no engine of Nacelle's is built with it"));
    }
    const std::vector<Known> arguments = Arguments(depth);
    return space == "aten" ? ResultOf(name, arguments) : Known{};
  }

  // Follows operators that join texts: torch computes them while it reads the module.
  Known ResultOf(const std::string& name, const std::vector<Known>& arguments) {
    static const auto* const join = new std::set<std::string>{
        "add",   "format",   "percentFormat", "join",   "str",    "capitalize", "title",      "upper",
        "lower", "swapcase", "strip",         "lstrip", "rstrip", "slice",      "__getitem__"};
    Known known;
    if (!join->contains(name)) return known;
    for (const Known& argument : arguments) {
      known.is_text = known.is_text || argument.is_text;
      known.weight += argument.weight;
    }
    if (!known.is_text && name != "str") return {};
    known.is_text = true;
    if (known.weight > kMaxWeight + text().size()) Refuse("found a text that is put together of more than 2^20 bytes");
    return known;
  }

  std::vector<Known> Arguments(size_t depth) {
    Expect("(");
    std::vector<Known> arguments;
    while (Peek() != ')') {
      const std::string_view word = PeekWord();
      const size_t after = offset() + word.size();
      // Skips the name of a parameter that is passed by name.
      if (!word.empty() && after < text().size() && text()[after] == '=') MoveTo(after + 1);
      arguments.push_back(Expression(depth + 1));
      if (!Accept(",")) break;
      Spaces();
    }
    Expect(")");
    return arguments;
  }

  Known MakeTuple(size_t depth) {
    std::string name = "__torch__";
    while (Accept(".")) name += Cat(".", Word());
    if (!tuples_.contains(name)) Refuse(Cat("found ", Quote(name), "; wanted named tuples alone"));
    return Whole(Arguments(depth));
  }

  Known Constant() {
    Expect(".c");
    const std::string_view digits = PeekWord();
    if (digits.empty() || digits.size() > 8 || !std::ranges::all_of(digits, IsDigit)) {
      Refuse(Cat("found the constant ", Quote(FirstOf(Rest())), "; wanted a number"));
    }
    MoveTo(offset() + digits.size());
    result_.constants = std::max<size_t>(result_.constants, std::stoul(std::string(digits)) + 1);
    return {};
  }

  Known Attribute() {
    Expect(".");
    const std::string name = Word();
    if (!result_.attributes.contains(name)) Refuse(Cat("found the attribute ", Quote(name), ", which the class lacks"));
    return {};
  }

  Known Function(const std::string& name, size_t depth) {
    if (name == "annotate" || name == "unchecked_cast" || name == "uninitialized") {
      Expect("(");
      Type();
      Known known;
      if (Accept(", ")) known = Expression(depth + 1);
      Expect(")");
      return known;
    }
    if (name == "isinstance") {
      Expect("(");
      Expression(depth + 1);
      Expect(", ");
      const bool several = Accept("(");
      do {
        Type();
      } while (several && Accept(", "));
      if (several) Expect(")");
      Expect(")");
      return {};
    }
    if (name == "str") return ResultOf("str", Arguments(depth));
    if (name == "int" || name == "float" || name == "bool" || name == "print" || name == "sorted") {
      Arguments(depth);
      return {};
    }
    Refuse(Cat("found a call of ", Quote(name), "; forward has no such function"));
  }

  const ModuleSource& source_;
  const std::string& class_name_;
  const std::set<std::string>& tuples_;
  const std::function<std::string(const std::string&)>& why_refused_;
  bool has_class_ = false;
  std::string self_;      // the name of forward's first parameter
  bool unpacks_ = false;  // the last targets end with a comma
  std::unordered_map<std::string, Known> variables_;
  ModuleClass result_;
};

}  // namespace

std::set<std::string> NamedTuples(const ModuleSource& source) {
  std::set<std::string> names;
  std::string_view rest = source.text;
  constexpr std::string_view kBegin = "class ", kEnd = "(NamedTuple):";
  while (!rest.empty()) {
    const size_t size = std::min(rest.find('\n'), rest.size() - 1) + 1;
    std::string_view line = rest.substr(0, size);
    rest.remove_prefix(size);
    const size_t end = line.find(kEnd);
    if (!line.starts_with(kBegin) || end == std::string_view::npos) continue;
    names.insert(Cat(source.space, ".", line.substr(kBegin.size(), end - kBegin.size())));
  }
  return names;
}

ModuleClass CheckModuleSource(const ModuleSource& source, const std::string& class_name,
                              const std::set<std::string>& tuples,
                              const std::function<std::string(const std::string&)>& why_refused) {
  return SourceReader(source, class_name, tuples, why_refused).Run();
}

}  // namespace nacelle::reference
