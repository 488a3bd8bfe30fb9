// The dtypes that torch and TensorRT share.
#ifndef NACELLE_RUNTIME_SCALAR_TYPE_H_
#define NACELLE_RUNTIME_SCALAR_TYPE_H_

#include <c10/core/ScalarType.h>

#include <optional>
#include <string>
#include <string_view>

#include "core/tensorrt/slot_tables.h"
#include "runtime/export.h"

namespace nacelle::runtime {

// nullopt where torch has no such dtype (kINT4, kFP4: torch packs two values into an element).
NACELLE_API std::optional<at::ScalarType> ToScalarType(tensorrt::DataType type);

// nullopt where TensorRT has no such dtype (float64, complex64 …).
NACELLE_API std::optional<tensorrt::DataType> ToDataType(at::ScalarType type);

// The name that Python uses: "float32", "int64" …
NACELLE_API std::string DtypeName(at::ScalarType type);

// The opposite, for the dtypes that torch and TensorRT share; nullopt for others.
NACELLE_API std::optional<tensorrt::DataType> DataTypeFromName(std::string_view name);

}  // namespace nacelle::runtime

#endif  // NACELLE_RUNTIME_SCALAR_TYPE_H_
