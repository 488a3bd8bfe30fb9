// Prints the slot tables that are compiled in, a line for each slot: release, width of extents, class, slot, method.
#include <cstdio>
#include <string>

#include "core/tensorrt/slot_table.h"

namespace {

using nacelle::tensorrt::Method;
using nacelle::tensorrt::SlotTable;

void Print(const std::string& release, const SlotTable& table) {
  for (size_t i = 0; i < nacelle::tensorrt::kMethodCount; ++i) {
    const auto method = static_cast<Method>(i);
    const std::string name = nacelle::tensorrt::MethodName(method);
    if (!table.has(method)) continue;
    std::printf("%s %d %s %d %s\n", release.c_str(), table.dims64 ? 64 : 32, name.substr(0, name.find(':')).c_str(),
                table.slot(method), name.c_str());
  }
}

}  // namespace

int main() {
  for (const SlotTable& table : nacelle::tensorrt::SlotTables()) Print(table.release.ToString(), table);
  Print("RTX-" + nacelle::tensorrt::RtxRelease().ToString(), nacelle::tensorrt::RtxSlotTable());
}
