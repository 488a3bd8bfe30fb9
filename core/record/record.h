// Serialized engine records: the form in which a program stores an engine.
//
// A record is a vector of strings. Its first field is the ABI version, which decides how many fields follow and how the
// plan is written:
//
//   version 3           3 │ name │ device │ plan (raw bytes)
//   version 4           4 │ name │ device │ plan (base64) │ input names │ output names
//   versions 5 to 10    … and the fields that each of them added, see kFields
//
// docs/reference/records.md describes the format; kFields is its one source in code: counts, names in errors and
// conversions all come from it.
//
//   Record record = Parse(std::move(fields));
//   record.name = "encoder";
//   fields = Write(Convert(std::move(record), 8));
//
// Pure functions: calls may run at once on any thread.
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
inline constexpr int kDefaultVersion = 3;  // of new programs, unless they need a later one

inline constexpr char kItemDelimiter = '%';  // between names and between aliases

// The fields of a record, in the order in which they are stored: each value is an index.
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
  std::string_view name;  // as errors, FieldFromName and Python's drop= write it
  int since;              // the ABI version that added it
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

// Returns the number of fields in a record of `version`. Fields are stored in the order in which they were added.
constexpr size_t FieldCount(int version) {
  size_t count = 0;
  for (const FieldInfo& info : kFields) count += info.since <= version ? 1 : 0;
  return count;
}

using FieldSet = std::set<Field>;

// Returns the field called `name`. Throws InputError that lists the names.
Field FieldFromName(std::string_view name);

// The platform that a plan was built to run on.
enum class TargetPlatform : uint8_t { kUnknown, kLinuxX8664, kLinuxAarch64, kWindowsX8664, kWindowsArm64 };

// Returns the name that records write: "linux_x86_64", …, "unknown".
std::string_view TargetPlatformName(TargetPlatform platform);

// Returns the platform that records call `name`. Throws RecordError that lists the names.
TargetPlatform TargetPlatformFromName(std::string_view name);

// Returns the platform that this code was compiled for.
TargetPlatform CurrentPlatform();

// Returns the platform to assume for a plan whose record names none: this machine's, or kUnknown for bytes that are no
// plan of a known kind.
TargetPlatform AssumedPlatform(std::string_view plan);

// The time for which an execution context holds its device memory: always (static) or while it runs (dynamic).
enum class ResourceAllocation : uint8_t { kStatic, kDynamic };

// The kinds of alias that Torch-TensorRT writes. "kv_cache_update": the plan itself puts the output into the input's
// memory, and writes only the new part. "user": the model's author asked for it, and the plan computes the output like
// any other.
inline constexpr std::array<std::string_view, 2> kAliasKinds = {"kv_cache_update", "user"};

// An output that shares its memory with an input.
struct AliasedIo {
  std::string output;
  std::string input;
  std::string kind;  // not empty; a record may hold kinds beyond kAliasKinds, but an engine with them does not run

  friend bool operator==(const AliasedIo&, const AliasedIo&) = default;
};

// A parsed record: a plain value that owns all it holds. The plan may be gigabytes, so move it.
//
// Each default is the field's neutral value: the meaning of a record that lacks the field.
struct Record {
  int version = kDefaultVersion;
  std::string name;
  device::Device device;
  std::string plan;  // raw bytes in every version

  // Binding names in the order in which the engine takes and gives tensors. If empty, that order comes from the numbers
  // in the plan's own names (binding_order.h).
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

// The forms of the plan that Parse accepts in the engine field.
enum class PlanForm : uint8_t {
  kOfVersion,  // version 3: raw bytes; later versions: base64
  kAny,        // raw bytes in later versions too; they begin with a plan's magic, which base64 of a plan never does
  kElsewhere,  // any bytes; Parse does not read them and leaves `plan` empty, since the caller keeps the plan
};

// True if records of `version` hold the plan in base64, not as raw bytes.
constexpr bool HoldsBase64(int version) { return version >= 4; }

// Returns the version of a record of `field_count` fields whose first is `text`. Throws RecordError for an unknown
// version, and for a number of fields that is not the version's.
int ReadVersion(std::string_view text, size_t field_count);

// Reads a record: the version, the number of fields, then every field. Accepts canonical fields only: Write(Parse(
// fields)) gives the same bytes. Moves the plan of a version 3 record; decodes that of later versions straight into the
// plan's buffer. Throws RecordError that names the field, its value and the wanted form.
Record Parse(std::vector<std::string> fields, PlanForm form = PlanForm::kOfVersion);

// Reads a record from fields that the caller keeps; copies or decodes the plan.
Record Parse(std::span<const std::string_view> fields);

// Writes the fields of the record's own version; Parse reads them back as an equal Record. Throws RecordError for a
// value that this version cannot hold: a name with a delimiter in it, or a field that the version lacks and that is not
// neutral. The second form moves the plan of a version 3 record.
std::vector<std::string> Write(const Record& record);
std::vector<std::string> Write(Record&& record);

// Writes the fields of the record's own version, as Write does, but leaves the plan's empty.
std::vector<std::string> WriteWithoutPlan(const Record& record);

// Converts the record to another version.
//
// Up: fields that `version` adds keep the values that they have in `record`. After Parse these are the neutral ones;
// set better ones before (target_platform: Torch-TensorRT refuses "unknown", see AssumedPlatform).
//
// Down: a field that `version` lacks must be neutral, or be in `drop`, which accepts its loss. Two fields may go
// without loss: binding names, if version 3 would read the same order from the names themselves (OrderFollowsNames),
// and a platform that AssumedPlatform gives again. Fields in `drop` that `version` has stay as they are.
//
// Throws RecordError that names every field that cannot be kept with its value, or an unknown version; InputError if
// `drop` holds a field that every version has.
Record Convert(Record record, int version, const FieldSet& drop = {});

}  // namespace nacelle::record

#endif  // NACELLE_CORE_RECORD_RECORD_H_
