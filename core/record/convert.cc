#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/record/binding_order.h"
#include "core/record/fields.h"
#include "core/record/record.h"
#include "core/text.h"

namespace nacelle::record {
namespace {

void CheckDrop(const FieldSet& drop) {
  for (const Field field : drop) {
    if (InfoOf(field).since > kOldestVersion) continue;
    throw InputError(Cat("field ", InfoOf(field).name, " cannot be dropped: records of every version have it"));
  }
}

// True if a reader of the record would not miss `field`.
bool CanLeaveOut(const Record& record, Field field) {
  if (field == Field::kInputNames) return OrderFollowsNames(record.input_names);
  if (field == Field::kOutputNames) return OrderFollowsNames(record.output_names);
  if (field == Field::kTargetPlatform && record.target_platform == AssumedPlatform(record.plan)) return true;
  return internal::IsNeutral(record, field);
}

std::string WhyItMatters(Field field) {
  if (field != Field::kInputNames && field != Field::kOutputNames) return "";
  return " (the order cannot be read off the names)";
}

}  // namespace

Record Convert(Record record, int version, const FieldSet& drop) {
  internal::CheckVersion(record.version);
  internal::CheckVersion(version);
  CheckDrop(drop);
  std::vector<std::string> lost;
  for (const FieldInfo& info : kFields) {
    if (info.since <= version) continue;
    if (!drop.contains(info.field) && !CanLeaveOut(record, info.field)) {
      lost.push_back(Cat(info.name, " = ", internal::Shown(record, info.field), WhyItMatters(info.field)));
    }
  }
  if (!lost.empty()) {
    throw RecordError(Cat("record of ABI version ", record.version, " cannot become version ", version,
                          ", which has no place for ", Join(lost, ", "),
                          "; convert to a newer version, or name these fields in drop to accept their loss"));
  }
  for (const FieldInfo& info : kFields) {
    if (info.since > version) internal::MakeNeutral(record, info.field);
  }
  record.version = version;
  return record;
}

}  // namespace nacelle::record
