// Functions of torch.ops.tensorrt that return the layout of records.
#ifndef NACELLE_RUNTIME_INTERNAL_RECORD_OPERATORS_H_
#define NACELLE_RUNTIME_INTERNAL_RECORD_OPERATORS_H_

#include <torch/library.h>

namespace nacelle::runtime {

// Defines the functions of Torch-TensorRT's Python code that are useful to every reader of records: ABI_VERSION,
// SERIALIZATION_LEN, an index for each field, the delimiters and the names of platforms. If records differ by version,
// the functions describe the newest one, which holds all fields.
void RegisterRecordOperators(torch::Library& library);

}  // namespace nacelle::runtime

#endif  // NACELLE_RUNTIME_INTERNAL_RECORD_OPERATORS_H_
