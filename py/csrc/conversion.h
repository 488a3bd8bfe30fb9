// The conversion of a record that an engine holds: beyond record::Convert, fields that a plan tells are filled.
#ifndef NACELLE_PY_CSRC_CONVERSION_H_
#define NACELLE_PY_CSRC_CONVERSION_H_

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/record/record.h"
#include "runtime/engine.h"

namespace nacelle::python {

// The arguments of a conversion, which may be applied to several records.
class Conversion {
 public:
  // Throws InputError for a field or platform that there is not, and RecordError for a version that keeps no platform.
  Conversion(int version, const std::vector<std::string>& drop, const std::optional<std::string>& platform);

  // The converted record of the engine at `path`. `engine` returns it; it is called only if the engine may tell fields
  // that its record lacks, and is set up then if that can be done here. Of `record` the beginning of the plan is
  // enough. Throws RecordError, which names the path, for what the version cannot keep.
  record::Record Apply(const std::string& path, record::Record record,
                       const std::function<runtime::Engine*()>& engine) const;

 private:
  bool NeedsEngine(const record::Record& record) const;
  void SetPlatform(record::Record& record) const;

  int version_;
  record::FieldSet drop_;
  std::optional<record::TargetPlatform> platform_;
};

}  // namespace nacelle::python

#endif  // NACELLE_PY_CSRC_CONVERSION_H_
