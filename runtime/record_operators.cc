#include "runtime/record_operators.h"

#include <array>
#include <cstdint>
#include <string>
#include <utility>

#include "core/abi/record.h"
#include "core/device/device.h"
#include "core/text.h"

namespace nacelle::runtime {
namespace {

using abi::Field;
using abi::TargetPlatform;

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
static_assert(kIndices.size() == abi::kFields.size());

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
  DefineText(library, "ABI_VERSION", std::to_string(abi::kNewestVersion));
  DefineNumber(library, "SERIALIZATION_LEN", abi::FieldCount(abi::kNewestVersion));
  for (const FieldIndex& index : kIndices) DefineNumber(library, index.name, abi::IndexOf(index.field));
  DefineText(library, "SERIALIZED_ENGINE_BINDING_DELIM", std::string(1, abi::kItemDelimiter));
  DefineText(library, "SERIALIZED_RT_DEVICE_DELIM", std::string(1, device::kDeviceDelimiter));
  for (const PlatformFunction& function : kPlatforms) {
    DefineText(library, function.name, std::string(abi::TargetPlatformName(function.platform)));
  }
  DefineText(library, "get_current_platform", std::string(abi::TargetPlatformName(abi::CurrentPlatform())));
}

}  // namespace nacelle::runtime
