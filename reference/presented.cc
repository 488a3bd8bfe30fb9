#include "reference/presented.h"

#include <array>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "core/text.h"

namespace nacelle::reference {
namespace {

using tensorrt::SlotTable;

// "10.0" is {10, 0}; nullopt for anything but one to four numbers with dots between them.
std::optional<std::vector<int>> ParseNumbers(std::string_view text) {
  std::vector<int> numbers;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (true) {
    int number = 0;
    const auto [next, error] = std::from_chars(at, end, number);
    if (error != std::errc() || number < 0 || numbers.size() == 4) return std::nullopt;
    numbers.push_back(number);
    if (next == end) return numbers;
    if (*next != '.') return std::nullopt;
    at = next + 1;
  }
}

bool StartsWith(const Release& release, const std::vector<int>& numbers) {
  const std::array all = {release.major, release.minor, release.patch, release.build};
  return std::equal(numbers.begin(), numbers.end(), all.begin());
}

const SlotTable* ChooseFromEnvironment() {
  const char* value = std::getenv(kReleaseVariable);
  const std::string_view release = value == nullptr ? "" : value;
  if (release == "rtx") return &tensorrt::RtxSlotTable();
  const SlotTable* table = ChooseTable(release, tensorrt::SlotTables());
  if (table == nullptr) {
    std::vector<std::string> known;
    for (const SlotTable& each : tensorrt::SlotTables()) known.push_back(each.release.ToString());
    const std::string message = Cat(
        "nacelle reference engine: ", kReleaseVariable, " is ", Quote(release),
        ", which is no release that it can present; set it to rtx, to one of these, or to the first numbers of one: ",
        Join(known, ", "));
    std::fprintf(stderr, "%s\n", message.c_str());
  }
  return table;
}

// Returns the factor of the major number in a version: 1000 in TensorRT 8 and 9, 10000 in later ones and TensorRT-RTX.
int MajorUnit(const Release& release) { return release.major == 8 || release.major == 9 ? 1000 : 10000; }

}  // namespace

const SlotTable* ChooseTable(std::string_view release, std::span<const SlotTable> tables) {
  if (tables.empty()) return nullptr;
  if (release.empty()) return &tables.back();
  const auto numbers = ParseNumbers(release);
  if (!numbers.has_value()) return nullptr;
  const SlotTable* newest = nullptr;
  for (const SlotTable& table : tables) {
    if (StartsWith(table.release, *numbers)) newest = &table;
  }
  return newest;
}

const SlotTable* PresentedTable() {
  static const SlotTable* const table = ChooseFromEnvironment();
  return table;
}

Release ReleaseOf(const SlotTable& table) {
  return &table == &tensorrt::RtxSlotTable() ? tensorrt::RtxRelease() : table.release;
}

int LibraryVersion(const Release& release) {
  return release.major * MajorUnit(release) + release.minor * 100 + release.patch;
}

bool IsVersionOf(const Release& release, int version) { return version / MajorUnit(release) == release.major; }

}  // namespace nacelle::reference
