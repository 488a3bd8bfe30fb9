#include "core/tensorrt/builder/option_table.h"

#include <algorithm>
#include <iterator>

#include "core/error.h"
#include "core/tensorrt/builder/parser_slots.h"
#include "core/text.h"

namespace nacelle::tensorrt {
namespace {

std::string Names(const auto& rows) {
  std::vector<std::string_view> names;
  for (const auto& row : rows) names.push_back(row.name);
  return Join(names, ", ");
}

std::string Wanted(const BuildOption& option) {
  switch (option.type) {
    case OptionType::kSwitch:
    case OptionType::kToggle:
      return "True or False";
    case OptionType::kNumber:
      return Cat("a whole number from ", option.min, " to ", option.max);
    case OptionType::kBytes:
      return Cat("a number of bytes of ", option.min, " or more");
    case OptionType::kChoice:
      return Cat("one of ", Names(option.choices));
    case OptionType::kChoices:
      return Cat("a list with any of ", Names(option.choices));
    case OptionType::kNames:
      return "a list of one name or more";
    case OptionType::kPath:
      return "a path";
    case OptionType::kCacheFolder:
      return "True, False or a folder's path";
  }
  return "";
}

bool IsChoice(const BuildOption& option, const std::string& name) {
  return std::ranges::find(option.choices, name, &OptionChoice::name) != option.choices.end();
}

}  // namespace

const BuildOption& FindBuildOption(std::string_view name) {
  const auto option = std::ranges::find(kBuildOptions, name, &BuildOption::name);
  if (option != std::end(kBuildOptions)) return *option;
  throw InputError(Cat("build option ", Quote(name), " is unknown; wanted one of ", Names(kBuildOptions)));
}

bool Accepts(const BuildOption& option, const OptionValue& value) {
  const auto* const number = std::get_if<int64_t>(&value);
  const auto* const text = std::get_if<std::string>(&value);
  const auto* const list = std::get_if<std::vector<std::string>>(&value);
  const bool truth = std::holds_alternative<bool>(value);
  switch (option.type) {
    case OptionType::kSwitch:
    case OptionType::kToggle:
      return truth;
    case OptionType::kNumber:
      return number != nullptr && option.min <= *number && *number <= option.max;
    case OptionType::kBytes:
      return number != nullptr && option.min <= *number;
    case OptionType::kChoice:
      return text != nullptr && IsChoice(option, *text);
    case OptionType::kChoices:
      return list != nullptr && std::ranges::all_of(*list, [&](const auto& name) { return IsChoice(option, name); });
    case OptionType::kNames:
      return list != nullptr && !list->empty() && std::ranges::find(*list, "") == list->end();
    case OptionType::kPath:
      return text != nullptr;
    case OptionType::kCacheFolder:
      return truth || text != nullptr;
  }
  return false;
}

std::string Refusal(const BuildOption& option, std::string_view found) {
  return Cat("build option ", option.name, " is ", found, "; wanted ", Wanted(option));
}

bool Has(const SlotTable& table, const OptionNeeds& needs) {
  if (const auto* const flag = std::get_if<Flag>(&needs)) return table.bit(*flag) >= 0;
  if (const auto* const method = std::get_if<Method>(&needs)) return table.has(*method);
  if (const auto* const since = std::get_if<Release>(&needs)) return table.release >= *since;
  return true;
}

std::string ReleasesWith(const OptionNeeds& needs) {
  // They are one range for everything that is needed here.
  std::vector<Release> all;
  std::vector<Release> having;
  for (const SlotTable& table : SlotTables()) {
    if (!ParserSlotsOf(table.release.major)) continue;
    all.push_back(table.release);
    if (Has(table, needs)) having.push_back(table.release);
  }
  if (having.size() == all.size()) return "";
  if (having.empty()) return "no release that is known";
  const Release& first = having.front();
  const Release& last = having.back();
  if (last == all.back()) return Cat("TensorRT ", first.major, ".", first.minor, " and later");
  const auto after = std::next(std::ranges::find(all, last));
  const std::string end = after->major == last.major ? Cat(last.major, ".", last.minor) : Cat(last.major);
  if (first.major == last.major && first.minor == 0 && after->major > last.major) return Cat("TensorRT ", end);
  return Cat("TensorRT ", first.major, ".", first.minor, " to ", end);
}

}  // namespace nacelle::tensorrt
