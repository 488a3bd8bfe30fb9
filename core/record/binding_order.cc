#include "core/record/binding_order.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <numeric>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

namespace nacelle::record {
namespace {

using Numbers = std::vector<uint64_t>;
using Rule = std::optional<uint64_t> (*)(std::string_view name);

// Returns the digits at the end of a name, after its last delimiter.
std::optional<uint64_t> LastNumber(std::string_view name) {
  const size_t delimiter = name.find_last_of("._");
  if (delimiter == std::string_view::npos) return std::nullopt;
  uint64_t number = 0;
  const char* const end = name.data() + name.size();
  // Fails if no digit follows and if the digits are more than 64 bits hold.
  const auto result = std::from_chars(name.data() + delimiter + 1, end, number);
  return result.ec == std::errc() && result.ptr == end ? std::optional(number) : std::nullopt;
}

// Returns the digits after a name's first delimiter, whatever follows them.
std::optional<uint64_t> FirstNumber(std::string_view name) {
  size_t delimiter = name.find('.');
  if (delimiter == std::string_view::npos) delimiter = name.find('_');
  if (delimiter == std::string_view::npos) return std::nullopt;
  uint32_t number = 0;  // older releases hold no more
  const auto result = std::from_chars(name.data() + delimiter + 1, name.data() + name.size(), number);
  return result.ec == std::errc() ? std::optional<uint64_t>(number) : std::nullopt;
}

constexpr Rule kRules[] = {&LastNumber, &FirstNumber};  // in order of preference

// Returns the numbers of all names; nothing if a name has none or two are equal.
std::optional<Numbers> NumbersOf(std::span<const std::string> names, Rule rule) {
  Numbers numbers;
  numbers.reserve(names.size());
  for (const std::string& name : names) {
    const std::optional<uint64_t> number = rule(name);
    if (!number) return std::nullopt;
    numbers.push_back(*number);
  }
  Numbers sorted = numbers;
  std::ranges::sort(sorted);
  return std::ranges::adjacent_find(sorted) == sorted.end() ? std::optional(std::move(numbers)) : std::nullopt;
}

}  // namespace

std::vector<size_t> OrderByNumber(std::span<const std::string> names) {
  std::vector<size_t> order(names.size());
  std::iota(order.begin(), order.end(), size_t{0});
  for (const Rule rule : kRules) {
    const std::optional<Numbers> numbers = NumbersOf(names, rule);
    if (!numbers) continue;
    std::ranges::sort(order, {}, [&](size_t index) { return (*numbers)[index]; });
    return order;
  }
  return order;
}

bool OrderFollowsNames(std::span<const std::string> names) {
  if (names.size() < 2) return true;
  bool numbered = false;
  for (const Rule rule : kRules) {
    const std::optional<Numbers> numbers = NumbersOf(names, rule);
    if (!numbers) continue;
    if (!std::ranges::is_sorted(*numbers)) return false;
    numbered = true;
  }
  return numbered;
}

}  // namespace nacelle::record
