// Serialized engine records: what a TorchScript program stores of an engine.
//
// A record is a vector of strings. Its first field says which ABI version it has, and that decides how many
// fields follow and how the plan is written. docs/records.md describes the format; kFields below is its one
// source in code: counts, names in errors and conversions all come from it.
//
// Everything here is a pure function of its arguments: calls may run at once on any thread.
#ifndef NACELLE_CORE_RECORD_RECORD_H_
#define NACELLE_CORE_RECORD_RECORD_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/device/device.h"

namespace nacelle::record {

inline constexpr int kOldestVersion = 3;
inline constexpr int kNewestVersion = 10;
inline constexpr int kDefaultVersion = 3;  // what new programs get, unless they need a later one

inline constexpr char kItemDelimiter = '%';  // between names and between aliases

// The fields of a record, in the order in which they are stored: the value is the index.
enum class Field : uint8_t {
  kAbiVersion,
  kName,
  kDevice,
  kEngine,
  kInputNames,
  kOutputNames,
  kHardwareCompatible,
  kMetadata,
  kTargetPlatform,
  kRequiresOutputAllocator,
  kResourceAllocation,
  kRequiresNativeMultiDevice,
  kAliasedIo,
};

struct FieldInfo {
  Field field;
  std::string_view name;  // in errors, in FieldFromName and in Python's drop=
  int since;              // the version that added it
};

inline constexpr std::array<FieldInfo, 13> kFields = {{
    {Field::kAbiVersion, "abi_version", 3},
    {Field::kName, "name", 3},
    {Field::kDevice, "device", 3},
    {Field::kEngine, "engine", 3},
    {Field::kInputNames, "input_names", 4},
    {Field::kOutputNames, "output_names", 4},
    {Field::kHardwareCompatible, "hardware_compatible", 5},
    {Field::kMetadata, "metadata", 6},
    {Field::kTargetPlatform, "target_platform", 6},
    {Field::kRequiresOutputAllocator, "requires_output_allocator", 7},
    {Field::kResourceAllocation, "resource_allocation", 8},
    {Field::kRequiresNativeMultiDevice, "requires_native_multi_device", 9},
    {Field::kAliasedIo, "aliased_io", 10},
}};

constexpr size_t IndexOf(Field field) { return static_cast<size_t>(field); }
constexpr const FieldInfo& InfoOf(Field field) { return kFields[IndexOf(field)]; }

// The number of fields in a record of `version`: the fields are stored in the order in which they were added.
constexpr size_t FieldCount(int version) {
  size_t count = 0;
  for (const FieldInfo& info : kFields) count += info.since <= version ? 1 : 0;
  return count;
}

using FieldSet = std::set<Field>;

// The field that `name` names. Throws InputError with the names that there are.
Field FieldFromName(std::string_view name);

// Where a plan was built to run.
enum class TargetPlatform : uint8_t { kUnknown, kLinuxX8664, kLinuxAarch64, kWindowsX8664, kWindowsArm64 };

// As records write it: "linux_x86_64", …, "unknown".
std::string_view TargetPlatformName(TargetPlatform platform);

// The opposite. Throws RecordError with the names that there are.
TargetPlatform TargetPlatformFromName(std::string_view name);

// What this code was compiled for.
TargetPlatform CurrentPlatform();

// The platform that a plan is taken to be built for if nobody says it: that of this machine, or kUnknown for bytes that
// are no plan of a known kind.
TargetPlatform AssumedPlatform(std::string_view plan);

// Whether a context holds its device memory all the time or only while it runs.
enum class ResourceAllocation : uint8_t { kStatic, kDynamic };

// The kinds of alias that Torch-TensorRT writes. "kv_cache_update": the plan itself gives the output the input's
// memory, and writes only what is new. "user": the model's author asked for it, and the plan computes the output like
// any other.
inline constexpr std::array<std::string_view, 2> kAliasKinds = {"kv_cache_update", "user"};

// An output that shares its memory with an input.
struct AliasedIo {
  std::string output;
  std::string input;
  std::string kind;  // not empty; a record may hold kinds that are not in kAliasKinds, an engine that runs may not

  friend bool operator==(const AliasedIo&, const AliasedIo&) = default;
};

// A parsed record. A plain value that owns all it holds; the plan may be gigabytes, so move it.
// The defaults are the neutral values: what a record that lacks the field means.
struct Record {
  int version = kDefaultVersion;
  std::string name;
  device::Device device;
  std::string plan;  // raw bytes, whatever the version

  // Binding names in the order in which the engine takes and gives tensors. Empty: that order comes from the
  // numbers in the plan's own names (binding_order.h).
  std::vector<std::string> input_names;
  std::vector<std::string> output_names;

  bool hardware_compatible = false;
  std::string metadata;  // opaque: never interpreted, never unpickled
  TargetPlatform target_platform = TargetPlatform::kUnknown;
  bool requires_output_allocator = false;
  ResourceAllocation resource_allocation = ResourceAllocation::kStatic;
  bool requires_native_multi_device = false;
  std::vector<AliasedIo> aliased_io;

  friend bool operator==(const Record&, const Record&) = default;
};

// How the engine field may hold the plan.
enum class PlanForm : uint8_t {
  kOfVersion,  // version 3: raw bytes; later: base64
  kAny,        // also raw bytes in later versions, told by the magic that a plan begins with: base64 of a plan has none
  kElsewhere,  // not looked at, and `plan` stays empty: whoever parses keeps the plan
};

// True if records of `version` hold the plan in base64, not as raw bytes.
constexpr bool HoldsBase64(int version) { return version >= 4; }

// Returns the version of a record of `field_count` fields, of which `text` is the first. Throws RecordError for a
// version that is not known, and for a number of fields that is not the version's.
int ReadVersion(std::string_view text, size_t field_count);

// Reads a record: the version first, then the number of fields, then every field. What is accepted is canonical:
// Write(Parse(fields)) gives the same bytes. The plan of a version 3 record is moved, not copied; later versions
// are decoded straight into the plan's buffer. Throws RecordError naming the field, what it holds and what was wanted.
Record Parse(std::vector<std::string> fields, PlanForm form = PlanForm::kOfVersion);

// The same from fields that belong to somebody else: the plan is the one large thing that is copied, or decoded.
Record Parse(std::span<const std::string_view> fields);

// The record as fields of its own version; what Write accepts, Parse reads back as an equal Record. Throws RecordError
// for what that version cannot hold: a name with a delimiter in it, or a field that the version lacks and that is
// not neutral. The second form moves the plan of a version 3 record.
std::vector<std::string> Write(const Record& record);
std::vector<std::string> Write(Record&& record);

// The record in another version.
//
// Up: fields that `version` adds get the values that they have in `record`. After Parse these are the neutral ones;
// a caller that knows more sets them before (target_platform: Torch-TensorRT refuses "unknown", see AssumedPlatform).
// Down: a field that `version` lacks must be neutral, or be in `drop`, which accepts its loss. Binding names are kept,
// in effect, where version 3 would read the same order from the names themselves (OrderFollowsNames). A platform that
// AssumedPlatform gives again need not be kept.
// Fields in `drop` that `version` has stay as they are.
//
// Throws one RecordError that names every field that cannot be kept with its value, RecordError for a version that
// is not known, and InputError where `drop` holds a field that every version has.
Record Convert(Record record, int version, const FieldSet& drop = {});

}  // namespace nacelle::record

#endif  // NACELLE_CORE_RECORD_RECORD_H_
