#include "core/tensorrt/slot_table.h"

#include <string>
#include <tuple>

#include "core/error.h"
#include "core/known_releases.h"

namespace nacelle::tensorrt {
namespace {

auto WithoutBuild(const Release& release) { return std::tuple(release.major, release.minor, release.patch); }

}  // namespace

const SlotTable& TableFor(const Release& release) {
  const std::string why_not = WhyNotCallable(Product::kTensorRT, release);
  if (!why_not.empty()) throw LibraryError(why_not);
  const SlotTable* best = nullptr;
  for (const SlotTable& table : SlotTables()) {
    if (table.release.major != release.major) continue;
    if (best == nullptr || WithoutBuild(table.release) <= WithoutBuild(release)) best = &table;
  }
  return *best;
}

const SlotTable& RtxTableFor(const Release& release) {
  const std::string why_not = WhyNotCallable(Product::kTensorRTRtx, release);
  if (!why_not.empty()) throw LibraryError(why_not);
  return RtxSlotTable();
}

}  // namespace nacelle::tensorrt
