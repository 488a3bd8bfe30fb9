#include "tests/fake_gpu/gpu_plan.h"

#include "core/release.h"
#include "core/tensorrt/slot_table.h"

namespace nacelle::fake_gpu {

std::string GpuPlan(const std::string& reference_plan) {
  const Release& release = tensorrt::SlotTables().back().release;
  std::string header = "ftrt" + std::string(kHeaderBytes - 4, '\0');
  header[24] = static_cast<char>(release.major);
  header[25] = static_cast<char>(release.minor);
  header[26] = static_cast<char>(release.patch);
  header[27] = static_cast<char>(release.build);
  return header + reference_plan;
}

}  // namespace nacelle::fake_gpu
