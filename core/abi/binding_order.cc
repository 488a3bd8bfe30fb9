#include "core/abi/binding_order.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <functional>
#include <numeric>
#include <optional>
#include <string_view>
#include <system_error>

namespace nacelle::abi {
namespace {

std::optional<uint32_t> NumberOf(std::string_view name) {
  size_t delimiter = name.find('.');
  if (delimiter == std::string_view::npos) delimiter = name.find('_');
  if (delimiter == std::string_view::npos) return std::nullopt;
  uint32_t number = 0;
  // Fails where no digit follows and where the digits are more than 32 bits hold.
  const auto result = std::from_chars(name.data() + delimiter + 1, name.data() + name.size(), number);
  return result.ec == std::errc() ? std::optional(number) : std::nullopt;
}

// The numbers of all names, or nothing where one has none.
std::optional<std::vector<uint32_t>> NumbersOf(std::span<const std::string> names) {
  std::vector<uint32_t> numbers;
  numbers.reserve(names.size());
  for (const std::string& name : names) {
    const std::optional<uint32_t> number = NumberOf(name);
    if (!number) return std::nullopt;
    numbers.push_back(*number);
  }
  return numbers;
}

}  // namespace

std::vector<size_t> OrderByNumber(std::span<const std::string> names) {
  std::vector<size_t> plan_order(names.size());
  std::iota(plan_order.begin(), plan_order.end(), size_t{0});
  const auto numbers = NumbersOf(names);
  if (!numbers) return plan_order;
  std::vector<size_t> order = plan_order;
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return (*numbers)[a] < (*numbers)[b]; });
  const bool equal_numbers = std::adjacent_find(order.begin(), order.end(), [&](size_t a, size_t b) {
                               return (*numbers)[a] == (*numbers)[b];
                             }) != order.end();
  return equal_numbers ? plan_order : order;
}

bool OrderFollowsNames(std::span<const std::string> names) {
  if (names.size() < 2) return true;
  const auto numbers = NumbersOf(names);
  return numbers && std::adjacent_find(numbers->begin(), numbers->end(), std::greater_equal<>()) == numbers->end();
}

}  // namespace nacelle::abi
