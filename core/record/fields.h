// The text form of each field of a record, shared by Parse, Write and Convert. Internal to core/record.
#ifndef NACELLE_CORE_RECORD_FIELDS_H_
#define NACELLE_CORE_RECORD_FIELDS_H_

#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/device/device.h"
#include "core/record/record.h"

namespace nacelle::record::internal {

// Reads `text` into `value`, whose type decides the form. Throws RecordError without the field's name; the caller adds
// it.
void ReadValue(std::string text, std::string& value);
void ReadValue(std::string text, device::Device& value);
void ReadValue(std::string text, std::vector<std::string>& value);
void ReadValue(std::string text, bool& value);
void ReadValue(std::string text, TargetPlatform& value);
void ReadValue(std::string text, ResourceAllocation& value);
void ReadValue(std::string text, std::vector<AliasedIo>& value);

// Returns the text of `value`. Throws RecordError if it could not be read back as an equal value.
std::string WriteValue(const std::string& value);
std::string WriteValue(const device::Device& value);
std::string WriteValue(const std::vector<std::string>& value);
std::string WriteValue(bool value);
std::string WriteValue(TargetPlatform value);
std::string WriteValue(ResourceAllocation value);
std::string WriteValue(const std::vector<AliasedIo>& value);

// Calls visit(record.member) for the member that holds `field`; `record` may be const. Does nothing for the ABI version
// and the engine, whose text depends on more than their value.
template <typename RecordType, typename Visitor>
void VisitField(RecordType& record, Field field, Visitor&& visit) {
  static_assert(std::is_same_v<std::remove_const_t<RecordType>, Record>);
  switch (field) {
    case Field::kAbiVersion:
    case Field::kEngine:
      return;
    case Field::kName:
      return visit(record.name);
    case Field::kDevice:
      return visit(record.device);
    case Field::kInputNames:
      return visit(record.input_names);
    case Field::kOutputNames:
      return visit(record.output_names);
    case Field::kHardwareCompatible:
      return visit(record.hardware_compatible);
    case Field::kMetadata:
      return visit(record.metadata);
    case Field::kTargetPlatform:
      return visit(record.target_platform);
    case Field::kRequiresOutputAllocator:
      return visit(record.requires_output_allocator);
    case Field::kResourceAllocation:
      return visit(record.resource_allocation);
    case Field::kRequiresNativeMultiDevice:
      return visit(record.requires_native_multi_device);
    case Field::kAliasedIo:
      return visit(record.aliased_io);
  }
}

// True if the member that holds `field` has its default.
bool IsNeutral(const Record& record, Field field);

// Sets the member that holds `field` to its default.
void MakeNeutral(Record& record, Field field);

// Describes the value of `field` in a message; does not throw for a value that cannot be written.
std::string Shown(const Record& record, Field field);

// "field 4 (input_names)".
std::string Label(Field field);

// Throws RecordError with the known versions unless `version` is one of them.
void CheckVersion(int version);

}  // namespace nacelle::record::internal

#endif  // NACELLE_CORE_RECORD_FIELDS_H_
