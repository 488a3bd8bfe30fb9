#include "py/csrc/conversion.h"

#include <utility>

#include "core/error.h"
#include "core/text.h"
#include "py/csrc/bindings.h"
#include "runtime/internal/record_facts.h"

namespace nacelle::python {

Conversion::Conversion(int version, const std::vector<std::string>& drop, const std::optional<std::string>& platform)
    : version_(version) {
  for (const std::string& name : drop) drop_.insert(record::FieldFromName(name));
  platform_ = ParsePlatform(platform, version);
}

bool Conversion::NeedsEngine(const record::Record& record) const {
  if (version_ > record.version) return true;
  const bool keeps_names = version_ >= record::InfoOf(record::Field::kInputNames).since;
  return !keeps_names && !(record.input_names.empty() && record.output_names.empty());
}

// Sets the platform: the one given, else this machine's if the record states none.
void Conversion::SetPlatform(record::Record& record) const {
  if (version_ < record::InfoOf(record::Field::kTargetPlatform).since) return;
  if (platform_) {
    record.target_platform = *platform_;
  } else if (record.target_platform == record::TargetPlatform::kUnknown) {
    record.target_platform = record::AssumedPlatform(record.plan);
  }
}

record::Record Conversion::Apply(const std::string& path, record::Record record,
                                 const std::function<runtime::Engine*()>& engine) const {
  try {
    if (NeedsEngine(record)) {
      runtime::Engine& asked = *engine();
      if (!asked.why_not_ready().empty()) {
        // It is converted with what its record says.
      } else if (version_ > record.version) {
        runtime::AddKnownFields(record, asked.loaded());
      } else {
        runtime::RemoveNeedlessNames(record, asked.loaded());
      }
    }
    SetPlatform(record);
    return record::Convert(std::move(record), version_, drop_);
  } catch (const RecordError& error) {
    throw RecordError(Cat("engine ", path, ": ", error.what()));
  }
}

}  // namespace nacelle::python
