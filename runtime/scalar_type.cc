#include "runtime/scalar_type.h"

#include "runtime/reference/dtype.h"

namespace nacelle::runtime {

std::string DtypeName(at::ScalarType type) {
  if (const auto shared = ToDataType(type)) return reference::FindDtype(*shared)->name;
  if (type == at::ScalarType::Double) return "float64";
  if (type == at::ScalarType::Short) return "int16";
  return c10::toString(type);
}

std::optional<tensorrt::DataType> DataTypeFromName(std::string_view name) {
  for (const reference::Dtype& dtype : reference::Dtypes()) {
    if (name == dtype.name) return dtype.type;
  }
  return std::nullopt;
}

}  // namespace nacelle::runtime
