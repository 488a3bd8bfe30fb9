// Prints the slot tables that are compiled in, a line for each slot: release, width of extents, class, slot, method.
#include <cstdio>

#include "core/tensorrt/slot_table.h"

int main() {
  using nacelle::tensorrt::Interface;
  using nacelle::tensorrt::SlotTable;
  for (const SlotTable& table : nacelle::tensorrt::SlotTables()) {
    for (size_t i = 0; i < table.layouts.size(); ++i) {
      for (const auto method : table.layouts[i]) {
        std::printf("%s %d %s %d %s\n", table.release.ToString().c_str(), table.dims64 ? 64 : 32,
                    nacelle::tensorrt::InterfaceName(static_cast<Interface>(i)), table.slot(method),
                    nacelle::tensorrt::MethodName(method));
      }
    }
  }
}
