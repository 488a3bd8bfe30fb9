#include "core/tensorrt/slot_table.h"

#include <string>
#include <tuple>
#include <vector>

#include "core/error.h"
#include "core/text.h"

namespace nacelle::tensorrt {
namespace {

auto WithoutBuild(const Release& release) { return std::tuple(release.major, release.minor, release.patch); }

// "8.5 to 8.6, 10.0 to 10.16, 11.0 to 11.1": the minor releases with tables, by major release.
std::string KnownReleases() {
  std::vector<std::string> ranges;
  const std::span<const SlotTable> tables = SlotTables();
  for (size_t first = 0, i = 0; i < tables.size(); ++i) {
    const Release& from = tables[first].release;
    const Release& to = tables[i].release;
    if (i + 1 < tables.size() && tables[i + 1].release.major == from.major) continue;
    ranges.push_back(Cat(from.major, ".", from.minor, " to ", to.major, ".", to.minor));
    first = i + 1;
  }
  return Join(ranges, ", ");
}

}  // namespace

const SlotTable& TableFor(const Release& release) {
  const SlotTable* best = nullptr;
  const SlotTable* oldest = nullptr;
  for (const SlotTable& table : SlotTables()) {
    if (table.release.major != release.major) continue;
    if (oldest == nullptr) oldest = &table;
    if (WithoutBuild(table.release) <= WithoutBuild(release)) best = &table;
  }
  if (best != nullptr) return *best;
  if (oldest != nullptr) {
    throw LibraryError(Cat("TensorRT ", release.ToString(), " is older than ", oldest->release.ToString(),
                           ", the oldest release of ", release.major, ".x that Nacelle knows (it knows ",
                           KnownReleases(), "). Use a newer TensorRT of that major release."));
  }
  throw LibraryError(Cat("TensorRT ", release.ToString(),
                         " is of a major release that Nacelle does not know (it knows ", KnownReleases(),
                         "). Use a TensorRT of one of these, or a Nacelle that knows ", release.major, ".x."));
}

}  // namespace nacelle::tensorrt
