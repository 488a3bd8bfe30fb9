#include "runtime/internal/record_operators.h"

#include <array>
#include <cstdint>
#include <string>
#include <utility>

#include "core/device/device.h"
#include "core/record/record.h"
#include "core/text.h"

namespace nacelle::runtime {
namespace {

using record::Field;
using record::TargetPlatform;

struct FieldIndex {
  const char* name;
  Field field;
};

constexpr std::array<FieldIndex, 13> kIndices = {{
    {"ABI_TARGET_IDX", Field::kAbiVersion},
    {"NAME_IDX", Field::kName},
    {"DEVICE_IDX", Field::kDevice},
    {"ENGINE_IDX", Field::kEngine},
    {"INPUT_BINDING_NAMES_IDX", Field::kInputNames},
    {"OUTPUT_BINDING_NAMES_IDX", Field::kOutputNames},
    {"HW_COMPATIBLE_IDX", Field::kHardwareCompatible},
    {"SERIALIZED_METADATA_IDX", Field::kMetadata},
    {"TARGET_PLATFORM_IDX", Field::kTargetPlatform},
    {"REQUIRES_OUTPUT_ALLOCATOR_IDX", Field::kRequiresOutputAllocator},
    {"RESOURCE_ALLOCATION_STRATEGY_IDX", Field::kResourceAllocation},
    {"REQUIRES_NATIVE_MULTIDEVICE_IDX", Field::kRequiresNativeMultiDevice},
    {"ALIASED_IO_IDX", Field::kAliasedIo},
}};
static_assert(kIndices.size() == record::kFields.size());

struct PlatformFunction {
  const char* name;
  TargetPlatform platform;
};

constexpr std::array<PlatformFunction, 5> kPlatforms = {{
    {"_platform_linux_x86_64", TargetPlatform::kLinuxX8664},
    {"_platform_linux_aarch64", TargetPlatform::kLinuxAarch64},
    {"_platform_win_x86_64", TargetPlatform::kWindowsX8664},
    {"_platform_win_arm64", TargetPlatform::kWindowsArm64},
    {"_platform_unknown", TargetPlatform::kUnknown},
}};

void DefineText(torch::Library& library, const std::string& name, std::string value) {
  library.def(Cat(name, "() -> str").c_str(), [value = std::move(value)]() -> std::string { return value; });
}

void DefineNumber(torch::Library& library, const std::string& name, size_t value) {
  library.def(Cat(name, "() -> int").c_str(), [number = static_cast<int64_t>(value)]() -> int64_t { return number; });
}

}  // namespace

void RegisterRecordOperators(torch::Library& library) {
  DefineText(library, "ABI_VERSION", std::to_string(record::kNewestVersion));
  DefineNumber(library, "SERIALIZATION_LEN", record::FieldCount(record::kNewestVersion));
  for (const FieldIndex& index : kIndices) DefineNumber(library, index.name, record::IndexOf(index.field));
  DefineText(library, "SERIALIZED_ENGINE_BINDING_DELIM", std::string(1, record::kItemDelimiter));
  DefineText(library, "SERIALIZED_RT_DEVICE_DELIM", std::string(1, device::kDeviceDelimiter));
  for (const PlatformFunction& function : kPlatforms) {
    DefineText(library, function.name, std::string(record::TargetPlatformName(function.platform)));
  }
  DefineText(library, "get_current_platform", std::string(record::TargetPlatformName(record::CurrentPlatform())));
}

}  // namespace nacelle::runtime
