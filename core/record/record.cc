#include "core/record/record.h"

#include <charconv>
#include <system_error>
#include <unordered_set>
#include <utility>

#include "core/error.h"
#include "core/plan/plan_header.h"
#include "core/record/base64.h"
#include "core/record/fields.h"
#include "core/text.h"

namespace nacelle::record {
namespace {

using internal::Label;

// The table is indexed by Field and sorted by version, so that the fields of a version are its first FieldCount.
constexpr bool TableIsInOrder() {
  for (size_t i = 0; i < kFields.size(); ++i) {
    if (IndexOf(kFields[i].field) != i) return false;
    if (i > 0 && kFields[i].since < kFields[i - 1].since) return false;
  }
  return kFields.front().since == kOldestVersion && kFields.back().since == kNewestVersion;
}
static_assert(TableIsInOrder());

// Returns the names of the fields of `version`, for messages.
std::string FieldNames(int version) {
  std::vector<std::string_view> names;
  for (size_t i = 0; i < FieldCount(version); ++i) names.push_back(kFields[i].name);
  return Join(names, ", ");
}

int ParseVersion(std::string_view text) {
  int version = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), version);
  if (error != std::errc() || end != text.data() + text.size() || std::to_string(version) != text) {
    throw RecordError(Cat("record ", Label(Field::kAbiVersion), ": ", Quote(text, 24), " is not a version; wanted ",
                          kOldestVersion, " to ", kNewestVersion));
  }
  if (version < kOldestVersion || version > kNewestVersion) {
    throw RecordError(Cat("record of ABI version ", version, "; versions ", kOldestVersion, " to ", kNewestVersion,
                          " can be read",
                          version > kNewestVersion ? ": update Nacelle, or save the program in an older version"
                                                   : ": compile the program again"));
  }
  return version;
}

void CheckCount(int version, size_t count) {
  const size_t expected = FieldCount(version);
  if (count == expected) return;
  throw RecordError(
      Cat("record of ABI version ", version, " has ", count, " fields; wanted ", expected, ": ", FieldNames(version)));
}

void CheckPlan(const std::string& plan) {
  if (plan.empty()) throw RecordError("the plan is empty; wanted a serialized engine");
}

// Throws if an alias names a binding that is not among those that the record lists.
void CheckAliasedNames(const Record& record) {
  using Known = std::unordered_set<std::string_view>;  // a damaged record may have very many names and aliases
  const auto check = [](const Known& known, const std::vector<std::string>& names, const std::string& name,
                        std::string_view kind) {
    if (names.empty() || known.contains(name)) return;
    throw RecordError(Cat("alias names the ", kind, " ", Quote(name), "; wanted one of the ", kind,
                          " names: ", Quote(Join(names, ", "))));
  };
  const Known outputs(record.output_names.begin(), record.output_names.end());
  const Known inputs(record.input_names.begin(), record.input_names.end());
  for (const AliasedIo& alias : record.aliased_io) {
    check(outputs, record.output_names, alias.output, "output");
    check(inputs, record.input_names, alias.input, "input");
  }
}

// Runs `action`; puts the record and the field before the message of a RecordError that it throws.
template <typename Action>
void InField(int version, Field field, Action&& action) {
  try {
    action();
  } catch (const RecordError& error) {
    throw RecordError(Cat("record of ABI version ", version, ", ", Label(field), ": ", error.what()));
  }
}

bool HoldsRawPlan(int version, std::string_view text, PlanForm form) {
  return !HoldsBase64(version) || (form == PlanForm::kAny && plan::HasPlanMagic(text));
}

// `Text` is std::string_view, or std::string, which is moved to spare a copy of the plan.
template <typename Text>
void ReadField(Record& record, Field field, Text&& text, PlanForm form) {
  if (field == Field::kAbiVersion) return;
  if (field == Field::kEngine) {
    if (form == PlanForm::kElsewhere) return;
    record.plan = HoldsRawPlan(record.version, text, form) ? std::string(std::forward<Text>(text)) : Base64Decode(text);
    return CheckPlan(record.plan);
  }
  internal::VisitField(record, field,
                       [&](auto& value) { internal::ReadValue(std::string(std::forward<Text>(text)), value); });
  if (field == Field::kAliasedIo) CheckAliasedNames(record);
}

// `Fields` is a vector of strings, which is moved from, or a span of views.
template <typename Fields>
Record ParseFields(Fields& fields, PlanForm form) {
  Record record;
  record.version = ReadVersion(fields.empty() ? std::string_view() : fields.front(), fields.size());
  for (size_t i = 0; i < fields.size(); ++i) {
    const Field field = kFields[i].field;
    InField(record.version, field, [&] { ReadField(record, field, std::move(fields[i]), form); });
  }
  return record;
}

// Returns the text of a field; empty for the engine, whose text is the plan.
std::string FieldText(const Record& record, Field field) {
  if (field == Field::kAbiVersion) return std::to_string(record.version);
  if (field == Field::kAliasedIo) CheckAliasedNames(record);
  std::string text;
  internal::VisitField(record, field, [&](const auto& value) { text = internal::WriteValue(value); });
  return text;
}

// Returns WriteWithoutPlan(record), for a record that has a plan.
std::vector<std::string> WriteAllButEngine(const Record& record) {
  std::vector<std::string> fields = WriteWithoutPlan(record);
  InField(record.version, Field::kEngine, [&] { CheckPlan(record.plan); });
  return fields;
}

}  // namespace

Field FieldFromName(std::string_view name) {
  std::vector<std::string_view> known;
  for (const FieldInfo& info : kFields) {
    if (info.name == name) return info.field;
    known.push_back(info.name);
  }
  throw InputError(Cat("records have no field ", Quote(name), "; their fields are ", Join(known, ", ")));
}

int ReadVersion(std::string_view text, size_t field_count) {
  if (field_count == 0) {
    throw RecordError(
        Cat("record has no fields; wanted an ABI version (", kOldestVersion, " to ", kNewestVersion, ") as its first"));
  }
  const int version = ParseVersion(text);
  CheckCount(version, field_count);
  return version;
}

Record Parse(std::vector<std::string> fields, PlanForm form) { return ParseFields(fields, form); }

Record Parse(std::span<const std::string_view> fields) { return ParseFields(fields, PlanForm::kOfVersion); }

std::vector<std::string> WriteWithoutPlan(const Record& record) {
  internal::CheckVersion(record.version);
  std::vector<std::string> fields;
  fields.reserve(FieldCount(record.version));
  for (const FieldInfo& info : kFields) {
    InField(record.version, info.field, [&] {
      if (info.since <= record.version) {
        fields.push_back(FieldText(record, info.field));
      } else if (!internal::IsNeutral(record, info.field)) {
        throw RecordError(Cat("holds ", internal::Shown(record, info.field), ", but only version ", info.since,
                              " and later have this field: write one of these, or clear it"));
      }
    });
  }
  return fields;
}

std::vector<std::string> Write(const Record& record) {
  std::vector<std::string> fields = WriteAllButEngine(record);
  std::string& engine = fields[IndexOf(Field::kEngine)];
  if (HoldsBase64(record.version)) {
    engine = Base64Encode(record.plan);
  } else {
    engine = record.plan;
  }
  return fields;
}

std::vector<std::string> Write(Record&& record) {
  if (HoldsBase64(record.version)) return Write(std::as_const(record));
  std::vector<std::string> fields = WriteAllButEngine(record);
  fields[IndexOf(Field::kEngine)] = std::move(record.plan);
  return fields;
}

}  // namespace nacelle::record
