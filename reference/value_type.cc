#include "reference/value_type.h"

#include <algorithm>
#include <array>

#include "core/error.h"
#include "core/text.h"

namespace nacelle::reference {
namespace {

constexpr std::array<std::string_view, 11> kPlain = {"Tensor", "int",  "float",    "bool",   "str", "complex",
                                                     "number", "None", "NoneType", "Device", "Any"};
constexpr std::array<std::string_view, 5> kContainers = {"List", "Dict", "Tuple", "Optional", "Union"};

bool InName(char c) {
  return c == '_' || c == '.' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

void SkipSpaces(std::string_view& text) { text.remove_prefix(std::min(text.find_first_not_of(' '), text.size())); }

[[noreturn]] void Refuse(std::string_view type, std::string_view expected) {
  throw PlanError(Cat("type is ", Quote(type), "; wanted ", expected));
}

ValueType Read(std::string_view& text, const std::set<std::string>& tuples, size_t depth) {
  if (depth > kMaxTypeDepth) Refuse(text, Cat("at most ", kMaxTypeDepth, " types inside one another"));
  SkipSpaces(text);
  const auto end = std::ranges::find_if_not(text, InName);
  ValueType type{std::string(text.begin(), end), {}};
  text.remove_prefix(type.name.size());
  if (std::ranges::find(kPlain, type.name) != kPlain.end() || tuples.contains(type.name)) return type;
  if (std::ranges::find(kContainers, type.name) == kContainers.end() || !text.starts_with('[')) {
    Refuse(type.name.empty() ? text.substr(0, 20) : type.name, "a tensor, a plain value, or a container of these");
  }
  if (text.starts_with("[()]")) {  // Tuple[()]
    text.remove_prefix(4);
    return type;
  }
  do {
    text.remove_prefix(1);
    type.arguments.push_back(Read(text, tuples, depth + 1));
    SkipSpaces(text);
  } while (text.starts_with(','));
  if (!text.starts_with(']')) Refuse(text.substr(0, 40), "a closing bracket");
  text.remove_prefix(1);
  return type;
}

}  // namespace

ValueType ReadType(std::string_view& text, const std::set<std::string>& tuples) { return Read(text, tuples, 1); }

ValueType ParseType(std::string_view text, const std::set<std::string>& tuples) {
  const std::string_view whole = text;
  ValueType type = Read(text, tuples, 1);
  if (!text.empty()) Refuse(whole, "one type and nothing after it");
  return type;
}

}  // namespace nacelle::reference
